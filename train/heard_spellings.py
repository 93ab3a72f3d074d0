"""Finds the spellings in which a recogniser hears words.

    python train/heard_spellings.py --data $KERAS_SELFATTN_DATA/speech \
        --set coffee-s2i:dev --out examples/coffee.spellings

A small recogniser spells what it hears: `roast` comes out as `rost`, `roset`
or `ros`. For each word of the sets' transcripts, what it wrote where the word
was said is a candidate; those are kept, one after the other, that make the
recordings most likely, until another would not gain `--least-gain` or there are
`--most`. With `--whole`, transcripts are taken whole, as keywords. The file
goes to `keras-selfattn transcribe --grammar ... --spellings` and to
`KeywordSpotter`.

What was chosen on recordings says little about others of the same words by
other speakers: `train/evaluate_commands.py` measures with spellings chosen on
other recordings than the measured ones.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from evaluation import (
    DataOption,
    PresetOption,
    SetOptions,
    measure_all,
    user_errors,
)
from preset_metrics import EvaluationError, find_source, parse_set

from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.data.corpora import read_manifest
from keras_selfattn.decoding import jsgf
from keras_selfattn.decoding.ctc import collapse, softened
from keras_selfattn.decoding.ctc_alignment import text_scores
from keras_selfattn.decoding.grammar_search import GrammarSearch
from keras_selfattn.preprocessing.audio import read_audio
from keras_selfattn.preprocessing.vocabulary import detokenize
from keras_selfattn.runtime import Transcriber

MostOption = Annotated[int, typer.Option(min=1, help="Spellings a word.")]
LeastGainOption = Annotated[
    float, typer.Option(help="What another spelling must add.")
]
OTHER = 1e-3  # share of each frame's probability that any token has
WORST = 15.0  # a recording that is lost anyway shall not decide alone


def word_spans(log_probabilities, text: str, vocabulary) -> list:
    """Returns (word, first frame, frame after the last) of a known text.

    Frames between two words are shared between them.
    """
    grammar = jsgf.word_list([text])
    match = GrammarSearch(grammar, vocabulary).search(log_probabilities)
    if match is None:
        return []
    starts = [first for _, first, _ in match.words]
    ends = [last for _, _, last in match.words]
    edges = [(a + b + 1) // 2 for a, b in zip(ends, starts[1:])]
    edges = [0, *edges, len(log_probabilities)]
    return [
        (word, first, last)
        for (word, _, _), first, last in zip(match.words, edges, edges[1:])
        if first < last
    ]


def heard(log_probabilities, vocabulary) -> str:
    """Returns what the recogniser writes by itself; it may hold blanks."""
    ids, _ = collapse(np.argmax(log_probabilities, axis=1).astype("int32"))
    return " ".join(detokenize(ids, vocabulary).split())


class WordRecordings:
    """Where one word was said, and how well each candidate fits there.

    Args:
        word: str.
        pieces: list of float arrays `(T, V)`, one a recording.
        vocabulary: list of str.
    """

    def __init__(self, word: str, pieces: list, vocabulary):
        self.word = word
        self.heard = [heard(piece, vocabulary) for piece in pieces]
        self.candidates = sorted({word, *filter(None, self.heard)})
        ids = {token: number for number, token in enumerate(vocabulary)}
        texts = [[ids[c] for c in text] for text in self.candidates]
        rows = []
        for piece in pieces:
            soft = np.log(softened(piece, OTHER))
            free = soft.max(axis=1).sum()
            rows.append(text_scores(soft, texts) - free)
        self.scores = np.maximum(np.array(rows), -WORST)

    def choose(self, most: int, least_gain: float, among=None) -> list[str]:
        """Returns the spellings besides the word itself that gain most.

        Args:
            most: at most so many.
            least_gain: log-probability that one must add over all recordings.
            among: numbers of the recordings that count; None for all.
        """
        if among is None:
            among = range(len(self.heard))
        among = list(among)
        places = {text: n for n, text in enumerate(self.candidates)}
        scores = self.scores[among]
        best = scores[:, places[self.word]]
        left = {self.heard[n] for n in among} - {self.word, ""}
        chosen = []
        while left and len(chosen) < most:
            gain, text = max(
                (np.maximum(scores[:, places[t]] - best, 0.0).sum(), t)
                for t in left
            )
            if gain < least_gain:
                break
            chosen.append(text)
            left.discard(text)
            best = np.maximum(best, scores[:, places[text]])
        return chosen


def collect(recordings, vocabulary, whole: bool = False) -> dict:
    """Sorts recordings by word.

    Args:
        recordings: list of (text, log-probabilities).
        vocabulary: list of str.
        whole: take a text as one word.

    Returns:
        dict of word to (`WordRecordings`, list of recording numbers).
    """
    pieces = {}
    for number, (text, scores) in enumerate(recordings):
        spans = [(text, 0, len(scores))]
        if not whole:
            spans = word_spans(scores, text, vocabulary)
        for word, first, last in spans:
            pieces.setdefault(word, []).append((number, scores[first:last]))
    return {
        word: (
            WordRecordings(word, [piece for _, piece in found], vocabulary),
            [number for number, _ in found],
        )
        for word, found in pieces.items()
    }


def choose_all(collected: dict, most: int, least_gain: float, among=None):
    """Returns the chosen spellings of each word that has any.

    Args:
        collected: as from `collect`.
        most, least_gain: see `WordRecordings.choose`.
        among: set of recording numbers that count; None for all.
    """
    spellings = {}
    for word, (recordings, numbers) in sorted(collected.items()):
        places = [
            place
            for place, number in enumerate(numbers)
            if among is None or number in among
        ]
        chosen = recordings.choose(most, least_gain, places)
        if chosen:
            spellings[word] = chosen
    return spellings


def to_text(spellings: dict, remark: str) -> str:
    """Returns the file that `read_spellings` reads."""
    lines = [f"# {remark}"]
    lines += [f"{word}: {', '.join(s)}" for word, s in spellings.items()]
    return "\n".join(lines) + "\n"


def main(
    sets: SetOptions,
    data: DataOption,
    out: Annotated[Path, typer.Option(help="File to write.")],
    preset: PresetOption = "asr",
    whole: Annotated[
        bool, typer.Option("--whole", help="A transcript is one keyword.")
    ] = False,
    most: MostOption = 12,
    least_gain: LeastGainOption = 1.0,
) -> None:
    """Writes how a preset hears the words of CORPUS:SPLIT sets."""
    with user_errors():
        transcriber = Transcriber(find_source(preset).file)
        examples = {}
        for named in sets:
            corpus, split = parse_set(named)
            examples[named] = read_manifest(data / corpus, split)
            if not examples[named]:
                raise EvaluationError(f"--set {named} has no utterances.")

        def hear(_, found, advance):
            heard = []
            for example in found:
                samples = read_audio(example.path, transcriber.sampling_rate_hz)
                heard.append((example.text, transcriber.emissions(samples)[1]))
                advance()
            return heard

        recordings = sum(measure_all(examples, hear).values(), [])
        collected = collect(recordings, transcriber.vocabulary, whole)
        spellings = choose_all(collected, most, least_gain)
        remark = (
            f"How {preset} hears these words; chosen on {' '.join(sets)} by "
            "train/heard_spellings.py."
        )
        write_atomically(out, to_text(spellings, remark))
        count = sum(map(len, spellings.values()))
        typer.echo(f"{out}: {count} spellings of {len(spellings)} words")


if __name__ == "__main__":
    typer.run(main)
