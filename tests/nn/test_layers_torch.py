"""Every layer and loss against torch: weights copied by state_dict, outputs and all gradients equal to rounding."""

from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import nn
from tinygrad_ce.nn import functional as F

torch = pytest.importorskip("torch", reason="torch is not installed")
tn = torch.nn
RNG = np.random.default_rng(0)
TOLERANCE = {np.float64: 1e-11, np.float32: 2e-5}
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])


def normal(*shape):
    return RNG.normal(size=shape)


def flat(out):
    """The arrays in nested tuples."""
    return [x for part in out for x in flat(part)] if isinstance(out, (tuple, list)) else [out]


def close(found, expected, dtype, what):
    found, expected = np.asarray(found), expected.detach().numpy()
    assert found.shape == expected.shape, what
    assert found.dtype == expected.dtype, what
    scale = max(1.0, np.max(np.abs(expected), initial=0.0))
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * scale, err_msg=what)


def copied(ours, theirs, dtype):
    """Torch's layer with our layer's state, in its dtype."""
    theirs = theirs.to({np.float64: torch.float64, np.float32: torch.float32}[dtype])
    state = ours.state_dict()
    assert list(state) == list(theirs.state_dict())
    theirs.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
    return theirs


def compare(ours, theirs, inputs, dtype):
    """Outputs, and the gradients of a random combination of them by every floating input and parameter."""
    floating = [np.asarray(x).dtype.kind == "f" for x in inputs]
    mine = [tg.Value(np.asarray(x, dtype)) if f else x for x, f in zip(inputs, floating, strict=True)]
    its = [
        torch.tensor(np.asarray(x, dtype), requires_grad=True) if f else torch.tensor(x)
        for x, f in zip(inputs, floating, strict=True)
    ]
    found, expected = flat(ours(*mine)), flat(theirs(*its))
    total, wanted = 0.0, 0.0
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        close(a.data, b, dtype, f"output {i}")
        g = np.random.default_rng(i).normal(size=a.shape).astype(dtype)
        total, wanted = total + np.sum(a * g), wanted + (b * torch.tensor(g)).sum()
    total.backward()
    wanted.backward()
    for i, (x, y) in enumerate(zip(mine, its, strict=True)):
        if floating[i]:
            close(np.zeros(x.shape, dtype) if x.grad is None else x.grad, y.grad, dtype, f"gradient of input {i}")
    parameters = dict(theirs.named_parameters()) if isinstance(theirs, tn.Module) else {}
    for name, p in ours.named_parameters() if isinstance(ours, nn.Module) else []:
        close(p.grad, parameters[name].grad, dtype, f"gradient of {name}")
    for name, buffer in ours.named_buffers() if isinstance(ours, nn.Module) else []:
        their = dict(theirs.named_buffers())[name]
        np.testing.assert_allclose(buffer, their.numpy(), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype], err_msg=name)


# -- layers --------------------------------------------------------------------------------------------------------

