"""Corpora that `train/prepare.py` made into shards, as `--train` names them."""

from pathlib import Path


def prepared_corpora(entries):
    """The prepared corpora of FOLDER:SPLIT entries, or FOLDER alone.

    Returns:
        list of ShardedCorpus; empty where no entry names one.

    Raises:
        ValueError: prepared ones and others, of more than one kind, or as
            ShardedCorpus does.
    """
    from keras_selfattn.data.shards import ShardedCorpus

    folders = [prepared_folder(entry) for entry in entries]
    if not any(folders):
        return []
    if None in folders:
        other = entries[folders.index(None)]
        raise ValueError(
            f"--train {other} is not a prepared corpus, and others are; "
            "prepare it, too (train/prepare.py), or name the others as they "
            "were before."
        )
    corpora = [ShardedCorpus(folder) for folder in folders]
    kinds = sorted({corpus.kind for corpus in corpora})
    if len(kinds) > 1:
        raise ValueError(f"--train names corpora of {' and of '.join(kinds)}.")
    return corpora


def prepared_folder(entry):
    """The folder of shards that an entry names, or None.

    A folder that was begun and not finished is one, so that its error says
    what to do.
    """
    folder, _, split = entry.rpartition(":")
    for path in (Path(entry), Path(folder) / split if folder else None):
        if path is not None and path.is_dir():
            if (path / "index.json").is_file() or any(
                path.glob("*.array_record")
            ):
                return path
    return None


def check_kind(corpora, kind):
    """Raises a ValueError for corpora of another kind."""
    if corpora and corpora[0].kind != kind:
        raise ValueError(
            f"{corpora[0].folder} holds {corpora[0].kind}; expected {kind}."
        )


def sampled_rows(corpora, most=1_000_000):
    """Yields rows of all corpora, every so many, where there are more."""
    step = -(-sum(sum(corpus.counts) for corpus in corpora) // most)
    number = 0
    for corpus in corpora:
        for row in corpus.all_rows():
            if number % step == 0:
                yield row
            number += 1


def measured_in(args, folder):
    """What datasets of shards take to measure once, with a bar.

    Args:
        args: has `seed` and `workers`.
        folder: path of the run.

    Returns:
        dict of arguments, and the bar to be entered around the call.
    """
    from keras_selfattn.progress import CountProgress

    bar = CountProgress("examples", 0)
    options = {
        "seed": args.seed,
        "workers": max(2, args.workers),  # in the background from two on
        "measurements": folder / "lengths.npz",
        "progress": bar.update,
    }
    return options, bar
