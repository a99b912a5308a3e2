"""Options of pictures that make no sense: each ends in one sentence that names it, whatever was given."""

import warnings

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import nn
from tinygrad_ce.train import EpochReport, History

NET = nn.MLP([4, 8, 3], rng=0)
LOSS = tg.softmax_cross_entropy(NET(np.ones((2, 4))), [0, 1])
WEIGHTS = np.eye(10, 64)
LINE = nn.Linear(16, 3, rng=0)
ROWS = np.ones((2, 16))
PLANE = np.random.default_rng(0).normal(size=(6, 2))
CLASSES = (PLANE[:, 0] > 0) * 1
TWO = nn.MLP([2, 4, 2], rng=0)


def history(losses):
    return History([EpochReport(k + 1, len(losses), x, None, None, None, 0.1) for k, x in enumerate(losses)])


def loss_of(model):
    return tg.softmax_cross_entropy(model(PLANE), CLASSES)


GRAPHS = [
    (lambda **o: tg.draw(LOSS, **o), {"expand": [3, None, ["nope"]], "depth": ["a", -1, 1.5, True]}),
    (lambda **o: tg.draw(LOSS, **o), {"limit": ["a", 0, -3, 1.5, None, True], "gradient": ["a", [1, 2]]}),
    (lambda **o: tg.explain(LOSS, **o), {"limit": ["a", 0, -3, 1.5, None], "gradient": ["a", [1, 2]]}),
    (lambda **o: tg.explore(LOSS, **o), {"limit": ["a", 0, 1.5, None], "title": [3], "derivations": [3, ["nope"]]}),
]
PLOTS = [
    (lambda **o: tg.draw.weights(WEIGHTS, **o), {"limit": ["a", 0, -1, None, 1.5], "axes": [3, "a", [3]]}),
    (lambda **o: tg.draw.weights(WEIGHTS, **o), {"shape": ["a", 3, (8,), (8, 8, 1), (8, "a"), (-8, -8), (7, 9), 8.0]}),
    (lambda **o: tg.draw.saliency(LINE, ROWS, **o), {"target": ["a", 3, -1, [0, 1, 2], 1.5, True], "axes": [3]}),
    (lambda **o: tg.draw.saliency(LINE, ROWS, **o), {"shape": ["a", 3, (2, 2)], "class_names": [["a"], 3, "abc"]}),
    (lambda **o: tg.draw.jacobian_heatmap(tg.softmax, [1.0, 2.0], **o), {"argnum": ["a", 3, -1, 1.5], "axes": [3]}),
    (lambda **o: tg.draw.curves(history([2.0, 1.0]), **o), {"what": [3, "x", [3], []], "axes": [3]}),
    (lambda **o: tg.draw.confusion(np.eye(2), **o), {"class_names": [3, "ab", ["a"]], "axes": [3]}),
    (
        lambda **o: tg.draw.decision_boundary(TWO, PLANE, CLASSES, **o),
        {"points": ["a", 1, 1.5], "class_names": [3, ["a"]]},
    ),
    (lambda **o: tg.draw.BoundaryFilm(TWO, PLANE, CLASSES, **o), {"every": ["a", 0, 1.5]}),
    (lambda **o: tg.draw.landscape(TWO, loss_of, points=3, **o), {"span": ["a", -1, np.nan], "seed": ["a", -1]}),
    (lambda **o: tg.draw.landscape(TWO, loss_of, **o), {"points": ["a", 1.5, 1, 10**9]}),
    (lambda **o: tg.draw.landscape(TWO, loss_of, points=3, **o), {"directions": [3, "up", [3], ("random",) * 3]}),
]


def every(table):
    return [
        pytest.param(call, name, bad, id=f"{k} {name}={bad!r:.20}")
        for k, (call, options) in enumerate(table)
        for name, several in options.items()
        for bad in several
    ]


@pytest.mark.parametrize(("call", "name", "bad"), every(GRAPHS))
def test_options_of_graphs(call, name, bad):
    with pytest.raises(ValueError, match=r"\w") as error:
        call(**{name: bad})
    assert "\n" not in str(error.value)
    assert f"{name}=" in str(error.value) or "derivation" in str(error.value)


@pytest.mark.parametrize(("call", "name", "bad"), every(PLOTS))
def test_options_of_plots(call, name, bad):
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match=r"\w") as error:
        call(**{name: bad})
    text = str(error.value)
    assert "\n" not in text
    told = ("invalid literal", "could not convert", "broadcast", "unpack", "has no attribute", "not iterable")
    assert not any(phrase in text for phrase in told)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: tg.draw.weights("a"), "weights are real numbers"),
        (lambda: tg.draw.weights(WEIGHTS * 1j), "weights are real numbers"),
        (lambda: tg.draw.weights(NET), r"MLP has no weight of its own: .*layers\.0, layers\.1"),
        (lambda: tg.draw.weights(nn.ReLU()), "ReLU has no weight of its own: draw another layer"),
        (lambda: tg.draw.saliency(LINE, "a"), "inputs are real numbers"),
        (lambda: tg.draw.saliency(LINE, np.zeros((0, 16))), "nothing to draw"),
        (lambda: tg.draw.saliency(None, ROWS), "model is a function or a Module, not None"),
        (lambda: tg.draw.jacobian_heatmap(None, [1.0]), "f is a function"),
        (lambda: tg.draw.jacobian_heatmap(tg.softmax), "argnum=0 is none of the 0 inputs"),
        (lambda: tg.draw.jacobian_heatmap(tg.softmax, "a"), "inputs are real numbers"),
        (lambda: tg.draw.confusion([["a"]]), "holds counts"),
        (lambda: tg.draw.decision_boundary(TWO, "a", CLASSES), "X are real numbers"),
        (lambda: tg.draw.decision_boundary(TWO, PLANE, ["a"] * 6), "y are real numbers"),
        (lambda: tg.draw.landscape(TWO, None), "loss is a function"),
        (lambda: tg.draw.landscape(None, loss_of), "this model has none"),
        (lambda: tg.draw.curves([1.0, 2.0]), "curves are drawn of a history"),
        (lambda: tg.draw.curves(history([])), "no epoch to draw"),
        (lambda: tg.draw.curves(history([np.nan] * 3)), "its loss is nan after 3 epochs"),
    ],
)
def test_what_is_drawn(call, told):
    pytest.importorskip("matplotlib")
    with pytest.raises((ValueError, TypeError), match=told):
        call()


@pytest.mark.parametrize("losses", [[1e300, 1e308], [1e-320, 1e308], [np.inf, 1.0], [0.0, 0.0], [-1e308, 1e308]])
def test_curves_of_extreme_losses(losses):
    pytest.importorskip("matplotlib")
    from tinygrad_ce.draw.plots.figure import png

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (axes,) = tg.draw.curves(history(losses))
        assert len(png(axes.figure)) > 1000


def test_saliency_where_inputs_are_nan():
    pytest.importorskip("matplotlib")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tg.draw.saliency(LINE, ROWS * np.nan)


def test_a_graph_too_large_to_explore_says_what_to_do():
    v = tg.Value(1.0)
    for _ in range(60):
        v = v * 1.01
    with pytest.raises(
        ValueError, match=r"more than limit=50 .*an earlier Value.*limit=\d+.*tg\.draw\(v, summary=True\)"
    ):
        tg.explore(v, limit=50)
