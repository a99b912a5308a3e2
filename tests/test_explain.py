"""tg.explain: formulas evaluated again as numbers, numbers against gradients from elsewhere."""

from __future__ import annotations

import html
import json
import math
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce.expression import Expr, apply, number, symbol
from tinygrad_ce.partials import partial_of

from .draw.graphs import classifier, modules, scalar

COMPARED = {"greater": np.greater, "less": np.less, "greater_equal": np.greater_equal, "less_equal": np.less_equal}
FUNCTIONS = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "sigmoid_density": lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2,
    "relu": lambda x: np.maximum(x, 0.0),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "equal": np.equal,
    **COMPARED,
}


def evaluated(e: Expr, at: dict[str, float]) -> float:
    """An expression as a number, by NumPy's functions."""
    if e.head == "number":
        return e.value
    if e.head == "symbol":
        return at[e.name]
    function: Any = FUNCTIONS.get(e.head) or getattr(np, e.head)
    return float(function(*(evaluated(x, at) for x in e.args)))


def section(explanation: Any, title: str) -> list[str]:
    (found,) = [s for s in explanation.sections if s.title == title]
    return [line.text() for line in found.lines]


# -- formulas of local derivatives -----------------------------------------------------------------------------

ELEMENTWISE = sorted(name for name, op in tg.registry().items() if op.partials is not None)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_symbols_say_what_the_rule_computes(name: str) -> None:
    op = tg.registry()[name]
    rng = np.random.default_rng(0)
    said = 0
    for inputs, params in list(op.samples(rng)):
        point = [np.ravel(x)[0] if np.size(x) else None for x in inputs]
        if params or any(x is None or np.asarray(x).dtype.kind != "f" for x in point):
            continue
        xs = [float(x) for x in point]
        for i, partial in enumerate(op.partials):
            e = partial_of(op, i)
            if e is None:
                continue
            try:
                found = evaluated(e, {op.input_name(k): x for k, x in enumerate(xs)})
            except (AttributeError, TypeError):
                continue  # an op that NumPy has not, or one with options
            with np.errstate(all="ignore"):
                truth = partial if type(partial) is float else partial(op(*map(np.float64, xs)), *map(np.float64, xs))
            assert found == pytest.approx(float(truth), rel=1e-12, nan_ok=True)
            said += 1
            assert e.text() and e.latex().count("{") == e.latex().count("}")
    ours = hasattr(np, name) or name in FUNCTIONS  # SciPy's, where they are imported, are not evaluated here
    assert said or not ours or name in {"i0", "ldexp", "rounding_error", "sinc", "stop_gradient"}


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("divide", ["1 / y", "−x / y²"]),
        ("power", ["y·x^(y − 1)", "x^y·log(x)"]),
        ("tanh", ["1 − tanh(x)²"]),
        ("sigmoid", ["σ(x)·(1 − σ(x))"]),
        ("relu", ["[x > 0]"]),
        ("log2", ["1 / (log(2)·x)"]),
    ],
)
def test_as_a_student_writes_it(name: str, texts: list[str]) -> None:
    op = tg.registry()[name]
    assert [partial_of(op, i).text() for i in range(len(texts))] == texts  # type: ignore[union-attr]


def test_brackets_and_signs() -> None:
    x, y = symbol("x"), symbol("y")
    assert apply("subtract", x, apply("subtract", x, y)).text() == "x − (x − y)"
    assert apply("multiply", apply("subtract", x, y), apply("negative", y)).text() == "−(x − y)·y"
    assert apply("power", apply("power", x, number(2)), number(3)).text() == "(x²)³"
    assert Expr("multiply", (number(2), number(-3))).text() == "2·(−3)"
    assert apply("divide", x, apply("divide", x, y)).text() == "x / (x / y)"
    assert apply("power", x, apply("negative", y)).text() == "x^(−y)"
    assert number(1e-20).latex() == r"1 \cdot 10^{-20}"
    assert symbol("a_b{c}").latex() == r"\mathrm{a\_b\{c\}}"
    assert (number(math.inf).text(), number(math.nan).latex()) == ("inf", r"\mathrm{nan}")


# -- whole explanations ----------------------------------------------------------------------------------------


def test_a_scalar_graph() -> None:
    e = tg.explain(scalar())
    assert "c = a + b" not in e.text  # it has no label
    assert section(e, "What is computed")[0] == "v1 = a + b = −4 + 2 = −2"
    assert "∂v3/∂b = 3·b² = 12" in section(e, "Local derivatives")
    assert section(e, "Backward, adjoint by adjoint")[-1] == (
        "de/da = de/dv1·∂v1/∂a + de/dv2·∂v2/∂a = 0.2·1 + (−0.1)·2 = 0"
    )
    assert "e → v7 → v4 → v3 → b: ∂e/∂v7·∂v7/∂v4·∂v4/∂v3·∂v3/∂b = 0.1·(−1)·1·12 = −1.2" in e.text
    assert "their sum: de/db = 0.1 + 0.1 + 0.4 + (−1.2) = −0.6" in e.text


