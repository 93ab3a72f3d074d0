"""Makes tests/golden/tiny_text: a text classifier of a few kB.

    python -m tests.golden.make_tiny_text

It needs the extras torch, tensorflow and test. It knows a dozen words, which is
enough to test files, labels and the command in milliseconds. Made once and
committed: no test runs this.
"""

import os
import shutil
from pathlib import Path

import numpy as np

os.environ["KERAS_BACKEND"] = "torch"  # another gives other random weights

import keras  # noqa: E402

from keras_selfattn import zoo  # noqa: E402
from keras_selfattn.models.text_cnn import TextCNN  # noqa: E402
from keras_selfattn.preprocessing.text_tokenizer import (  # noqa: E402
    TextTokenizer,
)
from keras_selfattn.runtime import Classifier  # noqa: E402
from keras_selfattn.runtime.preset_folder import write_json  # noqa: E402
from keras_selfattn.tasks import TextClassifier  # noqa: E402

FOLDER = Path(__file__).parent / "tiny_text"
TEXTS = {
    "bad": ["a bad film", "so bad", "dull and long", "a long , dull film"],
    "good": ["a good film", "so good", "warm and funny", "a funny , warm film"],
}
SAMPLE = "A funny film, so warm!"


def classifier():
    """Return a small model that has learned the texts."""
    keras.utils.set_random_seed(7)
    texts = [text for rows in TEXTS.values() for text in rows]
    labels = np.repeat([0, 1], 4)
    tokenizer = TextTokenizer.build(texts, cleaning={"html": True})
    encoder = TextCNN(
        tokenizer.vocabulary_size, 8, [3], dilations=[1], dropout=0.0
    )
    task = TextClassifier(list(TEXTS), tokenizer, encoder)
    task.compile(keras.optimizers.Adam(0.03))
    task.fit(tokenizer.batch(texts), labels, epochs=40, verbose=0)
    return task


def main():
    """Write the preset folder anew."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    classifier().save_preset(
        FOLDER,
        name="tiny_text",
        description="Knows a dozen words, for tests.",
        language="en",
        license="Apache-2.0",
    )
    # What is saved is float16: export what a load gives.
    task = TextClassifier.from_preset_folder(FOLDER)
    found = task.classify(SAMPLE)
    task.export(FOLDER / "model.tflite")
    preset = zoo.seal(FOLDER)
    preset["reference"] = {
        "text": SAMPLE,
        "label": found.label,
        "scores": found.scores,
    }
    write_json(FOLDER / "preset.json", preset)
    (FOLDER / "card.md").write_text("# tiny_text\n\nKnows a dozen words.\n")
    zoo.seal(FOLDER)
    zoo.check(FOLDER)
    wrong = [
        text
        for label, texts in TEXTS.items()
        for text in texts
        if Classifier(FOLDER).classify(text).label != label
    ]
    if wrong:
        raise SystemExit(f"not learned: {wrong}")
    size = sum(path.stat().st_size for path in FOLDER.iterdir())
    print(f"{FOLDER.name}: {size} bytes, {found.label!r} {found.score:.3f}")


if __name__ == "__main__":
    main()
