"""Writes tests/golden/checkpoints/whisper: a random Whisper of `transformers`.

    python -m tests.golden.make_tiny_whisper

Beside its files, `expected.npz` holds what `transformers` computes: logits,
and the texts of greedy search and of a beam of 3.
"""

from pathlib import Path

import numpy as np

from keras_selfattn.convert.huggingface import load_hf
from tests.whisper_checkpoints import make_whisper, reference, spoken, written

FOLDER = Path(__file__).parent / "checkpoints" / "whisper"
BEAM = 3
SEED = 19  # its texts differ, end, and hold a token 0


def main():
    """Writes the folder."""
    model = make_whisper(FOLDER, seed=SEED)
    rules = load_hf(FOLDER).writing_rules("en")
    samples = spoken()
    ids = np.random.default_rng(1).integers(0, 20, (2, 7)).astype("int32")
    expected = {
        "samples": samples,
        "token_ids": ids,
        "logits": reference(model, samples, ids),
    }
    for name, beam in (("greedy", 1), ("beam", BEAM)):
        texts = written(model, samples, rules, beam)
        rows = np.full((2, rules.max_new_tokens), rules.end_id, "int32")
        for row, text in zip(rows, texts, strict=True):
            row[: len(text)] = text
        expected[name] = rows
        print(name, texts)
    np.savez(FOLDER / "expected.npz", **expected)


if __name__ == "__main__":
    main()
