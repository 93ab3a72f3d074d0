"""Measures wake words: misses at one false alarm in an hour.

    python train/evaluate_wake_words.py --data $KERAS_SELFATTN_DATA/speech

Each of the six words of `wakewords:dev` (the open recordings of Picovoice's
wake-word-benchmark) is listened for by `KeywordSpotter`, with spellings in
which the recogniser hears it (`train/heard_spellings.py --whole`), chosen on
`wakewords:train`. Its threshold is the lowest that lets it be heard at most
once in an hour of other speech (speechocean762, LibriSpeech, spoken orders)
and noise; a dev recording in which it then is not heard is a miss. The files
have no names of speakers, so that a voice may be in both splits.

`--spellings OUT` writes the spellings for the examples. The figures go to
benchmarks/results/wake_words.json (`--update`), from which `train/report.py`
makes the table.
"""

import json
import platform
from pathlib import Path
from typing import Annotated

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
from keras_selfattn.data.corpora import read_manifest
from keras_selfattn.decoding.keyword_spotter import KeywordSpotter
from keras_selfattn.runtime import Transcriber
from keras_selfattn.runtime.preset_folder import sha256

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks/results/wake_words.json"
COMMAND = (
    "python train/evaluate_wake_words.py --data $KERAS_SELFATTN_DATA/speech"
)
CORPUS = "wakewords"
OTHER = (
    ("speechocean762", "dev"),
    ("speechocean762", "test"),
    ("librispeech-mini", "dev"),
    ("coffee-s2i", "dev"),
    ("noise", "train"),
)
LOWEST = -6.0  # no score below is looked at


def alarms(spotter, frames: list) -> dict[str, list[float]]:
    """Returns the scores at which each keyword was heard, over recordings.

    Recordings follow one another; none runs into the next.
    """
    found = {}
    for recording in frames:
        spotter.reset()
        for heard in spotter.feed(recording) + spotter.finish():
            found.setdefault(heard.keyword, []).append(heard.score)
    return found


def threshold(scores: list[float], allowed: int) -> float:
    """Returns the lowest score that at most `allowed` of these reach."""
    ranked = sorted(scores, reverse=True)
    if len(ranked) <= allowed:
        return LOWEST
    # Just above the first that would be one too many.
    return ranked[allowed] + 1e-6


def best_scores(spotter, frames: list, keyword: str) -> list[float]:
    """Returns the best score of a keyword in each recording."""
    return [
        max(alarms(spotter, [recording]).get(keyword, [LOWEST * 2]))
        for recording in frames
    ]


def main(
    data: DataOption,
    preset: PresetOption = "asr",
    most: MostOption = 12,
    least_gain: LeastGainOption = 5.0,
    limit: LimitOption = None,
    emissions: EmissionsOption = None,
    spellings_out: Annotated[
        Path | None, typer.Option("--spellings", help="Write them here.")
    ] = None,
    update: KeepOption = False,
) -> None:
    """Prints misses of each wake word at one false alarm in an hour."""
    with user_errors():
        if update and limit:
            raise EvaluationError("--update wants all recordings: no --limit.")
        source = find_source(preset)
        transcriber = Transcriber(source.file)

        def heard(corpus, split):
            examples = read_manifest(data / corpus, split)[:limit]
            name = f"{corpus}_{split}.npz"
            kept = emissions / name if emissions else None
            return examples, hear(transcriber, examples, None, kept)

        examples, frames = heard(CORPUS, "train")
        texts = [example.text for example in examples]
        collected = collect(
            list(zip(texts, frames)), transcriber.vocabulary, whole=True
        )
        spellings = choose_all(collected, most, least_gain)
        other, seconds = [], 0.0
        for corpus, split in OTHER:
            found, frames = heard(corpus, split)
            seconds += sum(example.duration_s for example in found)
            other += frames
        examples, frames = heard(CORPUS, "dev")
        result = measure(
            transcriber.vocabulary,
            spellings,
            [(e.text, recording) for e, recording in zip(examples, frames)],
            other,
            seconds / 3600,
        )
        result = {
            "command": COMMAND,
            "file_sha256": sha256(source.file),
            "machine": platform.machine(),
            "other": [":".join(named) for named in OTHER],
            **result,
        }
        show(result)
        if spellings_out:
            remark = (
                f"How {preset} hears these words; chosen on {CORPUS}:train by "
                "train/evaluate_wake_words.py."
            )
            write_atomically(spellings_out, to_text(spellings, remark))
        if update:
            text = json.dumps(result, indent=2) + "\n"
            write_atomically(RESULT, text)
            typer.echo(f"wrote {RESULT}", err=True)


def measure(vocabulary, spellings, spoken, other, hours: float) -> dict:
    """Returns the figures of each keyword.

    Args:
        vocabulary: list of str.
        spellings: dict of keyword to its further spellings.
        spoken: list of (keyword, log-probabilities).
        other: list of log-probabilities of anything else.
        hours: how long `other` is.
    """
    words = {}
    for keyword in sorted({word for word, _ in spoken}):
        spotter = KeywordSpotter([keyword], vocabulary, LOWEST, spellings)
        false = alarms(spotter, other).get(keyword, [])
        limit = threshold(false, int(hours))
        mine = [frames for word, frames in spoken if word == keyword]
        scores = best_scores(spotter, mine, keyword)
        words[keyword] = {
            "recordings": len(mine),
            "misses": sum(score < limit for score in scores),
            "threshold": round(limit, 3),
            "false_alarms": sum(score >= limit for score in false),
            "spellings": 1 + len(spellings.get(keyword, [])),
        }
        typer.echo(f"{keyword}: {json.dumps(words[keyword])}", err=True)
    return {"hours": round(hours, 3), "words": words}


def show(result: dict) -> None:
    """Prints the table."""
    table = Table(
        title=f"at most one false alarm in an hour ({result['hours']:.2f} h)"
    )
    for header in ("word", "recordings", "misses", "%", "threshold"):
        table.add_column(header)
    for word, found in result["words"].items():
        share = 100 * found["misses"] / found["recordings"]
        table.add_row(
            word,
            str(found["recordings"]),
            str(found["misses"]),
            f"{share:.1f}",
            f"{found['threshold']:.2f}",
        )
    wide_console().print(table)


if __name__ == "__main__":
    typer.run(main)
