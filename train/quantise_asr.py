"""Exports a speech preset in four kinds and tabulates what each costs.

    python train/quantise_asr.py --preset asr \
        --data $KERAS_SELFATTN_DATA/speech \
        --set speechocean762:dev --set librispeech-mini:dev \
        --calibrate speechocean762:train

Kinds: float32 ("none"), float16, int8 weights ("dynamic"), int8 weights and
activations in the matrix operators, calibrated on recordings ("int8"). Each
file is held against Keras before it is kept, `stream` included where the
preset streams. Then all of them hear the sets on one thread, whole recordings
by `transcribe` and chunk by chunk by `stream`, and `tflite/MANIFEST.json` gets,
for each preset, kind, signature and set: error rates, their difference from
float32, how many tokens are equal, and the size, beside the predicted one.

Two runs on one machine write the same, but for what stands under "timings".
`--files FOLDER` keeps the files. Exporting needs TensorFlow.
"""

import json
import shlex
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from evaluate_asr import DATA, measure, read_set
from evaluation import (
    DataOption,
    LimitOption,
    SetOptions,
    user_errors,
    wide_console,
)
from preset_metrics import EvaluationError
from rich.console import Console
from rich.table import Table
from stream_evaluation import StreamedFile

from keras_selfattn import zoo
from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.export.flatbuffer import read_model
from keras_selfattn.export.litert import QUANTIZE
from keras_selfattn.export.quantize import predicted_bytes
from keras_selfattn.metrics.error_rate import ErrorCounts, word_errors
from keras_selfattn.runtime import Transcriber
from keras_selfattn.runtime.preset_folder import sha256

MANIFEST = Path(__file__).resolve().parents[1] / "tflite/MANIFEST.json"
SCRIPT = "train/quantise_asr.py"


class Remembered:
    """A transcriber of which the token ids of each file are kept."""

    def __init__(self, transcriber):
        self._transcriber = transcriber
        self.token_ids = []

    def transcribe(self, path: Path):
        heard = self._transcriber.transcribe(path)
        self.token_ids.append([int(i) for i in heard.token_ids])
        return heard


