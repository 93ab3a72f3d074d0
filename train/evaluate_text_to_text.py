"""Measures a text-to-text model's file, as a device runs it, task by task.

    python train/evaluate_text_to_text.py --preset text-to-text \
        --data $KERAS_SELFATTN_DATA --made-up 4000 \
        --set "sst2 sentence=classification/sst2.tsv.xz:test" \
        --words "sst2 sentence:pos=positive,neg=negative"

A set is NAME=TABLE:SPLIT as for `text_to_text.py`, TABLE below `--data`;
`--made-up` adds the held-out part of the tasks that the training made up.
Counted are answers that are right to the letter, BLEU and chrF.
`--update-metrics` enters the figures, with the file's sha256 and this command,
into the preset's metrics.json.
"""

import shlex
import tempfile
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
from preset_metrics import check_update, find_source, update_metrics
from text_to_text import answer_scores, write_made_up

from keras_selfattn.data.text_to_text_tasks import read_tasks
from keras_selfattn.runtime import TextToText
from keras_selfattn.runtime.preset_folder import sha256

SCRIPT = "train/evaluate_text_to_text.py"
DATA = "$KERAS_SELFATTN_DATA"
MADE_UP = "made up"
COLUMNS = {
    "answers": lambda found: f"{found['examples']:,}",
    "right %": lambda found: f"{100 * found['accuracy']:.1f}",
    "BLEU": lambda found: f"{found['bleu']:.1f}" if found["bleu"] else "",
    "chrF": lambda found: f"{found['chrf']:.1f}",
}


def read_sets(sets, words, data, made_up):
    """The pairs of each task, by its name and split.

    Args:
        sets: list of str, NAME=TABLE:SPLIT.
        words: list of str, what is written for labels.
        data: folder of the tables.
        made_up: int, examples that the training made up of each task.

    Returns:
        dict of `(task, split)` to a list of `TextPair`.

    Raises:
        ValueError: a set is written otherwise, or as the reader does.
    """
    found = {}
    for entry in sets:
        name, equals, table = entry.partition("=")
        if not equals:
            raise ValueError(f"--set {entry}: expected NAME=TABLE:SPLIT.")
        own = [word for word in words if word.partition(":")[0] == name]
        split = table.rpartition(":")[2]
        for task, pairs in read_tasks([f"{name}={data / table}"], own).items():
            found[task, split] = pairs
    if made_up:
        with tempfile.TemporaryDirectory() as folder:
            path = write_made_up(Path(folder) / "made_up.tsv", made_up)
            for task, pairs in read_tasks([f"{path}:dev"], ()).items():
                found[task, MADE_UP] = pairs
    if not found:
        raise ValueError("Nothing to measure: give --set or --made-up.")
    return found


def main(
    data: Annotated[Path, typer.Option(help="Folder of the tables.")],
    preset: PresetOption = "text-to-text",
    sets: Annotated[
        list[str], typer.Option("--set", help="NAME=TABLE:SPLIT; repeatable.")
    ] = (),
    words: Annotated[
        list[str], typer.Option(help="NAME:label=word,...; repeatable.")
    ] = (),
    made_up: Annotated[int, typer.Option(help="As in the training.")] = 0,
    beam: Annotated[int, typer.Option(min=1)] = 1,
    file: FileOption = MODEL,
    limit: LimitOption = None,
    update: UpdateOption = False,
) -> None:
    """Prints how well a preset's file does each of its tasks."""
    with user_errors():
        source = find_source(preset, file)
        check_update(update, limit, source)
        pairs = read_sets(sets, words, data, made_up)
        model = TextToText(source.file)

        def measure(named, examples, advance):
            guesses = []
            for pair in examples:
                guesses.append(model.generate(pair.source, beam=beam).text)
                advance()
            scores = answer_scores(examples, guesses)
            scores["accuracy"] = round(scores["accuracy"], 6)
            return {"examples": len(examples), **scores}

        results = measure_all(
            {
                f"{task} {split}": found[:limit]
                for (task, split), found in pairs.items()
            },
            measure,
        )
    show(results, preset, COLUMNS, wide_console())
    if update:
        command = command_line(SCRIPT, DATA, preset, sets, file)
        for word in words:
            command += f" --words {shlex.quote(word)}"
        command += f" --made-up {made_up}" if made_up else ""
        command += f" --beam {beam}" if beam > 1 else ""
        entries = [
            {
                "dataset": task,
                "split": split,
                "beam": beam,
                **results[f"{task} {split}"],
                "file": file,
                "file_sha256": sha256(source.file),
                "command": command,
            }
            for task, split in pairs
        ]
        typer.echo(f"wrote {update_metrics(source.folder, entries)}")


if __name__ == "__main__":
    typer.run(main)
