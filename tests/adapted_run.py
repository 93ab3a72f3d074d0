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


def write_run(repository, run):
    """Writes the folder of a run; returns the classifier it ended with."""
    task = zoo.load(repository / CHECKPOINT)
    classifier = pretrained_classifier(task, ["bad", "good"])
    encoder = classifier.encoder
    add_lora(classifier, 2, 4.0, TARGETS, outside(classifier, encoder))
    generator = np.random.default_rng(0)
    for variable in classifier.trainable_variables:
        variable.assign(0.1 * generator.standard_normal(variable.shape))
    run.mkdir()
    save_adapters(classifier, run / "adapters.safetensors")
    merged = merge_lora(classifier)
    merged.save_preset(run / "preset")
    arguments = {"lora_rank": 2, "lora_alpha": 4.0, "lora_targets": TARGETS}
    (run / "arguments.json").write_text(json.dumps(arguments))
    return merged
