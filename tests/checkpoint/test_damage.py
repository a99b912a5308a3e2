"""Files that are damaged, that lie, or that mean harm: a clear error, and nothing is changed."""

import io
import json
import struct
import zipfile

import numpy as np
import pytest

from tests.checkpoint.test_parts import SUFFIXES, plain, world
from tinygrad_ce.checkpoint import load, save


@pytest.fixture(scope="module", params=SUFFIXES)
def saved(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / f"run{request.param}"
    save(path, world(), meta={"epoch": 3})
    return path


def refused(path, content, into=None, says=r"\S"):
    path.write_bytes(content)
    into = into or world(seed=1)
    before = plain(into)
    with pytest.raises(ValueError, match=says) as error:
        load(path, into)
    assert path.name in str(error.value)
    assert "\n" not in str(error.value)
    assert plain(into) == before


def test_every_truncation(saved, tmp_path, full):
    content, into = saved.read_bytes(), world(seed=1)
    for length in [*range(0, len(content), 1 if full else 61), len(content) - 1]:
        refused(tmp_path / saved.name, content[:length], into)


def test_every_flipped_bit(saved, tmp_path, full):
    """Refused, or harmless: a zip has bytes that mean nothing, such as the time of an entry."""
    content, model = saved.read_bytes(), plain(world())
    rng = np.random.default_rng(0)
    into = world(seed=1)
    before = plain(into)
    places = range(len(content)) if full else rng.integers(len(content), size=400)
    missed = 0
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        path = tmp_path / saved.name
        path.write_bytes(damaged)
        try:
            load(path, into)
        except ValueError as error:
            assert path.name in str(error)
            assert plain(into) == before
        else:
            assert plain(into) == model
            into, missed = world(seed=1), missed + 1
    assert missed == 0 or saved.suffix == ".npz"


def test_a_number_changed_with_its_sum_made_right_is_caught_by_the_digest(tmp_path):
    save(tmp_path / "a.npz", {"x": np.arange(5.0)})
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    entries["x.npy"] = entries["x.npy"].replace(struct.pack("<d", 3.0), struct.pack("<d", 4.0))
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match="its digest is not that of its content"):
        load(tmp_path / "b.npz")
    del entries["__digest__.npy"]
    with zipfile.ZipFile(tmp_path / "c.npz", "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match="its digest is missing"):
        load(tmp_path / "c.npz")


def safetensors(header, data=b"", length=None):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def npy(shape, data=b"", dtype="<f8"):
    header = str({"descr": dtype, "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def archive(**entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in entries.items():
            made.writestr(name, content)
    return out.getvalue()


TEN_GB = 10 * 2**30


@pytest.mark.parametrize(
    "content",
    [
        safetensors({}, length=TEN_GB),
        safetensors({}, length=2**64 - 1),
        safetensors({"a": {"dtype": "F64", "shape": [TEN_GB // 8], "data_offsets": [0, TEN_GB]}}, bytes(64)),
        safetensors({"a": {"dtype": "F64", "shape": [TEN_GB // 8], "data_offsets": [0, 64]}}, bytes(64)),
        safetensors({"a": {"dtype": "F64", "shape": [2**62, 16], "data_offsets": [0, 64]}}, bytes(64)),
        safetensors({"a": {"dtype": "F64", "shape": [4], "data_offsets": [32, 0]}}, bytes(64)),
        safetensors({"a": {"dtype": "F64", "shape": [-8], "data_offsets": [0, 64]}}, bytes(64)),
        safetensors({"../../a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}, bytes(8)),
        safetensors({"__metadata__": {"format": "tinygrad_ce checkpoint 1"}}),
        safetensors({"__metadata__": {"format": "tinygrad_ce checkpoint 9", "digest": "x"}}),
        safetensors([1, 2]),
    ],
)
def test_safetensors_that_lie(tmp_path, content):
    refused(tmp_path / "x.safetensors", content)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (archive(**{"a.npy": npy((TEN_GB // 8,), bytes(64))}), "claims 10,737,418,240 bytes where there are 64"),
        (archive(**{"a.npy": npy((2**62, 64), bytes(64))}), "claims"),
        (archive(**{"a.npy": npy((-8,), bytes(64))}), "claims|shape"),
        (archive(**{"a.npy": npy((2,), bytes(64))}), "claims 16 bytes where there are 64"),
        (archive(**{"a.npy": npy((8,), bytes(64), "|O")}), "never loaded: allow_pickle=False"),
        (archive(**{"../../etc/a.npy": npy((8,), bytes(64))}), r"'\.\./\.\./etc/a' is no name .* climbs out"),
        (archive(**{"/etc/a.npy": npy((8,), bytes(64))}), "climbs out"),
        (archive(**{"..\\a.npy": npy((8,), bytes(64))}), "climbs out"),
        (archive(**{"C:a.npy": npy((8,), bytes(64))}), "climbs out"),
        (archive(**{"a.txt": b"hello"}), "which is no array"),
    ],
)
def test_archives_that_lie(tmp_path, content, says):
    refused(tmp_path / "x.npz", content, says=says)


def test_an_entry_that_claims_ten_gigabytes(tmp_path):
    content = bytearray(archive(**{"a.npy": npy((8,), bytes(64))}))
    for at, mark in ((content.index(b"PK\x03\x04"), 22), (content.index(b"PK\x01\x02"), 24)):
        content[at + mark : at + mark + 4] = struct.pack("<I", 2**32 - 2)
    refused(tmp_path / "x.npz", bytes(content), says="claims 4,294,967,294 bytes and has")


def test_a_name_twice(tmp_path):
    out = io.BytesIO()
    with pytest.warns(UserWarning), zipfile.ZipFile(out, "w") as made:
        for _ in range(2):
            made.writestr("a.npy", npy((8,), bytes(64)))
    refused(tmp_path / "x.npz", out.getvalue(), says="holds 'a' twice")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_missing_and_extra_keys(tmp_path, suffix):
    state = world()["model"].state_dict()
    missing = {k: v for k, v in state.items() if k != "layers.1.bias"}
    for changed, says in ((missing, r"'layers\.1\.bias' is missing"), ({**state, "more": 1.0}, "'more' is unknown")):
        save(tmp_path / f"x{suffix}", changed)
        model = world(seed=1)["model"]
        before = model.state_dict()
        with pytest.raises(ValueError, match=says):
            load(tmp_path / f"x{suffix}", model)
        assert all(np.array_equal(before[name], array) for name, array in model.state_dict().items())
