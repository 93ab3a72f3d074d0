"""What a training of adapters leaves, with the golden BERT as its encoder."""

import json

import numpy as np

from keras_selfattn import zoo
from keras_selfattn.tasks.pretrained_classifier import pretrained_classifier
from keras_selfattn.training.lora import (
    add_lora,
    merge_lora,
    outside,
    save_adapters,
)

CHECKPOINT = "tests/golden/checkpoints/bert"
TARGETS = ["attention/key$", "feed_forward/expand"]


def a_classifier(pretrained):
    return pretrained_classifier(pretrained, ["bad", "good"])


def write_run(repository, run, begin=a_classifier):
    """Writes the folder of a run; returns the task it ended with.

    `begin` makes a task of the golden BERT; a classifier without.
    """
    task = begin(zoo.load(repository / CHECKPOINT))
    add_lora(task, 2, 4.0, TARGETS, outside(task, task.encoder))
    generator = np.random.default_rng(0)
    for variable in task.trainable_variables:
        variable.assign(0.1 * generator.standard_normal(variable.shape))
    run.mkdir()
    save_adapters(task, run / "adapters.safetensors")
    merged = merge_lora(task)
    merged.save_preset(run / "preset")
    arguments = {"lora_rank": 2, "lora_alpha": 4.0, "lora_targets": TARGETS}
    (run / "arguments.json").write_text(json.dumps(arguments))
    return merged