LAYERS = {
    "linear": (lambda: nn.Linear(4, 3, rng=0), lambda: tn.Linear(4, 3), normal(2, 5, 4)),
    "linear without bias": (lambda: nn.Linear(4, 3, bias=False, rng=0), lambda: tn.Linear(4, 3, bias=False), normal(4)),
    "layer norm": (lambda: nn.LayerNorm(6), lambda: tn.LayerNorm(6), normal(3, 2, 6)),
    "layer norm of two axes": (lambda: nn.LayerNorm((2, 6)), lambda: tn.LayerNorm((2, 6)), 10 + normal(3, 2, 6)),
    "layer norm, no bias": (
        lambda: nn.LayerNorm(6, 0.1, bias=False),
        lambda: tn.LayerNorm(6, 0.1, bias=False),
        normal(2, 6),
    ),
    "layer norm, bare": (
        lambda: nn.LayerNorm(6, elementwise_affine=False),
        lambda: tn.LayerNorm(6, elementwise_affine=False),
        normal(2, 6),
    ),
    "rms norm": (lambda: nn.RMSNorm(6), lambda: tn.RMSNorm(6), normal(3, 2, 6)),
    "rms norm of two axes": (lambda: nn.RMSNorm((2, 6), 0.1), lambda: tn.RMSNorm((2, 6), 0.1), normal(3, 2, 6)),
    "group norm": (lambda: nn.GroupNorm(2, 6), lambda: tn.GroupNorm(2, 6), normal(3, 6, 4)),
    "group norm of images": (
        lambda: nn.GroupNorm(3, 6, affine=False),
        lambda: tn.GroupNorm(3, 6, affine=False),
        normal(2, 6, 3, 2),
    ),
    "embedding": (lambda: nn.Embedding(7, 3, rng=0), lambda: tn.Embedding(7, 3), np.array([[0, 6, 6], [1, 6, 0]])),
    "embedding with padding": (
        lambda: nn.Embedding(7, 3, padding_idx=-1, rng=0),
        lambda: tn.Embedding(7, 3, padding_idx=-1),
        np.array([[0, 6, 6], [1, 6, 0]]),
    ),
    "dropout in eval": (lambda: nn.Dropout(0.5).eval(), lambda: tn.Dropout(0.5).eval(), normal(3, 4)),
    "flatten": (lambda: nn.Flatten(), lambda: tn.Flatten(), normal(2, 3, 4)),
    "flatten some": (lambda: nn.Flatten(0, 1), lambda: tn.Flatten(0, 1), normal(2, 3, 4)),
    "sequential": (
        lambda: nn.Sequential(nn.Linear(4, 5, rng=0), nn.GELU(), nn.LayerNorm(5), nn.Linear(5, 2, rng=1)),
        lambda: tn.Sequential(tn.Linear(4, 5), tn.GELU(), tn.LayerNorm(5), tn.Linear(5, 2)),
        normal(3, 4),
    ),
}


@DTYPES
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, dtype):
    make, make_theirs, x = LAYERS[name]
    ours = make().to(dtype)
    compare(ours, copied(ours, make_theirs(), dtype), [x], dtype)


def shaken(module):
    """With parameters that are not all 0 and 1."""
    rng = np.random.default_rng(1)
    for p in module.parameters():
        p.data = p.data + rng.normal(size=p.shape).astype(p.dtype)
    return module


@DTYPES
@pytest.mark.parametrize("name", [n for n in LAYERS if "norm" in n])
def test_normalisation_with_weights(name, dtype):
    make, make_theirs, x = LAYERS[name]
    ours = shaken(make().to(dtype))
    compare(ours, copied(ours, make_theirs(), dtype), [x], dtype)


BATCH = {
    "1d": (nn.BatchNorm1d, "BatchNorm1d", {}, (5, 3)),
    "1d sequences": (nn.BatchNorm1d, "BatchNorm1d", {"momentum": None, "eps": 0.01}, (4, 3, 2)),
    "2d": (nn.BatchNorm2d, "BatchNorm2d", {"momentum": 0.3}, (2, 3, 4, 2)),
    "2d bare": (nn.BatchNorm2d, "BatchNorm2d", {"affine": False}, (2, 3, 4, 2)),
    "untracked": (nn.BatchNorm1d, "BatchNorm1d", {"track_running_stats": False}, (5, 3)),
}


@DTYPES
@pytest.mark.parametrize("name", BATCH)
def test_batch_norm_through_training_and_eval(name, dtype):
    kind, theirs, options, shape = BATCH[name]
    ours = shaken(kind(3, **options).to(dtype))
    theirs = copied(ours, getattr(tn, theirs)(3, **options), dtype)
    for _ in range(3):
        ours.zero_grad(), theirs.zero_grad()
        compare(ours, theirs, [2.0 + 3.0 * normal(*shape)], dtype)
    ours.eval(), theirs.eval(), ours.zero_grad(), theirs.zero_grad()
    compare(ours, theirs, [normal(*shape)], dtype)
    if "running_mean" in ours.state_dict():
        assert int(ours.num_batches_tracked) == 3


