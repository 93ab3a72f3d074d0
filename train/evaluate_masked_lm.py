"""Measures a masked language model's file on words that are hidden from it.

    python train/evaluate_masked_lm.py --preset masked-lm --html \
        --text $KERAS_SELFATTN_DATA/classification/imdb.tsv.xz:test --limit 500

In each text, or part of one that is as long as the model sees, 15 % of the
tokens are hidden, whole words at a time, always the same (`mask_tokens`, seed
0). Counted is how often the token is the likeliest one of the file, and how
often among its ten. `--update-metrics` enters the figures, with the file's
sha256 and this command, into the preset's metrics.json.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from evaluation import (
    MODEL,
    FileOption,
    PresetOption,
    UpdateOption,
    command_line,
    measure_all,
    user_errors,
)
from masked_lm import read_texts_of
from preset_metrics import check_update, find_source, update_metrics
from text_classification_sets import path_and_split

from keras_selfattn.preprocessing.masking import mask_tokens
from keras_selfattn.preprocessing.text_cleaning import strip_html
from keras_selfattn.runtime import MaskFiller
from keras_selfattn.runtime.preset_folder import sha256

SCRIPT = "train/evaluate_masked_lm.py"
DATA = "$KERAS_SELFATTN_DATA"


def hide(tokenizer, rows):
    """Rows with tokens hidden, and which: int and bool arrays `(T,)`."""
    generator = np.random.default_rng(0)
    for row in rows:
        hidden, chosen = mask_tokens(
            [row], tokenizer, generator, whole_words=True
        )
        yield hidden[0], chosen[0]


def measure(model, rows, advance):
    """Figures over what is hidden in rows of ids, a dict."""
    right = among = count = 0
    for row, (hidden, chosen) in zip(
        rows, hide(model.tokenizer, rows), strict=True
    ):
        best = model.best_ids(hidden)[chosen]  # (hidden, 10)
        found = best == np.asarray(row)[chosen][:, None]
        right += int(found[:, 0].sum())
        among += int(found.any(1).sum())
        count += len(best)
        advance()
    return {
        "hidden": count,
        "accuracy": round(right / count, 6),
        "among_ten": round(among / count, 6),
    }


def main(
    text: Annotated[str, typer.Option(help="PATH or PATH:SPLIT.")],
    preset: PresetOption = "masked-lm",
    file: FileOption = MODEL,
    html: Annotated[bool, typer.Option(help="Texts hold HTML.")] = False,
    limit: Annotated[int, typer.Option(help="First texts; 0: all.")] = 0,
    update: UpdateOption = False,
) -> None:
    """Prints how often a preset's file finds what is hidden in texts."""
    with user_errors():
        source = find_source(preset, file)
        check_update(update, None, source)
        model = MaskFiller(source.file)
        texts = read_texts_of([text])[: limit or None]
        if html:
            texts = [strip_html(found) for found in texts]
        rows = [
            part
            for found in texts
            for part in model.tokenizer.encode_parts(found)
        ]
        if not rows:
            raise ValueError(f"--text {text}: no text in it.")
        path, split = path_and_split(text)
        name = Path(path).name.split(".")[0]
        results = measure_all(
            {name: rows}, lambda _, part, advance: measure(model, part, advance)
        )
        found = {"texts": len(texts), **results[name]}
        typer.echo(f"{name} {split or 'all'}: {found}")
        if update:
            named = "/".join([DATA, *Path(path).parts[-2:]])
            named += f":{split}" if split else ""
            command = command_line(SCRIPT, named, preset, (), file, "--text")
            command += " --html" if html else ""
            command += f" --limit {limit}" if limit else ""
            entry = {
                "dataset": name,
                "split": split or "all",
                **found,
                "file": file,
                "file_sha256": sha256(source.file),
                "command": command,
            }
            typer.echo(f"wrote {update_metrics(source.folder, [entry])}")


if __name__ == "__main__":
    typer.run(main)