@pytest.mark.parametrize(
    "f",
    [
        lambda a, b: a * b + a,
        lambda a, b: (a * a).tanh() * b.sigmoid() + tg.relu(a) ** 3 / b,
        lambda a, b: np.exp(-a) * np.log(b) - b / a**2,
        lambda a, b: np.sqrt(a + b) * np.maximum(a, b),
        lambda a, b: np.sin(a) / (1 + np.cos(b) ** 2),
    ],
)
def test_the_formula_gives_the_gradient(f: Any) -> None:
    at = {"a": 0.7, "b": 1.3}
    a, b = tg.Value(at["a"], label="a"), tg.Value(at["b"], label="b")
    out = f(a, b)
    e = tg.explain(out)
    (composed,) = [s for s in e.sections if s.title == "The gradient as one formula"]
    h = 1e-6
    for line, name in zip(composed.lines, "ab", strict=True):
        up, down = ({**at, name: at[name] + d} for d in (h, -h))
        slope = (f(*map(tg.Value, up.values())).item() - f(*map(tg.Value, down.values())).item()) / (2 * h)
        formula = line.sides[-2] if len(line.sides) == 3 else line.sides[-1]
        assert isinstance(formula, Expr)
        assert evaluated(formula, at) == pytest.approx(slope, rel=1e-8)


def test_paths_add_up_to_the_gradient() -> None:
    x = tg.Value(np.array([0.5, -1.0, 2.0]), label="x")
    h = np.tanh(x)
    loss = np.sum(h * h * x)
    e = tg.explain(loss)
    loss.backward()
    numbers = [line for line in section(e, "Path by path") if "their sum" in line]
    found = [
        float(n.replace("−", "-")) for n in re.findall(r"[−-]?\d+\.?\d*(?:e[−-]?\d+)?", numbers[0].split("= [")[1])
    ]
    assert found == pytest.approx(x.grad.tolist(), rel=1e-3)


def test_closed_forms_stand_beside_the_chain_rule() -> None:
    lines = section(tg.explain(classifier()), "Closed forms")
    starts = [line.partition(":")[0] for line in lines]
    assert starts[:3] == [
        "softmax, autodiff",
        "softmax, stable (ŷ ⊙ (g' − Σ g' ŷ), g' = g − g at the largest entry)",
    ] + ["softmax, analytic (ŷ ⊙ (g − Σ g ŷ))"]
    assert "softmax → cross_entropy, analytic (ŷ − y)" in starts
    z = tg.Value([1.0, 2.0], label="z")
    weighted = tg.softmax_cross_entropy(z, 0, weight=np.array([2.0, 3.0]))
    assert any("not here, as it" in line for line in section(tg.explain(weighted), "Closed forms"))


def test_larger_arrays_are_summarised() -> None:
    x = tg.Value(np.ones((20, 20)), label="x")
    e = tg.explain(np.sum(np.exp(x)))
    assert "∂v1/∂x = exp(x)" in e.text
    assert "array of shape (20, 20), 1" in e.text
    assert len(e.text) < 2000


def test_a_large_graph_is_cut_and_says_so() -> None:
    v = tg.Value(0.5, label="start")
    for _ in range(2000):
        v = v * v + 0.1
    e = tg.explain(v)
    assert section(e, "How large the graph is")[1] == "the last 40 are written out"
    assert len(e.text) < 20_000
    assert len(section(tg.explain(v, limit=4), "What is computed")) == 4


def test_many_paths_are_counted() -> None:
    v = tg.Value(1.0, label="x")
    for _ in range(10):
        v = v + v * 0.5
    assert "1,024 paths to x, whose sum is: dv20/dx" in tg.explain(v).text


def test_no_gradient_is_touched() -> None:
    x = tg.Value(2.0, label="x")
    tg.explain(x * x)
    assert x.grad is None


def test_what_cannot_be_explained() -> None:
    with pytest.raises(TypeError, match=r"explain\(\) takes a Value"):
        tg.explain(1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs no gradient: there is nothing to explain"):
        tg.explain(tg.Value(1.0, requires_grad=False))
    with pytest.raises(ValueError, match=r"explain\(\) of shape \(2,\) needs gradient="):
        tg.explain(tg.Value([1.0, 2.0]) * 2)
    assert "∂v1/∂x1" in tg.explain(tg.Value([1.0, 2.0]) * 2, gradient=[1.0, 0.0]).text
    assert tg.explain(tg.Value(1.0)).text


HOSTILE = ["</code><script>alert(1)</script>", r"\input{x} $a$ & #%~^", "a\nb", "ŷ", "x" * 10_000, '"', "v1"]


@pytest.mark.parametrize("label", HOSTILE)
def test_labels_of_any_text(label: str) -> None:
    x = tg.Value(2.0, label=label)
    e = tg.explain(x * x * 1.5)
    assert "<script" not in e.html
    assert len(e.text) < 3000
    assert r"\input{" not in e.latex
    assert html.unescape(re.sub("<[^>]*>", "", e.html))
    json.dumps(e.to_dict())


@pytest.mark.parametrize("make", [scalar, classifier, modules])
def test_latex_is_balanced_and_html_whole(make: Any) -> None:
    e = tg.explain(make())
    plain = re.sub(r"\\[{}]", "", e.latex)
    assert plain.count("{") == plain.count("}")
    assert e.latex.count(r"\left") == e.latex.count(r"\right")
    assert e.latex.count(r"\begin{align*}") == e.latex.count(r"\end{align*}") == len(e.sections)
    assert e._repr_html_().count("<li>") == sum(len(s.lines) for s in e.sections)
    assert str(e) == repr(e) == e.text


def test_importing_tinygrad_imports_none_of_it() -> None:
    program = (
        "import sys, tinygrad_ce as tg; names = {m for m in sys.modules if 'explain.' in m or 'draw.' in m}; "
        "print(names - {'tinygrad_ce.draw.door'}); tg.explain"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"
