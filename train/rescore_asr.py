"""Measures what a causal language model adds to a recogniser's search.

    python train/rescore_asr.py --data $KERAS_SELFATTN_DATA/speech \
        --causal runs/asr/model.tflite --emissions heard \
        --dev speechocean762:dev --dev librispeech-mini:dev --dev fsdd:dev \
        --test speechocean762:test --update

Four ways over the same frames of the preset's `model.tflite`: the best tokens;
a beam with the preset's n-gram model; that beam's `--num-best` texts ranked
once more with the causal model beside the n-gram one; and ranked by sound and
the causal model alone. Weights and word bonus of all rankings (the n-gram's,
too, for a fair comparison) are those with the fewest word errors over all
`--dev` sets together, from a small grid. `--test` sets are measured once, with
these. The least errors that any order of these texts could have is told.

`--emissions FOLDER` keeps what the preset hears. `--update` writes
benchmarks/results/rescoring.json.
"""

import itertools
import json
import math
from pathlib import Path
from typing import Annotated

import typer
from evaluate_asr import DATA, read_set
from evaluation import (
    DataOption,
    KeepOption,
    LimitOption,
    PresetOption,
    command_line,
    user_errors,
)
from kept_emissions import EmissionsOption, hear
from preset_metrics import find_source

from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.decoding import ngram_file
from keras_selfattn.decoding.ctc import collapse
from keras_selfattn.decoding.ctc_prefix_beam import CtcPrefixBeam
from keras_selfattn.decoding.rescoring import rescore, text_score
from keras_selfattn.decoding.text_scorer import TextScorer
from keras_selfattn.metrics.error_rate import word_errors
from keras_selfattn.preprocessing.transcripts import normalize_transcript
from keras_selfattn.preprocessing.vocabulary import detokenize
from keras_selfattn.runtime import TextGenerator, Transcriber
from keras_selfattn.runtime.preset_folder import sha256
from keras_selfattn.runtime.speech_search import (
    DEFAULT_BEAM,
    LM_WEIGHT,
    UNKNOWN_PENALTY,
    WORD_BONUS,
    preset_language_model,
)

SCRIPT = "train/rescore_asr.py"
RESULT = Path(__file__).parent.parent / "benchmarks/results/rescoring.json"
WEIGHTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7)
NGRAM_WEIGHTS = (0.2, 0.3, 0.4, 0.5, 0.7)
BONUSES = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)


class Utterance:
    """What was said, what the best tokens say, and texts to rank.

    Args:
        frames: float32 `(T, V)`.
        reference: str.
        vocabulary: list of str, the recogniser's.
        scorer: `TextScorer` of the search.
        beam: int.
        penalties: `TextScorer` that adds the n-gram's ln p and penalties only.
        causal: `TextGenerator`.
    """

    def __init__(
        self, frames, reference, vocabulary, scorer, beam, penalties, causal
    ):
        self.words = len(reference.split())
        ids, _ = collapse(frames.argmax(axis=-1))
        self.greedy = _errors(reference, detokenize(ids, vocabulary))
        search = CtcPrefixBeam(vocabulary, scorer, beam)
        search.feed(frames)
        self.rows = []
        for found in search.finish(beam):
            text = search.text_of(found.token_ids)
            self.rows.append(
                {
                    "text": text,
                    "shipped": found.score,
                    "sound": found.log_prob,
                    "ngram": text_score(penalties, text) / LM_WEIGHT,
                    "causal": float(causal.log_probabilities(text).sum()),
                    "words": len(text.split()),
                    "errors": _errors(reference, text),
                }
            )

    def errors(self, ngram, causal, bonus):
        """Word errors of the best text under these weights."""
        logs = {row["text"]: row for row in self.rows}
        ranked = rescore(
            [
                (row["text"], row["sound"] + ngram * row["ngram"])
                for row in self.rows
            ],
            lambda texts: [logs[text]["causal"] for text in texts],
            causal,
            bonus,
        )
        return logs[ranked[0][0]]["errors"]

    @property
    def shipped(self):
        """Word errors of the search as it is."""
        return max(self.rows, key=lambda row: row["shipped"])["errors"]

    @property
    def least(self):
        """The fewest word errors of any text."""
        return min(row["errors"] for row in self.rows)


def _errors(reference, text):
    found = word_errors(reference, normalize_transcript(text))
    return found.errors


