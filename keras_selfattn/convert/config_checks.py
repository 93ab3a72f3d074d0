"""What is asked of a checkpoint's configuration before it is read. No Keras."""

import numpy as np


def check_architecture(path, config, kind, known):
    """A ValueError where config.json names a class that is not known.

    Args:
        path: of the file, for the message.
        config: dict.
        kind: str, its model_type.
        known: tuple of str, classes of theirs that are read.
    """
    for name in config.get("architectures") or ():
        if name not in known:
            raise ValueError(
                f"{path} names the architecture {name}; of {kind!r} we read "
                f"{', '.join(known)}."
            )


def demand(path, values, demanded):
    """A ValueError where an option is there and is not what we have.

    Args:
        path: of the file, for the message.
        values: dict, what it holds.
        demanded: dict of names to values.
    """
    for key, value in demanded.items():
        if values.get(key, value) != value:
            raise ValueError(
                f"{path} has {key}={values[key]!r}; we have {value!r} only."
            )


def without_copy(folder, tensors, tied, copy, source):
    """Tensors without the head where it is the embeddings once more.

    Args:
        folder: path, for the message.
        tensors: dict of arrays, which loses the copy.
        tied: bool, whether config.json says so.
        copy, source: str, names of the head's matrix and of the embeddings.

    Raises:
        ValueError: they are said to be tied and differ.
    """
    if not tied or copy not in tensors:
        return tensors
    head = tensors.pop(copy)
    if source in tensors and not np.array_equal(head, tensors[source]):
        raise ValueError(
            f"{folder}: {copy} is not {source}, though config.json says that "
            "they are tied; write tie_word_embeddings: false there if they "
            "are two."
        )
    return tensors
