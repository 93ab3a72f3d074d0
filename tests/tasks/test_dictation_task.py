"""What both recognisers share is tested through them; here, what is not."""

import numpy as np
import pytest

from keras_selfattn.losses.cross_entropy import smoothed_cross_entropy
from keras_selfattn.tasks.dictation_task import NO_LABEL, DictationTask
from tests import moonshine_examples, whisper_examples
from tests.arrays import to_numpy

TASKS = {
    "whisper": lambda: whisper_examples.recognizer("en"),
    "moonshine": moonshine_examples.recognizer,
}


@pytest.mark.parametrize("kind", TASKS)
def test_the_loss_is_that_of_the_labels(kind):
    task = TASKS[kind]()
    heard = moonshine_examples.waves([1600, 1500])
    inputs, labels = task.training_batch(heard, ["ab c", "a"])
    before = len(task.writing_rules().prompt) - 1
    assert (labels[:, :before] == NO_LABEL).all()
    assert labels[1, -1] == NO_LABEL
    logits = task(inputs)
    found = to_numpy(task.compute_loss(inputs, labels, logits))
    costs = to_numpy(smoothed_cross_entropy(np.maximum(labels, 0), logits))
    expected = costs[labels != NO_LABEL].mean()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("kind", TASKS)
def test_answers_come_in_the_order_of_the_recordings(kind):
    task = TASKS[kind]()
    heard = moonshine_examples.waves([1600, 900, 1200])
    one_by_one = [task.transcribe(wave, details=True) for wave in heard]
    together = task.transcribe(heard, details=True, batch_size=2)
    assert [row["token_ids"] for row in together] == [
        row["token_ids"] for row in one_by_one
    ]


def test_the_base_is_abstract():
    import keras

    x = keras.Input((2,))
    task = DictationTask(inputs=x, outputs=x)
    with pytest.raises(NotImplementedError, match="does not define writer"):
        _ = task.writer
    for name, arguments in (
        ("heard", ({}, None)),
        ("sound_rows", ([],)),
        ("text_ids", ("",)),
        ("text_of", ([],)),
        ("writing_rules", ()),
    ):
        with pytest.raises(NotImplementedError, match=rf"{name}\(\)"):
            getattr(task, name)(*arguments)
