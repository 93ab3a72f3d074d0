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

import json
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from evaluation import (
    MODEL,
    FileOption,
    LimitOption,
    PresetOption,
    UpdateOption,
    command_line,
    measure_all,
    show,
    user_errors,
    wide_console,
)
from preset_metrics import (
    EvaluationError,
    check_update,
    find_source,
    keras_task,
    update_metrics,
)

from keras_selfattn import zoo
from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.data.parallel_corpora import (
    read_parallel,
    read_parallel_table,
)
from keras_selfattn.metrics.translation_scores import translation_scores
from keras_selfattn.runtime import Translator
from keras_selfattn.runtime.preset_folder import sha256

SCRIPT = "train/evaluate_translation.py"
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


def file_translator(file, alpha=1.0):
    """Lines to translations by a .tflite, one line at a time."""
    translator = Translator(file, num_threads=1)

    def translate(texts, beam, advance):
        found = []
        for text in texts:
            found.append(translator.translate(text, beam, alpha).text)
            advance()
        return found

    return translate


def keras_translator(task, alpha=1.0, batch_size=32):
    """Lines to translations by a Keras task, in batches."""
    from keras_selfattn import tasks

    if not isinstance(task, tasks.Translator):
        raise EvaluationError(f"A {type(task).__name__} is no Translator.")

    def translate(texts, beam, advance):
        found = []
        for first in range(0, len(texts), batch_size):
            part = texts[first : first + batch_size]
            found += task.translate(part, beam, alpha, batch_size=batch_size)
            advance(len(part))
        return found

    return translate


def measure(
    translate, pairs, beam, known=frozenset(), other=None, advance=None
):
    """Translates every source and scores it against the target.

    Args:
        translate: takes a list of texts, the beam and a function to call
            with how many more are done; gives a list of texts.
        pairs: list of ParallelExample, at least one.
        beam: int.
        known: set of sources that stand in the training split.
        other: None, or another `translate`, to count equal texts.
        advance: None, or a function called with how many more are done.

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
    guesses = translate(sources, beam, advance or _uncounted)
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
        theirs = other(sources, beam, _uncounted)
        for text, their in zip(result["texts"], theirs, strict=True):
            if their != text["guess"]:
                text["other"] = their
        result["equal"] = sum("other" not in text for text in result["texts"])
    return result


def _uncounted(count=1):
    pass


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


def score(name):
    """The cell of a score, empty where there is none."""
    return lambda result: "" if result[name] is None else f"{result[name]:.2f}"


def equal(result):
    """The cell of what `--compare` found."""
    if "equal" in result:
        return f"{result['equal']}/{result['sentences']}"
    return None


COLUMNS = {
    "sentences": lambda result: f"{result['sentences']:,}",
    "beam": lambda result: str(result["beam"]),
    "BLEU": score("bleu"),
    "lower-cased": score("bleu_lower"),
    "chrF": score("chrf"),
    "word overlap": score("overlap"),
    "also in train": lambda result: f"{result['seen_in_train']:,}",
    "BLEU of the others": score("unseen_bleu"),
    "ms a sentence": lambda result: f"{result['milliseconds']:.1f}",
    "equal texts": equal,
}


def main(
    sets: Annotated[
        list[str],
        typer.Option("--set", help="TABLE:SPLIT or SRC,TGT; repeatable."),
    ],
    data: Annotated[
        Path | None, typer.Option(help="Folder the sets lie in.")
    ] = None,
    preset: PresetOption = "translation",
    file: FileOption = MODEL,
    swap: Annotated[bool, typer.Option(help="Target to source.")] = False,
    beam: Annotated[int, typer.Option(min=1, help="1 is greedy.")] = 4,
    alpha: Annotated[
        float, typer.Option(min=0, help="Length penalty of a wider beam.")
    ] = 1.0,
    backend: Annotated[
        str, typer.Option(help="Measure the Keras weights, on this backend.")
    ] = "",
    compare: Annotated[
        bool, typer.Option(help="Compare with the Keras weights' texts.")
    ] = False,
    limit: LimitOption = None,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Keep all texts here.")
    ] = None,
    update: UpdateOption = False,
) -> None:
    """Prints BLEU, chrF and lexical overlap of a preset on TABLE:SPLIT sets."""
    console = wide_console()
    if backend:
        os.environ["KERAS_BACKEND"] = backend
    with user_errors():
        if backend and (update or compare):
            raise EvaluationError(
                "--backend measures Keras weights; --update-metrics and "
                "--compare are about the file: leave --backend out."
            )
        pairs = {
            named: read_parallel([placed(named, data)], swap)[:limit]
            for named in sets
        }
        known = {
            named: sources_in_train(placed(named, data), swap) for named in sets
        }
        if backend:
            title = f"{preset}, Keras on {backend}"
            translate = keras_translator(zoo.load(preset), alpha)
        else:
            source = find_source(preset, file)
            check_update(update, limit, source)
            sha = sha256(source.file)
            title = f"{source.file.name}, sha256 {sha[:12]}"
            translate = file_translator(source.file, alpha)
        other = None
        if compare:
            other = keras_translator(keras_task(source), alpha)
        results = measure_all(
            pairs,
            lambda named, found, advance: measure(
                translate, found, beam, known[named], other, advance
            ),
        )
    show(results, title, COLUMNS, console)
    for signature in {result["signature"] for result in results.values()}:
        console.print(signature, highlight=False)
    if json_out:
        kept = {
            "command": shlex.join(["python", *sys.argv]),
            "preset": preset,
            "results": results,
        }
        text = json.dumps(kept, indent=1, ensure_ascii=False)
        write_atomically(json_out, text + "\n")
    if update:
        command = command_line(SCRIPT, DATA, preset, sets, file)
        command += f" --beam {beam}"
        command += f" --alpha {alpha}" if alpha != 1 else ""
        command += " --swap" if swap else ""
        entries = [
            metrics_entry(named, result, source.file, sha, command)
            for named, result in results.items()
        ]
        typer.echo(f"wrote {update_metrics(source.folder, entries)}", err=True)


if __name__ == "__main__":
    typer.run(main)
