"""A voice assistant in one page: wake word, then an order, then an action.

    arecord -f S16_LE -c 1 -r 16000 | python examples/voice_assistant.py -
    python examples/voice_assistant.py recording.wav

Say "jarvis", and then, in the same breath or within eight seconds, an order
such as "brew a large latte with soy milk". Everything runs on this machine: the
preset's `.tflite`, a `KeywordSpotter` for the wake word and a `GrammarSearch`
over `examples/coffee.jsgf` for the order. An utterance ends where it is quiet
for 0.6 seconds; it is heard as a whole, so that no streaming model is needed.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from keras_selfattn import zoo
from keras_selfattn.decoding import jsgf
from keras_selfattn.decoding.ctc import collapse
from keras_selfattn.decoding.grammar_search import GrammarSearch
from keras_selfattn.decoding.keyword_spotter import KeywordSpotter
from keras_selfattn.preprocessing.audio import read_audio
from keras_selfattn.preprocessing.pcm_stream import pcm_blocks
from keras_selfattn.runtime import Transcriber
from keras_selfattn.runtime.speech_search import LEAST_SCORE, read_spellings

HERE = Path(__file__).resolve().parent
RATE_HZ = 16000
BLOCK_SECONDS = 0.1
END_SECONDS = 0.6  # of quiet, after which an utterance is over
LONGEST_SECONDS = 20.0
AWAKE_SECONDS = 8.0  # how long an order is waited for
FEWEST_LETTERS = 4  # below, nothing was said
LOUDER = 2.5  # than the quietest second lately: that is speech


def utterances(blocks):
    """Yields (seconds at its end, samples) of each stretch of sound.

    Args:
        blocks: iterable of float32 arrays, samples as they come.
    """
    size = int(BLOCK_SECONDS * RATE_HZ)
    waiting = np.zeros(0, "float32")
    levels, kept, quiet, now = [], [], 0.0, 0.0
    heard = False
    for block in blocks:
        waiting = np.concatenate([waiting, block])
        while len(waiting) >= size:
            piece, waiting = waiting[:size], waiting[size:]
            now += BLOCK_SECONDS
            level = float(np.sqrt(np.mean(np.square(piece)))) + 1e-5
            levels = [*levels[-99:], level]
            loud = level > LOUDER * np.quantile(levels, 0.1)
            quiet = 0.0 if loud else quiet + BLOCK_SECONDS
            heard = heard or loud
            kept.append(piece)
            if not heard:
                kept = kept[-3:]  # a little of what is before
            elif quiet >= END_SECONDS or len(kept) * size >= (
                LONGEST_SECONDS * RATE_HZ
            ):
                yield now, np.concatenate(kept)
                kept, heard = [], False
    kept.append(waiting)
    if heard:
        yield now, np.concatenate(kept)


class Assistant:
    """Waits for the wake word, and takes the order that follows.

    Args:
        transcriber: `runtime.Transcriber`.
        wake_word: str.
        threshold: float, of the wake word; see
            `train/evaluate_wake_words.py`.
        grammar: jsgf.Grammar of the orders.
        spellings: dict of word to spellings in which it is heard.
    """

    def __init__(
        self, transcriber, wake_word, threshold, grammar, spellings=None
    ):
        self._transcriber = transcriber
        vocabulary = transcriber.vocabulary
        self._spotter = KeywordSpotter(
            {wake_word: threshold}, vocabulary, spellings=spellings
        )
        self._search = GrammarSearch(grammar, vocabulary, spellings)
        self._awake_until = 0.0

    def hear(self, samples, ends_at: float) -> list[tuple[str, object]]:
        """Returns what happened in an utterance.

        Args:
            samples: float32 `(L,)`.
            ends_at: float, seconds.

        Returns:
            list of ("wake", score), ("order", Match) and ("unclear", Match).
        """
        _, frames = self._transcriber.emissions(samples)
        self._spotter.reset()
        woken = self._spotter.feed(frames) + self._spotter.finish()
        events = []
        if woken:
            best = max(woken, key=lambda spotted: spotted.score)
            events.append(("wake", best.score))
            frames = frames[best.last_frame + 1 :]
            self._awake_until = ends_at + AWAKE_SECONDS
        elif ends_at - len(samples) / RATE_HZ > self._awake_until:
            return events
        letters, _ = collapse(frames.argmax(axis=1).astype("int32"))
        if len(letters) < FEWEST_LETTERS:
            return events  # the end of the wake word: the order comes next
        match = self._search.search(frames)
        if match is not None and match.score >= LEAST_SCORE:
            self._awake_until = 0.0
            events.append(("order", match))
        elif match is not None:
            events.append(("unclear", match))
        return events


def act(slots: dict) -> str:
    """Returns what the coffee maker does; put your own machine here."""
    drink = slots.get("coffeeDrink", "coffee")
    how = [slots[n] for n in ("size", "roast", "numberOfShots") if n in slots]
    extras = [slots[n] for n in ("milkAmount", "sugarAmount") if n in slots]
    text = " ".join(["brewing:", *how, drink])
    return text + (f" with {' and '.join(extras)}" if extras else "")


def main(
    source: Annotated[
        str, typer.Argument(help="Sound file, or - for raw 16-bit samples.")
    ],
    preset: Annotated[str, typer.Option(help="Preset.")] = "asr",
    wake_word: Annotated[str, typer.Option(help="Wake word.")] = "jarvis",
    threshold: Annotated[
        float, typer.Option(help="Lower hears more, and more falsely.")
    ] = -0.35,
    grammar: Annotated[Path, typer.Option(help="JSGF of the orders.")] = (
        HERE / "coffee.jsgf"
    ),
    spellings: Annotated[
        list[Path] | None,
        typer.Option(help="How words are heard; repeatable."),
    ] = None,
) -> None:
    """Listens, and says what it does."""
    if spellings is None:
        spellings = sorted(HERE.glob("*.spellings"))
    heard = {}
    for path in spellings:
        heard |= read_spellings(path)
    assistant = Assistant(
        Transcriber(zoo.resolve(preset)),
        wake_word,
        threshold,
        jsgf.read(grammar),
        heard,
    )
    if source == "-":
        blocks = pcm_blocks(typer.get_binary_stream("stdin"), RATE_HZ)
    else:
        blocks = [read_audio(source, RATE_HZ)]
    for ends_at, samples in utterances(blocks):
        for event, what in assistant.hear(samples, ends_at):
            if event == "wake":
                print(f"{ends_at:6.1f} s  {wake_word} ({what:.2f})")
            elif event == "order":
                print(f"{ends_at:6.1f} s  {act(what.slots)}")
            else:
                print(f"{ends_at:6.1f} s  not understood ({what.text}?)")


if __name__ == "__main__":
    typer.run(main)
