"""A bonus for names and phrases while they are spelled out.

All phrases are one automaton over characters (Aho and Corasick 1975), each
with a blank before and after, so that only whole words count. What a beginning
has earned is given back where the spelling turns away from every phrase. Of
phrases that overlap, the one that began first counts.
"""

from collections import deque


class PhraseBoost:
    """Tells what phrases are worth at each character of a text.

    Args:
        phrases: iterable of str, or dict of str to float, a factor for the
            bonus of that phrase.
        bonus: float, log-probability a character is made likelier by.

    Example:
    ```python
    boost = PhraseBoost(["view glass"], bonus=1.0)
    state = boost.start
    for character in "view gl":
        earned, state = boost.advance(state, character)  # 1.0 each
    ```
    """

    def __init__(self, phrases, bonus=1.0):
        if not isinstance(phrases, dict):
            phrases = dict.fromkeys(phrases, 1.0)
        self.phrases = {
            " ".join(phrase.split()): factor
            for phrase, factor in phrases.items()
        }
        if "" in self.phrases or not all(self.phrases.values()):
            raise ValueError(
                f"phrases={phrases!r}; expected texts with at least one "
                "character and factors other than 0."
            )
        # A node is a place in these lists; 0 is the root.
        self._next, self._worth, self._whole = [{}], [0.0], [False]
        self._back = [0]
        for phrase, factor in sorted(self.phrases.items()):
            self._add(f" {phrase} ", bonus * factor)
        self._link()
        self.start = self._go(0, " ")

    def _add(self, text, bonus):
        node, earned = 0, 0.0
        for place, character in enumerate(text):
            if self._whole[node]:
                earned = 0.0  # a shorter phrase has it for good
            if 0 < place < len(text) - 1:
                earned += bonus  # nothing for the blanks at both ends
            following = self._next[node].get(character)
            if following is None:
                following = self._next[node][character] = len(self._next)
                self._next.append({})
                self._worth.append(earned)
                self._whole.append(False)
                self._back.append(0)
            elif not self._whole[following]:
                self._worth[following] = max(self._worth[following], earned)
            node = following
        self._whole[node], self._worth[node] = True, earned

    def _link(self):
        waiting = deque(self._next[0].values())
        while waiting:
            node = waiting.popleft()
            for character, following in self._next[node].items():
                waiting.append(following)
                self._back[following] = self._go(self._back[node], character)

    def _go(self, node, character):
        while node and character not in self._next[node]:
            node = self._back[node]
        return self._next[node].get(character, 0)

    def advance(self, state, character):
        """What a character earns, or gives back, and the state after it.

        Args:
            state: `start`, or what an earlier call gave.
            character: str of length 1.

        Returns:
            `(float, state)`.
        """
        following = self._go(state, character)
        if self._whole[following]:
            # For good, even where a longer phrase goes on from here.
            return self._worth[following] - self._lent(state), following
        return self._lent(following) - self._lent(state), following

    def finish(self, state):
        """What the end of the text earns or gives back."""
        earned, following = self.advance(state, " ")
        return earned - self._lent(following)

    def _lent(self, node):
        return 0.0 if self._whole[node] else self._worth[node]
