"""The golden folder of the device runners is what Keras gives, and whole."""

import json

import numpy as np
import pytest

from tests.device_runners import GOLDEN, TINY, golden


@pytest.fixture(scope="module")
def make_golden(load_script):
    return load_script("tflite/make_golden.py")


@pytest.fixture(scope="module")
def recognizer():
    from keras_selfattn.tasks import SpeechRecognizer

    return SpeechRecognizer.from_preset_folder(TINY)


def test_keras_gives_what_the_folder_holds(make_golden, recognizer):
    facts, kept = golden()
    samples = make_golden.recording(TINY / "sample.wav", 16000, 10.0)
    arrays = make_golden.run(recognizer, samples)
    assert sorted(arrays) == sorted(kept)
    for name, value in arrays.items():
        np.testing.assert_allclose(value, kept[name], atol=1e-4, err_msg=name)
    metadata = recognizer.export_metadata()
    assert make_golden.texts(arrays, metadata) == facts["texts"]


def test_the_folder_is_of_the_kept_weights_and_small():
    facts, arrays = golden()
    preset = json.loads((TINY / "preset.json").read_text(encoding="utf8"))
    weights = preset["files"]["model.safetensors"]["sha256"]
    assert facts["weights_sha256"] == weights
    assert facts["num_chunks"] == len(arrays["num_samples"])
    assert sum(path.stat().st_size for path in GOLDEN.iterdir()) < 500_000
    listed = {spec["file"] for spec in facts["arrays"].values()}
    assert {path.name for path in GOLDEN.iterdir()} == listed | {"golden.json"}


def test_the_recording_has_what_runners_must_meet():
    facts, arrays = golden()
    size = arrays["samples"].shape[1]
    assert (arrays["num_samples"][:-1] == size).all()
    assert 0 < arrays["num_samples"][-1] < size  # a last chunk, not whole
    assert len(facts["texts"]) == 2  # an endpoint


def test_the_runtime_hears_the_same_texts():
    from keras_selfattn.runtime.streaming_transcriber import (
        StreamingTranscriber,
    )

    facts, arrays = golden()
    stream = StreamingTranscriber(TINY)
    for chunk, count in zip(arrays["samples"], arrays["num_samples"]):
        stream.feed(chunk[:count])
    texts = [segment.text for segment in stream.take_segments()]
    assert [*texts, stream.finish().text] == facts["texts"]


def test_a_segment_ends_late_in_a_pause_and_at_its_greatest_length(make_golden):
    metadata = {
        "vocabulary": ["<blank>", " ", "a"],
        "frame_seconds": 0.1,
        "stream": {"chunk_seconds": 0.4, "longest_segment_seconds": 4.0},
    }

    def texts(chunks):
        ids = np.array(chunks)
        return make_golden.texts(
            {
                "samples": np.zeros((len(ids), 4)),
                "num_samples": np.full(len(ids), 4),
                "token_ids": ids,
                "log_probabilities": np.eye(3)[ids],
            },
            metadata,
        )

    speech, pause = [2, 0, 2, 0], [0, 0, 0, 0]
    assert texts([speech] * 12) == ["a" * 20, "aaaa"]
    assert texts([[2, 0, 2, 2]] * 5 + [pause, speech]) == ["a" * 15, "aa"]
    assert texts([speech, pause, speech]) == ["aaaa"]


def test_chunks_that_are_not_the_whole_are_seen(make_golden, recognizer):
    samples = make_golden.recording(TINY / "sample.wav", 16000, 0.5)
    wanted = recognizer.reference_outputs(
        {"samples": samples}, recognizer.chunk_frames
    )
    ids, scores = wanted["token_ids"], wanted["log_probabilities"]
    make_golden.check(recognizer, samples, ids, scores)
    with pytest.raises(SystemExit, match="apart"):
        make_golden.check(recognizer, samples, ids, scores + 0.01)
    with pytest.raises(SystemExit, match="apart"):
        make_golden.check(recognizer, samples, ids + 1, scores)
