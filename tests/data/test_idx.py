"""IDX files as MNIST's: real layouts, and broken, lying and hostile ones."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tinygrad_ce.data import DataError, fashion_mnist, mnist, read_idx

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx(array):
    code = CODES[array.dtype.str[1:]]
    header = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def made(folder, rows=(20, 10), shape=(28, 28), dot="-", zipped=False, labels=None):
    """The four files, with 20 training and 10 test images."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    drawn = {}
    for part, count in zip(("train", "t10k"), rows, strict=True):
        images = rng.integers(0, 256, size=(count, *shape)).astype(np.uint8)
        names = (np.arange(count) % 10 if labels is None else np.full(count, labels)).astype(np.uint8)
        for kind, array in (("images", images), ("labels", names)):
            name, content = f"{part}-{kind}{dot}idx{array.ndim}-ubyte", idx(array)
            if zipped:
                name, content = name + ".gz", gzip.compress(content)
            (folder / name).write_bytes(content)
            drawn[part, kind] = array
    return drawn


def refused(read, words):
    tracemalloc.start()
    with pytest.raises(DataError, match=words) as error:
        read()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "\n" not in str(error.value) and peak < 20_000_000


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("dot", ["-", "."])
@pytest.mark.parametrize("inner", ["", "MNIST/raw"])
def test_the_four_files(tmp_path, zipped, dot, inner):
    drawn = made(tmp_path / inner, dot=dot, zipped=zipped)
    train, test = mnist(tmp_path)
    assert repr(train).startswith("Dataset('MNIST train': 20 rows of 1 × 28 × 28 features, 10 classes: '0'")
    assert train.inputs.dtype == np.float32 and test.inputs.shape == (10, 1, 28, 28)
    assert train.inputs.max() == 1.0 and train.inputs.min() == 0.0
    np.testing.assert_array_equal(np.rint(train.inputs[:, 0] * 255), drawn["train", "images"])
    np.testing.assert_array_equal(test.targets, drawn["t10k", "labels"])
    assert mnist(tmp_path, dtype=np.float64)[0].inputs.dtype == np.float64
    if not inner:
        clothes, _ = fashion_mnist(tmp_path)
        assert clothes.class_names[9] == "ankle boot" and clothes.name == "FashionMNIST train"


@given(
    array=arrays.arrays(
        st.sampled_from([np.dtype(code) for code in CODES]), arrays.array_shapes(max_dims=4, min_side=0, max_side=4)
    ),
    zipped=st.booleans(),
)
def test_every_dtype_and_shape_comes_back(array, zipped, tmp_path_factory):
    path = tmp_path_factory.mktemp("idx") / "array"
    path.write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    found = read_idx(path)
    assert found.dtype == array.dtype and found.dtype.isnative
    np.testing.assert_array_equal(found, array)


def test_every_cut_is_noticed(tmp_path):
    path, content = tmp_path / "labels", idx(np.arange(9, dtype=np.uint8))
    for whole in (content, gzip.compress(content)):
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            refused(lambda: read_idx(path), "labels: ")
    path.write_bytes(content + b"\0")
    refused(lambda: read_idx(path), "there are more")


@pytest.mark.parametrize("zipped", [False, True])
def test_a_huge_claim_takes_no_memory(tmp_path, zipped):
    path, pack = tmp_path / "images", gzip.compress if zipped else bytes
    header = bytes([0, 0, 8, 3]) + struct.pack(">3I", 4_000_000_000, 65535, 65535)
    path.write_bytes(pack(header + bytes(100)))
    refused(lambda: read_idx(path), "claims 4000000000 × 65535 × 65535 numbers, .* more than the file can hold")
    path.write_bytes(pack(bytes([0, 0, 8, 255]) + b"\xff" * 1020))
    refused(lambda: read_idx(path), "more than the file can hold")


def test_a_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(idx(np.zeros(100, np.uint8)) + bytes(60_000_000), compresslevel=1))
    refused(lambda: read_idx(path), "claims 100 numbers, 100 bytes, and there are more")
    path.write_bytes(gzip.compress(idx(np.zeros(50_000, np.uint8))))
    refused(lambda: read_idx(path, max_bytes=1000), "more than max_bytes=1000: raise it")


def test_flipped_bits_in_a_gzip_are_noticed_or_harmless(tmp_path):
    path, array = tmp_path / "images.gz", np.random.default_rng(0).integers(0, 9, size=(5, 6, 6)).astype(np.uint8)
    content = gzip.compress(idx(array))
    for place in range(len(content)):
        broken = bytearray(content)
        broken[place] ^= 0x04
        path.write_bytes(broken)
        try:
            found = read_idx(path)
        except DataError as error:
            assert "\n" not in str(error)
        else:
            np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "train-images-idx3-ubyte",
            None,
            "has no train-images-idx3-ubyte .*: name the folder where the four files are",
        ),
        ("train-images-idx3-ubyte", b"", "not an IDX file .it is empty"),
        ("train-images-idx3-ubyte", b"\x89PNG\r\n", "magic number is 0x89504e47"),
        ("train-images-idx3-ubyte", bytes([0, 0, 7, 1, 0, 0, 0, 0]), "not an IDX file"),
        ("train-images-idx3-ubyte", idx(np.zeros(20, np.uint8)), "images have 3 axes of bytes, not 1 axes of uint8"),
        ("train-images-idx3-ubyte", idx(np.zeros((20, 28, 28), "f4")), "bytes, not 3 axes of float32"),
        ("t10k-labels-idx1-ubyte", idx(np.zeros(9, np.uint8)), "9 labels for the 10 images of t10k-images-idx3-ubyte"),
        ("t10k-labels-idx1-ubyte", idx(np.arange(1, 11, dtype=np.uint8)), "10 of row 9 is not a class.*subtract 1"),
        ("t10k-labels-idx1-ubyte", idx(np.zeros(0, np.uint8)), "it holds no labels"),
    ],
)
def test_folders_that_do_not_do(tmp_path, name, content, words):
    made(tmp_path)
    (tmp_path / name).unlink() if content is None else (tmp_path / name).write_bytes(content)
    refused(lambda: mnist(tmp_path), words)


def test_no_folder_at_all(tmp_path):
    refused(lambda: mnist(tmp_path / "nowhere"), "nowhere: is no folder")
    refused(lambda: read_idx(tmp_path), "a directory: name an IDX file")
    refused(lambda: read_idx(tmp_path / "nothing"), "no such file")
