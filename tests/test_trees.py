"""Containers in and out of the transforms: every kind, nested, with what cannot be differentiated among them."""

from collections import OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce.trees import flatten

RNG = np.random.default_rng(0)
Point = namedtuple("Point", "x y")


@dataclass
class Layer:
    weight: Any
    bias: Any
    name: str = "layer"
    inner: Any = None


@dataclass(frozen=True, slots=True)
class Frozen:
    weight: Any
    steps: int = field(default=0, init=False)

    def __post_init__(self):
        object.__setattr__(self, "steps", 7)


def test_gradients_are_built_like_their_arguments():
    p = {
        "layers": [Layer(np.ones((2, 3)), np.zeros(2)), Layer(np.ones((1, 2)), np.zeros(1), "last", Point(2.0, 3.0))],
        "scale": (2.0,),
        "activation": np.tanh,
        "none": None,
    }
    x = RNG.normal(size=3)

    def f(p):
        h = x
        for layer in p["layers"]:
            h = p["activation"](layer.weight @ h + layer.bias)
        last = p["layers"][1].inner
        return np.sum(h) * p["scale"][0] * last.x + last.y

    g = tg.grad(f)(p)
    assert g["activation"] is None and g["none"] is None and g["layers"][1].name is None
    assert isinstance(g["layers"][1].inner, Point) and g["layers"][1].inner.y == 1.0
    assert isinstance(g["scale"], tuple) and isinstance(g["layers"], list)

    def of_first_weight(w):
        return f({**p, "layers": [Layer(w, np.zeros(2)), p["layers"][1]]})

    assert np.array_equal(g["layers"][0].weight, tg.grad(of_first_weight)(np.ones((2, 3))))


@pytest.mark.parametrize(
    "tree",
    [
        [1.0, (2.0, [])],
        OrderedDict(b=1.0, a={"c": 2.0}),
        Point(1.0, [2.0]),
        Layer(1.0, 2.0, inner=Layer(3.0, 4.0)),
        {0: 1.0, (1, 2): 3.0, None: 2.0},
    ],
    ids=lambda tree: type(tree).__name__,
)
def test_what_is_taken_apart_is_put_together(tree):
    leaves, form = flatten(tree)
    assert form.build(leaves) == tree and type(form.build(leaves)) is type(tree)
    assert form.count() == len(leaves) and form.align(tree, "it") == leaves
    assert form.align(None, "it") == [None] * len(leaves)


def test_subclasses_stay_what_they_are():
    counts = defaultdict(list, a=1.0)
    leaves, form = flatten(counts)
    made = form.build([2.0])
    assert made["a"] == 2.0 and made["new"] == [] and counts["a"] == 1.0 and "new" not in counts
    leaves, form = flatten(Frozen(np.ones(2)))
    made = form.build([5.0, 6.0])
    assert isinstance(made, Frozen) and made.weight == 5.0 and made.steps == 6.0


def test_results_are_containers_too():
    def f(x, y):
        return {"product": x * y, "both": [x, (y, "text")], "constant": np.ones(2)}

    out, pullback = tg.vjp(f, np.arange(2.0), 3.0)
    assert out["both"][1][1] == "text" and np.array_equal(out["product"], [0.0, 3.0])
    gx, gy = pullback({"product": np.ones(2), "both": [None, (5.0, None)], "constant": np.ones(2)})
    assert np.array_equal(gx, [3.0, 3.0]) and gy == 1.0 + 5.0
    gx, gy = pullback(None)
    assert np.array_equal(gx, [0.0, 0.0]) and gy == 0.0
    out, tangent = tg.jvp(f, (np.arange(2.0), 3.0), (None, 1.0))
    assert tangent["both"][1] == (1.0, None) and np.array_equal(tangent["product"], [0.0, 1.0])
    assert np.array_equal(tangent["constant"], [0.0, 0.0])


def test_tangents_of_containers():
    p = {"w": np.arange(3.0), "b": 2.0}
    f = lambda p: np.sum(p["w"] ** 2) * p["b"]
    assert tg.jvp(f, (p,), ({"w": np.ones(3), "b": None},))[1] == 12.0
    _, push = tg.linearize(f, p)
    assert push({"w": None, "b": 1.0}) == 5.0 and push(None) == 0.0
    (h,) = tg.hvp(f, (p,), ({"b": 1.0, "w": np.zeros(3)},))
    assert np.array_equal(h["w"], 2 * p["w"]) and h["b"] == 0.0


