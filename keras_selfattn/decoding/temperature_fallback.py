"""When a text is not believed, and drawn anew. Standard library only."""

import zlib
from dataclasses import dataclass


@dataclass(frozen=True)
class TemperatureFallback:
    """Which texts of a recogniser are believed, and what is done with others.

    A text whose tokens the model itself finds unlikely, or that says the same
    again and again, is drawn anew at the next temperature. One that is
    unlikely where the model hears nobody speak is left out.

    Reference: Radford et al. 2022 (arXiv:2212.04356), section 4.5. Differs: of
    each temperature one text is drawn (OpenAI's code draws five and keeps the
    likeliest); nothing is conditioned on the text before.

    Args:
        temperatures: floats; the first is 0, the search itself, the others
            are tried in turn. The last one's text is taken as it is.
        least_log_probability: float, mean over the tokens of a text and its
            end, below which it is not believed.
        most_compression: float, see `compression_ratio`, above which it is
            not believed.
        most_no_speech: float, probability of silence above which a text of a
            low log-probability is left out.
        seed: int; the same seed draws the same texts.

    Raises:
        ValueError: temperatures that do not begin with 0, or go on with one
            that is not above it.
    """

    temperatures: tuple = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    least_log_probability: float = -1.0
    most_compression: float = 2.4
    most_no_speech: float = 0.6
    seed: int = 0

    def __post_init__(self):
        first, *others = self.temperatures or (None,)
        if first != 0 or not all(t > 0 for t in others):
            raise ValueError(
                f"temperatures={self.temperatures}; expected 0, which is the "
                "search itself, and then temperatures above 0."
            )

    def settle(self, searched, draw, text_of, no_speech):
        """The first text that is believed, else the last.

        Args:
            searched: what the search found: token ids without the end, and
                the sum of their log-probabilities and that of the end.
            draw: function of a temperature to such a pair.
            text_of: function of token ids to str.
            no_speech: function without arguments to the probability that
                nobody speaks; None where the model does not tell.

        Returns:
            token ids, the sum of log-probabilities, and the temperature, None
            where it is taken for silence: then there are no ids.
        """
        for temperature in self.temperatures:
            ids, total = draw(temperature) if temperature else searched
            likely = total / (len(ids) + 1) >= self.least_log_probability
            if not likely and no_speech is not None:
                if no_speech() > self.most_no_speech:
                    return ids[:0], total, None
            ratio = compression_ratio(text_of(ids))
            if likely and ratio <= self.most_compression:
                break
        return ids, total, temperature


def compression_ratio(text):
    """How much shorter zlib makes a text: bytes before over bytes after.

    Args:
        text: str.

    Returns:
        float, 0 for an empty text; what is repeated gives more.
    """
    before = text.encode("utf-8")
    return len(before) / len(zlib.compress(before))
