"""Corpora that are features without sound: a table and one array of frames."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_selfattn.data.corpora import choose_splits, read_table

_COLUMNS = ("utt", "split", "speaker", "frame_offset", "n_frames", "text")


@dataclass(frozen=True, slots=True)
class FeatureExample:
    """One utterance as frames.

    Args:
        name: str. The utterance's, unique in its corpus.
        features: float array `(T, C)`, `T` frames; may be mapped from a file.
        text: str. The transcript as the corpus gives it.
        speaker: str. The corpus's name of the speaker.
        split: str. Name of the part it belongs to.
    """

    name: str
    features: np.ndarray
    text: str
    speaker: str
    split: str


def read_feature_manifest(folder, splits=None):
    """Reads a folder with `manifest.tsv` and one `.npy` file of frames.

    The table is tab-separated without quoting, with the columns `utt split
    speaker frame_offset n_frames text` (more may stand between them); an
    utterance is rows `frame_offset .. frame_offset + n_frames` of the array
    `(frames, C)`, which is mapped and not read.

    Args:
        folder: str or path.
        splits: str, or list of str, or None for all. Splits to keep.

    Returns:
        list of `FeatureExample`, in the manifest's order.

    Raises:
        ValueError: no table or not one `.npy` file in the folder, a column
            missing, an array of other than two axes of floats, an utterance
            without frames or beyond them, or an unknown split.

    Example:
    ```python
    train = read_feature_manifest("speech/an4-mfcc", "train")
    ```
    """
    folder = Path(folder)
    manifest = folder / "manifest.tsv"
    rows = list(read_table(manifest, _COLUMNS))
    frames = _open_frames(folder)
    examples = []
    for number, row in rows:
        try:
            start, count = int(row["frame_offset"]), int(row["n_frames"])
        except ValueError:
            start, count = -1, 0
        if start < 0 or count < 1 or start + count > len(frames):
            raise ValueError(
                f"{manifest}, line {number}: frame_offset="
                f"{row['frame_offset']!r}, n_frames={row['n_frames']!r}; "
                f"expected at least one of the {len(frames)} frames."
            )
        examples.append(
            FeatureExample(
                row["utt"],
                frames[start : start + count],
                row["text"],
                row["speaker"],
                row["split"],
            )
        )
    known = list(dict.fromkeys(example.split for example in examples))
    wanted = choose_splits(splits, known, manifest)
    return [example for example in examples if example.split in wanted]


def _open_frames(folder):
    files = sorted(folder.glob("*.npy"))
    if len(files) != 1:
        raise ValueError(
            f"{folder} holds {len(files)} .npy files; expected one, float "
            "(frames, features)."
        )
    try:
        frames = np.load(files[0], mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError) as error:
        raise ValueError(
            f"{files[0]} is not a readable array ({error}); fetch it again."
        ) from error
    if frames.ndim != 2 or not np.issubdtype(frames.dtype, np.floating):
        raise ValueError(
            f"{files[0]} holds {frames.dtype} {frames.shape}; expected float "
            "(frames, features)."
        )
    return frames
