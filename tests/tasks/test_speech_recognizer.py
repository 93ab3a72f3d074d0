import keras
import numpy as np
import pytest
import soundfile

from keras_selfattn.layers.spec_augment import SpecAugment
from keras_selfattn.layers.spectral import LogMelSpectrogram
from keras_selfattn.losses.ctc import ctc_loss
from keras_selfattn.models.conformer import ConformerEncoder
from keras_selfattn.preprocessing.audio import AudioError
from keras_selfattn.preprocessing.tokenizers import CharacterTokenizer
from keras_selfattn.tasks.speech_recognizer import SpeechRecognizer
from tests.arrays import to_numpy
from tests.fixed_weights import draw_weights

pytestmark = pytest.mark.backend

RATE = 16000
STAGE = {
    "hidden_dim": 32,
    "num_layers": 1,
    "num_heads": 2,
    "intermediate_dim": 32,
    "kernel_size": 3,
    "dropout": 0.0,
}
TONES = {"a": 400, "b": 1100, "c": 2600}


def recognizer(stage=None, **kwargs):
    return SpeechRecognizer(
        LogMelSpectrogram(num_mel_bins=16),
        ConformerEncoder(16, [{**STAGE, **(stage or {})}]),
        **kwargs,
    )


def spoken(text):
    """A tone of 0.12 s and a pause of 0.08 s for each letter."""
    t = np.arange(int(0.12 * RATE)) / RATE
    pause = np.zeros(int(0.08 * RATE))
    parts = [pause]
    for letter in text:
        parts += [0.4 * np.sin(2 * np.pi * TONES[letter] * t), pause]
    return np.concatenate(parts).astype("float32")


def batch(texts):
    """Inputs and padded token ids of generated tones."""
    rows = [spoken(text) for text in texts]
    width = max(len(row) for row in rows)
    ids = [CharacterTokenizer().encode(text) for text in texts]
    longest = max(len(row) for row in ids)
    inputs = {
        "samples": np.stack([np.pad(r, (0, width - len(r))) for r in rows]),
        "num_samples": np.array([len(row) for row in rows], "int32"),
    }
    return inputs, np.array(
        [row + [0] * (longest - len(row)) for row in ids], "int32"
    )


def test_overfits_one_batch_and_transcribes_it(tmp_path):
    keras.utils.set_random_seed(0)
    texts = ["abc", "cab", "bb", "acb"]
    inputs, ids = batch(texts)
    task = recognizer()
    task.compile(keras.optimizers.Adam(5e-3))
    history = task.fit(inputs, ids, batch_size=4, epochs=120, verbose=0)
    losses = history.history["loss"]
    assert losses[0] > 2
    assert losses[-1] < 0.1
    # As arrays, as a list, as a file, with details: the same words.
    rows = [spoken(text) for text in texts]
    assert task.transcribe(rows) == texts
    assert task.transcribe(rows[0]) == "abc"
    soundfile.write(tmp_path / "abc.wav", rows[0], RATE)
    found = task.transcribe(tmp_path / "abc.wav", details=True)
    assert found["text"] == "abc"
    assert found["token_ids"] == CharacterTokenizer().encode("abc")
    (word,) = found["words"]
    assert word["word"] == "abc"
    assert 0 <= word["start_s"] < word["end_s"] <= 0.8
    assert word["confidence"] > 0.5
    # In one run and in pieces of one.
    assert task.transcribe(rows, batch_size=1) == texts


def test_one_epoch_on_twenty_utterances_goes_down():
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list(TONES), 3)) for _ in range(20)]
    inputs, ids = batch(texts)
    task = recognizer(spec_augment=SpecAugment(1, 3, 1, 0.05))
    task.compile(keras.optimizers.Adam(2e-3))
    before = task.evaluate(inputs, ids, batch_size=4, verbose=0)
    task.fit(inputs, ids, batch_size=4, epochs=1, verbose=0)
    after = task.evaluate(inputs, ids, batch_size=4, verbose=0)
    assert np.isfinite(after)
    assert after < 0.8 * before


