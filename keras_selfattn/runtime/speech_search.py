"""How a recogniser's frames become text: beam, language model, grammar.

One object for both transcribers, and for any number of recordings.
Shapes: `T` frames, `V` vocabulary entries (0 = blank).
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keras_selfattn.decoding import jsgf, ngram_file
from keras_selfattn.decoding.ctc import words_with_times
from keras_selfattn.decoding.ctc_alignment import align
from keras_selfattn.decoding.ctc_prefix_beam import CtcPrefixBeam
from keras_selfattn.decoding.grammar_search import GrammarSearch
from keras_selfattn.decoding.text_scorer import TextScorer
from keras_selfattn.runtime import preset_folder

DEFAULT_BEAM = 16
LANGUAGE_MODEL = "language_model.bin"
# What suits `asr_conformer_small_en` and its language model; chosen on dev by
# train/evaluate_asr.py.
LEAST_SCORE = -2.0  # of a grammar's sentence, see train/evaluate_commands.py
LM_WEIGHT, WORD_BONUS, UNKNOWN_PENALTY = 0.5, 1.5, 12.0


@dataclass(frozen=True)
class Found:
    """What a search makes of one piece of speech.

    Args:
        frames: int32 `(T,)`, tokens where they begin, 0 elsewhere.
        words: list of `{"word", "start_s", "end_s", "confidence"}`; times
            count from the piece's beginning.
        text: str.
        alternatives: list of `{"text", "score"}`, best first.
        command: None, or `{"accepted", "slots", "score"}` of a grammar.
    """

    frames: np.ndarray
    words: list
    text: str
    alternatives: list = field(default_factory=list)
    command: dict | None = None


class SpeechSearch:
    """Texts from frames: by a beam, or what a grammar allows.

    Without a grammar, the texts of a prefix beam are ranked by sound, language
    model and phrases; with one, only its sentences come out. Given to
    `Transcriber.transcribe` or `StreamingTranscriber`; keeps nothing between
    recordings.

    Args:
        beam: int >= 1, texts kept while searching.
        language_model: `NgramModel`, or str or path of a file of one (ARPA or
            our own), or None.
        lm_weight, word_bonus, unknown_penalty: see `TextScorer`; they count
            with a language model only.
        phrases: list of str, names and phrases that are likely to be said, or
            dict of str to a factor.
        phrase_bonus: float, for each character of a phrase.
        num_best: int >= 1, texts that `alternatives` has.
        grammar: `jsgf.Grammar`, or str or path of a JSGF file, or a list of
            str, one of which is said; or None. The options above, but for
            `num_best`, do not go with it.
        spellings: dict of a grammar's word to a list of spellings in which it
            is heard, too; or str or path of a file with a line
            `word: spelling, spelling` each.
        least_score: float <= 0; a sentence whose score is lower is not
            accepted, and its text is empty.

    Raises:
        ValueError: options that do not go together, or out of their range.
        NgramError, GrammarError: of those files.

    Example:
    ```python
    search = SpeechSearch(grammar="coffee.jsgf")
    order = transcriber.transcribe("order.wav", search=search)
    if order.command["accepted"]:
        print(order.command["slots"])
    ```
    """

    def __init__(
        self,
        beam=DEFAULT_BEAM,
        language_model=None,
        lm_weight=LM_WEIGHT,
        word_bonus=WORD_BONUS,
        unknown_penalty=UNKNOWN_PENALTY,
        phrases=(),
        phrase_bonus=1.0,
        num_best=1,
        grammar=None,
        spellings=None,
        least_score=LEAST_SCORE,
    ):
        if beam < 1 or num_best < 1:
            raise ValueError(
                f"beam={beam}, num_best={num_best}; expected at least 1."
            )
        if grammar is not None and (language_model is not None or phrases):
            raise ValueError(
                "A grammar says alone what may come out: leave out the "
                "language model and the phrases, or the grammar."
            )
        if grammar is None and spellings:
            raise ValueError("spellings are of a grammar's words; give one.")
        if isinstance(phrases, str):
            phrases = [phrases]
        self.beam, self.num_best = beam, num_best
        self.least_score = least_score
        if isinstance(language_model, (str, Path)):
            language_model = ngram_file.open_model(language_model)
        self.language_model = language_model
        self._scorer = TextScorer(
            language_model,
            lm_weight,
            word_bonus if language_model is not None else 0.0,
            unknown_penalty,
            phrases,
            phrase_bonus,
        )
        if isinstance(grammar, (str, Path)):
            grammar = jsgf.read(grammar)
        elif grammar is not None and not isinstance(grammar, jsgf.Grammar):
            grammar = jsgf.word_list(grammar)
        self.grammar = grammar
        if isinstance(spellings, (str, Path)):
            spellings = read_spellings(spellings)
        self.spellings = spellings
        self._compiled = (None, None)

    def begin(self, vocabulary, frame_seconds):
        """A search over one piece of speech.

        Args:
            vocabulary: list of str, the recogniser's.
            frame_seconds: float.

        Returns:
            an object with `feed(log_probabilities)`, `text` (so far; None
            where it is known at the end only) and `finish()`, which gives
            `Found`.

        Raises:
            GrammarError: a word cannot be spelled in this vocabulary.
        """
        if self.grammar is None:
            return _BeamPiece(self, vocabulary, frame_seconds)
        # A graph takes some ten milliseconds to build: kept for the next.
        if self._compiled[0] != vocabulary:
            search = GrammarSearch(self.grammar, vocabulary, self.spellings)
            self._compiled = (list(vocabulary), search)
        grammar_search = self._compiled[1]
        return _GrammarPiece(self, vocabulary, frame_seconds, grammar_search)


class _Piece:
    """Keeps the frames of a piece, for times and confidences at its end."""

    def __init__(self, search, vocabulary, frame_seconds):
        self._search, self._vocabulary = search, vocabulary
        self._frame_seconds = frame_seconds
        self._fed = [np.zeros((0, len(vocabulary)), "float32")]

    def _frames(self):
        return np.concatenate(self._fed)  # (T, V)

    def _words(self, emitted, frames):
        return words_with_times(
            emitted, frames, self._vocabulary, self._frame_seconds
        )


class _BeamPiece(_Piece):
    def __init__(self, search, vocabulary, frame_seconds):
        super().__init__(search, vocabulary, frame_seconds)
        self._beam = CtcPrefixBeam(vocabulary, search._scorer, search.beam)

    def feed(self, log_probabilities):
        self._beam.feed(log_probabilities)
        self._fed.append(np.asarray(log_probabilities, "float32"))

    @property
    def text(self):
        return self._beam.text()

    def finish(self):
        frames = self._frames()
        found = self._beam.finish(self._search.num_best)
        emitted = align(frames, found[0].token_ids)
        texts = [self._beam.text_of(h.token_ids) for h in found]
        return Found(
            emitted,
            self._words(emitted, frames),
            texts[0],
            [{"text": text, "score": h.score} for text, h in zip(texts, found)],
        )


class _GrammarPiece(_Piece):
    text = None  # what is said is known at the end only

    def __init__(self, search, vocabulary, frame_seconds, grammar_search):
        super().__init__(search, vocabulary, frame_seconds)
        self._grammar_search = grammar_search

    def feed(self, log_probabilities):
        self._fed.append(np.asarray(log_probabilities, "float32"))

    def finish(self):
        frames = self._frames()
        match = self._grammar_search.search(frames)
        if match is None or match.score < self._search.least_score:
            score = None if match is None else match.score
            alternatives = []
            if match is not None:
                alternatives = [{"text": match.text, "score": score}]
            command = {"accepted": False, "slots": {}, "score": score}
            nothing = np.zeros(len(frames), "int32")
            return Found(nothing, [], "", alternatives, command)
        heard = match.frames
        words = []
        for word, first, last in match.words:
            at = first + np.flatnonzero(heard[first : last + 1])
            logs = frames[at, heard[at]]
            words.append(
                {
                    "word": word,
                    "start_s": float(first * self._frame_seconds),
                    "end_s": float((last + 1) * self._frame_seconds),
                    "confidence": float(np.exp(np.mean(logs))),
                }
            )
        return Found(
            heard,
            words,
            match.text,
            [{"text": match.text, "score": match.score}],
            {"accepted": True, "slots": match.slots, "score": match.score},
        )


def read_spellings(path):
    """Spellings in which words are heard, from a text file.

    A line is `word: spelling, spelling`; a spelling may hold blanks. Lines that
    begin with `#` are remarks.

    Returns:
        dict of str to list of str.

    Raises:
        ValueError: the file cannot be read, or a line is of another form.
    """
    spellings = {}
    try:
        lines = Path(path).read_text(encoding="utf8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{path} cannot be read: {reason}.") from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        word, colon, others = line.partition(":")
        others = [" ".join(other.split()) for other in others.split(",")]
        if not colon or not word.strip() or not all(others):
            raise ValueError(
                f"{path}, line {number}: expected `word: spelling, spelling`, "
                f"found {line!r}."
            )
        spellings.setdefault(word.strip(), []).extend(others)
    return spellings


def preset_language_model(source, required=True):
    """The path of a preset's language model.

    Args:
        source: str or path of a preset folder, or of a file in it.
        required: bool, whether there has to be one.

    Returns:
        path, or None where there is none and none is required.

    Raises:
        PresetError: it has none, which is required, or one that is damaged.
    """
    folder = Path(source)
    if not folder.is_dir():
        folder = folder.parent
    if not (folder / LANGUAGE_MODEL).is_file():
        if not required:
            return None
        raise preset_folder.PresetError(
            f"{folder} has no {LANGUAGE_MODEL}; give the path of a language "
            "model, ARPA or one of train/ngram_lm.py."
        )
    return preset_folder.model_file(folder, LANGUAGE_MODEL)
