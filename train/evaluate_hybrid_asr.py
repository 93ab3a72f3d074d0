"""Measures a hybrid recogniser of features in each way of decoding.

    python train/evaluate_hybrid_asr.py --preset runs/an4/preset \
        --set $KERAS_SELFATTN_DATA/speech/an4-mfcc:dev --lm words.arpa

Ways: `greedy` (the best frames of CTC), `ctc-lm` (CTC prefix beam with the
word n-gram), `joint` (attention beam with CTC prefix scores), `joint-lm` (both
with the word n-gram). `--tune` tries the weights of a small grid instead and
prints the error rates of each, for dev sets. `--keep FILE` enters the rates
under the seed that the run's `arguments.json` names.
"""

import itertools
import json
from pathlib import Path
from typing import Annotated

import typer
from evaluation import user_errors
from hybrid_asr import read_features

from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.decoding import ngram_file
from keras_selfattn.decoding.ctc import emissions
from keras_selfattn.decoding.ctc_prefix_beam import CtcPrefixBeam
from keras_selfattn.decoding.text_scorer import TextScorer
from keras_selfattn.metrics.error_rate import ErrorRate
from keras_selfattn.preprocessing.transcripts import normalize_transcript

WAYS = ("greedy", "ctc-lm", "joint", "joint-lm")
GRID = {
    "lm_weight": (0.3, 0.6, 1.0),
    "word_bonus": (0.0, 1.0, 2.0),
    "ctc_weight": (0.3, 0.5, 0.7),
}


def in_frames(hybrid, features):
    """Log-probabilities of CTC, a float array `(T, V)` an utterance."""
    from keras_selfattn.tasks.hybrid_search import HybridSearch

    found = [None] * len(features)
    for rows, frames, lengths, *_ in HybridSearch(hybrid).hear(features):
        for row, scores, length in zip(rows, frames, lengths, strict=True):
            found[row] = scores[:length]
    return found


def decode(hybrid, features, frames, way, model, settings):
    """Texts of utterances in one of the ways.

    Args:
        hybrid: HybridRecognizer.
        features: list of float arrays.
        frames: what `in_frames` gave for them.
        way: one of `WAYS`.
        model: `NgramModel`, or None where the way has none.
        settings: dict of beam, lm_weight, word_bonus, unknown_penalty and
            ctc_weight.
    """
    scorer = None
    if way.endswith("-lm"):
        if model is None:
            raise ValueError(f"--way {way} needs a language model: --lm FILE.")
        scorer = TextScorer(
            model,
            settings["lm_weight"],
            settings["word_bonus"],
            settings["unknown_penalty"],
        )
    if way.startswith("joint"):
        return hybrid.transcribe(
            features,
            beam=settings["beam"],
            ctc_weight=settings["ctc_weight"],
            scorer=scorer,
        )
    texts = []
    for scores in frames:
        if scorer is None:
            ids = [i for i in emissions(scores.argmax(axis=-1)) if i]
            texts.append(hybrid.tokenizer.decode(ids))
            continue
        search = CtcPrefixBeam(
            hybrid.tokenizer.vocabulary, scorer, 2 * settings["beam"]
        )
        search.feed(scores)
        texts.append(search.text_of(search.finish()[0].token_ids))
    return texts


def rates(references, texts):
    """Error rates as a dict."""
    meter = ErrorRate()
    meter.update(references, texts)
    return meter.result()


def tune(hybrid, features, frames, references, model, settings, ways):
    """Prints the rates of each point of the grid; the best one last."""
    for way in ways:
        names = ["ctc_weight"] if way.startswith("joint") else []
        names += ["lm_weight", "word_bonus"] if way.endswith("-lm") else []
        tried = []
        for values in itertools.product(*(GRID[name] for name in names)):
            point = dict(zip(names, values, strict=True))
            texts = decode(
                hybrid, features, frames, way, model, {**settings, **point}
            )
            found = rates(references, texts)
            tried.append((found["wer"], found["cer"], point))
            typer.echo(f"{way} {point}: {percent(found)}")
        wer, cer, point = min(tried, key=lambda row: row[:2])
        typer.echo(f"{way}: best {point}: {percent({'wer': wer, 'cer': cer})}")


