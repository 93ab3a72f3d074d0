"""What a text is worth besides its sound: words, language model, phrases.

A search asks for the score of a text as it grows by a piece; the state that it
keeps is immutable, so many texts may share a beginning.
"""

from collections import namedtuple

from keras_selfattn.decoding.ctc import WORD_START
from keras_selfattn.decoding.phrase_boost import PhraseBoost

# score: all that counts so far; guess: the part of it that stands in for the
# word being spelled, until it is whole; word: its letters; context: of the
# language model; phrase: of the phrases.
TextState = namedtuple("TextState", "score guess word context phrase")


class TextScorer:
    """Adds to a text's log-probability by sound what else speaks for it.

        lm_weight ln p(words) + word_bonus (number of words) + phrases

    While a word is spelled, the likeliest word with this beginning stands in
    for it, so that the language model is heard at each letter and not at the
    word's end only. A word that is not in the model counts as `<unk>` and costs
    `unknown_penalty` (a word of a phrase does not).

    Reference: Hannun et al. 2014 (arXiv:1408.2873), equation 5, for weight and
    bonus; Ortmanns et al. 1996 for the look-ahead.

    Args:
        language_model: `NgramModel`, or None.
        lm_weight: float >= 0.
        word_bonus: float, for each word.
        unknown_penalty: float >= 0.
        phrases: iterable of str, or dict of str to float; see `PhraseBoost`.
        phrase_bonus: float, for each character of a phrase.
    """

    def __init__(
        self,
        language_model=None,
        lm_weight=0.5,
        word_bonus=0.0,
        unknown_penalty=5.0,
        phrases=(),
        phrase_bonus=1.0,
    ):
        if lm_weight < 0 or unknown_penalty < 0:
            raise ValueError(
                f"lm_weight={lm_weight}, unknown_penalty={unknown_penalty}; "
                "expected numbers >= 0."
            )
        self.language_model = language_model
        self.lm_weight = float(lm_weight)
        self.word_bonus = float(word_bonus)
        self.unknown_penalty = float(unknown_penalty)
        self._boost = PhraseBoost(phrases, phrase_bonus) if phrases else None
        words = [w for p in phrases for w in p.split()] if phrases else []
        self._names = frozenset(words)
        self._beginnings = frozenset(
            word[:end] for word in words for end in range(1, len(word) + 1)
        )
        self._guesses = {}

    @property
    def is_neutral(self):
        """No text is worth more than another."""
        return (
            (self.language_model is None or not self.lm_weight)
            and not self.word_bonus
            and self._boost is None
        )

    def start(self):
        """The state of an empty text."""
        model, boost = self.language_model, self._boost
        return TextState(
            0.0,
            0.0,
            "",
            None if model is None else model.start,
            None if boost is None else boost.start,
        )

    def advance(self, state, piece):
        """The state after one more token.

        Args:
            state: what `start` or an earlier call gave.
            piece: str, the token's text, a blank for U+2581.
        """
        for character in piece:
            state = self._advance(state, character)
        return state

    def finish(self, state):
        """The score of the text if it ends here."""
        if state.word:
            state = self._end_word(state)
        score = state.score
        if self._boost is not None:
            score += self._boost.finish(state.phrase)
        if self.language_model is not None:
            score += self.lm_weight * self.language_model.end(state.context)
        return score

    def _advance(self, state, character):
        earned, phrase = 0.0, state.phrase
        if character != " ":
            word = state.word + character
            guess = self._guess(word)
            earned = guess - state.guess
        elif state.word:
            state = self._end_word(state)
            word, guess = "", 0.0
        else:
            word, guess = "", 0.0
        if self._boost is not None:
            given, phrase = self._boost.advance(phrase, character)
            earned += given
        return TextState(
            state.score + earned, guess, word, state.context, phrase
        )

    def _end_word(self, state):
        """The state with the whole word's score in place of the guess."""
        score = state.score - state.guess + self.word_bonus
        context = state.context
        if self.language_model is not None:
            log_prob, context = self.language_model.score(context, state.word)
            score += self.lm_weight * log_prob
            if state.word not in self.language_model:
                score -= self._penalty(state.word in self._names)
        return state._replace(score=score, guess=0.0, word="", context=context)

    def _guess(self, beginning):
        known = self._guesses.get(beginning)
        if known is not None:
            return known
        guess, model = self.word_bonus, self.language_model
        if model is not None:
            log_prob = model.best_with_prefix(beginning)
            if log_prob is None:
                log_prob = model.best_with_prefix("<unk>")
                guess -= self._penalty(beginning in self._beginnings)
            guess += self.lm_weight * log_prob
        if len(self._guesses) > 1 << 16:  # bounded over hours
            self._guesses.clear()
        self._guesses[beginning] = guess
        return guess

    def _penalty(self, is_name):
        return 0.0 if is_name else self.unknown_penalty


def piece_texts(vocabulary):
    """What each token of a vocabulary adds to a text; special ones nothing.

    Args:
        vocabulary: list of str; U+2581 stands for a blank.

    Returns:
        list of str.
    """
    return [
        ""
        if len(piece) > 2 and piece[0] == "<" and piece[-1] == ">"
        else piece.replace(WORD_START, " ")
        for piece in vocabulary
    ]