def tuned(utterances, ngram_weights, causal_weights):
    """The weights with the fewest errors, and these."""
    grid = itertools.product(ngram_weights, causal_weights, BONUSES)
    counted = {
        weights: sum(u.errors(*weights) for u in utterances) for weights in grid
    }
    best = min(counted, key=counted.get)
    return best, counted[best]


def figures(utterances, chosen):
    """Word error rates of one set, by the way of ranking."""
    words = sum(u.words for u in utterances)
    errors = {
        "best tokens": sum(u.greedy for u in utterances),
        "n-gram beam, as shipped": sum(u.shipped for u in utterances),
        **{
            way: sum(u.errors(*weights) for u in utterances)
            for way, weights in chosen.items()
        },
        "best of its texts": sum(u.least for u in utterances),
    }
    return {
        "utterances": len(utterances),
        "words": words,
        "wer": {way: round(n / words, 6) for way, n in errors.items()},
    }


def perplexities(examples, ngram, causal):
    """A word's perplexity, the end counted, by each model."""
    lines = [normalize_transcript(example.text) for example in examples]
    count = sum(len(line.split()) + 1 for line in lines)
    total = sum(float(causal.log_probabilities(line).sum()) for line in lines)
    return {
        "ngram": round(ngram.perplexity([line.split() for line in lines]), 1),
        "causal": round(math.exp(-total / count), 1),
    }


def main(
    data: DataOption,
    causal: Annotated[Path, typer.Option(help="A .tflite or preset folder.")],
    dev: Annotated[list[str], typer.Option(help="CORPUS:SPLIT; repeatable.")],
    test: Annotated[list[str], typer.Option(help="Likewise.")] = (),
    preset: PresetOption = "asr",
    beam: Annotated[int, typer.Option(min=1)] = DEFAULT_BEAM,
    emissions: EmissionsOption = None,
    limit: LimitOption = None,
    update: KeepOption = False,
) -> None:
    """Prints WER of a preset with and without a causal language model."""
    with user_errors():
        source = find_source(preset)
        transcriber = Transcriber(source.file)
        ngram = ngram_file.open_model(preset_language_model(source.folder))
        model = TextGenerator(causal)
        scorer = TextScorer(ngram, LM_WEIGHT, WORD_BONUS, UNKNOWN_PENALTY)
        penalties = TextScorer(ngram, LM_WEIGHT, 0.0, UNKNOWN_PENALTY)
        heard, results = {}, {}
        for named in [*dev, *test]:
            examples = read_set(data, named, limit)
            kept = emissions and emissions / f"{named.replace(':', '_')}.npz"
            if emissions is not None:
                emissions.mkdir(parents=True, exist_ok=True)
            frames = hear(transcriber, examples, None, kept)
            heard[named] = [
                Utterance(
                    part,
                    normalize_transcript(example.text),
                    transcriber.metadata["vocabulary"],
                    scorer,
                    beam,
                    penalties,
                    model,
                )
                for part, example in zip(frames, examples, strict=True)
            ]
            results[named] = {
                "perplexity": perplexities(examples, ngram, model)
            }
        on_dev = [u for named in dev for u in heard[named]]
        chosen = {
            way: tuned(on_dev, *weights)[0]
            for way, weights in {
                "n-gram beam, tuned": (NGRAM_WEIGHTS, (0.0,)),
                "rescored by both": (NGRAM_WEIGHTS, WEIGHTS),
                "rescored by the causal model": ((0.0,), WEIGHTS),
            }.items()
        }
    for named, utterances in heard.items():
        results[named] |= figures(utterances, chosen)
        typer.echo(f"{named}: {json.dumps(results[named])}")
    typer.echo(f"n-gram weight, causal weight, word bonus: {chosen}")
    if update:
        command = command_line(SCRIPT, DATA, preset, (), source.file.name)
        command += f" --causal {causal.name}"
        command += "".join(f" --dev {named}" for named in dev)
        command += "".join(f" --test {named}" for named in test)
        contents = {
            "command": command,
            "preset": preset,
            "preset_sha256": sha256(source.file),
            "beam": beam,
            "weights": {way: list(found) for way, found in chosen.items()},
            "results": results,
        }
        text = json.dumps(contents, indent=1) + "\n"
        write_atomically(RESULT, text)


if __name__ == "__main__":
    typer.run(main)
