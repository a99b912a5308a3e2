"""Save and load: what comes back, and what bad files do: nothing."""

import io
import os
import pickle
import stat
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_ce as tg
from tinygrad_ce.atomic import replacing
from tinygrad_ce.nn import MLP, load, save
from tinygrad_ce.optim import Adam


@pytest.fixture
def saved(tmp_path):
    model = MLP([3, 4, 2], rng=0)
    path = tmp_path / "model.npz"
    save(path, model, meta={"accuracy": 0.98, "classes": ["ä", "b"]})
    return model, path


def fresh():
    return MLP([3, 4, 2], rng=1)


def same(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def refused(path, content, model=None):
    """A file of this content is refused in one line that names it, and the model is as it was."""
    path.write_bytes(content)
    model = model or fresh()
    before = MLP([3, 4, 2], rng=0)
    before.load_state_dict(model.state_dict())
    with pytest.raises(ValueError, match=path.name) as error:
        load(path, model)
    assert "\n" not in str(error.value)
    assert same(model, before)
    return str(error.value)


# -- what comes back -----------------------------------------------------------------------------------------------


def test_round_trip(saved):
    model, path = saved
    other = fresh()
    checkpoint = load(path, other)
    assert same(model, other)
    assert checkpoint.meta == {"accuracy": 0.98, "classes": ["ä", "b"]}
    assert checkpoint.state.keys() == model.state_dict().keys()
    assert load(str(path)).meta == checkpoint.meta


def test_numpy_reads_it(saved):
    model, path = saved
    with np.load(path, allow_pickle=False) as arrays:
        assert np.array_equal(arrays["layers.0.weight"], model.layers[0].weight.data)


def test_an_archive_of_numpy_is_read_where_it_fits(saved, tmp_path):
    model, _ = saved
    for write in (np.savez, np.savez_compressed):
        write(tmp_path / "other.npz", **model.state_dict())
        other = fresh()
        assert load(tmp_path / "other.npz", other).meta == {}
        assert same(model, other)


def test_scalars_dtypes_and_layouts(tmp_path):
    state = {
        "file": np.arange(6.0).reshape(2, 3).T,
        "a/b": np.float32([1.5]),
        "empty": np.zeros((0, 3)),
        "number": 2.5,
        "count": 3,
        "value": tg.Value([1.0], requires_grad=False),
        "ünï code": np.array(True),
    }
    save(tmp_path / "s", state)
    got = load(tmp_path / "s").state
    for name, value in state.items():
        expected = np.asarray(value)
        assert got[name].dtype == expected.dtype
        assert np.array_equal(got[name], expected)


def test_an_optimiser_is_saved_and_goes_on(tmp_path):
    def steps(model, optimiser, n):
        for _ in range(n):
            optimiser.zero_grad()
            (model(np.ones(3)) ** 2).sum().backward()
            optimiser.step()

    model = fresh()
    optimiser = Adam(model.parameters(), lr=0.1)
    steps(model, optimiser, 3)
    save(tmp_path / "m", model)
    save(tmp_path / "o", optimiser)
    steps(model, optimiser, 3)
    again = MLP([3, 4, 2], rng=5)
    resumed = Adam(again.parameters(), lr=0.7)
    load(tmp_path / "m", again)
    load(tmp_path / "o", resumed)
    steps(again, resumed, 3)
    assert same(model, again)


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8).filter(lambda s: "\0" not in s), st.floats(allow_nan=False), max_size=4
    )
)
def test_any_name_and_number(state):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.npz")
        try:
            save(path, state)
        except ValueError:
            assert not path.exists()
            assert not os.listdir(folder)
            return
        assert {name: float(x) for name, x in load(path).state.items()} == state


# -- what is refused -----------------------------------------------------------------------------------------------


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.npz"):
        load(tmp_path / "nowhere.npz", fresh())
    with pytest.raises(OSError, match="directory"):
        load(tmp_path, fresh())