def test_jacobian_and_hessian_of_containers():
    p = {"w": np.array([1.0, 2.0]), "b": 3.0}
    j = tg.jacobian(lambda p: (p["w"] * p["b"], p["b"] ** 2))(p)
    assert np.array_equal(j[0]["w"], 3 * np.eye(2)) and np.array_equal(j[0]["b"], p["w"])
    assert np.array_equal(j[1]["w"], [0.0, 0.0]) and j[1]["b"] == 6.0
    h = tg.hessian(lambda p: np.sum(p["w"] ** 2) * p["b"])(p)
    assert np.array_equal(h["w"]["w"], 6 * np.eye(2)) and np.array_equal(h["w"]["b"], [2.0, 4.0])
    assert np.array_equal(h["b"]["w"], [2.0, 4.0]) and h["b"]["b"] == 0.0
    h = tg.hessian(lambda x, y: np.sum(x) * y, argnums=(0, "y"))(np.ones(2), 3.0)
    assert h[0][0].shape == (2, 2) and np.array_equal(h[0][1], [1.0, 1.0]) and h[1][1] == 0.0


def test_containers_at_every_order_and_nesting():
    p = {"x": 2.0, "y": [3.0]}
    f = lambda p: p["x"] ** 3 * p["y"][0] ** 2
    second = tg.grad(lambda p: tg.grad(f)(p)["y"][0])(p)
    assert second == {"x": 72.0, "y": [16.0]}
    third = tg.jacobian(lambda p: tg.hessian(f)(p)["x"]["x"])(p)
    assert third == {"x": 54.0, "y": [72.0]}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tg.grad(lambda p: p)("text"), "argument 0 is a str, in which nothing"),
        (lambda: tg.vjp(lambda x, s: x, 1.0, "text"), "argument 1 is a str"),
        (lambda: tg.grad(lambda p: p["x"])({"x": [1.0]}), "one number, but f returned a list"),
        (lambda: tg.grad(lambda x: (x, 1))(1.0), "has_aux=True is for"),
        (lambda: tg.value_and_grad(lambda x: x, has_aux=True)(1.0), "returns \\(result, aux\\), not a Value"),
        (lambda: tg.jvp(lambda p: p["x"], ({"x": 1.0},), ({"y": 1.0},)), "the tangent is a dict of \\['y'\\]"),
        (lambda: tg.jvp(lambda p: p[0], ([1.0],), (1.0,)), "the tangent is a float, where a list of \\[0\\]"),
        (lambda: tg.jvp(lambda p: p[0][0], ([[1.0]],), ([[1.0, 2.0]],)), r"the tangent\[0\] is a list of \[0, 1\]"),
        (lambda: tg.grad(lambda x: np.array([x, x], dtype=object))(1.0), "join Values with np.stack"),
        (lambda: tg.grad(lambda x: x, argnums=(0, -1))(1.0), "names an argument twice"),
        (lambda: tg.grad(lambda x: x, argnums="y")(1.0), "argnums='y', but f was given no argument"),
        (lambda: tg.grad(lambda x: x, argnums=1.5)(1.0), "positions and names"),
        (lambda: tg.jvp(lambda x: x, 1.0, 1.0), "as a tuple"),
    ],
)
def test_refusals(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_a_container_that_holds_itself_is_refused():
    loop = [1.0]
    loop.append(loop)
    with pytest.raises(TypeError, match="holds itself"):
        tg.grad(lambda x: x[0])(loop)


def test_arguments_by_name():
    f = lambda a, b, *, scale=2.0: a * b**2 * scale
    assert tg.grad(f, "b")(3.0, 1.0) == 12.0
    assert tg.grad(f, "b")(3.0, b=1.0) == 12.0
    assert tg.grad(f, "scale")(3.0, 1.0) == 3.0  # at its default
    assert tg.grad(f, ("scale", 0))(3.0, 1.0, scale=5.0) == (3.0, 5.0)
    assert tg.grad(tg.grad(f, "b"), "b")(3.0, 1.0) == 12.0
    assert tg.jacobian(f, "b")(3.0, np.array([1.0, 2.0])).tolist() == [[12.0, 0.0], [0.0, 24.0]]
    assert tg.grad(f, "b").__name__ == "gradient_of_<lambda>"


def test_aux_comes_back_plain_and_beside():
    def f(x):
        h = np.tanh(x)
        return np.sum(h), {"hidden": h, "shape": x.shape, "note": "text"}

    x = RNG.normal(size=3)
    (value, aux), g = tg.value_and_grad(f, has_aux=True)(x)
    assert type(aux["hidden"]) is np.ndarray and aux["shape"] == (3,) and aux["note"] == "text"
    assert value == np.sum(np.tanh(x)) and np.allclose(g, 1 - np.tanh(x) ** 2)
    assert tg.grad(f, has_aux=True)(x)[1]["note"] == "text"
    j, aux = tg.jacobian(lambda x: (x * x, x), has_aux=True)(x)
    assert np.array_equal(j, np.diag(2 * x)) and np.array_equal(aux, x)
    h, _ = tg.hessian(f, has_aux=True)(x)
    assert h.shape == (3, 3)
    out, pullback, aux = tg.vjp(f, x, has_aux=True)
    assert np.allclose(pullback(1.0)[0], g)
    # an outer derivative goes through aux
    assert tg.grad(lambda y: tg.value_and_grad(lambda x: (x * y, y * y), has_aux=True)(2.0)[0][1])(3.0) == 6.0