def percent(found):
    """Both rates, readable."""
    return f"WER {100 * found['wer']:.2f} %, CER {100 * found['cer']:.2f} %"


def keep(path, facts, seed, split, found):
    """Enters the rates of one seed and split into the kept file."""
    kept = {"format": 1, "runs": []}
    if path.is_file():
        kept = json.loads(path.read_text("utf-8"))
    kept |= facts
    runs = {run["seed"]: run for run in kept["runs"]}
    run = runs.setdefault(seed, {"seed": seed})
    run.setdefault(split, {}).update(found)
    kept["runs"] = [runs[number] for number in sorted(runs)]
    write_atomically(path, json.dumps(kept, indent=1) + "\n")


def main(
    preset: Annotated[Path, typer.Option(help="Folder of the preset.")],
    sets: Annotated[
        list[str], typer.Option("--set", help="FOLDER:SPLIT; repeatable.")
    ],
    way: Annotated[list[str] | None, typer.Option(help=", ".join(WAYS))] = None,
    lm: Annotated[Path | None, typer.Option(help="Word n-gram file.")] = None,
    beam: Annotated[int, typer.Option(min=1)] = 8,
    lm_weight: float = 0.4,
    word_bonus: float = 2.0,
    unknown_penalty: float = 8.0,
    ctc_weight: Annotated[float, typer.Option(help="In joint ways.")] = 0.7,
    grid: Annotated[
        bool, typer.Option("--tune", help="Try a grid of weights.")
    ] = False,
    keep_in: Annotated[
        Path | None, typer.Option("--keep", help="JSON to enter rates into.")
    ] = None,
    command: Annotated[str, typer.Option(help="Kept beside the rates.")] = "",
    hardware: Annotated[str, typer.Option(help="Likewise.")] = "",
) -> None:
    """Prints word and character error rates of each way of decoding."""
    from keras_selfattn.tasks import Task

    ways = list(way or WAYS)
    with user_errors():
        unknown = sorted(set(ways) - set(WAYS))
        if unknown:
            raise ValueError(f"--way {unknown[0]}: use one of {WAYS}.")
        model = None if lm is None else ngram_file.open_model(lm)
        if model is None:
            ways = [one for one in ways if not one.endswith("-lm")]
        settings = {
            "beam": beam,
            "lm_weight": lm_weight,
            "word_bonus": word_bonus,
            "unknown_penalty": unknown_penalty,
            "ctc_weight": ctc_weight,
        }
        hybrid = Task.from_preset_folder(preset)
        for named in sets:
            examples = read_features([named])
            references = [normalize_transcript(e.text) for e in examples]
            features = [e.features.astype("float32") for e in examples]
            frames = in_frames(hybrid, features)
            if grid:
                tune(
                    hybrid,
                    features,
                    frames,
                    references,
                    model,
                    settings,
                    ways,
                )
                continue
            found = {}
            for one in ways:
                texts = decode(hybrid, features, frames, one, model, settings)
                found[one] = rates(references, texts)
                typer.echo(f"{named} {one}: {percent(found[one])}")
            if keep_in is not None:
                facts = {
                    "parameters": hybrid.count_params(),
                    "settings": settings,
                    **({"command": command} if command else {}),
                    **({"hardware": hardware} if hardware else {}),
                }
                arguments = json.loads(
                    (preset.parent / "arguments.json").read_text("utf-8")
                )
                split = named.rpartition(":")[2]
                keep(keep_in, facts, arguments["seed"], split, found)


if __name__ == "__main__":
    typer.run(main)
