"""The mean of the weights of several epochs."""

from pathlib import Path

from keras_selfattn.atomic_file import write_atomically


def average_weight_files(paths, out, dtype="float32"):
    """Writes the mean of safetensors files of the same model.

    Reference: Izmailov et al. 2018 (arXiv:1803.05407); Vaswani et al. 2017
    (arXiv:1706.03762), section 6.1.

    Raises:
        ValueError: for no file, or files of different tensors.
    """
    from safetensors.numpy import load_file, save

    paths = [Path(p) for p in paths]
    if not paths:
        raise ValueError("No weight files to average; give at least one.")
    total = None
    for path in paths:
        tensors = {k: v.astype("float64") for k, v in load_file(path).items()}
        if total is None:
            total = tensors
        elif {k: v.shape for k, v in total.items()} != {
            k: v.shape for k, v in tensors.items()
        }:
            raise ValueError(
                f"{path} has other tensors than {paths[0]}; average files of "
                "one training only."
            )
        else:
            total = {k: total[k] + v for k, v in tensors.items()}
    mean = {k: (v / len(paths)).astype(dtype) for k, v in total.items()}
    write_atomically(out, save(mean, metadata={"format": "keras_selfattn"}))