def test_foreign_files(tmp_path):
    path = tmp_path / "foreign.npz"
    for content in (b"", b"hello", b"\x89PNG\r\n" + bytes(100), pickle.dumps({"a": 1}), b"PK\x03\x04" + bytes(50)):
        refused(path, content)
    plain = io.BytesIO()
    np.save(plain, np.zeros(3))
    refused(path, plain.getvalue())
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as z:
        z.writestr("readme.txt", "hello")
    assert "'readme.txt', which is no array" in refused(path, archive.getvalue())
    np.savez(archive := io.BytesIO(), __meta__=np.array("[1]"))
    assert "no mapping" in refused(path, archive.getvalue())


def test_pickled_objects_are_never_loaded(tmp_path, capsys):
    class Trap:
        def __reduce__(self):
            return print, ("executed",)

    archive = io.BytesIO()
    np.savez(archive, allow_pickle=True, **{"layers.0.weight": np.array([Trap()], dtype=object)})
    assert "allow_pickle=False" in refused(tmp_path / "trap.npz", archive.getvalue())
    assert "executed" not in capsys.readouterr().out
    with pytest.raises(ValueError, match="only arrays of real numbers"):
        save(tmp_path / "x.npz", {"a": np.array([None])})
    assert not (tmp_path / "x.npz").exists()


def test_every_truncation_is_refused(saved, tmp_path):
    content = saved[1].read_bytes()
    for length in range(0, len(content), 7):
        refused(tmp_path / "cut.npz", content[:length])
    refused(tmp_path / "cut.npz", content[:-1])


@pytest.mark.parametrize("seed", range(150))
def test_a_damaged_byte_is_refused_or_harmless(saved, tmp_path, seed):
    model, path = saved
    rng = np.random.default_rng(seed)
    content = bytearray(path.read_bytes())
    content[rng.integers(len(content))] ^= int(rng.integers(1, 256))
    (tmp_path / "bad.npz").write_bytes(content)
    other, before = fresh(), fresh()
    try:
        load(tmp_path / "bad.npz", other)
    except ValueError as error:
        assert "bad.npz" in str(error)
        assert same(other, before)
    else:
        assert same(other, model)


def test_another_models_file(saved):
    _, path = saved
    other = MLP([3, 5, 2], rng=1)
    before = other.state_dict()
    with pytest.raises(ValueError, match=r"model\.npz: this is not a state of MLP\(3 → 5 → 2\)"):
        load(path, other)
    assert all(np.array_equal(before[name], array) for name, array in other.state_dict().items())


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((3,), TypeError),
        (({"a": np.array("text")},), ValueError),
        (({"../a": 1.0},), ValueError),
        (({"model": MLP([1, 1]), "b": 1.0},), TypeError),
        (({"": 1.0},), ValueError),
        (({1: 1.0},), ValueError),
        (({"__meta__": 1.0},), ValueError),
        (({"a": 1.0}, {"x": object()}), TypeError),
    ],
)
def test_what_cannot_be_saved_leaves_the_old_file(saved, arguments, error):
    model, path = saved
    with pytest.raises(error):
        save(path, *arguments)
    other = fresh()
    load(path, other)
    assert same(model, other)
    assert os.listdir(path.parent) == ["model.npz"]


def test_where_it_cannot_be_written(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        save(tmp_path / "no" / "model.npz", fresh())
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        save(tmp_path, fresh())


# -- whole or not at all -------------------------------------------------------------------------------------------


def test_replacing_keeps_the_old_file_until_the_end(tmp_path):
    path = tmp_path / "note"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:
        file.write(b"half of the n")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["note"]


@pytest.mark.skipif(os.name != "posix", reason="permissions and links")
def test_replacing_keeps_permissions_and_follows_links(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    with replacing(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    with replacing(tmp_path / "fresh") as file:
        file.write(b"")
    (tmp_path / "plain").touch()
    assert (tmp_path / "fresh").stat().st_mode == (tmp_path / "plain").stat().st_mode
