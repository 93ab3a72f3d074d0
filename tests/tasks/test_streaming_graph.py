"""A stream of chunks gives what one run under chunk masks gives."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_selfattn.decoding.ctc import emissions
from keras_selfattn.export.verify import verify
from keras_selfattn.layers.spectral import LogMelSpectrogram
from keras_selfattn.losses import frame_distillation
from keras_selfattn.models.conformer import ConformerEncoder
from keras_selfattn.tasks import streaming_graph
from keras_selfattn.tasks.speech_recognizer import SpeechRecognizer
from keras_selfattn.tasks.task import Task
from tests.arrays import waveform
from tests.fixed_weights import draw_weights

RATE = 16000
TINY = Path(__file__).parents[1] / "golden" / "tiny_stream"
STAGE = {
    "hidden_dim": 16,
    "num_layers": 2,
    "num_heads": 2,
    "intermediate_dim": 24,
    "kernel_size": 9,
    "dropout": 0.1,
    "positions": "rotary",
}
WHISPER = {
    **STAGE,
    "strides": [1, 2],
    "num_layers": 1,
    "block": "transformer",
    "positions": "sinusoidal",
}


def recognizer(*stages, left_frames=10, **kwargs):
    """Random weights whose best token changes from frame to frame."""
    stages = stages or (STAGE,)
    task = SpeechRecognizer(
        LogMelSpectrogram(num_mel_bins=12, padding="causal"),
        ConformerEncoder(
            12,
            list(stages),
            streaming={"chunk_frames": [4, 8, 16], "left_frames": left_frames},
        ),
        **kwargs,
    )
    draw_weights(task)
    (rows,) = task.frame_log_probabilities([waveform(RATE)])
    kernel, _ = task.head.get_weights()
    task.head.set_weights([3 * kernel, -3 * rows.mean(axis=0)])
    return task


def keras_step(task):
    """Runs one chunk in Keras, as a file would."""
    _, inputs = streaming_graph.part(task)
    step = streaming_graph.compiled_step(task)

    def run(**arrays):
        assert {
            name: (array.shape, str(array.dtype))
            for name, array in arrays.items()
        } == inputs
        found = step(**arrays)
        assert {
            name.removeprefix("next_"): (array.shape, str(array.dtype))
            for name, array in found.items()
            if name.startswith("next_")
        } == {k: v for k, v in inputs.items() if k.startswith("state_")}
        return found

    return run


@pytest.fixture(scope="module")
def task():
    """Both kinds of blocks, both kinds of positions, strides of 1 and 2."""
    return recognizer(WHISPER, {**STAGE, "strides": [2]})


@pytest.mark.slow
@pytest.mark.backend
@pytest.mark.parametrize("chunk_frames", [4, 8, 16])
def test_a_stream_is_the_run_in_chunks(task, chunk_frames):
    task.chunk_frames = chunk_frames
    size = streaming_graph.chunk_samples(task)
    assert size == {4: 0.16, 8: 0.32, 16: 0.64}[chunk_frames] * RATE
    samples = waveform(int(1.2345 * RATE), noise=0.1)
    assert len(samples) % size and len(samples) % 640
    (expected,) = task.frame_log_probabilities(
        [samples], chunk_frames=chunk_frames
    )
    ids, scores = streaming_graph.drive(task, keras_step(task), samples)
    np.testing.assert_allclose(scores, expected, atol=1e-4)
    assert ids.tolist() == emissions(expected.argmax(axis=-1)).tolist()
    assert len(set(ids.tolist())) > 3
    (whole,) = task.frame_log_probabilities([samples])
    assert np.abs(whole - expected).max() > 1e-2


@pytest.mark.backend
def test_predict_keeps_a_function_for_each_size(task):
    samples = waveform(RATE)
    (whole,) = task.frame_log_probabilities([samples])
    found = {
        size: task.frame_log_probabilities([samples], chunk_frames=size)[0]
        for size in (4, 8)
    }
    assert np.abs(found[4] - found[8]).max() > 1e-3
    for size, expected in ((8, found[8]), (None, whole), (4, found[4])):
        (again,) = task.frame_log_probabilities([samples], chunk_frames=size)
        np.testing.assert_allclose(again, expected, atol=1e-5)
    assert task.encoder.chunk_frames is None
    heard = task.transcribe([samples], chunk_frames=8, details=True)[0]
    ids = emissions(found[8].argmax(axis=-1))
    assert heard["token_ids"] == ids[ids > 0].tolist()


def test_the_state_has_all_that_is_seen_of_the_past():
    task = recognizer()
    shapes = streaming_graph.state_shapes(task)
    assert shapes["samples"] == ((1, 320), "float32")
    assert shapes["last_id"] == ((1,), "int32")
    assert set(shapes) - {"samples", "last_id"} == set(
        task.encoder.state_shapes()
    )
    short = SpeechRecognizer(
        LogMelSpectrogram(
            window_length_samples=160, num_mel_bins=12, padding="causal"
        ),
        task.encoder,
    )
    assert "samples" not in streaming_graph.state_shapes(short)
    rows = streaming_graph.drive(short, keras_step(short), waveform(3000))[1]
    (expected,) = short.frame_log_probabilities(
        [waveform(3000)], chunk_frames=16
    )
    np.testing.assert_allclose(rows, expected, atol=1e-4)


def test_what_a_host_must_know():
    task = recognizer(chunk_frames=8)
    found = streaming_graph.describe(task)
    assert found["chunk_samples"] == 5120
    assert (found["chunk_seconds"], found["latency_ms"]) == (0.32, 320)
    assert found["longest_segment_seconds"] is None
    assert found["states"]["frames"] == {"shape": [1], "dtype": "int32"}
    task.chunk_frames = None
    assert streaming_graph.describe(task)["chunk_frames"] == 16
    config = task.get_config()
    assert "chunk_frames" not in config
    task.chunk_frames = 4
    twin = SpeechRecognizer.from_config(task.get_config())
    assert twin.chunk_frames == 4
    assert twin.get_config() == task.get_config()
    bounded = recognizer(WHISPER, {**STAGE, "strides": [2]})
    assert streaming_graph.describe(bounded)["longest_segment_seconds"] == 20


def test_what_cannot_stream_is_refused():
    encoder = ConformerEncoder(80, [STAGE], streaming={})
    with pytest.raises(ValueError, match="expected 'causal' and None"):
        SpeechRecognizer(LogMelSpectrogram(), encoder)
    with pytest.raises(ValueError, match="expected 'causal' and None"):
        SpeechRecognizer(
            LogMelSpectrogram(padding="causal", dynamic_range_db=80.0), encoder
        )
    assert SpeechRecognizer(encoder=encoder).frontend.padding == "causal"
    plain = SpeechRecognizer(encoder=ConformerEncoder(80, [STAGE]))
    assert plain.chunk_frames is None and not plain.export_parts()
    assert "stream" not in plain.export_metadata()
    with pytest.raises(ValueError, match="made without streaming"):
        plain.chunk_frames = 8
    with pytest.raises(ValueError, match="made without streaming"):
        plain.transcribe(waveform(RATE), chunk_frames=8)
    with pytest.raises(ValueError, match="ints >= 1"):
        SpeechRecognizer(encoder=encoder, chunk_frames=0)


@pytest.mark.backend
def test_what_has_learnt_in_chunks_hears_both_ways():
    """Trained with drawn chunk sizes: see `golden/make_tiny_stream.py`."""
    task = Task.from_preset_folder(TINY)
    reference = json.loads((TINY / "preset.json").read_text())["reference"]
    sample = TINY / "sample.wav"
    assert task.transcribe(sample) == reference["text"]
    for chunk_frames in (4, 8):
        found = task.transcribe(sample, details=True, chunk_frames=chunk_frames)
        assert found["text"] == reference["text"]
    assert task.chunk_frames == 4
    report = verify(task, TINY / "model.tflite")
    assert report.equal == report.compared > 100
    stream = report.parts["stream"]
    assert stream.equal == stream.compared == report.compared
    differences = stream.max_abs_difference, report.max_abs_difference
    assert max(differences) < 1e-4


@pytest.mark.slow
@pytest.mark.backend
def test_chunks_learn_from_full_context():
    task = recognizer()
    samples = np.stack([waveform(RATE), waveform(RATE, noise=0.3)])
    x = {
        "samples": samples,
        "num_samples": np.array([RATE, RATE // 2], "int32"),
    }
    y = keras.ops.array([[3, 4, 5], [6, 0, 0]])
    lengths = task.output_lengths(x["num_samples"])
    whole = task(x)
    task.encoder.chunk_frames = 4
    chunked = task(x)
    task.encoder.chunk_frames = None
    plain = float(task.compute_loss(x, y, chunked))
    task.distill(0.5, 1)
    found = float(task.compute_loss(x, y, chunked))
    apart = frame_distillation(whole, chunked, lengths, 1)
    expected = plain + 0.5 * float(keras.ops.sum(apart)) / 4
    assert found == pytest.approx(expected, rel=1e-4)
    assert found > plain + 0.01
    assert float(
        task.compute_loss(x, y, chunked, training=False)
    ) == pytest.approx(plain, rel=1e-5)
    task.compile(keras.optimizers.Adam(1e-3))
    losses = [float(task.train_on_batch(x, y)) for _ in range(3)]
    assert np.isfinite(losses).all()
    task.distill(0)
    assert float(task.compute_loss(x, y, chunked)) != found


def test_what_cannot_be_distilled_is_refused():
    plain = SpeechRecognizer(encoder=ConformerEncoder(80, [STAGE]))
    with pytest.raises(ValueError, match="an encoder that streams"):
        plain.distill(0.5)
    for weight, delay in ((-1, 0), (float("nan"), 0), (1, -1), (1, 0.5)):
        with pytest.raises(ValueError, match="a number >= 0 and an int >= 0"):
            recognizer().distill(weight, delay)