def test_the_loss_is_ctc_in_nats_a_label():
    task = draw_weights(recognizer())
    inputs, ids = batch(["abc", "b"])
    logits = task(inputs)
    lengths = task.output_lengths(inputs["num_samples"])
    assert lengths.tolist() == [17, 7]
    rows = to_numpy(ctc_loss(ids, logits, lengths))
    found = task.compute_loss(inputs, keras.ops.array(ids), logits)
    np.testing.assert_allclose(float(found), rows.sum() / 4, rtol=1e-5)
    weighted = task.compute_loss(
        inputs, keras.ops.array(ids), logits, np.array([0.0, 1.0])
    )
    np.testing.assert_allclose(float(weighted), rows[1], rtol=1e-5)


def test_padding_content_cannot_change_valid_logits():
    task = draw_weights(recognizer())
    inputs, _ = batch(["abc", "b"])
    clean = to_numpy(task(inputs))
    spoilt = {**inputs, "samples": inputs["samples"].copy()}
    spoilt["samples"][1, inputs["num_samples"][1] :] = 7.0
    found = to_numpy(task(spoilt))
    np.testing.assert_allclose(found[0], clean[0], atol=1e-5)
    np.testing.assert_allclose(found[1, :7], clean[1, :7], atol=1e-5)


def test_what_one_frame_is():
    task = recognizer()
    assert task.sampling_rate_hz == RATE
    assert task.frame_seconds == pytest.approx(0.04)
    assert task.min_samples == 1600
    assert task.output_lengths(16000) == 25
    slow = recognizer({"strides": [2, 2, 2]})
    assert slow.frame_seconds == pytest.approx(0.08)


def test_speech_longer_than_a_piece_is_cut_and_joined(monkeypatch):
    monkeypatch.setattr(
        "keras_selfattn.tasks.speech_input.MAX_PIECE_SECONDS", 0.5
    )
    task = draw_weights(recognizer())
    kernel, bias = task.head.get_weights()
    task.head.set_weights([10 * kernel, bias])  # so that tokens come out
    found = task.transcribe(spoken("abcabc"), details=True)
    assert len(found["token_ids"]) > 1
    assert found["words"]
    starts = [word["start_s"] for word in found["words"]]
    assert starts == sorted(starts)
    assert all(isinstance(word["word"], str) for word in found["words"])
    assert max(starts) > 0.5  # times go on from piece to piece


def test_the_shortest_input_is_padded():
    task = draw_weights(recognizer())
    assert isinstance(task.transcribe(np.zeros(1, "float32")), str)
    assert task.transcribe([]) == []


@pytest.mark.parametrize(
    "x",
    [
        "no/such/file.wav",
        np.zeros(0, "float32"),
        np.array([0.0, np.nan], "float32"),
        np.zeros((2, 2, 2), "float32"),
    ],
    ids=["missing", "empty", "nan", "rank_3"],
)
def test_bad_input_is_one_clear_error(x):
    with pytest.raises(AudioError):
        recognizer().transcribe(x)


def test_keras_file_round_trip(tmp_path):
    task = draw_weights(
        recognizer(spec_augment=SpecAugment(1, 2), tokenizer=None)
    )
    task.save(tmp_path / "task.keras")
    loaded = keras.models.load_model(tmp_path / "task.keras")
    assert isinstance(loaded, SpeechRecognizer)
    assert loaded.task_config() == task.task_config()
    inputs, _ = batch(["abc"])
    np.testing.assert_allclose(
        to_numpy(loaded(inputs)), to_numpy(task(inputs)), atol=1e-6
    )


def test_a_front_end_of_other_width_is_refused():
    with pytest.raises(ValueError, match="20 features.*takes 16"):
        SpeechRecognizer(
            LogMelSpectrogram(num_mel_bins=20), ConformerEncoder(16, [STAGE])
        )
