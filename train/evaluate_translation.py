"""Measures a translation preset's file with sacreBLEU.

    python train/evaluate_translation.py --preset translation \
        --data $KERAS_SELFATTN_DATA/translation --set tatoeba_zh-en.tsv.xz:test

What is measured is the file that is shipped, by LiteRT on one thread, as
`keras-selfattn translate` runs it; with `--backend` the Keras weights, whole
batches at a time, such as those of a run that has no file yet. A set is
TABLE:SPLIT (columns `split src tgt`) or SOURCE,TARGET (two text files), below
`--data` where that is given; `--swap` takes it the other way round. Texts go
in and are compared as the corpus has them: not lower-cased, not tokenized.
BLEU is told for mixed case and lower-cased, with sacreBLEU's signature; how
many of a table's sources also stand in its split "train", and the BLEU of the
others. `--update-metrics` enters the figures into the preset's metrics.json.
"""

import contextlib
import json
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from preset_metrics import (
    EvaluationError,
    check_update,
    find_source,
    update_metrics,
)
from rich.console import Console
from rich.table import Table

from keras_selfattn import zoo
from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.data.parallel_corpora import (
    read_parallel,
    read_parallel_table,
)
from keras_selfattn.metrics.translation_scores import translation_scores
from keras_selfattn.progress import make_bar
from keras_selfattn.runtime import Translator
from keras_selfattn.runtime.preset_folder import sha256

DATA = "$KERAS_SELFATTN_DATA/translation"
SCORES = ("bleu", "bleu_lower", "chrf", "overlap")


def placed(entry, data):
    """The entry with its files below `data`."""
    if data is None:
        return entry
    return ",".join(str(data / part) for part in entry.split(","))


def sources_in_train(entry, swap):
    """The sources of a table's split "train"; none for two files."""
    table, _, split = entry.rpartition(":")
    if not table or split == "train":
        return set()
    pairs = read_parallel_table(table)
    if swap:
        pairs = [pair.swapped() for pair in pairs]
    return {pair.source for pair in pairs if pair.split == "train"}


@contextlib.contextmanager
def counting(total):
    """Gives a function that counts on a bar, where stderr is a terminal."""
    if not sys.stderr.isatty():
        yield lambda count=1: None
        return
    with make_bar("sentences") as bar:
        task = bar.add_task("sentences", total=total)
        yield lambda count=1: bar.advance(task, count)


def file_translator(file):
    """Lines to translations by a .tflite, one line at a time."""
    translator = Translator(file, num_threads=1)

    def translate(texts, beam, advance):
        found = []
        for text in texts:
            found.append(translator.translate(text, beam=beam).text)
            advance()
        return found

    return translate


def keras_translator(preset, batch_size=32):
    """Lines to translations by the Keras weights of a preset, in batches."""
    from keras_selfattn import tasks

    task = zoo.load(preset)
    if not isinstance(task, tasks.Translator):
        raise EvaluationError(
            f"{preset} is a {type(task).__name__}, no Translator."
        )

    def translate(texts, beam, advance):
        found = []
        for first in range(0, len(texts), batch_size):
            part = texts[first : first + batch_size]
            found += task.translate(part, beam=beam, batch_size=batch_size)
            advance(len(part))
        return found

    return translate


def measure(translate, pairs, beam, known=frozenset(), other=None):
    """Translates every source and scores it against the target.

    Args:
        translate: takes a list of texts, the beam and a function to call
            for progress; gives a list of texts.
        pairs: list of ParallelExample, at least one.
        beam: int.
        known: set of sources that stand in the training split.
        other: None, or another `translate`, to count equal texts.

    Returns:
        dict of scores, the number of sentences, how many of them are known,
        the BLEU of the others (None without any), milliseconds a sentence
        and "texts", an entry for each pair.

    Raises:
        EvaluationError: there is no pair.
    """
    if not pairs:
        raise EvaluationError("The set has no sentences.")
    sources = [pair.source for pair in pairs]
    start = time.perf_counter()
    with counting(len(pairs)) as advance:
        guesses = translate(sources, beam, advance)
    seconds = time.perf_counter() - start
    new = [i for i, source in enumerate(sources) if source not in known]
    references = [pair.target for pair in pairs]
    unseen = None
    if new:
        found = zip(*((guesses[i], references[i]) for i in new), strict=True)
        unseen = translation_scores(*found)["bleu"]
    result = {
        **translation_scores(guesses, references),
        "sentences": len(pairs),
        "seen_in_train": len(pairs) - len(new),
        "unseen_bleu": unseen,
        "beam": beam,
        "milliseconds": 1000 * seconds / len(pairs),
        "texts": [
            {"source": pair.source, "reference": pair.target, "guess": guess}
            for pair, guess in zip(pairs, guesses, strict=True)
        ],
    }
    if other is not None:
        with counting(len(pairs)) as advance:
            theirs = other(sources, beam, advance)
        for text, their in zip(result["texts"], theirs, strict=True):
            if their != text["guess"]:
                text["other"] = their
        result["equal"] = sum("other" not in text for text in result["texts"])
    return result


