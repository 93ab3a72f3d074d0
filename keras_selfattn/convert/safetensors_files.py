"""Reads the safetensors files of a folder, in one piece or in shards."""

import json
from pathlib import Path

import numpy as np

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def read_tensors(folder):
    """All tensors of a folder's `model.safetensors`, or of its shards.

    Args:
        folder: path.

    Returns:
        dict of name to array; bfloat16 as float32.

    Raises:
        ValueError: there is no such file (pickles are refused), a shard is
            missing, a file is cut short or is no safetensors file, or it
            lacks a tensor that the index promises.
    """
    folder = Path(folder)
    if (folder / SINGLE).is_file():
        return _read(folder / SINGLE)
    if not (folder / INDEX).is_file():
        pickles = sorted(p.name for kind in PICKLES for p in folder.glob(kind))
        if pickles:
            raise ValueError(
                f"{folder} holds {', '.join(pickles)} and no {SINGLE}. Pickle "
                "files run code when they are read, so only safetensors are "
                "taken: convert it where you trust it, with "
                "safetensors.torch.save_file, or ask for a repository that "
                "has safetensors."
            )
        raise ValueError(f"{folder} holds neither {SINGLE} nor {INDEX}.")
    places = _read_index(folder / INDEX)
    shards = sorted(set(places.values()))
    if missing := [name for name in shards if not (folder / name).is_file()]:
        raise ValueError(
            f"{folder} lacks {', '.join(missing)}, {len(missing)} of the "
            f"{len(shards)} shards that {INDEX} names; fetch them, too."
        )
    tensors = {}
    for name in shards:
        tensors.update(_read(folder / name))
    if missing := sorted(set(places) - set(tensors)):
        raise ValueError(
            f"The shards of {folder} lack {', '.join(missing[:8])}, which "
            f"{INDEX} names; they are not of one model."
        )
    return tensors


def _read_index(path):
    try:
        places = json.loads(path.read_text("utf-8"))["weight_map"]
        names = [Path(name) for name in places.values()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is no index of shards ({error!r}); fetch it again."
        ) from None
    if any(name.name != str(name) for name in names):
        raise ValueError(f"{path} names files outside its folder; refused.")
    return places


def _read(path):
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return {
                name: _array(path, file, name)
                for name in file.keys()  # noqa: SIM118 (it is no dict)
            }
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path} is cut short or no safetensors file ({error}); fetch it "
            "again."
        ) from error


def _array(path, file, name):
    kind = file.get_slice(name).get_dtype()
    if kind != "BF16":
        return file.get_tensor(name)
    # NumPy has no bfloat16: the first half of a float32.
    with open(path, "rb") as raw:
        start = int.from_bytes(raw.read(8), "little")
        entry = json.loads(raw.read(start))[name]
        first, last = entry["data_offsets"]
        raw.seek(8 + start + first)
        halves = np.frombuffer(raw.read(last - first), "<u2")
    wide = halves.astype("uint32") << 16
    return wide.view("float32").reshape(entry["shape"])
