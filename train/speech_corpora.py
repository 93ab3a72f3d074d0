"""Corpora of sound as the training scripts are given them: FOLDER:SPLIT."""

from pathlib import Path


def split_entry(entry):
    """The folder and the split of FOLDER:SPLIT, two strs.

    Raises:
        ValueError: it is something else.
    """
    folder, _, split = entry.rpartition(":")
    if not folder or not split:
        raise ValueError(f"{entry!r}: expected FOLDER:SPLIT.")
    return folder, split


def read_corpora(entries):
    """Examples of all FOLDER:SPLIT entries, with their corpus's name.

    Returns:
        list of `(SpeechExample, str)`.

    Raises:
        ValueError: an entry that is not FOLDER:SPLIT, or as the readers do.
    """
    from keras_selfattn.data import corpora

    found = []
    for entry in entries:
        folder, split = split_entry(entry)
        path = Path(folder)
        if (path / split / "index.json").is_file():
            raise ValueError(
                f"{entry} is a prepared corpus, which only --train takes; "
                "name what it was made of."
            )
        if (path / "manifest.tsv").is_file():
            examples = corpora.read_manifest(path, split)
        elif (path / "clips").is_dir():
            examples = corpora.read_common_voice(path, split)
        else:
            examples = corpora.read_librispeech(path, split)
        found += [(example, path.name) for example in examples]
    return found