# -- recurrent layers ----------------------------------------------------------------------------------------------

RECURRENT = [
    {},
    {"num_layers": 2, "bias": False},
    {"num_layers": 2, "bidirectional": True, "batch_first": True},
]


@DTYPES
@pytest.mark.parametrize("options", RECURRENT, ids=str)
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM", "relu"])
def test_recurrent_layers(kind, options, dtype):
    if kind == "relu":
        kind, options = "RNN", {**options, "nonlinearity": "relu"}
    ours = getattr(nn, kind)(3, 4, rng=0, **options).to(dtype)
    theirs = copied(ours, getattr(tn, kind)(3, 4, **options), dtype)
    cells = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    x = normal(2, 5, 3) if options.get("batch_first") else normal(5, 2, 3)
    begin = [normal(cells, 2, 4) for _ in ours.states]

    def call(layer):
        return lambda x, *states: layer(x, states if len(states) > 1 else states[0])

    compare(ours, theirs, [x], dtype)
    mine, its = SimpleNamespace(call=call(ours)), SimpleNamespace(call=call(theirs))
    compare(mine.call, its.call, [x, *begin], dtype)
    alone = [normal(cells, 4) for _ in ours.states]
    compare(mine.call, its.call, [normal(5, 3), *alone], dtype)


# -- activations ---------------------------------------------------------------------------------------------------

ACTIVATIONS = [
    ("ReLU", {}), ("LeakyReLU", {}), ("LeakyReLU", {"negative_slope": 0.3}), ("ELU", {}), ("ELU", {"alpha": 0.4}),
    ("GELU", {}), ("GELU", {"approximate": "tanh"}), ("SiLU", {}), ("Softplus", {}),
    ("Softplus", {"beta": 3.0, "threshold": 5.0}), ("Tanh", {}), ("Sigmoid", {}), ("Hardtanh", {}),
    ("Hardtanh", {"min_val": -0.5, "max_val": 2.0}), ("Mish", {}), ("Softmax", {"dim": 1}), ("LogSoftmax", {"dim": 0}),
]  # fmt: skip


@DTYPES
@pytest.mark.parametrize(("kind", "options"), ACTIVATIONS, ids=str)
def test_activations(kind, options, dtype):
    x = np.concatenate([normal(20), [0.0, 1.0, -1.0, 40.0, -40.0, 7.0, -7.0, 2.0, -0.5]]).reshape(29, 1)
    compare(getattr(nn, kind)(**options), getattr(tn, kind)(**options), [np.hstack([x, x[::-1]])], dtype)


# -- losses --------------------------------------------------------------------------------------------------------

P = np.exp(normal(3, 4))
P /= P.sum(axis=1, keepdims=True)
SIGNS, CLASSES = np.array([1, -1, 1]), np.array([2, 0, 3])
LOSSES = [
    ("MSELoss", {}, [normal(3, 4), normal(3, 4)]),
    ("L1Loss", {}, [normal(3, 4), normal(3, 4)]),
    ("HuberLoss", {}, [2 * normal(3, 4), normal(3, 4)]),
    ("HuberLoss", {"delta": 0.4}, [normal(3, 4), normal(3, 4)]),
    ("KLDivLoss", {}, [np.log(P[::-1]), P]),
    ("KLDivLoss", {"log_target": True}, [np.log(P[::-1]), np.log(P)]),
    ("CrossEntropyLoss", {}, [normal(3, 4), CLASSES]),
    ("CrossEntropyLoss", {"label_smoothing": 0.1}, [normal(3, 4, 2), np.stack([CLASSES, CLASSES[::-1]], 1)]),
    ("CrossEntropyLoss", {"ignore_index": 0}, [normal(3, 4), CLASSES]),
    ("CrossEntropyLoss", {}, [normal(4), np.array(1)]),
    ("BCEWithLogitsLoss", {}, [normal(3, 4), P]),
    ("MultiMarginLoss", {}, [normal(3, 4), CLASSES]),
    ("MultiMarginLoss", {"p": 2, "margin": 0.5}, [normal(3, 4), CLASSES]),
    ("CosineEmbeddingLoss", {"margin": 0.2}, [normal(3, 4), normal(3, 4), SIGNS]),
    ("TripletMarginLoss", {}, [normal(3, 4), normal(3, 4), normal(3, 4)]),
    ("TripletMarginLoss", {"p": 1.0, "margin": 3.0}, [normal(3, 4), normal(3, 4), normal(3, 4)]),
    ("TripletMarginLoss", {"p": 3.0, "swap": True, "margin": 2.0}, [normal(5, 4), normal(5, 4), normal(5, 4)]),
]


