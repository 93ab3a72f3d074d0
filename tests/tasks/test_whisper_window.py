import numpy as np
import pytest

from tests.arrays import to_numpy
from tests.whisper_examples import recognizer, sounds


def test_a_shorter_window_hears_what_the_whole_hears_of_so_much():
    """With silence behind it, the encoder makes something else of it."""
    task = recognizer("en", seed=8)
    short = task.with_window(0.06)
    assert (short.max_samples, short.window_seconds) == (960, 0.06)
    assert short.max_new_tokens == 6  # of 9, rounded up
    table = short.whisper.get_layer("encoder_positions").embeddings
    assert table.shape == (3, 12)
    inputs = {
        "samples": sounds(2, num_samples=960),
        "token_ids": np.array([[14, 15, 18, 19, 5], [14, 15, 18, 19, 7]]),
    }
    found = to_numpy(short(inputs))
    np.testing.assert_allclose(found, to_numpy(task(inputs)), atol=1e-5)
    behind = np.pad(inputs["samples"], ((0, 0), (0, 640)))
    whole = to_numpy(task({**inputs, "samples": behind}))
    assert np.abs(found - whole).max() > 0.01
    # Longer than the window: cut at a quiet place, both parts heard.
    assert len(short.transcribe(sounds(1)[0], details=True)["token_ids"]) > 6
    again = task.with_window(task.window_seconds)
    assert again.transcribe(behind[0]) == task.transcribe(behind[0])
    for seconds in (0.05, 0.12, 0.0):
        with pytest.raises(ValueError, match="multiple of 0.02 s, at most 0.1"):
            task.with_window(seconds)
