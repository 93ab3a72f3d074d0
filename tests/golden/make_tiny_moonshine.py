"""Writes tests/golden/checkpoints/moonshine: a random one of `transformers`.

    python -m tests.golden.make_tiny_moonshine

Beside its files, `expected.npz` holds what `transformers` computes of two
recordings, each alone: logits, and the texts of greedy search and of a beam.
"""

from pathlib import Path

import numpy as np

from tests.moonshine_checkpoints import (
    make_moonshine,
    reference,
    spoken,
    written,
)

FOLDER = Path(__file__).parent / "checkpoints" / "moonshine"
LENGTHS, TOKENS_PER_SECOND, BEAM = (5000, 13000), 20, 3
SEED = 16  # its texts differ, end, and hold a token 0


def main():
    """Writes the folder."""
    model = make_moonshine(FOLDER, seed=SEED)
    waves = spoken(LENGTHS)
    ids = np.random.default_rng(1).integers(0, 22, (2, 7)).astype("int32")
    expected = {
        "samples": np.stack(
            [np.pad(w, (0, LENGTHS[1] - len(w))) for w in waves]
        ),
        "num_samples": np.array(LENGTHS, "int32"),
        "token_ids": ids,
        "logits": np.concatenate(
            [reference(model, *row) for row in zip(waves, ids, strict=True)]
        ),
    }
    for name, beam in (("greedy", 1), ("beam", BEAM)):
        rows = np.full((2, 16), 2, "int32")
        for row, wave in zip(rows, waves, strict=True):
            limit = len(wave) * TOKENS_PER_SECOND // 16000
            text = written(model, wave, limit, beam)
            row[: len(text)] = text
        expected[name] = rows
        print(name, rows.tolist())
    np.savez(FOLDER / "expected.npz", **expected)


if __name__ == "__main__":
    main()