@DTYPES
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none", "batchmean"])
@pytest.mark.parametrize(("kind", "options", "inputs"), LOSSES, ids=[f"{k} {o}" for k, o, _ in LOSSES])
def test_losses(kind, options, inputs, reduction, dtype):
    if reduction == "batchmean" and kind != "KLDivLoss":
        return
    ours = getattr(nn, kind)(reduction=reduction, **options)
    compare(ours, getattr(tn, kind)(reduction=reduction, **options), inputs, dtype)


@pytest.mark.parametrize("kind", ["CrossEntropyLoss", "MultiMarginLoss"])
def test_losses_with_class_weights(kind):
    w = np.array([0.5, 1.0, 2.0, 0.1])
    ours, theirs = getattr(nn, kind)(weight=w), getattr(tn, kind)(weight=torch.tensor(w))
    compare(ours, theirs, [normal(3, 4), CLASSES], np.float64)


def test_cross_entropy_of_dense_targets():
    """As constants: where y moves, so does Σy, by which our mean divides (docs of softmax_cross_entropy)."""
    ours, theirs = nn.CrossEntropyLoss(), tn.CrossEntropyLoss()
    compare(lambda z: ours(z, P), lambda z: theirs(z, torch.tensor(P)), [normal(3, 4)], np.float64)


def test_cosine_similarity():
    # below eps torch lets the gradient through a norm that it has replaced
    for options in ({}, {"dim": 0}, {"eps": 0.1}):
        compare(
            nn.CosineSimilarity(**options), tn.CosineSimilarity(**options), [normal(3, 4), normal(3, 4)], np.float64
        )


# -- functions -----------------------------------------------------------------------------------------------------


def test_functions_take_torchs_arguments_in_its_order():
    f = torch.nn.functional
    x, w, b = normal(2, 4, 3), normal(4), normal(4)
    mean, variance = normal(4), np.abs(normal(4))
    for call in (
        lambda F, x, w, b: F.group_norm(x, 2, w, b, 0.1),
        lambda F, x, w, b: F.batch_norm(x, None, None, w, b, True),
    ):
        compare(lambda *a, c=call: c(F, *a), lambda *a, c=call: c(f, *a), [x, w, b], np.float64)
    ours = lambda x, w, b: F.batch_norm(x, mean, variance, w, b)
    theirs = lambda x, w, b: f.batch_norm(x, torch.tensor(mean), torch.tensor(variance), w, b)
    compare(ours, theirs, [x, w, b], np.float64)
    for call in (
        lambda F, x, w, b: F.layer_norm(x, (4,), w, b, 0.1),
        lambda F, x, w, b: F.rms_norm(x, (4,), w) + b,
        lambda F, x, w, b: F.linear(x, w * x, b[:2]),
    ):
        compare(lambda *a, c=call: c(F, *a), lambda *a, c=call: c(f, *a), [normal(2, 4), w, b], np.float64)


