"""Weights from PyTorch and back, against PyTorch itself."""

import numpy as np
import pytest

from tinygrad_ce.nn import MLP, from_torch, save, to_torch

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

SIZES = [3, 5, 2]
X = np.random.default_rng(0).normal(size=(7, 3))


def theirs(dtype=torch.float64):
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2)).to(dtype)


def ours(name):
    """0.weight → layers.0.weight, 2.weight → layers.1.weight."""
    place, _, rest = name.partition(".")
    return f"layers.{int(place) // 2}.{rest}"


BACK = {f"layers.{i}.{part}": f"{2 * i}.{part}" for i in range(2) for part in ("weight", "bias")}


def outputs(model):
    with torch.no_grad():
        return model(torch.as_tensor(X, dtype=next(model.parameters()).dtype)).double().numpy()


def test_there_and_back():
    there, model = theirs(), MLP(SIZES, rng=0)
    from_torch(model, there, rename=ours)
    np.testing.assert_allclose(model(X).data, outputs(there), rtol=1e-14)
    other = theirs()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    other.load_state_dict(to_torch(model, rename=BACK))
    assert np.array_equal(outputs(other), outputs(there))


def test_the_tensors_are_copies():
    model = MLP(SIZES, rng=0)
    state = to_torch(model)
    state["layers.0.bias"].zero_()
    assert model.layers[0].bias.data.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_narrow_dtypes_become_the_models(dtype):
    there, model = theirs(dtype), MLP(SIZES, rng=0)
    from_torch(model, there.state_dict(), rename=ours)
    assert model.layers[0].weight.dtype == np.float64
    assert np.array_equal(model.layers[1].weight.data, there[2].weight.detach().double().numpy())


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors", ".npz"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_files(tmp_path, suffix, wrapped):
    there, model, path = theirs(), MLP(SIZES, rng=0), tmp_path / f"m{suffix}"
    if suffix.startswith(".pt"):
        torch.save({"state_dict": there.state_dict()} if wrapped else there.state_dict(), path)
        from_torch(model, str(path), rename=ours)
    else:
        pytest.importorskip("safetensors")
        save(path, {k: v.numpy() for k, v in there.state_dict().items()})
        from_torch(model, path, rename=ours)
    np.testing.assert_allclose(model(X).data, outputs(there), rtol=1e-14)


def test_a_pickle_that_would_run_something_is_refused(tmp_path, capsys):
    class Trap:
        def __reduce__(self):
            return print, ("executed",)

    torch.save({"layers.0.weight": Trap()}, tmp_path / "trap.pt")
    with pytest.raises(ValueError, match=r"trap\.pt: it holds no weights alone"):
        from_torch(MLP(SIZES), tmp_path / "trap.pt")
    torch.save(theirs(), tmp_path / "whole.pt")
    with pytest.raises(ValueError, match=r"whole\.pt: it holds no weights alone"):
        from_torch(MLP(SIZES), tmp_path / "whole.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:700])
    with pytest.raises(ValueError, match=r"cut\.pt"):
        from_torch(MLP(SIZES), tmp_path / "cut.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ValueError, match=r"list\.pt: it is no state_dict"):
        from_torch(MLP(SIZES), tmp_path / "list.pt")
    with pytest.raises(FileNotFoundError, match=r"none\.pt"):
        from_torch(MLP(SIZES), tmp_path / "none.pt")
    assert "executed" not in capsys.readouterr().out


def test_what_does_not_fit_changes_nothing():
    model = MLP(SIZES, rng=0)
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"'layers\.0\.weight' is missing.*faults more"):
        from_torch(model, theirs())
    with pytest.raises(ValueError, match="two tensors one name"):
        from_torch(model, theirs(), rename=lambda name: "a")
    assert all(np.array_equal(before[name], array) for name, array in model.state_dict().items())


def test_without_torch(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(ImportError, match=r"\.pt files need PyTorch: pip install torch"):
        from_torch(MLP(SIZES), tmp_path / "m.pt")
    with pytest.raises(ImportError, match="tensors need PyTorch"):
        to_torch(MLP(SIZES))
