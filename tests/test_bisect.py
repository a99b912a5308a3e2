"""bisect: the first node at which two gradient computations part, however they are brought."""

import json

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import Value

RNG = np.random.default_rng(3)
X, WS = RNG.normal(size=(3, 4)), [RNG.normal(size=(4, 4)) for _ in range(4)]


def bent(factor=1.0, at=None):
    """tanh with a gradient of its own, wrong by a factor at one entry or everywhere."""

    @tg.op
    def bent(x):
        return np.tanh(x)

    @bent.derivation("hand")
    def _(g, out, x):
        wrong = factor if at is None else np.where(np.arange(x.size).reshape(x.shape) == at, factor, 1.0)
        return g * (1 - out * out) * wrong

    return bent


def net(f, labels=True, sigmoid=tg.sigmoid, loss=tg.softmax_cross_entropy):
    def run(x, *ws):
        for k, w in enumerate(ws):
            x = x @ w
            if labels:
                x.label = f"s{k}"
            x = f(x) if k == 2 else sigmoid(x)
        return loss(x, [0, 1, 2])

    return run


def graph(f, **options):
    return net(f, **options)(Value(X, label="x"), *[Value(w, label=f"w{k}") for k, w in enumerate(WS)])


def composed(p, y):
    return tg.cross_entropy(tg.softmax(p), y)


@pytest.mark.parametrize("factor", [-1.0, 0.0, 1 + 1e-9])
@pytest.mark.parametrize("at", [None, 7])
def test_the_first_node_that_parts_is_named_for_each_way_in(factor, at):
    wrong = bent(factor, at)
    loss = graph(wrong)
    for report in (
        tg.bisect("hand", "autodiff", loss),
        tg.bisect({wrong: "hand"}, {wrong: "autodiff"}, loss),
        tg.bisect(None, "autodiff", loss),
        tg.bisect(loss, graph(bent())),
        tg.bisect(net(wrong), net(np.tanh), X, *WS),
        tg.bisect(net(wrong), net(np.tanh, sigmoid=lambda v: 1 / (1 + np.exp(-v)), loss=composed), X, *WS),
    ):
        assert not report and report.verdict == "FAIL" and report.kind == "gradient", report
        assert (report.first.leaf, report.sender, report.derivation) == ("s2", "bent", "hand")
        assert at is None or report.first.index == (1, 3)
        good = [row.leaf for row in report.rows[: report.rows.index(report.first)]]
        assert all(row.verdict == "PASS" for row in report.rows[: len(good)]) and "s3" in good
        assert report.first.value == pytest.approx(factor * report.first.reference_value, rel=1e-12)
        assert "first part at s2, sent by bent ('hand')" in repr(report)
    assert loss.inputs[0].grad is None


def test_what_agrees_passes():
    loss = graph(bent())
    assert tg.bisect("hand", "autodiff", loss) and tg.bisect(loss, graph(np.tanh))
    report = tg.bisect(net(np.tanh, labels=False), net(np.tanh, sigmoid=lambda v: 1 / (1 + np.exp(-v))), X, *WS)
    assert report and report.first is None and "agree, as far as rounding lets them" in repr(report)
    assert "are the same quantity" in repr(report)
    x32 = [a.astype(np.float32) for a in (X, *WS)]
    narrow = net(np.tanh)(*[Value(a) for a in x32])
    assert tg.bisect(graph(np.tanh), narrow) and tg.bisect(net(bent()), net(np.tanh), *x32)
    assert tg.bisect(graph(bent(1.001)), narrow).first.leaf == "s2"


def test_values_that_part_come_before_gradients():
    report = tg.bisect(net(np.sin), net(np.tanh), X, *WS)
    assert not report and report.kind == "value" and report.sender == "sin"
    assert report.first.leaf.startswith("sin") and "values part before the gradients" in repr(report)
    assert report.first.value == pytest.approx(float(np.sin(_before(report.first.index))))


def _before(index):
    h = X
    for w in WS[:2]:
        h = 1 / (1 + np.exp(-(h @ w)))
    return (h @ WS[2])[index]


