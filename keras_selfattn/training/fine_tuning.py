"""Which variables a fine-tuning changes, and by how much."""

import re

import keras
import numpy as np

_BLOCK = re.compile(r"(?:^|/)block_(\d+)/")
_FIRST = re.compile(r"embedding|positions")


def variables_at(model, patterns):
    """The trainable variables whose path one of the patterns is found in.

    Args:
        model: keras.Model.
        patterns: str or strs, regular expressions (`re.search`) over paths
            such as "block_0/attention/query/kernel".

    Returns:
        list of `keras.Variable`, in the model's order.

    Raises:
        ValueError: a pattern that is found in no path, or is malformed.
    """
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)
    paths = [variable.path for variable in model.trainable_variables]
    found = set()
    for pattern in patterns:
        try:
            matched = {path for path in paths if re.search(pattern, path)}
        except re.error as error:
            raise ValueError(
                f"{pattern!r} is no regular expression: {error}."
            ) from None
        if not matched:
            raise ValueError(
                f"No trainable variable has {pattern!r} in its path; there "
                f"are {', '.join(paths[:12])}{' ...' if paths[12:] else ''}."
            )
        found |= matched
    return [v for v in model.trainable_variables if v.path in found]


def freeze(model, patterns):
    """Leaves variables as they are in `fit`; call it before `compile`.

    Dropouts and norms of what is frozen work on as before. What is frozen is
    a matter of training: it is not saved.

    Args:
        model: keras.Model.
        patterns: see `variables_at`.

    Returns:
        int, values that are frozen now and were not before.

    Example:
        >>> freeze(classifier, ["token_embedding", r"block_[01]/"])
    """
    frozen = variables_at(model, patterns)
    for variable in frozen:
        variable.trainable = False
    return sum(int(keras.ops.size(variable.value)) for variable in frozen)


def layer_scales(model, decay):
    """A factor of the learning rate for each variable, less towards the input.

    With `L` blocks (`block_0` ... in the paths), block `i` has
    `decay**(L - i)`, the embeddings and positions before them `decay**(L +
    1)`, and all the rest, the head, 1.

    Reference: Howard and Ruder 2018 (arXiv:1801.06146), section 3.2,
    discriminative fine-tuning; for BERT: Sun et al. 2019 (arXiv:1905.05583),
    section 5.3.3.

    Args:
        model: keras.Model with one stack of blocks.
        decay: float in (0, 1], from a block to the one below.

    Returns:
        dict of a variable's path to its factor, for GuardedAdamW's
        `learning_rate_scales`; factors of 1 are left out.

    Raises:
        ValueError: a decay out of its range, or a model without blocks.

    Example:
        >>> scales = layer_scales(classifier, 0.9)
        >>> GuardedAdamW(5e-5, learning_rate_scales=scales)
    """
    if not 0 < decay <= 1:
        raise ValueError(f"decay={decay} must be above 0 and at most 1.")
    paths = [variable.path for variable in model.variables]
    blocks = [int(m[1]) for m in map(_BLOCK.search, paths) if m]
    if not blocks:
        raise ValueError(
            "A decay from layer to layer needs blocks called block_0, "
            "block_1, ...; this model has none."
        )
    count = max(blocks) + 1
    scales = {}
    for variable in model.trainable_variables:
        block = _BLOCK.search(variable.path)
        if block:
            depth = count - int(block[1])
        elif _FIRST.search(variable.path):
            depth = count + 1
        else:
            continue
        scales[variable.path] = decay**depth
    return {path: scale for path, scale in scales.items() if scale != 1}


def size_scales(model, of_zeros=0.1):
    """A factor of the learning rate for each variable: how large it is.

    A step of AdamW is as large for every number. Where a model's matrices are
    of very different sizes, as T5's, whose embeddings begin at 1 and whose
    queries at `1 / sqrt(D H)`, one rate is too low for some and too high for
    others. With these factors a learning rate is a share of the size, as
    Adafactor's is; T5 was trained at 0.01.

    Reference: Shazeer and Stern 2018 (arXiv:1804.04235), section 8. Differs:
    the size is that of the values now, at the beginning, not at each step.

    Args:
        model: keras.Model that is built.
        of_zeros: float > 0, the factor of a variable that begins with zeros.

    Returns:
        dict of each trained variable's path to the root mean square of its
        values, for GuardedAdamW's `learning_rate_scales`.

    Raises:
        ValueError: `of_zeros` is not above 0.

    Example:
        >>> scales = size_scales(task)
        >>> GuardedAdamW(0.01, learning_rate_scales=scales)
    """
    if not of_zeros > 0:
        raise ValueError(f"of_zeros={of_zeros} must be above 0.")
    scales = {}
    for variable in model.trainable_variables:
        values = keras.ops.convert_to_numpy(variable.value)
        size = np.sqrt(np.mean(np.square(values, dtype="float64")))
        scales[variable.path] = float(size) or float(of_zeros)
    return scales
