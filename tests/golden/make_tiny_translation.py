"""Makes tests/golden/tiny_translation: a translator of a few kB.

    python -m tests.golden.make_tiny_translation

It needs the extras torch, tensorflow, train and test. It knows number words and
their digits, which is enough to test files, texts and the command in
milliseconds. Made once and committed: no test runs this.
"""

import os
import shutil
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"  # another gives other random weights

import keras  # noqa: E402

from keras_selfattn import zoo  # noqa: E402
from keras_selfattn.data.translation_dataset import (  # noqa: E402
    TranslationDataset,
)
from keras_selfattn.models.transformer import Transformer  # noqa: E402
from keras_selfattn.runtime.preset_folder import write_json  # noqa: E402
from keras_selfattn.tasks import Translator  # noqa: E402
from tests.translation_examples import (  # noqa: E402
    number_pairs,
    number_tokenizer,
)

FOLDER = Path(__file__).parent / "tiny_translation"
SAMPLE = "seven three nine"


def translator():
    """Return a small model that has learned the numbers."""
    keras.utils.set_random_seed(7)
    pairs = number_pairs(400, longest=4)
    tokenizer = number_tokenizer()
    transformer = Transformer(
        tokenizer.vocabulary_size,
        24,
        num_layers=1,
        num_heads=2,
        intermediate_dim=32,
        name="transformer",
    )
    task = Translator(
        tokenizer,
        transformer,
        label_smoothing=0.0,
        max_source_tokens=24,
        max_target_tokens=32,
    )
    task.compile(keras.optimizers.Adam(5e-3))
    dataset = TranslationDataset(pairs, tokenizer, batch_tokens=1024)
    for epoch in range(60):
        dataset.set_epoch(epoch)
        task.fit(dataset.for_backend(), shuffle=False, verbose=0)
    return task


def main():
    """Write the preset folder anew."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    translator().save_preset(
        FOLDER,
        name="tiny_translation",
        description="Writes number words as digits, for tests.",
        language="en",
        license="Apache-2.0",
    )
    # What is saved is float16: export what a load gives.
    task = Translator.from_preset_folder(FOLDER)
    found = task.translate(SAMPLE, beam=1, details=True)
    task.export(FOLDER / "model.tflite")
    preset = zoo.seal(FOLDER)
    preset["reference"] = {
        "source": SAMPLE,
        "text": found["text"],
        "token_ids": [int(i) for i in found["token_ids"]],
    }
    write_json(FOLDER / "preset.json", preset)
    (FOLDER / "card.md").write_text(
        "# tiny_translation\n\nWrites number words as digits.\n"
    )
    zoo.seal(FOLDER)
    zoo.check(FOLDER)
    held_out = number_pairs(100, seed=5, longest=4)
    sources = [pair.source for pair in held_out]
    right = sum(
        text == pair.target
        for text, pair in zip(
            task.translate(sources, beam=1), held_out, strict=True
        )
    )
    size = sum(path.stat().st_size for path in FOLDER.iterdir())
    print(f"{FOLDER.name}: {size} bytes, {found['text']!r}, {right} of 100")
    if found["text"] != "7 3 9":
        raise SystemExit("not learned")


if __name__ == "__main__":
    main()