def calibration(data: Path, named: list[str], count: int) -> list[str]:
    """Paths of `count` recordings, the same share of each CORPUS:SPLIT.

    They are taken at even distances, so that no speaker is all of them.
    """
    found = []
    for i, entry in enumerate(named):
        share = count // len(named) + (i < count % len(named))
        examples = read_set(data, entry, None)
        step = max(1, len(examples) // max(1, share))
        found += [str(e.path) for e in examples[::step][:share]]
    return found


def export_kinds(task, folder: Path, recordings: list[str], say) -> dict:
    """Exports the four files and returns what is known without hearing.

    Returns:
        kind to dict: bytes, predicted_bytes, sha256, agreement (with Keras, on
        the probes, by signature), and operators.
    """
    found = {}
    keep = task.export_signature().float_layers
    for kind in QUANTIZE:
        path = folder / f"{kind}.tflite"
        options = {"representative": recordings} if kind == "int8" else {}
        report = task.export(path, quantize=kind, progress=say, **options)
        if kind == "none":
            size, model = path.stat().st_size, read_model(path)
        agreements = {task.export_signature().name: report.whole}
        found[kind] = {
            "bytes": report.bytes,
            "predicted_bytes": predicted_bytes(size, model, kind, keep),
            "sha256": sha256(path),
            "operators": report.ops.total(),
            "agreement": {
                name: {
                    "frames": agreement.compared,
                    "equal": agreement.equal,
                    "max_abs_difference": float(
                        f"{agreement.max_abs_difference:.3g}"
                    ),
                }
                for name, agreement in (agreements | report.parts).items()
            },
        }
    return found


def hear(path: Path, signature: str, sets: dict) -> dict:
    """Error rates, token ids and speed of one signature of one file."""
    found = {}
    for named, examples in sets.items():
        if signature == "stream":
            transcriber = StreamedFile(path, second_pass=False)
        else:
            transcriber = Transcriber(path, num_threads=1)
        remembered = Remembered(transcriber)
        result = measure(remembered, examples)
        found[named] = {**result, "token_ids": remembered.token_ids}
    return found


def compare(heard: dict, whole: dict) -> dict:
    """What the manifest keeps of one signature: rates beside float32's.

    Args:
        heard: what `hear` gave for a kind.
        whole: what it gave for "none".
    """
    kept = {}
    for named, result in heard.items():
        reference = whole[named]
        pairs = list(
            zip(reference["token_ids"], result["token_ids"], strict=True)
        )
        counts = sum(
            (
                word_errors(*(" ".join(map(str, ids)) for ids in pair))
                for pair in pairs
                if pair[0]
            ),
            ErrorCounts(),
        )
        kept[named] = {
            "utterances": result["utterances"],
            "words": result["words"],
            "wer": round(result["wer"], 6),
            "cer": round(result["cer"], 6),
            "wer_delta": round(result["wer"] - reference["wer"], 6),
            "tokens": counts.reference_length,
            "tokens_equal": counts.hits,
            "utterances_equal": sum(one == other for one, other in pairs),
        }
    return kept


def speed(heard: dict) -> float:
    """Seconds of computing a second of audio, over all sets."""
    audio_s = sum(result["audio_s"] for result in heard.values())
    spent_s = sum(r["audio_s"] * r["real_time_factor"] for r in heard.values())
    return spent_s / audio_s


def quantise(task, folder, sets, recordings, say) -> dict:
    """Everything that the manifest keeps of a preset; see the top.

    Args:
        task: SpeechRecognizer.
        folder: where the files are written.
        sets: name of a set to its examples.
        recordings: paths to calibrate int8 with.
        say: function of a line of text.
    """
    kinds = export_kinds(task, folder, recordings, say)
    signatures = [task.export_signature().name, *task.export_parts()]
    for kind, entry in kinds.items():
        path = folder / f"{kind}.tflite"
        say(f"hearing with {path.name}")
        heard = {name: hear(path, name, sets) for name in signatures}
        if kind == "none":
            whole = heard
        entry["signatures"] = {
            name: compare(heard[name], whole[name]) for name in signatures
        }
        entry["timings"] = {
            name: {"real_time_factor": round(speed(heard[name]), 5)}
            for name in signatures
        }
    return {
        "parameters": task.count_params(),
        "calibration_recordings": len(recordings),
        "kinds": kinds,
    }


def show(preset: str, found: dict, console: Console) -> None:
    """Prints a row for each kind, signature and set."""
    table = Table(title=preset)
    for header in "kind MB predicted signature set".split():
        table.add_column(header)
    for header in ("WER %", "delta", "tokens equal %", "real-time factor"):
        table.add_column(header, justify="right")
    for kind, entry in found["kinds"].items():
        for signature, sets in entry["signatures"].items():
            factor = entry["timings"][signature]["real_time_factor"]
            for named, result in sets.items():
                share = result["tokens_equal"] / max(1, result["tokens"])
                table.add_row(
                    kind,
                    f"{entry['bytes'] / 1e6:.2f}",
                    f"{entry['predicted_bytes'] / 1e6:.2f}",
                    signature,
                    named,
                    f"{100 * result['wer']:.2f}",
                    f"{100 * result['wer_delta']:+.2f}",
                    f"{100 * share:.2f}",
                    f"{factor:.4f}",
                )
    console.print(table)


def main(
    sets: SetOptions,
    data: DataOption,
    calibrate: Annotated[
        list[str], typer.Option(help="CORPUS:SPLIT that int8 sees; repeatable.")
    ],
    preset: Annotated[str, typer.Option(help="Preset name or folder.")] = "asr",
    count: Annotated[
        int, typer.Option(min=1, help="Recordings that int8 sees.")
    ] = 60,
    limit: LimitOption = None,
    out: Annotated[
        Path, typer.Option(help="The manifest; other presets in it stay.")
    ] = MANIFEST,
    files: Annotated[
        Path | None, typer.Option(help="Keep the four files here.")
    ] = None,
) -> None:
    """Writes sizes, error rates and speed of a preset's four kinds."""
    notes = Console(stderr=True)
    with user_errors(), tempfile.TemporaryDirectory() as scratch:
        source = zoo.resolve(preset)
        examples = {named: read_set(data, named, limit) for named in sets}
        recordings = calibration(data, calibrate, count)
        task = zoo.load(source)
        folder = Path(scratch) if files is None else files
        folder.mkdir(parents=True, exist_ok=True)
        manifest = {"format": 1, "presets": {}}
        if out.is_file():
            manifest = json.loads(out.read_text(encoding="utf8"))
            if manifest.get("format") != 1:
                raise EvaluationError(
                    f"{out} has format {manifest.get('format')!r}; expected 1."
                )
        found = quantise(task, folder, examples, recordings, notes.print)
    words = ["--preset", preset]
    words += [word for named in sets for word in ("--set", named)]
    words += [word for named in calibrate for word in ("--calibrate", named)]
    words += ["--count", str(count)]
    words += ["--limit", str(limit)] if limit else []
    found["command"] = f"python {SCRIPT} --data {DATA} {shlex.join(words)}"
    show(preset, found, wide_console())
    manifest["presets"][source.resolve().name] = found
    manifest["presets"] = dict(sorted(manifest["presets"].items()))
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    write_atomically(out, text)
    typer.echo(f"wrote {out}", err=True)


if __name__ == "__main__":
    typer.run(main)
