"""Several states in one file, in both formats: what comes back, and that it is all of them or none."""

import json
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_ce.checkpoint import load, previous, save
from tinygrad_ce.nn import MLP
from tinygrad_ce.optim import SGD, Adam

SUFFIXES = [".npz", ".safetensors"]
pytest.importorskip("safetensors", reason="the extra safetensors is not installed")


def world(seed=0, sizes=(3, 4, 2), optimiser=Adam, generator=np.random.PCG64):
    """Things with states, moved away from where they began."""
    model = MLP(list(sizes), rng=seed)
    stepper = optimiser(model.parameters(), lr=0.1 + seed)
    rng, draws = np.random.Generator(generator(seed)), {"a": np.random.default_rng(seed + 7)}
    for _ in range(3):
        stepper.zero_grad()
        (model(np.full(sizes[0], 1.0 + seed)) ** 2).sum().backward()
        stepper.step()
        rng.normal(size=3)
    return {"model": model, "optimiser": stepper, "rng": rng, "draws": draws}


def plain(parts):
    """Their states, for comparison."""
    numbers = lambda state: {k: np.asarray(v).tolist() for k, v in state.items()}
    return json.dumps(
        [
            numbers(parts["model"].state_dict()),
            numbers(parts["optimiser"].state_dict()),
            parts["rng"].bit_generator.state,
            parts["draws"]["a"].bit_generator.state,
        ],
        default=lambda x: x.tolist(),
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("generator", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_all_parts_come_back(tmp_path, suffix, generator):
    there, other = world(generator=generator), world(seed=1, generator=generator)
    save(tmp_path / f"run{suffix}", there, meta={"epoch": 3, "scale": [np.float32(0.5), np.arange(3)]})
    assert plain(there) != plain(other)
    found = load(tmp_path / f"run{suffix}", other)
    assert plain(there) == plain(other)
    assert found.parts == ("model", "optimiser", "rng", "draws")
    assert found.meta["epoch"] == 3
    assert np.array_equal(found.meta["scale"][1], [0, 1, 2])
    assert np.array_equal(there["rng"].normal(size=9), other["rng"].normal(size=9))
    assert there["draws"]["a"].random() == other["draws"]["a"].random()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_model_alone_from_a_file_of_several(tmp_path, suffix):
    there, model = world(), MLP([3, 4, 2], rng=5)
    save(tmp_path / f"run{suffix}", there)
    load(tmp_path / f"run{suffix}", model)
    state = there["model"].state_dict()
    assert all(np.array_equal(state[name], array) for name, array in model.state_dict().items())
    load(tmp_path / f"run{suffix}", {"rng": there["rng"]})
    with pytest.raises(ValueError, match="no part 'schedule': it has the parts 'model', 'optimiser', 'rng', 'draws'"):
        load(tmp_path / f"run{suffix}", {"schedule": there["rng"]})
    save(tmp_path / f"one{suffix}", model)
    with pytest.raises(ValueError, match="one state, without parts"):
        load(tmp_path / f"one{suffix}", {"model": model})


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({"sizes": (3, 5, 2)}, r"its part 'model': .*'layers\.0\.weight' has shape \(4, 3\), the model's \(5, 3\)"),
        ({"optimiser": SGD}, r"its part 'optimiser': not a state of this SGD .*missing .*unknown"),
        ({"generator": np.random.MT19937}, r"its part 'rng': .*a MT19937, and the state one of PCG64"),
    ],
)
def test_where_one_part_refuses_none_is_changed(tmp_path, suffix, what, message):
    path = tmp_path / f"run{suffix}"
    save(path, world())
    other = world(seed=1, **what)
    before = plain(other)
    with pytest.raises(ValueError, match=message) as error:
        load(path, other)
    assert path.name in str(error.value)
    assert plain(other) == before


def test_a_diverged_model_keeps_its_nan_where_the_optimiser_refuses(tmp_path):
    there, other = world(), world(seed=1, optimiser=SGD)
    for parts, mean in ((there, 0.0), (other, np.nan)):
        parts["model"].register_buffer("mean", np.full(2, mean))
    save(tmp_path / "run.npz", there)
    other["model"].layers[0].bias.data = np.full(4, np.nan)
    before = plain(other)
    with pytest.raises(ValueError, match="its part 'optimiser'"):
        load(tmp_path / "run.npz", other)
    assert plain(other) == before


def test_torch_reads_our_safetensors_and_we_read_its_own(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from safetensors.torch import load_file, save_file

    model = MLP([3, 4, 2], rng=0, dtype=np.float32)
    save(tmp_path / "m.safetensors", model)
    found = load_file(tmp_path / "m.safetensors")
    assert {k: v.numpy().tolist() for k, v in found.items()} == {k: v.tolist() for k, v in model.state_dict().items()}
    state = {"half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16), "n": torch.tensor(3)}
    save_file(state, tmp_path / "t.safetensors")
    theirs = load(tmp_path / "t.safetensors")
    assert theirs.meta == {}
    assert (theirs.state["half"].tolist(), theirs.state["half"].dtype, theirs.state["n"]) == ([1.5, -2], np.float32, 3)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_file_before_is_kept(tmp_path, suffix):
    path = tmp_path / f"run{suffix}"
    for k in range(4):
        save(path, {"k": k}, keep_previous=True)
    assert (load(path).state["k"], load(previous(path)).state["k"]) == (3, 2)
    assert sorted(os.listdir(tmp_path)) == sorted([path.name, previous(path).name])
    path.write_bytes(b"damaged")
    with pytest.raises(ValueError, match=rf"the one before it is kept as run\.previous\{suffix}"):
        load(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(
    st.dictionaries(
        st.text("abc.", min_size=1, max_size=5),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(2**200), 2**200)
            | st.floats(allow_nan=False)
            | st.text(max_size=5),
            lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3),
            max_leaves=6,
        ).map(lambda x: {"inside": x}),
        max_size=4,
    )
)
def test_what_is_no_array_comes_back_as_it_was(suffix, state):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"x{suffix}")
        try:
            save(path, state)
        except ValueError:
            assert not os.listdir(folder)
            return
        assert load(path).state == state


def test_pickles_are_refused_by_their_names(tmp_path):
    for name in ("m.pt", "m.PTH", "m.pkl"):
        with pytest.raises(ValueError, match="are pickles, which can run anything"):
            save(tmp_path / name, {"a": 1.0})
        with pytest.raises(ValueError, match=r"nn\.from_torch"):
            load(tmp_path / name)


def test_a_dtype_that_safetensors_has_not(tmp_path):
    with pytest.raises(ValueError, match=r"'a' is (longdouble|float128|float96), which safetensors has not: .*\.npz"):
        save(tmp_path / "x.safetensors", {"a": np.zeros(2, np.longdouble)})
    assert not os.listdir(tmp_path)
    save(tmp_path / "x.npz", {"a": np.arange(2, dtype=np.longdouble)})
    assert load(tmp_path / "x.npz").state["a"].dtype == np.longdouble


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
    monkeypatch.setitem(__import__("sys").modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r"needs safetensors: run pip install 'tinygrad_ce\[safetensors\]'"):
        save(tmp_path / "x.safetensors", {"a": 1.0})
    (tmp_path / "x.safetensors").write_bytes(bytes(100))
    with pytest.raises(ImportError, match="needs safetensors"):
        load(tmp_path / "x.safetensors")
    assert os.listdir(tmp_path) == ["x.safetensors"]
