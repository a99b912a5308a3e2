"""NPZ files: real ones, and broken, lying and hostile ones."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from tinygrad_ce.data import DataError, read_npz


@pytest.fixture
def path(tmp_path):
    return tmp_path / "points.npz"


def refused(path, words, **options):
    with pytest.raises(DataError, match=words) as error:
        read_npz(path, **options)
    message = str(error.value)
    assert "\n" not in message and "points" in message
    return message


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    "names", [("inputs", "targets"), ("x", "y"), ("X", "y"), ("images", "labels"), ("data", "target")]
)
def test_the_usual_names(path, save, names):
    x = np.random.default_rng(0).normal(size=(5, 3, 2))
    save(path, **dict(zip(names, (x, np.array([0, 2, 1, 1, 0], np.uint8)), strict=True)))
    data = read_npz(path)
    np.testing.assert_array_equal(data.inputs, x)
    assert data.targets.tolist() == [0, 2, 1, 1, 0] and data.class_names == ("0", "1", "2")
    assert data.name == "points"


def test_names_given_quantities_and_odd_layouts(path):
    x = np.asfortranarray(np.arange(12, dtype=">i2").reshape(4, 3))
    np.savez(path, a=x, b=np.linspace(0, 1, 4).astype(np.float32), other=np.ones(7))
    data = read_npz(path, "a", "b", dtype=np.float32)
    assert data.inputs.dtype == np.float32 and data.inputs.tolist() == x.tolist() and data.class_names == ()
    np.savez(path, x=np.arange(3.0), y=[0, 1, 0], class_names=["low", "high"])
    data = read_npz(path)
    assert data.inputs.shape == (3, 1) and data.class_names == ("low", "high")
    assert read_npz(path, class_names=("a", "b", "c")).class_names == ("a", "b", "c")


def test_contents_that_do_not_do(path):
    np.savez(path, first=np.ones((2, 1)), second=np.ones(2))
    refused(path, "Name both: it has 'first', 'second'")
    refused(path, "Name both", inputs="first")
    refused(path, "no array 'third'", inputs="first", targets="third")
    for x, y, words in [
        (np.ones((3, 1)), [0, 1], "3 rows of inputs, but 2 targets"),
        ([["a"], ["b"]], [0, 1], "encode text"),
        (np.array([[1.0], [np.nan]]), [0, 1], "row 1 of 'points' is nan"),
        (np.ones((2, 1)), [1, 2], "labels in 'y' count from 1: subtract 1"),
        (np.ones((2, 1)), [-1, 0], "go from -1 to 0"),
        (np.ones((2, 1)), [0, 1000], "go from 0 to 1000, with 2 different ones"),
        (np.array([[None], [1]]), [0, 1], "'x' holds Python objects"),
        (np.array(1.0), [0, 1], "reshape them"),
    ]:
        np.savez(path, x=x, y=y)
        refused(path, words)


def header(shape, dtype="<f8"):
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": dtype, "fortran_order": False, "shape": shape})
    return out.getvalue()


def test_a_huge_claim_takes_no_memory(path):
    for shape, words in [
        ((10**12, 10**9), "claims 8000000000000000000000 bytes, more than max_bytes"),
        ((10**8,), "claims 800000000 bytes and has 64: the file is damaged"),
        ((4,), "claims 32 bytes and has more"),
        ((-1, 4), "claims the shape"),
    ]:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", header(shape) + bytes(64))
            archive.writestr("y.npy", header((1,)) + bytes(8))
        tracemalloc.start()
        refused(path, words)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 10_000_000


def test_a_bomb_is_not_unpacked(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header((2, 2)) + bytes(60_000_000))
        archive.writestr("y.npy", header((2,)) + bytes(16))
    tracemalloc.start()
    refused(path, "has more")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000
    np.savez_compressed(path, x=np.zeros((1000, 1)), y=np.zeros(1000))
    refused(path, "more than max_bytes=7999: raise it", max_bytes=7999)
    assert len(read_npz(path, max_bytes=8000)) == 1000


def test_no_archive_a_cut_one_and_flipped_bits(path, tmp_path):
    refused(path, "no such file")
    path.write_bytes(b"")
    refused(path, "not an NPZ file")
    path.write_bytes(b"x,y\n1,2\n")
    refused(path, "not an NPZ file")
    np.savez_compressed(path, x=np.random.default_rng(0).normal(size=(50, 3)), y=np.zeros(50))
    content = path.read_bytes()
    path.write_bytes(content[:-30])
    refused(path, "not an NPZ file, or a damaged one")
    for place in range(0, len(content), 7):
        broken = bytearray(content)
        broken[place] ^= 0x10
        path.write_bytes(broken)
        try:
            read_npz(path)
        except DataError as error:
            assert "\n" not in str(error)
    with pytest.raises(DataError, match="a directory: name an NPZ file"):
        read_npz(tmp_path)
    path.write_bytes(b"")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", b"not an array")
        archive.writestr("y.npy", header((1,)) + bytes(8))
    refused(path, "no readable header")
