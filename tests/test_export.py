"""Export to ONNX: what onnxruntime makes of the file is what the model gives."""

import warnings
from typing import Any

import numpy as np
import pytest

import tinygrad_ce as tg
from tests.battery import Case, cases
from tests.test_cli import run
from tinygrad_ce import nn
from tinygrad_ce.data import iris
from tinygrad_ce.programs.kept import load_model

onnx = pytest.importorskip("onnx", reason="export needs the extra onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="export is checked with onnxruntime, of the extra onnx")
from tinygrad_ce.export import to_onnx  # noqa: E402
from tinygrad_ce.export.onnx import difference  # noqa: E402
from tinygrad_ce.export.rules import RULES, NoRule  # noqa: E402

CASES = [
    case
    for op in tg.registry().values()
    if op.key == op.name and (op.name in RULES or op.decomposition is not None)
    for case in cases(op)
]


def of_floats(case: Case) -> tuple[Any, list[Any]]:
    """The op as a function of its float arrays; and these."""
    places = [i for i, x in enumerate(case.inputs) if np.asarray(x).dtype.kind == "f"]

    def f(*arrays: Any) -> Any:
        inputs = list(case.inputs)
        for i, x in zip(places, arrays, strict=True):
            inputs[i] = x
        return case.op.apply(tuple(inputs), case.options)

    return f, [case.inputs[i] for i in places]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_op_that_has_a_rule_says_the_same_there(case):
    f, arrays = of_floats(case)
    if not arrays:
        pytest.skip("no floats")
    arrays = [np.asarray(x, np.float32) for x in arrays]
    try:
        made = to_onnx(f, *arrays, batch=False)
    except NoRule as error:
        pytest.skip(str(error))
    except ValueError as error:
        if "traced" in str(error) or "written down" in str(error):
            pytest.skip(str(error))
        raise
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        assert difference(made, f, *arrays) < 2e-5


# -- models of any batch size ------------------------------------------------------------------------------------


def test_the_batch_may_be_of_any_size(tmp_path):
    model, rng = nn.MLP([6, 16, 3], rng=0), np.random.default_rng(0)
    made = to_onnx(model, rng.normal(size=(4, 6)), path=tmp_path / "mlp.onnx")
    for n in (1, 2, 33):
        assert difference(made, model, rng.normal(size=(n, 6))) < 1e-6
    assert onnx.load(tmp_path / "mlp.onnx") == made
    assert made.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert {x.name for x in made.graph.initializer} >= {"layers.0.weight.T", "layers.1.bias"}


def test_sizes_that_follow_the_batch_are_computed_there():
    rng, table = np.random.default_rng(0), np.random.default_rng(1).normal(size=(10, 3))

    def model(x, index):
        rows = x.shape[0]
        both = np.concatenate([x, np.zeros((rows, 2))], axis=1).reshape(rows * 5, -1)  # constants as long as the batch
        picked = np.take(tg.Value(table), index, axis=0).reshape(-1, 3)
        last = both.reshape(rows, 5)[rows - 1]
        return {"both": both, "picked": picked.sum(), "last": last, "order": np.arange(rows) + x[:, 0]}

    made = to_onnx(model, rng.normal(size=(4, 3)), np.zeros((4, 2), int), names=("x", "index"))
    for n in (1, 3, 8):
        assert difference(made, model, rng.normal(size=(n, 3)), rng.integers(0, 10, size=(n, 2))) < 1e-6


def test_float64_keeps_its_digits():
    model, x = nn.MLP([6, 16, 3], activation=np.tanh, rng=0), np.random.default_rng(0).normal(size=(5, 6))
    assert difference(to_onnx(model, x, dtype=np.float64), model, x) < 1e-14


def test_small_numbers_keep_theirs():
    x = np.array([-1e-6, 1e-7, 3e-8, 0.5, -0.9, 30.0], np.float32)
    for f in (np.expm1, np.log1p):
        session = onnxruntime.InferenceSession(to_onnx(lambda v, f=f: f(v), x, batch=False).SerializeToString())
        (found,) = session.run(None, {"input": np.abs(x)})
        np.testing.assert_allclose(found, f(np.abs(x)), rtol=5e-7)


@pytest.mark.parametrize(
    ("f", "said"),
    [
        (lambda x: np.linalg.svd(x)[1], "no operator|written down"),
        (lambda x: x if x.sum() > 0 else -x, "written down"),
        (lambda x: x[: len(x) // 2], "sizes? is|rows"),
        (lambda x: x * np.linspace(0, 1, len(x))[:, None], "another|own number"),
        (lambda x: x * 2 if len(x) < 12 else x, "batch=False"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(f, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        to_onnx(f, np.ones((3, 2)), path=tmp_path / "f.onnx")
    assert not list(tmp_path.iterdir())


def test_bad_arguments():
    for bad in ({"dtype": np.float16}, {"names": ("a", "b")}):
        with pytest.raises(ValueError, match=r"dtype is|names for"):
            to_onnx(np.tanh, np.ones((2, 2)), **bad)
    with pytest.raises(ValueError, match="no rows"):
        to_onnx(np.tanh, np.ones((0, 2)))
    with pytest.raises(ValueError, match="example"):
        to_onnx(np.tanh)


# -- every layer -------------------------------------------------------------------------------------------------


def of(*shape: int) -> Any:
    return lambda rng, n: [rng.normal(size=(n, *shape)) * 2.0]


def thrice(rng: np.random.Generator, n: int) -> list[Any]:
    x = rng.normal(size=(n, 5, 8))
    return [x, x, x]


LENET = nn.Sequential(
    *(nn.Conv2d(1, 6, 5, rng=0), nn.ReLU(), nn.MaxPool2d(2)),
    *(nn.Conv2d(6, 8, 3, rng=1), nn.ReLU(), nn.AvgPool2d(2, padding=1, ceil_mode=True)),
    *(nn.AdaptiveAvgPool2d((2, 3)), nn.Flatten(), nn.Dropout(0.5), nn.Linear(48, 10, rng=2)),
)
LAYERS: list[tuple[nn.Module, Any]] = [
    (nn.Linear(4, 3, rng=0), of(2, 4)),
    (nn.Conv1d(2, 4, 3, padding=1, stride=2, groups=2, rng=0), of(2, 9)),
    (nn.Conv2d(2, 4, 3, padding="same", dilation=2, rng=0), of(2, 9, 8)),
    (nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True), of(2, 6, 7)),
    (nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False), of(2, 6, 7)),
    (nn.AdaptiveAvgPool2d((3, 2)), of(2, 7, 5)),
    (LENET, of(1, 20, 20)),
    (nn.BatchNorm1d(4), of(4)),
    (nn.BatchNorm1d(4, affine=False), of(4, 3)),
    (nn.BatchNorm2d(4), of(4, 3, 3)),
    (nn.LayerNorm((3, 4)), of(3, 4)),
    (nn.LayerNorm(4, elementwise_affine=False), of(3, 4)),
    (nn.GroupNorm(2, 4), of(4, 3)),
    (nn.RMSNorm(4), of(5, 4)),
    (nn.Dropout(0.5), of(4)),
    (nn.Embedding(5, 3, rng=0), lambda rng, n: [rng.integers(0, 5, size=(n, 4))]),
    (nn.RNN(3, 4, num_layers=2, batch_first=True, rng=0), of(5, 3)),
    (nn.GRU(3, 4, batch_first=True, rng=0), of(5, 3)),
    (nn.LSTM(3, 4, batch_first=True, rng=0), of(5, 3)),
    (nn.MultiHeadAttention(8, 2, batch_first=True, rng=0), thrice),
    *[(kind(), of(4)) for kind in (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Softplus, nn.Tanh, nn.Sigmoid)],
    *[(kind(), of(4)) for kind in (nn.Hardtanh, nn.Mish, nn.Softmax, nn.LogSoftmax, nn.Identity, nn.Flatten)],
    (nn.GELU(approximate="tanh"), of(4)),
    (nn.Residual(nn.Sequential(nn.Linear(4, 4, rng=0), nn.Tanh())), of(4)),
]


@pytest.mark.parametrize(("layer", "make"), LAYERS, ids=lambda x: getattr(x, "_headline", lambda: "")())
def test_every_layer(layer, make):
    rng = np.random.default_rng(0)
    layer.train()
    for _ in range(2):
        layer(*make(rng, 6))  # running statistics that are not those of the start
    made = to_onnx(layer, *make(rng, 4))
    assert layer.training
    for n in (1, 3, 6):
        assert difference(made, layer, *make(rng, n)) < 5e-7


# -- the command -------------------------------------------------------------------------------------------------


def test_a_trained_file_leaves_home(tmp_path):
    train = ["--preset", "mlp", "--data", "iris", "--hidden", "8", "--epochs", "1", "--out", "iris.npz"]
    assert run(*train, cwd=tmp_path, command="train").code == 0
    result = run("iris.npz", "iris.onnx", cwd=tmp_path, command="export")
    assert result.code == 0 and "onnxruntime's answers differ by" in result.out
    session = onnxruntime.InferenceSession(tmp_path / "iris.onnx")
    rows = iris().inputs[::7]
    (logits,) = session.run(None, {"input": rows.astype(np.float32)})  # as they are: the file standardises
    kept = load_model(tmp_path / "iris.npz")
    np.testing.assert_allclose(logits, kept.model(kept.facts.scaled(rows)).data, rtol=1e-4, atol=1e-5)


def test_what_is_no_file_to_export_is_said_in_a_line(tmp_path):
    (tmp_path / "bad.npz").write_bytes(b"no model")
    for words in (("bad.npz", "a.onnx"), ("none.npz", "a.onnx")):
        result = run(*words, cwd=tmp_path, command="export")
        assert result.code == 2 and result.err.startswith("tinygrad_ce: ") and result.err.count("\n") == 1
    assert not (tmp_path / "a.onnx").exists()
