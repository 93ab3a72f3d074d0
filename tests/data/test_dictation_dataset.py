"""Batches for recognisers that write: what is read, what is to be written."""

import numpy as np
import pytest
import soundfile

from keras_selfattn.data.corpora import SpeechExample
from keras_selfattn.data.dictation_dataset import DictationDataset
from tests.whisper_examples import recognizer, sounds

TEXTS = ["ab c", "de a", "a", "bad cab"]


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    found = []
    for number, text in enumerate(TEXTS):
        path = folder / f"{number}.wav"
        (wave,) = sounds(1, 400 + 300 * number, seed=number)
        soundfile.write(path, wave, 16000)
        seconds = len(wave) / 16000
        found.append(SpeechExample(path, text, "x", seconds, "train"))
    return found


def make(examples, rate, window_seconds=0.1, **options):
    return DictationDataset(
        examples,
        recognizer("en"),
        window_seconds,
        rate,
        batch_size=2,
        length_multiple_seconds=0.02,
        progress=False,
        **options,
    )


def test_a_batch_is_what_the_task_makes_of_its_examples(examples):
    dataset = make(examples, 0.0)
    assert dataset.num_examples == 4 and len(dataset) == 2
    for index in range(2):
        inputs, labels = dataset[index]
        rows = dataset.batch_examples(index)
        task = recognizer("en")
        expected, written = task.training_batch(
            [row.path for row in rows], [row.text for row in rows]
        )
        width = written.shape[1]
        np.testing.assert_array_equal(labels[:, :width], written)
        assert (labels[:, width:] == -1).all()
        given = inputs["token_ids"]
        np.testing.assert_array_equal(given[:, :width], expected["token_ids"])
        length = inputs["samples"].shape[1]
        assert length % 320 == 0 and length <= 1600
        np.testing.assert_allclose(
            inputs["samples"], expected["samples"][:, :length], atol=1e-4
        )


def test_a_share_of_the_batches_has_the_whole_window(examples):
    assert [x["samples"].shape[1] for x, _ in make(examples, 1.0)] == [1600] * 2
    assert make(examples, 1.0, 0.02)[0][0]["samples"].shape[1] > 320
    lengths = []
    dataset = make(examples, 0.5)
    for epoch in range(8):
        dataset.set_epoch(epoch)
        lengths += [x["samples"].shape[1] for x, _ in dataset.batches()]
        dataset.set_epoch(epoch, first_batch=1)  # the same after a kill
        assert dataset[0][0]["samples"].shape[1] == lengths[-1]
    assert 3 < lengths.count(1600) < 13
    with pytest.raises(ValueError, match="full_window_rate=2; expected 0 to 1"):
        make(examples, 2)
