"""Turns corpora of sound into features like AN4's: Sphinx's 13 cepstra.

    python train/sphinx_features.py --set speech/fsdd:train --out runs/fsdd

AN4 is handed out as cepstra without its sound, so other speech has to become
cepstra to be learnt from beside it. They are computed as CMU Sphinx's front
end computes them by its defaults (`sphinx_fe`: pre-emphasis 0.97, Hamming
windows of 25.6 ms every 10 ms, 40 filters from 133.33 to 6855.5 Hz on the mel
scale 2595 log10(1 + f / 700), natural logarithms, 13 values of the cosine
transform), but for factors and sums of a whole coefficient, which
`PrecomputedFeatures` takes away with mean and variance of each utterance.

The folder has the layout that `train/hybrid_asr.py` reads.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from evaluation import SetOptions, user_errors
from speech_corpora import read_corpora

RATE_HZ = 16000
SHIFT = 160  # samples
WINDOW = 410
FFT = 512
NUM_FILTERS, NUM_CEPSTRA = 40, 13
LOWEST_HZ, HIGHEST_HZ = 133.33334, 6855.4976
PRE_EMPHASIS = 0.97
FLOOR = 1e-8  # of a filter's energy, at full scale 1
COLUMNS = "utt split speaker frame_offset n_frames duration_s text".split()


def filter_bank():
    """Triangles of height 1 over the bins of the FFT: `(bins, filters)`."""

    def mel(hz):
        return 2595 * np.log10(1 + hz / 700)

    mels = np.linspace(mel(LOWEST_HZ), mel(HIGHEST_HZ), NUM_FILTERS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    bins = np.arange(FFT // 2 + 1)[:, None] * RATE_HZ / FFT
    rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rise, fall))


def cosines():
    """The cosine transform (DCT-II): `(filters, cepstra)`."""
    angles = np.pi / NUM_FILTERS * (np.arange(NUM_FILTERS)[:, None] + 0.5)
    return np.cos(angles * np.arange(NUM_CEPSTRA))


FILTERS, COSINES = filter_bank(), cosines()


def cepstra(samples):
    """Cepstra of sound.

    Args:
        samples: float array `(L,)`, 16 kHz, in [-1, 1].

    Returns:
        float32 `(T, 13)`, `T = 1 + (L - 410) // 160`; `(0, 13)` where that is
        less than 1.
    """
    if len(samples) < WINDOW:
        return np.zeros((0, NUM_CEPSTRA), "float32")
    samples = np.asarray(samples, "float64")
    previous = np.concatenate([samples[:1], samples[:-1]])
    emphasised = samples - PRE_EMPHASIS * previous
    frames = np.lib.stride_tricks.sliding_window_view(emphasised, WINDOW)
    frames = frames[::SHIFT] * np.hamming(WINDOW)  # (T, 410)
    power = np.abs(np.fft.rfft(frames, FFT)) ** 2  # (T, 257)
    logarithms = np.log(np.maximum(power @ FILTERS, FLOOR))
    return (logarithms @ COSINES / NUM_FILTERS).astype("float32")


def write_features(examples, sounds, out):
    """Writes a folder of features.

    Args:
        examples: list of SpeechExample.
        sounds: their samples, int16 arrays, or errors: those are left out.
        out: path of the folder.

    Returns:
        int, how many utterances were written.
    """
    from keras_selfattn.atomic_file import write_atomically
    from keras_selfattn.data.audio_cache import to_float

    rows, frames, begin = ["\t".join(COLUMNS)], [], 0
    for number, (example, sound) in enumerate(zip(examples, sounds)):
        if isinstance(sound, Exception):
            continue
        found = cepstra(to_float(sound))
        if not len(found):
            continue
        row = (f"{number:06d}", example.split, example.speaker, begin)
        row += (len(found), f"{len(found) / 100:.2f}", example.text)
        rows.append("\t".join(map(str, row)))
        frames.append(found.astype("float16"))
        begin += len(found)
    if not frames:
        raise ValueError("there is no sound of at least 26 ms in these sets.")
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / "frames.npy", np.concatenate(frames))
    write_atomically(out / "manifest.tsv", "\n".join(rows) + "\n")
    return len(frames)


def main(
    sets: SetOptions,
    out: Annotated[Path, typer.Option(help="Folder to write.")],
) -> None:
    """Writes the cepstra of corpora, FOLDER:SPLIT each, into one folder."""
    from keras_selfattn.data.audio_cache import decode_all

    with user_errors():
        examples = [example for example, _ in read_corpora(sets)]
        sounds = decode_all([e.path for e in examples], RATE_HZ)
        count = write_features(examples, sounds, out)
        typer.echo(f"{count:,} of {len(examples):,} utterances in {out}.")


if __name__ == "__main__":
    typer.run(main)
