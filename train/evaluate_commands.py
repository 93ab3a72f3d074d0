"""Measures spoken orders: all slots right, clean and in a kitchen's noise.

    python train/evaluate_commands.py --data $KERAS_SELFATTN_DATA/speech

Each recording of `coffee-s2i:dev` (the open part of Picovoice's
speech-to-intent-benchmark) is searched for a sentence of
`examples/coffee.jsgf`; it counts as accepted where the sentence's score is
high enough and all its slots are those of the benchmark (`text_orig`), and no
others. Noise is mixed in as `data.augmentation.mix_noise` does, a random piece
for each recording, seeded by its number.

Three rows, because there is no other part of these recordings to learn from:
words as they are written; with spellings in which the recogniser hears them
(`train/heard_spellings.py`), chosen on the other four fifths of the
recordings; and, clean only, with those chosen on the very recordings that are
measured, which is what `examples/coffee.spellings` has, and an upper bound.
Spellings come from clean recordings only. Names of speakers are not given, so
that one speaker may be in several fifths.

The figures go to benchmarks/results/commands.json (`--update`), from which
`train/report.py` makes the table.
"""

import json
import platform
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from evaluation import (
    DataOption,
    KeepOption,
    LimitOption,
    PresetOption,
    user_errors,
    wide_console,
)
from heard_spellings import (
    LeastGainOption,
    MostOption,
    choose_all,
    collect,
    to_text,
)
from kept_emissions import EmissionsOption, hear
from preset_metrics import EvaluationError, find_source
from rich.table import Table

from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.data.augmentation import mix_noise
from keras_selfattn.data.corpora import read_manifest
from keras_selfattn.decoding import jsgf
from keras_selfattn.decoding.grammar_search import GrammarSearch
from keras_selfattn.preprocessing.audio import read_audio
from keras_selfattn.runtime import Transcriber
from keras_selfattn.runtime.preset_folder import sha256
from keras_selfattn.runtime.speech_search import LEAST_SCORE

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks/results/commands.json"
COMMAND = "python train/evaluate_commands.py --data $KERAS_SELFATTN_DATA/speech"
CORPUS, SPLIT = "coffee-s2i", "dev"
OTHER_SPEECH = ("speechocean762", "dev")
FOLDS = 5


def read_slots(folder: Path, examples: list) -> list[dict]:
    """Returns the gold slots of each recording."""
    lines = (folder / "manifest.tsv").read_text(encoding="utf8").splitlines()
    header, *rows = (line.split("\t") for line in lines)
    path, slots = header.index("path"), header.index("text_orig")
    found = {row[path]: json.loads(row[slots]) for row in rows}
    return [
        {
            name: value.strip()
            for name, value in found[
                e.path.relative_to(folder).as_posix()
            ].items()
        }
        for e in examples
    ]


def folds(count: int, seed: int = 0) -> list[list[int]]:
    """Returns the numbers below `count` in `FOLDS` parts, shuffled."""
    order = np.random.default_rng(seed).permutation(count).tolist()
    return [order[first::FOLDS] for first in range(FOLDS)]


def accepted(search, frames: list, slots: list[dict], numbers) -> list[int]:
    """Returns the numbers of the recordings whose slots are all right."""
    found = []
    for number in numbers:
        match = search.search(frames[number])
        if match is None or match.score < LEAST_SCORE:
            continue
        if match.slots == slots[number]:
            found.append(number)
    return found


def searches(grammar, vocabulary, collected, count, most, least_gain):
    """Returns each row's searches, with the recordings each one is for.

    Args:
        grammar: jsgf.Grammar.
        vocabulary: list of str.
        collected: as from `heard_spellings.collect`, of clean recordings.
        count: int, how many recordings there are.
        most, least_gain: see `heard_spellings`.

    Returns:
        dict of row to a list of (GrammarSearch, list of numbers).
    """
    everything = list(range(count))

    def search(among):
        spellings = choose_all(collected, most, least_gain, among)
        return GrammarSearch(grammar, vocabulary, spellings)

    return {
        "written": [(GrammarSearch(grammar, vocabulary), everything)],
        "other recordings": [
            (search(set(everything) - set(fold)), fold) for fold in folds(count)
        ],
        "same recordings": [(search(set(everything)), everything)],
    }


