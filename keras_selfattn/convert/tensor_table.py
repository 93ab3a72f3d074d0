"""Whose tensor is ours: a table of names, read in both directions.

A row names a tensor of theirs and a variable of ours; `{i}` in both stands for
each layer. What a table does not name, or names in vain, is an error.
"""

import fnmatch
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Row:
    """One tensor of theirs and what it is here.

    Args:
        theirs: str, its name.
        ours: str, the path of a variable; or a tuple of paths, whose arrays
            stand side by side in theirs, along the last axis.
        transpose: bool, theirs is `(outputs, inputs)`.
    """

    theirs: str
    ours: str | tuple
    transpose: bool = False

    @property
    def parts(self):
        """Paths of ours."""
        return (self.ours,) if isinstance(self.ours, str) else self.ours

    def numbered(self, i):
        """The row of layer `i`."""
        ours = tuple(part.replace("{i}", str(i)) for part in self.parts)
        return Row(self.theirs.replace("{i}", str(i)), ours, self.transpose)


def dense(theirs, ours, transpose=True):
    """Rows of a matrix and its bias."""
    return (
        Row(f"{theirs}.weight", f"{ours}/kernel", transpose),
        Row(f"{theirs}.bias", f"{ours}/bias"),
    )


def norm(theirs, ours):
    """Rows of a layer norm."""
    return (
        Row(f"{theirs}.weight", f"{ours}/gamma"),
        Row(f"{theirs}.bias", f"{ours}/beta"),
    )


def rows_of(table, num_layers):
    """The rows of a table, those with `{i}` once a layer."""
    rows = []
    for row in table:
        if "{i}" in row.theirs:
            rows += [row.numbered(i) for i in range(num_layers)]
        else:
            rows.append(row)
    return rows


def take(rows, tensors, shapes, ignored=(), source="the file"):
    """Arrays for our variables, from their tensors.

    Args:
        rows: list of Row.
        tensors: dict of name to array.
        shapes: dict of our paths to shapes: the variables to fill.
        ignored: patterns of names that are no weights of the model.
        source: str, for messages.

    Returns:
        dict of path to float32 array, one for each of `shapes`.

    Raises:
        ValueError: tensors are missing, left over, or of another shape; all
            are listed.
    """
    found, problems, used = {}, [], set()
    for row in rows:
        if not set(row.parts) & set(shapes):
            continue
        used.add(row.theirs)
        if row.theirs not in tensors:
            problems.append(f"missing {row.theirs}")
            continue
        array = np.asarray(tensors[row.theirs])
        if array.dtype.kind != "f":
            problems.append(f"{row.theirs} is of {array.dtype}, not of floats")
            continue
        array = array.T if row.transpose else array
        wanted = [tuple(shapes[part]) for part in row.parts]
        joined = (*wanted[0][:-1], sum(shape[-1] for shape in wanted))
        if array.shape != joined:
            shape = joined[::-1] if row.transpose else joined
            problems.append(
                f"{row.theirs} has shape {tensors[row.theirs].shape}, the "
                f"configuration says {shape}"
            )
            continue
        ends = np.cumsum([shape[-1] for shape in wanted])[:-1]
        for part, piece in zip(row.parts, np.split(array, ends, axis=-1)):
            found[part] = np.ascontiguousarray(piece, "float32")
    over = sorted(set(tensors) - used)
    problems += [
        f"left over {name}"
        for name in over
        if not any(fnmatch.fnmatch(name, pattern) for pattern in ignored)
    ]
    named = {part for row in rows for part in row.parts}
    problems += [f"no row for our {path}" for path in set(shapes) - named]
    if problems:
        raise ValueError(
            f"{source} does not fit its architecture ({len(problems)} "
            "tensors): " + "; ".join(problems)
        )
    return found


def fill(model, rows, tensors, ignored=(), source="the file"):
    """Sets all weights of a model from their tensors; all of them or none.

    Args:
        model: a Keras model or task, built.
        rows, tensors, ignored, source: see `take`.

    Raises:
        ValueError: see `take`.
    """
    shapes = {variable.path: variable.shape for variable in model.weights}
    arrays = take(rows, tensors, shapes, ignored, source)
    for variable in model.weights:
        variable.assign(arrays[variable.path])


def weights_of(model):
    """A model's weights by their paths: dict of arrays, for `give`."""
    from keras import ops

    return {v.path: ops.convert_to_numpy(v.value) for v in model.weights}


def give(rows, arrays):
    """Their tensors from our arrays: the way back of `take`.

    Args:
        rows: list of Row.
        arrays: dict of our paths to arrays.

    Returns:
        dict of name to float32 array.

    Raises:
        ValueError: an array that no row names.
    """
    named = {part for row in rows for part in row.parts}
    if unknown := sorted(set(arrays) - named):
        raise ValueError(
            f"This architecture has no name for {', '.join(unknown)}; it "
            "cannot be written in its form."
        )
    tensors = {}
    for row in rows:
        if not set(row.parts) <= set(arrays):
            continue
        pieces = [np.asarray(arrays[part], "float32") for part in row.parts]
        array = np.concatenate(pieces, axis=-1)
        array = array.T if row.transpose else array
        tensors[row.theirs] = np.ascontiguousarray(array)
    return tensors
