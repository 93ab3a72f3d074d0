"""Languages and texts by chance, of a Whisper that was not trained."""

import numpy as np
import pytest

from keras_selfattn.decoding.temperature_fallback import TemperatureFallback
from keras_selfattn.tasks import WhisperRecognizer
from tests.arrays import to_numpy
from tests.whisper_examples import recognizer, sounds, tokenizer, whisper

SURE = TemperatureFallback(least_log_probability=-99.0, most_compression=99.0)
NEVER = TemperatureFallback((0.0, 1e-3), least_log_probability=0.0)
HOT = [6, 2, 0, 0, 12]  # drawn at temperature 2 with seed 0, on torch


@pytest.fixture(scope="module")
def task():
    """Knows "en" and "de", and is told neither."""
    return recognizer(seed=8, multilingual=True)


def first_scores(task, waves):
    """Logits behind `<|startoftranscript|>`, by the functional model."""
    rows = task.sound_rows(list(waves))
    ids = np.full((len(waves), 1), task.id_of["<|startoftranscript|>"])
    return to_numpy(task({**rows, "token_ids": ids}))[:, 0]


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def mean_log_probability(task, wave, rules, ids):
    """Of a text and its end, by the functional model and float64."""
    given = np.array([[*rules.prompt, *ids]])
    rows = task.sound_rows([wave])
    logits = to_numpy(task({**rows, "token_ids": given}))[0].astype("float64")
    logits = logits[len(rules.prompt) - 1 :]
    logits[:, list(rules.banned_ids)] = -np.inf
    logits[0, list(rules.banned_first_ids)] = -np.inf
    logs = log_softmax(logits)
    wanted = [*ids, rules.end_id][: rules.max_new_tokens]
    return sum(logs[i, t] for i, t in enumerate(wanted)) / len(wanted)


@pytest.mark.backend
def test_languages_and_drawn_texts(task):
    waves = sounds(3)
    logits = first_scores(task, waves)[:, [15, 16]]
    expected = np.exp(log_softmax(logits))
    found = task.detect_language(list(waves))
    for row, wanted in zip(found, expected, strict=True):
        assert list(row.values()) == sorted(row.values(), reverse=True)
        np.testing.assert_allclose([row["en"], row["de"]], wanted, atol=1e-5)
    # Hardly warm, the likeliest are drawn: what the search writes.
    (searched,) = task.transcribe([waves[0]], language="en", details=True)
    (drawn,) = task.transcribe(
        [waves[0]], language="en", details=True, fallback=NEVER
    )
    assert drawn.pop("temperatures") == [1e-3]
    assert drawn["token_ids"] == searched["token_ids"] != []
    assert drawn["score"] == pytest.approx(searched["score"], abs=1e-4)
    # Hot, chance has its way: the same on all backends.
    hot = TemperatureFallback((0.0, 2.0), least_log_probability=0.0)
    (drawn,) = task.transcribe(
        [waves[0]], alpha=0.0, language="en", details=True, fallback=hot
    )
    assert drawn["token_ids"] == HOT != searched["token_ids"]
    mean = mean_log_probability(task, waves[0], task.writing_rules("en"), HOT)
    tokens = min(len(HOT) + 1, 9)
    assert drawn["score"] == pytest.approx(mean * tokens, abs=1e-3)


def test_what_is_believed_stays_what_it_was(task):
    waves = list(sounds(2))
    for beam, alpha in ((1, 1.0), (3, 0.6)):
        options = {"beam": beam, "alpha": alpha, "details": True}
        plain = task.transcribe(waves, **options)
        found = task.transcribe(waves, **options, fallback=SURE)
        for row, expected in zip(found, plain, strict=True):
            assert row.pop("temperatures") == [0.0]
            assert row.pop("score") == pytest.approx(expected.pop("score"))
            assert row == expected
    assert task.transcribe(waves, fallback=True) == task.transcribe(
        waves, fallback=TemperatureFallback()
    )


def test_the_mean_is_that_of_the_text_and_its_end(task):
    """A threshold a little above and below it turns the answer."""
    wave = sounds(1)[0]
    rules = task.writing_rules("de")
    for beam, alpha in ((1, 1.0), (3, 0.6)):
        options = {"beam": beam, "alpha": alpha, "language": "de"}
        (plain,) = task.transcribe([wave], details=True, **options)
        ids = plain["token_ids"]
        mean = mean_log_probability(task, wave, rules, ids)
        mean *= min(len(ids) + 1, 9) / (len(ids) + 1)
        for least, temperature in ((mean - 0.01, 0.0), (mean + 0.01, 1.0)):
            fallback = TemperatureFallback((0.0, 1.0), least, 99.0)
            (found,) = task.transcribe(
                [wave], details=True, fallback=fallback, **options
            )
            assert found["temperatures"] == [temperature]


def test_where_nobody_speaks_nothing_is_written():
    config = tokenizer().get_config()
    config["vocabulary"][21] = "<|nospeech|>"
    task = WhisperRecognizer(config, whisper(8), "en", max_new_tokens=9)
    wave = sounds(1)[0]
    logs = log_softmax(first_scores(task, [wave]).astype("float64"))
    silence = float(np.exp(logs[0, 21]))
    for most, text in ((silence * 0.99, ""), (silence * 1.01, None)):
        fallback = TemperatureFallback(
            (0.0,), least_log_probability=0.0, most_no_speech=most
        )
        found = task.transcribe(wave, details=True, fallback=fallback)
        assert found["temperatures"] == [None if text == "" else 0.0]
        assert (found["token_ids"] == []) == (text == "")
