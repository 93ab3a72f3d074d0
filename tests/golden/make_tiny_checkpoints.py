"""Makes tests/golden/checkpoints: a BERT, a RoBERTa, a DistilBERT, a GPT-2.

    python -m tests.golden.make_tiny_checkpoints

It needs transformers and torch, which wrote what is expected: the logits of
two rows of ids (`expected.npz`), and the ids of texts (`tokens.json`). Made
once and committed: no test runs this.
"""

import json
import shutil
from pathlib import Path

import numpy as np

from tests.transformers_models import (
    KINDS,
    make_gpt2,
    make_model,
    reference,
    token_rows,
)

FOLDER = Path(__file__).parent / "checkpoints"
TEXTS = [
    "",
    "The cat sat on a mat.",
    "un[MASK]ing <mask>, <mask>!",
    "Caf\u00e9s  and\tdogs\n\nran\u3000on",
    "\u732b sat\u2014un\u0130 \u03a3\u03a3 don't we'll",
    "x\u200by\ufffd\x00 [SEP] </s> \U0001f63a 12\u00b2 ##s",
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


def main():
    """Write the three folders anew."""
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


if __name__ == "__main__":
    main()
