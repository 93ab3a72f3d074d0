"""Makes tests/golden/tiny_image: an image generator of a few kB.

    python -m tests.golden.make_tiny_image

It needs the extras torch, tensorflow and test. Its weights are by chance, and
so are its images of 8 x 8; files, labels and the command need no more. Made
once and committed: no test runs this.
"""

import os
import shutil
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"  # another gives other random weights

from keras_selfattn import zoo  # noqa: E402
from keras_selfattn.models.biggan_generator import (  # noqa: E402
    BigGANGenerator,
)
from keras_selfattn.runtime.preset_folder import write_json  # noqa: E402
from keras_selfattn.tasks import ImageGenerator  # noqa: E402
from tests.fixed_weights import draw_weights  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).parent / "tiny_image"


def generator():
    """Return a small task with weights by chance, the gate's too."""
    task = ImageGenerator(
        ["0", "1", "2"],
        BigGANGenerator(
            3,
            image_size=8,
            widths=[8, 8],
            latent_dim=4,
            class_dim=4,
            attention_resolution=4,
        ),
    )
    draw_weights(task)
    return task


def main():
    """Write the preset folder anew."""
    sys.path.insert(0, str(ROOT / "train"))
    from publish import draw

    shutil.rmtree(FOLDER, ignore_errors=True)
    generator().save_preset(
        FOLDER,
        name="tiny_image",
        description="Draws noise, for tests.",
        license="Apache-2.0",
    )
    # What is saved is float16: export what a load gives.
    task = ImageGenerator.from_preset_folder(FOLDER)
    task.export(FOLDER / "model.tflite")
    reference = draw(FOLDER, 1.0)
    preset = zoo.seal(FOLDER)
    preset["reference"] = reference
    write_json(FOLDER / "preset.json", preset)
    (FOLDER / "card.md").write_text("# tiny_image\n\nDraws noise.\n")
    zoo.seal(FOLDER)
    zoo.check(FOLDER)
    size = sum(path.stat().st_size for path in FOLDER.iterdir())
    print(f"{FOLDER.name}: {size} bytes")


if __name__ == "__main__":
    main()
