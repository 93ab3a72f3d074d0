"""Measures a translation preset with sacreBLEU.

    python train/evaluate_translation.py --preset runs/en-de/preset \
        --data $KERAS_SELFATTN_DATA/translation \
        --set multi30k_en-de.tsv.xz:test2016

`--preset` is a preset's name, alias or folder; a set is TABLE:SPLIT (columns
`split src tgt`) or SOURCE,TARGET (two text files), below `--data` where that
is given. Texts go in and are compared as the corpus has them: not lower-cased,
not tokenized. BLEU is printed for mixed case and lower-cased, with sacreBLEU's
signature. `--json` keeps the figures, this command and all translations.
"""

import json
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from evaluation import LimitOption, user_errors


def placed(entry, data):
    """The entry with its files below `data`."""
    if data is None:
        return entry
    return ",".join(str(data / part) for part in entry.split(","))


def measure(translator, pairs, batch_size, **options):
    """Translates every source and scores it against the target.

    Args:
        translator: has `translate(texts, ...)` that gives a list of str.
        pairs: list of ParallelExample, at least one.
        batch_size: int.
        **options: of `translate`.

    Returns:
        dict of scores, the number of sentences, seconds, sentences a second
        and "texts", an entry for each pair.
    """
    from keras_selfattn.metrics.translation_scores import translation_scores

    if not pairs:
        raise ValueError("The set has no sentences.")
    start = time.perf_counter()
    guesses = translator.translate(
        [pair.source for pair in pairs], batch_size=batch_size, **options
    )
    seconds = time.perf_counter() - start
    return {
        **translation_scores(guesses, [pair.target for pair in pairs]),
        "sentences": len(pairs),
        "seconds": round(seconds, 2),
        "sentences_per_second": round(len(pairs) / seconds, 2),
        "texts": [
            {"source": pair.source, "reference": pair.target, "guess": guess}
            for pair, guess in zip(pairs, guesses, strict=True)
        ],
    }


def main(
    sets: Annotated[
        list[str], typer.Option("--set", help="TABLE:SPLIT or SRC,TGT.")
    ],
    preset: Annotated[str, typer.Option(help="Preset name or folder.")],
    data: Annotated[
        Path | None, typer.Option(help="Folder the sets lie in.")
    ] = None,
    swap: Annotated[bool, typer.Option(help="Target to source.")] = False,
    beam: Annotated[int, typer.Option(min=1, help="1 is greedy.")] = 4,
    alpha: Annotated[float, typer.Option(help="Length penalty.")] = 1.0,
    no_repeat_ngram: Annotated[int, typer.Option(help="0: no rule.")] = 0,
    limit: LimitOption = None,
    batch_size: Annotated[int, typer.Option(min=1)] = 32,
    backend: Annotated[str, typer.Option(help="torch, jax, tensorflow")] = "",
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Keep all of it here.")
    ] = None,
) -> None:
    """Prints BLEU, chrF and lexical overlap of a preset."""
    if backend:
        os.environ["KERAS_BACKEND"] = backend
    from keras_selfattn import zoo
    from keras_selfattn.atomic_file import write_atomically
    from keras_selfattn.data.parallel_corpora import read_parallel
    from keras_selfattn.tasks import Translator

    results = {}
    with user_errors():
        translator = zoo.load(preset)
        if not isinstance(translator, Translator):
            raise ValueError(
                f"{preset} is a {type(translator).__name__}, no Translator."
            )
        for named in sets:
            pairs = read_parallel([placed(named, data)], swap)[:limit]
            results[named] = measure(
                translator,
                pairs,
                batch_size,
                beam=beam,
                alpha=alpha,
                no_repeat_ngram=no_repeat_ngram,
            )
    for named, result in results.items():
        figures = {k: v for k, v in result.items() if k != "texts"}
        typer.echo(f"{named}\t{json.dumps(figures)}")
    if json_out:
        kept = {
            "command": shlex.join(["python", *sys.argv]),
            "preset": preset,
            "beam": beam,
            "alpha": alpha,
            "results": results,
        }
        text = json.dumps(kept, indent=1, ensure_ascii=False)
        write_atomically(json_out, text + "\n")


if __name__ == "__main__":
    typer.run(main)