# -- how they begin ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda: nn.Linear(50, 400, rng=0), lambda: tn.Linear(50, 400)),
        (lambda: nn.Embedding(300, 60, rng=0), lambda: tn.Embedding(300, 60)),
        (lambda: nn.LSTM(30, 40, rng=0), lambda: tn.LSTM(30, 40)),
        (lambda: nn.GRU(30, 40, rng=0), lambda: tn.GRU(30, 40)),
        (lambda: nn.RNN(30, 40, 2, rng=0), lambda: tn.RNN(30, 40, 2)),
        (lambda: nn.LayerNorm(9), lambda: tn.LayerNorm(9)),
        (lambda: nn.BatchNorm2d(9), lambda: tn.BatchNorm2d(9)),
        (lambda: nn.GroupNorm(3, 9), lambda: tn.GroupNorm(3, 9)),
    ],
    ids=lambda f: "",
)
def test_layers_begin_with_torchs_distributions(ours, theirs):
    torch.manual_seed(0)
    state, expected = ours().state_dict(), theirs().state_dict()
    assert list(state) == list(expected)
    for name, array in state.items():
        other = expected[name].numpy()
        assert array.shape == other.shape
        if array.size < 2 or np.ptp(other) == 0:
            np.testing.assert_array_equal(array, other)
            continue
        n = array.size
        assert abs(array.mean() - other.mean()) < 6 * other.std() / np.sqrt(n), name
        assert abs(array.std() / other.std() - 1) < 6 / np.sqrt(n), name
        assert abs(np.mean(np.abs(array)) / np.mean(np.abs(other)) - 1) < 6 / np.sqrt(n), name


INITS = [
    ("xavier_uniform", {}), ("xavier_uniform", {"gain": 2.0}), ("xavier_normal", {}), ("kaiming_uniform", {}),
    ("kaiming_uniform", {"a": 5**0.5}), ("kaiming_uniform", {"mode": "fan_out", "nonlinearity": "relu"}),
    ("kaiming_normal", {}), ("kaiming_normal", {"nonlinearity": "tanh"}), ("normal", {"mean": 1.0, "std": 0.5}),
    ("uniform", {"a": -1.0, "b": 3.0}), ("trunc_normal", {}), ("trunc_normal", {"mean": 1.0, "std": 2.0, "b": 1.5}),
    ("orthogonal", {"gain": 2.0}), ("zeros", {}), ("ones", {}), ("constant", {"value": 0.3}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), INITS, ids=str)
@pytest.mark.parametrize("shape", [(40, 30), (20, 10, 3, 2)], ids=str)
def test_init_has_torchs_statistics(name, options, shape):
    torch.manual_seed(0)
    expected = torch.empty(*shape, dtype=torch.float64)
    getattr(torch.nn.init, f"{name}_")(expected, **{"val" if k == "value" else k: v for k, v in options.items()})
    expected = expected.numpy()
    random = {} if name in ("zeros", "ones", "constant") else {"rng": 0}
    found = getattr(nn.init, name)(shape, **options, **random)
    n = expected.size
    assert found.shape == shape
    assert abs(found.mean() - expected.mean()) <= 6 * expected.std() / np.sqrt(n)
    assert abs(found.std() - expected.std()) <= 6 * expected.std() / np.sqrt(n)
    for a, b in ((found.min(), expected.min()), (found.max(), expected.max())):
        assert abs(a - b) <= 1.2 * expected.std()
    if name == "orthogonal":
        rows = found.reshape(shape[0], -1)
        gram = rows @ rows.T if rows.shape[0] < rows.shape[1] else rows.T @ rows
        np.testing.assert_allclose(gram, 4.0 * np.eye(len(gram)), atol=1e-12)


def test_gains():
    for name, param in [("linear", None), ("conv2d", None), ("tanh", None), ("relu", None), ("selu", None),
                        ("sigmoid", None), ("leaky_relu", None), ("leaky_relu", 0.2)]:  # fmt: skip
        assert nn.init.calculate_gain(name, param) == pytest.approx(torch.nn.init.calculate_gain(name, param))
