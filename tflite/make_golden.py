"""Makes a golden folder: what a stream gives, computed by Keras.

    python tflite/make_golden.py                     # tflite/golden
    python tflite/make_golden.py --preset zoo/asr/NAME --output /tmp/golden

Every runner in this folder reads such a folder and must give the same. Keras
runs the preset's weights chunk by chunk, without the .tflite file, and the
frames are held against one run over the whole recording under chunk masks.

A folder holds `golden.json` and one raw little-endian file per array, a row a
chunk: samples `(N, S)`, num_samples `(N,)`, token_ids `(N, C)`,
log_probabilities `(N, C, V)`, and next_state_* `(N, ...)`, the states after
each chunk. The states before the first are zeros. In the last chunk, frames
from `ceil(num_samples / (S / C))` on mean nothing.

The recording is the preset's sample, a pause that ends a segment, and the
beginning of the sample again, so that endpoints are seen, too.

Shapes: `N` chunks, `S` samples of a chunk, `C` frames of a chunk, `V`
vocabulary entries.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np
import typer

HERE = Path(__file__).resolve().parent
TINY = HERE.parent / "tests" / "golden" / "tiny_stream"
FORMAT = 1
ENDPOINT_SECONDS = 1.0
LONGEST_SEGMENT_SECONDS = 60.0
PAUSE_SECONDS = 1.3
AGAIN_SECONDS = 0.85  # the last chunk is not whole


def recording(path, sampling_rate_hz, longest_seconds):
    """Return the samples that the folder is made of."""
    from keras_selfattn.preprocessing.audio import read_audio

    samples = read_audio(path, sampling_rate_hz)
    samples = samples[: int(longest_seconds * sampling_rate_hz)]
    pause = np.zeros(int(PAUSE_SECONDS * sampling_rate_hz), "float32")
    again = samples[: int(AGAIN_SECONDS * sampling_rate_hz)]
    return np.concatenate([samples, pause, again])


def run(recognizer, samples):
    """Return the arrays of a stream by name, a row a chunk."""
    from keras_selfattn.tasks import streaming_graph

    step = streaming_graph.compiled_step(recognizer)
    rows = []

    def record(**inputs):
        found = {name: np.array(x) for name, x in step(**inputs).items()}
        rows.append(
            {
                "samples": inputs["samples"][0],
                "num_samples": inputs["num_samples"][0],
                "token_ids": found["token_ids"][0],
                "log_probabilities": found["log_probabilities"][0],
                **{
                    name: x
                    for name, x in found.items()
                    if name.startswith(streaming_graph.OUT)
                },
            }
        )
        return found

    ids, scores = streaming_graph.drive(recognizer, record, samples)
    check(recognizer, samples, ids, scores)
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def check(recognizer, samples, ids, scores):
    """Hold the chunks against one run under chunk masks."""
    wanted = recognizer.reference_outputs(
        {"samples": samples}, recognizer.chunk_frames
    )
    gap = np.abs(scores - wanted["log_probabilities"]).max()
    if not (np.array_equal(ids, wanted["token_ids"]) and gap < 1e-3):
        raise SystemExit(
            f"Chunk by chunk is not the whole in chunks: {gap:.3g} apart."
        )
    print(f"{len(ids)} frames, {gap:.2g} from one run under chunk masks")


def texts(arrays, metadata):
    """Return the text of each segment, by the rules of README.md.

    Args:
        arrays: dict as `run` returns.
        metadata: dict of what a file says of itself.
    """
    from keras_selfattn.preprocessing.vocabulary import detokenize

    vocabulary = metadata["vocabulary"]
    frame_s = metadata["frame_seconds"]
    chunk_s = metadata["stream"]["chunk_seconds"]
    longest_s = (
        metadata["stream"]["longest_segment_seconds"] or LONGEST_SEGMENT_SECONDS
    )
    hop = arrays["samples"].shape[1] // arrays["token_ids"].shape[1]
    found, ids, silent = [], [], 0
    for row in range(len(arrays["num_samples"])):
        for frame in range(-(-int(arrays["num_samples"][row]) // hop)):
            ids.append(int(arrays["token_ids"][row, frame]))
            best = int(arrays["log_probabilities"][row, frame].argmax())
            speaks = best != 0 and detokenize([best], vocabulary)
            silent = 0 if speaks else silent + 1
        silent_s, length_s = silent * frame_s, len(ids) * frame_s
        if (
            silent_s >= ENDPOINT_SECONDS
            or length_s + chunk_s > longest_s
            or (length_s > longest_s / 2 and silent_s >= chunk_s)
        ):
            found.append(detokenize([i for i in ids if i], vocabulary))
            ids, silent = [], 0
    found.append(detokenize([i for i in ids if i], vocabulary))
    return [text for text in found if text]


def write(folder, arrays, facts):
    """Write the folder anew."""
    from keras_selfattn.runtime.preset_folder import write_json

    folder.mkdir(parents=True, exist_ok=True)
    for old in [*folder.glob("*.bin"), *folder.glob("golden.json")]:
        old.unlink()
    listed = {}
    for name, value in arrays.items():
        value = np.ascontiguousarray(value)
        dtype = "int32" if value.dtype.kind == "i" else "float32"
        value.astype(f"<{dtype[0]}4").tofile(folder / f"{name}.bin")
        listed[name] = {
            "file": f"{name}.bin",
            "dtype": dtype,
            "shape": list(value.shape),
        }
    write_json(folder / "golden.json", {**facts, "arrays": listed})


def main(
    preset: Annotated[
        Path, typer.Option(help="Preset folder of a recogniser that streams.")
    ] = TINY,
    output: Annotated[Path, typer.Option(help="Folder to write.")] = HERE
    / "golden",
    audio: Annotated[
        Path | None, typer.Option(help="Recording; default: the sample.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(help="At most so much of the recording.")
    ] = 10.0,
    tolerance: Annotated[
        float, typer.Option(help="Largest difference a runner may show.")
    ] = 1e-3,
) -> None:
    """Write a golden folder for a preset."""
    from keras_selfattn.runtime import preset_folder
    from keras_selfattn.tasks import SpeechRecognizer

    recognizer = SpeechRecognizer.from_preset_folder(preset)
    if recognizer.chunk_frames is None:
        sys.exit(f"{preset} does not stream: its preset has no chunk_frames.")
    metadata = recognizer.export_metadata()
    samples = recording(
        audio or preset / "sample.wav", recognizer.sampling_rate_hz, seconds
    )
    arrays = run(recognizer, samples)
    facts = {
        "format": FORMAT,
        "model": preset_folder.read(preset)["name"],
        "weights_sha256": preset_folder.sha256(preset / "model.safetensors"),
        "sampling_rate_hz": recognizer.sampling_rate_hz,
        "num_chunks": len(arrays["num_samples"]),
        "endpoint_seconds": ENDPOINT_SECONDS,
        "tolerance": tolerance,
        "texts": texts(arrays, metadata),
    }
    write(output, arrays, facts)
    size = sum(path.stat().st_size for path in output.iterdir())
    print(f"{output}: {facts['num_chunks']} chunks, {size} bytes")
    print(" | ".join(facts["texts"]))


if __name__ == "__main__":
    typer.run(main)