def test_shortcuts_are_taken_and_what_they_jump_over_is_not_compared():
    loss = graph(np.tanh, loss=composed)
    report = tg.bisect("analytic", "autodiff", loss)
    assert report and any(name.startswith("softmax") for name in report.missing)
    assert "not compared: softmax" in repr(report)
    assert tg.bisect("jacobian", "autodiff", loss)


def test_of_two_uses_the_wrong_one_is_named():
    wrong = bent(2.0)
    x = Value(RNG.normal(size=4), label="x")
    h = np.exp(0.3 * x)
    h.label = "h"
    loss = np.sum(h * h + wrong(h) + np.sin(h))
    report = tg.bisect("hand", "autodiff", loss)
    assert (report.first.leaf, report.sender) == ("h", "bent")


def test_the_graph_is_coloured():
    from tinygrad_ce.draw import style

    loss = graph(bent(1.5), loss=composed)
    report = tg.bisect({loss_op(loss, "bent"): "hand"}, "autodiff", loss)
    colours = {}
    for line in report.drawing.source.splitlines():
        for look in ("AGREES", "PARTS", "UNCOMPARED"):
            if f'fillcolor="{getattr(style, look)["fillcolor"]}"' in line:
                colours.setdefault(look, []).append(line)
    assert any("<B>s3</B>" in line for line in colours["AGREES"])
    assert any("<B>s2</B>" in line and "peripheries=2" in line for line in colours["PARTS"])
    assert any("<B>w1</B>" in line for line in colours["PARTS"])
    assert report.drawing is report.drawing and "not compared" in report.drawing.source
    part = report.draw(next(v for v in _nodes(loss) if v.label == "s1"))
    assert "<B>s1</B>" in part.source and "<B>s3</B>" not in part.source
    with pytest.raises(ValueError, match="limit=3"):
        report.draw(limit=3)


def _nodes(root):
    from tinygrad_ce.draw.builder import ancestry

    return ancestry(root)


def loss_op(root, name):
    return next(v.op for v in _nodes(root) if v.op is not None and v.op.name == name)


def test_a_report_is_data():
    for report in (tg.bisect("hand", "autodiff", graph(bent(np.nan))), tg.bisect(net(np.sin), net(np.tanh), X, *WS)):
        data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
        assert data["verdict"] == "FAIL" and data["first"]["leaf"] == report.first.leaf and not data["passed"]
        assert "<table>" in report._repr_html_() and report.first.leaf in report._repr_html_()


def test_a_chain_of_thousands_of_numbers():
    op = bent(1 + 1e-9)
    x = Value(0.5, label="x")
    h = x
    for k in range(1500):
        h = op(h * 1.1) if k == 500 else tg.tanh(h * 1.1)
    report = tg.bisect("hand", "autodiff", h)
    assert report.sender == "bent" and report.rows.index(report.first) == 2 * 999 + 1
    assert len(repr(report).splitlines()) < 20


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tg.bisect("hand", "autodiff"), "takes the one Value"),
        (lambda: tg.bisect("nowhere", "autodiff", graph(np.tanh)), "'nowhere'"),
        (lambda: tg.bisect("hand", graph(np.tanh)), "two Values, two functions, or two requests"),
        (lambda: tg.bisect(graph(np.tanh), graph(np.tanh), X), "takes no inputs"),
        (lambda: tg.bisect(Value(X) * 2, Value(1.0) * 2), "different shapes"),
        (lambda: tg.bisect(Value(1.0) * 2, Value(1.0, requires_grad=False) * 2), "needs a gradient"),
        (lambda: tg.bisect(lambda x: 3.0, lambda x: x, 1.0), "returned a float"),
        (lambda: tg.bisect(lambda x: np.exp(x).sum(), lambda x, y: (x * y).sum(), X), "missing 1 required"),
        (lambda: tg.bisect(np.exp(Value(1.0)), Value(2.0) * Value(3.0) * 2), "nothing in common but their result"),
    ],
)
def test_refusals(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