def main(
    data: DataOption,
    preset: PresetOption = "asr",
    grammar: Annotated[Path, typer.Option(help="JSGF file.")] = (
        ROOT / "examples/coffee.jsgf"
    ),
    snr: Annotated[
        list[int] | None,
        typer.Option(help="Decibels of kitchen noise; repeatable."),
    ] = None,
    most: MostOption = 12,
    least_gain: LeastGainOption = 1.0,
    limit: LimitOption = None,
    emissions: EmissionsOption = None,
    spellings_out: Annotated[
        Path | None,
        typer.Option("--spellings", help="Write those of all recordings here."),
    ] = None,
    update: KeepOption = False,
) -> None:
    """Prints command acceptance on coffee-s2i, clean and with noise."""
    with user_errors():
        if update and (limit or snr):
            raise EvaluationError(
                "--update wants all recordings and conditions: leave out "
                "--limit and --snr."
            )
        result = measure(
            data, preset, grammar, snr or [24, 18, 12, 6], most,
            least_gain, limit, emissions, spellings_out,
        )  # fmt: skip
        show(result)
        if update:
            text = json.dumps(result, indent=2) + "\n"
            write_atomically(RESULT, text)
            typer.echo(f"wrote {RESULT}", err=True)


def measure(
    data, preset, grammar, levels, most, least_gain, limit, emissions, out
) -> dict:
    """Returns what commands.json holds."""
    source = find_source(preset)
    transcriber = Transcriber(source.file)
    examples = read_manifest(data / CORPUS, SPLIT)[:limit]
    slots = read_slots(data / CORPUS, examples)
    noise = read_audio(data / "noise/kitchen.opus")

    def kept(name):
        return emissions / f"{name}.npz" if emissions else None

    def frames_at(level):
        if level is None:
            return hear(transcriber, examples, None, kept("commands_clean"))
        return hear(
            transcriber,
            examples,
            lambda samples, number: mix_noise(
                samples, noise, level, np.random.default_rng([level, number])
            ),
            kept(f"commands_{level}"),
        )

    clean = frames_at(None)
    texts = [example.text for example in examples]
    collected = collect(list(zip(texts, clean)), transcriber.vocabulary)
    if out is not None:
        chosen = choose_all(collected, most, least_gain)
        remark = (
            f"How {preset} hears these words; chosen on {CORPUS}:{SPLIT} by "
            "train/evaluate_commands.py."
        )
        write_atomically(out, to_text(chosen, remark))
    rows = searches(
        jsgf.read(grammar),
        transcriber.vocabulary,
        collected,
        len(examples),
        most,
        least_gain,
    )
    conditions = []
    for level in [None, *levels]:
        frames = clean if level is None else frames_at(level)
        shares = {
            name: sum(
                len(accepted(search, frames, slots, numbers))
                for search, numbers in parts
            )
            / len(examples)
            for name, parts in rows.items()
            if level is None or name != "same recordings"
        }
        conditions.append({"snr_db": level, **shares})
        typer.echo(json.dumps(conditions[-1]), err=True)
    other = read_manifest(data / OTHER_SPEECH[0], OTHER_SPEECH[1])[:limit]
    heard = hear(transcriber, other, None, kept("other_speech"))
    search = rows["other recordings"][0][0]
    scores = [search.search(frames).score for frames in heard]
    return {
        "command": COMMAND,
        "file_sha256": sha256(source.file),
        "machine": platform.machine(),
        "data": f"{CORPUS}:{SPLIT}",
        "recordings": len(examples),
        "least_score": LEAST_SCORE,
        "conditions": conditions,
        "other_speech": {
            "data": ":".join(OTHER_SPEECH),
            "recordings": len(other),
            "taken_for_commands": sum(s >= LEAST_SCORE for s in scores)
            / len(other),
        },
    }


def show(result: dict) -> None:
    """Prints the table, and what other speech was taken for."""
    table = Table(title=f"commands accepted, %, {result['data']}")
    names = list(result["conditions"][0])[1:]
    table.add_column("noise")
    for name in names:
        table.add_column(name, justify="right")
    for condition in result["conditions"]:
        level = condition["snr_db"]
        label = "none" if level is None else f"{level} dB"
        shares = [
            f"{100 * condition[name]:.1f}" if name in condition else ""
            for name in names
        ]
        table.add_row(label, *shares)
    console = wide_console()
    console.print(table)
    other = result["other_speech"]
    console.print(
        f"{100 * other['taken_for_commands']:.1f} % of "
        f"{other['recordings']} sentences of {other['data']} were taken for "
        "commands."
    )


if __name__ == "__main__":
    typer.run(main)
