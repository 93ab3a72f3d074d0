import zlib

import pytest

from keras_selfattn.decoding.temperature_fallback import (
    TemperatureFallback,
    compression_ratio,
)


def settle(fallback, drawn, no_speech=None):
    """By texts of each temperature, (text, mean log-probability)."""
    asked = []

    def found(temperature):
        asked.append(temperature)
        text, mean = drawn[temperature]
        return list(text), mean * (len(text) + 1)

    silence = None if no_speech is None else lambda: no_speech
    ids, _, temperature = fallback.settle(found(0.0), found, "".join, silence)
    return "".join(ids), temperature, asked


@pytest.mark.parametrize(
    ("drawn", "no_speech", "expected"),
    [
        ({0.0: ("abc", -0.9)}, 0.9, ("abc", 0.0)),
        ({0.0: ("abc", -1.1), 0.2: ("abd", -1.0)}, 0.5, ("abd", 0.2)),
        ({0.0: ("abc", -1.1), 0.2: ("abd", -1.0)}, None, ("abd", 0.2)),
        ({0.0: ("a" * 90, -0.1), 0.2: ("abd", -0.3)}, 0.9, ("abd", 0.2)),
        # Nothing is believed: the last is taken as it is.
        (
            {0.0: ("a", -2), 0.2: ("b", -2), 1.0: ("c" * 90, -2)},
            0.6,
            ("c" * 90, 1.0),
        ),
        # Nobody speaks; also where it turns out at a higher temperature.
        ({0.0: ("abc", -1.1)}, 0.61, ("", None)),
        ({0.0: ("a" * 90, -0.1), 0.2: ("abd", -1.3)}, 0.9, ("", None)),
    ],
)
def test_what_is_not_believed_is_drawn_anew(drawn, no_speech, expected):
    fallback = TemperatureFallback((0.0, 0.2, 1.0))
    *found, asked = settle(fallback, drawn, no_speech)
    assert tuple(found) == expected and asked == list(drawn)


def test_thresholds_are_settings():
    drawn = {0.0: ("abc", -1.1)}
    assert settle(TemperatureFallback(least_log_probability=-1.2), drawn)
    assert settle(TemperatureFallback((0.0,)), drawn)[0] == "abc"
    repeated = {0.0: ("ab" * 40, -0.1)}
    found = settle(TemperatureFallback(most_compression=99.0), repeated)
    assert found[1] == 0.0


def test_repeats_are_told_by_zlib():
    text = "f\u00fcr und f\u00fcr " * 9
    raw = text.encode()
    assert compression_ratio(text) == len(raw) / len(zlib.compress(raw)) > 2.4
    assert compression_ratio("") == 0


@pytest.mark.parametrize("temperatures", [(), (0.2,), (0.0, 0.0), (0.0, -1.0)])
def test_the_search_comes_first(temperatures):
    with pytest.raises(ValueError, match="expected 0, which is the search"):
        TemperatureFallback(temperatures)
