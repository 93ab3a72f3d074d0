"""The mean of the weights of several epochs."""

from pathlib import Path

import numpy as np

from keras_selfattn.atomic_file import write_atomically


def average_weight_files(paths, out, dtype="float32"):
    """Writes the mean of safetensors files of the same model.

    Sums are taken in float64. Averaging the last epochs' weights costs
    nothing and is mostly better than the last alone.

    Reference: Izmailov et al. 2018 (arXiv:1803.05407), without a cyclical
    rate or a new pass over the data (for models without batch norm);
    Vaswani et al. 2017 (arXiv:1706.03762), section 6.1.

    Args:
        paths: weight files, at least one.
        out: file to write.
        dtype: str, of the tensors written.

    Raises:
        ValueError: for no file, one that cannot be read, other tensors than
            in the first, or a mean that is not finite in `dtype`.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file, save

    paths = [Path(path) for path in paths]
    if not paths:
        raise ValueError("No weight files to average; give at least one.")
    total = {}
    for path in paths:
        try:
            tensors = load_file(path)
        except (SafetensorError, OSError) as error:
            raise ValueError(
                f"{path} is not a readable safetensors file ({error}); leave "
                "it out or write it again."
            ) from error
        if path is paths[0]:
            shapes = {name: value.shape for name, value in tensors.items()}
            total = {name: np.zeros(shape) for name, shape in shapes.items()}
        for name in sorted(shapes.keys() | tensors.keys()):
            found = tensors[name].shape if name in tensors else "nothing"
            if found != shapes.get(name):
                raise ValueError(
                    f"{path} and {paths[0]} differ at {name}: {found} and "
                    f"{shapes.get(name, 'nothing')}; average files of one "
                    "training only."
                )
            total[name] += tensors[name]
    with np.errstate(over="ignore"):
        mean = {k: (v / len(paths)).astype(dtype) for k, v in total.items()}
    for name, value in mean.items():
        if not np.isfinite(value).all():
            raise ValueError(
                f"The mean of {name} holds NaN or values too large for "
                f"{dtype}; leave out the files of a training that failed."
            )
    write_atomically(out, save(mean, metadata={"format": "keras_selfattn"}))
