"""Makes tests/golden/checkpoints: a BERT, a RoBERTa, a GPT-2, a T5 ...

    python -m tests.golden.make_tiny_checkpoints

It needs transformers, torch and sentencepiece. They wrote what is expected:
the logits of two rows of ids (`expected.npz`), the ids of texts
(`tokens.json`), what is written (`written.json`). Made once and committed: no
test runs this.
"""

import json
import shutil
from pathlib import Path

import numpy as np

from tests.transformers_models import (
    KINDS,
    make_gpt2,
    make_marian,
    make_model,
    make_t5,
    marian_logits,
    marian_writes,
    reference,
    t5_logits,
    t5_rows,
    t5_text,
    token_rows,
)

FOLDER = Path(__file__).parent / "checkpoints"
MARIAN_TEXTS = [
    "the cat sat on the mat",
    ">>de<< a dog  and a cat ",
    ">>xx<< die katze",
    "caf\u00e9 \u732b dog",
]
TEXTS = [
    "",
    "The cat sat on a mat.",
    "un[MASK]ing <mask>, <mask>!",
    "Caf\u00e9s  and\tdogs\n\nran\u3000on",
    "\u732b sat\u2014un\u0130 \u03a3\u03a3 don't we'll",
    "x\u200by\ufffd\x00 [SEP] </s> \U0001f63a 12\u00b2 ##s",
]
T5_TEXTS = [
    "",
    "one two <extra_id_0> three<extra_id_1>x <extra_id_12>",
    " nine\nfour  zeroeight \u732b!",
]


def make_tiny_gpt2(folder):
    """Write a GPT-2, its logits, and what it goes on with."""
    import torch
    from transformers import GPT2Tokenizer

    model = make_gpt2(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    size = model.config.vocab_size
    ids = np.random.default_rng(0).integers(0, size, (2, 8)).astype("int32")
    with torch.no_grad():
        logits = model(torch.tensor(ids).long())[0].numpy()
    np.savez_compressed(folder / "expected.npz", token_ids=ids, logits=logits)
    tokenizer = GPT2Tokenizer.from_pretrained(folder)
    encoded = {text: tokenizer(text)["input_ids"] for text in TEXTS}
    text = json.dumps(encoded, indent=1) + "\n"
    (folder / "tokens.json").write_text(text)
    prompt = "the dog ran"
    ids = torch.tensor([tokenizer(prompt)["input_ids"]])
    written = {
        name: model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=9,
            do_sample=False,
            pad_token_id=0,
            num_beams=beams,
        )[0, ids.shape[1] :].tolist()
        for name, beams in (("greedy", 1), ("beam", 3))
    }
    text = json.dumps({"prompt": prompt, **written}) + "\n"
    (folder / "written.json").write_text(text)


def make_tiny_marian(folder):
    """Write a Marian translator, its logits, and what it translates."""
    from transformers import MarianTokenizer

    model = make_marian(folder, end=3.0)
    (folder / "generation_config.json").unlink()
    padding = model.config.pad_token_id
    random = np.random.default_rng(0)
    source = random.integers(1, padding, (2, 6))
    source[:, -1], source[1, 3:] = 0, (0, padding, padding)
    target = random.integers(1, padding, (2, 4))
    target[:, 0] = padding
    np.savez_compressed(
        folder / "expected.npz",
        source_ids=source.astype("int32"),
        target_ids=target.astype("int32"),
        logits=marian_logits(model, source, target),
    )
    tokenizer = MarianTokenizer.from_pretrained(folder)
    found = {
        "source": {text: tokenizer(text)["input_ids"] for text in MARIAN_TEXTS},
        "target": {
            text: tokenizer(text_target=text)["input_ids"]
            for text in MARIAN_TEXTS
        },
    }
    text = json.dumps(found, indent=1) + "\n"
    (folder / "tokens.json").write_text(text)
    written = []
    for length in range(2, 9):
        row = [*random.integers(1, padding, length - 1).tolist(), 0]
        written.append(
            {
                "source_ids": row,
                "greedy": marian_writes(model, row, 1),
                "beam": marian_writes(model, row, 4),
            }
        )
    (folder / "written.json").write_text(json.dumps(written, indent=1) + "\n")


def make_tiny_t5(folder):
    """Write a T5 with its tokenizer, its logits, texts and tokens."""
    from transformers import T5Tokenizer

    model = make_t5(folder, activation="gated-gelu", tied=False, seed=5)
    (folder / "generation_config.json").unlink(missing_ok=True)
    source, target = t5_rows()
    texts = [
        t5_text(model, [*row[row != 0].tolist(), 1], beam, 20, 1.0)
        for row in source
        for beam in (1, 3)
    ]
    texts = np.array([text + [0] * (20 - len(text)) for text in texts], "int32")
    np.savez_compressed(
        folder / "expected.npz",
        source_ids=source,
        target_ids=target,
        logits=t5_logits(model, source, target),
        texts=texts,
    )
    tokenizer = T5Tokenizer.from_pretrained(folder)
    encoded = {text: tokenizer(text)["input_ids"] for text in T5_TEXTS}
    (folder / "tokens.json").write_text(json.dumps(encoded, indent=1) + "\n")


def main():
    """Write the folders anew."""
    from transformers import BertTokenizer, RobertaTokenizer

    shutil.rmtree(FOLDER, ignore_errors=True)
    for kind in KINDS:
        folder = FOLDER / kind
        model = make_model(kind, folder, heads=3, tied=kind != "distilbert")
        (folder / "generation_config.json").unlink(missing_ok=True)
        roberta = kind == "roberta"
        tokenizer = RobertaTokenizer if roberta else BertTokenizer
        tokenizer = tokenizer.from_pretrained(folder)
        if roberta:  # whose mask takes the blank before it along
            special = {"mask_token": {"content": "<mask>", "lstrip": False}}
            path = folder / "special_tokens_map.json"
            path.write_text(json.dumps(special) + "\n")
        encoded = {text: tokenizer(text)["input_ids"] for text in TEXTS}
        text = json.dumps(encoded, indent=1) + "\n"
        (folder / "tokens.json").write_text(text)
        ids = token_rows(len(tokenizer), 8, tokenizer.pad_token_id)
        logits, mask = reference(model, ids, tokenizer.pad_token_id)
        np.savez_compressed(
            folder / "expected.npz", token_ids=ids, logits=logits, mask=mask
        )
        size = sum(path.stat().st_size for path in folder.iterdir())
        print(f"{kind}: {size} bytes, logits to {np.abs(logits).max():.2f}")
    make_tiny_gpt2(FOLDER / "gpt2")
    make_tiny_marian(FOLDER / "marian")
    make_tiny_t5(FOLDER / "t5")


if __name__ == "__main__":
    main()