def command_line(preset, sets, file, beam, swap):
    """The command that prints these figures, on any machine."""
    words = ["--preset", preset]
    if file != "model.tflite":
        words += ["--file", file]
    words += [word for named in sets for word in ("--set", named)]
    words += ["--swap"] if swap else []
    words += ["--beam", str(beam)]
    head = f"python train/evaluate_translation.py --data {DATA}"
    return f"{head} {shlex.join(words)}"


def metrics_entry(named, result, file, sha, command):
    """What metrics.json keeps of one measured set."""
    table, _, split = named.partition(":")
    entry = {
        "dataset": table.partition(".")[0],
        "split": split,
        "sentences": result["sentences"],
        "seen_in_train": result["seen_in_train"],
        "beam": result["beam"],
        **{name: result[name] for name in (*SCORES, "unseen_bleu")},
        "signature": result["signature"],
        "file": file.name,
        "file_sha256": sha,
        "command": command,
    }
    if "equal" in result:
        entry["texts_equal_to_keras"] = result["equal"]
    return entry


def show(results, title, console):
    """Prints the results as a table, and how BLEU was counted."""
    compared = any("equal" in result for result in results.values())
    table = Table(title=title)
    table.add_column("set")
    headers = ["sentences", "beam", "BLEU", "lower-cased", "chrF"]
    headers += ["word overlap", "also in train", "BLEU of the others"]
    headers.append("ms a sentence")
    for header in headers + (["equal texts"] if compared else []):
        table.add_column(header, justify="right")
    for named, result in results.items():
        row = [named, f"{result['sentences']:,}", str(result["beam"])]
        row += [f"{result[name]:.2f}" for name in SCORES]
        row.append(f"{result['seen_in_train']:,}")
        others = result["unseen_bleu"]
        row.append("" if others is None else f"{others:.2f}")
        row.append(f"{result['milliseconds']:.1f}")
        if compared:
            row.append(f"{result['equal']}/{result['sentences']}")
        table.add_row(*row)
    console.print(table)
    for signature in {result["signature"] for result in results.values()}:
        console.print(signature, highlight=False)


def main(
    sets: Annotated[
        list[str],
        typer.Option("--set", help="TABLE:SPLIT or SRC,TGT; repeatable."),
    ],
    data: Annotated[
        Path | None, typer.Option(help="Folder the sets lie in.")
    ] = None,
    preset: Annotated[
        str, typer.Option(help="Preset name, folder or .tflite.")
    ] = "translation",
    file: Annotated[
        str, typer.Option(help="Which .tflite of the preset folder.")
    ] = "model.tflite",
    swap: Annotated[bool, typer.Option(help="Target to source.")] = False,
    beam: Annotated[int, typer.Option(min=1, help="1 is greedy.")] = 4,
    backend: Annotated[
        str, typer.Option(help="Measure the Keras weights, on this backend.")
    ] = "",
    compare: Annotated[
        bool, typer.Option(help="Compare with the Keras weights' texts.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first N of each set.")
    ] = None,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Keep all texts here.")
    ] = None,
    update: Annotated[
        bool,
        typer.Option("--update-metrics", help="Enter into metrics.json."),
    ] = False,
) -> None:
    """Prints BLEU, chrF and lexical overlap of a preset on TABLE:SPLIT sets."""
    console = Console(width=None if Console().is_terminal else 120)
    if backend:
        os.environ["KERAS_BACKEND"] = backend
    try:
        if backend and (update or compare):
            raise EvaluationError(
                "--backend measures Keras weights; --update-metrics and "
                "--compare are about the file: leave --backend out."
            )
        pairs = {
            named: read_parallel([placed(named, data)], swap)[:limit]
            for named in sets
        }
        if backend:
            source, title = None, f"{preset}, Keras on {backend}"
            translate = keras_translator(preset)
        else:
            source = find_source(preset, file)
            check_update(update, limit, source)
            sha = sha256(source.file)
            title = f"{source.file.name}, sha256 {sha[:12]}"
            translate = file_translator(source.file)
        other = None
        if compare:
            if source.folder is None:
                raise EvaluationError(
                    "--compare needs the preset's weights: give --preset a "
                    "preset name or folder, not a .tflite."
                )
            other = keras_translator(source.folder)
        known = {
            named: sources_in_train(placed(named, data), swap) for named in sets
        }
        results = {
            named: measure(translate, found, beam, known[named], other)
            for named, found in pairs.items()
        }
    except (ValueError, ImportError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    show(results, title, console)
    if json_out:
        kept = {
            "command": shlex.join(["python", *sys.argv]),
            "preset": preset,
            "results": results,
        }
        text = json.dumps(kept, indent=1, ensure_ascii=False)
        write_atomically(json_out, text + "\n")
    if update:
        command = command_line(preset, sets, file, beam, swap)
        entries = [
            metrics_entry(named, result, source.file, sha, command)
            for named, result in results.items()
        ]
        typer.echo(f"wrote {update_metrics(source.folder, entries)}", err=True)


if __name__ == "__main__":
    typer.run(main)
