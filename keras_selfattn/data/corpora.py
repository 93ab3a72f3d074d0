"""Readers of speech corpora: folders on disk to lists of `SpeechExample`.

Three layouts: a folder with `manifest.tsv`, LibriSpeech, and Common Voice.
A reader checks everything it can without decoding (columns, numbers, that
files are there), so that a wrong folder fails at once and not in an epoch.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import soundfile

from keras_selfattn.preprocessing.audio import AudioError

_MANIFEST_COLUMNS = ("path", "split", "speaker", "duration_s", "text")


@dataclass(frozen=True, slots=True)
class SpeechExample:
    """One utterance: where it lies, what is said, by whom.

    Args:
        path: `Path` of the sound file.
        text: str. The transcript as the corpus gives it.
        speaker: str. The corpus's name of the speaker.
        duration_s: float. Length in seconds.
        split: str. Name of the part it belongs to.
    """

    path: Path
    text: str
    speaker: str
    duration_s: float
    split: str


def read_manifest(folder, splits=None):
    """Reads a folder with `manifest.tsv`.

    Tab-separated without quoting, first row
    `path split speaker duration_s text` (more columns may follow); paths
    are relative to the folder.

    Args:
        folder: str or path.
        splits: str, or list of str, or None for all. Splits to keep.

    Returns:
        list of `SpeechExample`, in the manifest's order.

    Raises:
        ValueError: no manifest, a column or a file missing, a malformed
            row, an unknown split (the known ones are listed).

    Example:
    ```python
    train = read_manifest("speech/fsdd", "train")
    ```
    """
    folder = Path(folder)
    manifest = folder / "manifest.tsv"
    examples = []
    for number, row in read_table(manifest, _MANIFEST_COLUMNS):
        duration_s = _seconds(row["duration_s"], 1.0, manifest, number)
        examples.append(
            SpeechExample(
                folder / row["path"],
                row["text"],
                row["speaker"],
                duration_s,
                row["split"],
            )
        )
    known = list(dict.fromkeys(e.split for e in examples))
    wanted = choose_splits(splits, known, manifest)
    examples = [e for e in examples if e.split in wanted]
    _check_files(examples, manifest)
    return examples


def read_librispeech(folder, splits=None):
    """Reads LibriSpeech (also LibriTTS-like `flac` copies of its layout).

    `<folder>/<split>/<speaker>/<chapter>/<speaker>-<chapter>.trans.txt`
    holds a line `utterance-id TEXT` for each `utterance-id.flac` beside it.
    Reference: Panayotov et al. 2015, OpenSLR 12.

    Args:
        folder: str or path of the folder that holds the splits
            (`train-clean-100`, `dev-other`, ...).
        splits: str, or list of str, or None for all that are there.

    Returns:
        list of `SpeechExample`, sorted by split and utterance id.
    """
    folder = _existing_folder(folder)
    known = sorted(
        child.name
        for child in folder.iterdir()
        if child.is_dir() and next(child.glob("*/*/*.trans.txt"), None)
    )
    if not known:
        raise ValueError(
            f"{folder} holds no LibriSpeech split; expected "
            "<split>/<speaker>/<chapter>/*.trans.txt below it."
        )
    examples = []
    for split in known:
        if split not in choose_splits(splits, known, folder):
            continue
        for transcript in sorted((folder / split).glob("*/*/*.trans.txt")):
            examples.extend(_read_chapter(transcript, split))
    return examples


def _read_chapter(transcript, split):
    speaker = transcript.parent.parent.name
    lines = transcript.read_text(encoding="utf8").splitlines()
    for number, line in enumerate(lines, start=1):
        utterance, _, text = line.strip().partition(" ")
        if not utterance:
            continue
        if not text:
            raise ValueError(
                f"{transcript}, line {number}: expected an utterance id, a "
                f"blank and a text; received {line!r}."
            )
        path = transcript.parent / f"{utterance}.flac"
        if not path.is_file():
            raise ValueError(f"{transcript} names {path}, which is missing.")
        yield SpeechExample(path, text, speaker, _duration_s(path), split)


def read_common_voice(folder, splits=None):
    """Reads one language of Mozilla Common Voice.

    `<folder>/<split>.tsv` (train, dev, test, validated, ...) with columns
    `client_id path sentence`, sounds in `<folder>/clips/`. Durations come
    from `clip_durations.tsv` where the release has one, else from the clips.
    Reference: Ardila et al. 2020, arXiv:1912.06670.

    Args:
        folder: str or path, such as `cv-corpus-17.0/en`.
        splits: str, or list of str, or None for `train`, `dev` and `test`
            (the official splits; the other tables overlap with them).

    Returns:
        list of `SpeechExample`, split by split, in the tables' order.
    """
    folder = _existing_folder(folder)
    known = sorted(
        table.stem for table in folder.glob("*.tsv") if _has_clips(table)
    )
    if not known:
        raise ValueError(
            f"{folder} holds no Common Voice table; expected train.tsv, "
            "dev.tsv, ... with columns client_id, path and sentence."
        )
    if splits is None:
        splits = [s for s in ("train", "dev", "test") if s in known]
    durations_s = _clip_durations(folder / "clip_durations.tsv")
    examples = []
    for split in known:
        if split not in choose_splits(splits, known, folder):
            continue
        table = folder / f"{split}.tsv"
        rows = read_table(table, ("client_id", "path", "sentence"))
        for number, row in rows:
            path = folder / "clips" / row["path"]
            if not path.is_file():
                raise ValueError(f"{table}, line {number}: {path} is missing.")
            duration_s = durations_s.get(row["path"])
            if duration_s is None:
                duration_s = _duration_s(path)
            examples.append(
                SpeechExample(
                    path, row["sentence"], row["client_id"], duration_s, split
                )
            )
    return examples


def _has_clips(table):
    with open(table, encoding="utf8") as file:
        columns = file.readline().rstrip("\r\n").split("\t")
    return "path" in columns and "sentence" in columns


def _clip_durations(table):
    if not table.is_file():
        return {}
    columns = ("clip", "duration[ms]")
    return {
        row["clip"]: _seconds(row["duration[ms]"], 1000.0, table, number)
        for number, row in read_table(table, columns)
    }


def read_table(path, columns):
    """Yields (line number, row dict) of a tab-separated table."""
    if not path.is_file():
        raise ValueError(
            f"{path} is missing; expected a tab-separated table with the "
            f"columns {', '.join(columns)}."
        )
    with open(path, encoding="utf8", newline="") as file:
        reader = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        header = next(reader, [])
        missing = [column for column in columns if column not in header]
        if missing:
            raise ValueError(
                f"{path} has no column {', '.join(missing)}; its first row "
                f"is {header}, expected at least {list(columns)}."
            )
        for cells in reader:
            if len(cells) != len(header):
                raise ValueError(
                    f"{path}, line {reader.line_num}: {len(cells)} columns, "
                    f"expected {len(header)}."
                )
            yield reader.line_num, dict(zip(header, cells, strict=True))


def choose_splits(splits, known, source):
    """The splits that are asked for; a ValueError where one is not known."""
    if splits is None:
        return known
    wanted = [splits] if isinstance(splits, str) else list(splits)
    unknown = [split for split in wanted if split not in known]
    if unknown:
        raise ValueError(
            f"{source} has no split {', '.join(map(repr, unknown))}; it has "
            f"{', '.join(map(repr, known))}."
        )
    return wanted


def _check_files(examples, source):
    missing = [e.path for e in examples if not e.path.is_file()]
    if missing:
        raise ValueError(
            f"{source} names {len(missing)} files that are missing; the "
            f"first is {missing[0]}."
        )


def _existing_folder(folder):
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder.")
    return folder


def _seconds(cell, per_second, source, number):
    try:
        duration_s = float(cell) / per_second
    except ValueError:
        duration_s = -1.0
    if not 0.0 <= duration_s < float("inf"):
        raise ValueError(
            f"{source}, line {number}: the duration {cell!r} is not a "
            "number of zero or more."
        )
    return duration_s


def _duration_s(path):
    try:
        return soundfile.info(str(path)).duration
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{path}: not a sound file, or a damaged one."
        ) from error
