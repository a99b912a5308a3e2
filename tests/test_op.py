"""The door for users' ops: declaring, calling, binding, registering; and that rules are plain and pure."""

import ast
import doctest
import inspect
import pickle
import textwrap

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import Value

from .battery import assert_close


def make_swish():
    @tg.op
    def swish(x, *, beta=1.0):
        return x / (1 + np.exp(-beta * x))

    @swish.derivation("analytic", formula="g (s + β x s (1 − s))")
    def _(g, out, x, *, beta):
        s = 1 / (1 + np.exp(-beta * x))
        return g * (s + beta * x * s * (1 - s))

    return swish


def test_an_op_with_two_derivations():
    swish = make_swish()
    x = np.linspace(-2, 2, 5)
    assert type(swish(x)) is np.ndarray and isinstance(swish(Value(x)), Value)
    assert type(swish(2.0)) is float
    assert tg.compare_derivations(swish, x, beta=2.0)
    assert swish.default == "analytic" and set(swish.derivations) == {"autodiff", "analytic"}
    grads = []
    for name in (None, "analytic", "autodiff"):
        v = Value(x)
        swish(v, beta=2.0).sum().backward(derivation=name)
        grads.append(v.grad)
    assert_close(grads[0], grads[2], 1e-14)


def test_a_wrong_rule_of_five_lines_fails_with_the_worst_entry():
    @tg.op
    def softmax(z):
        return np.exp(z) / np.sum(np.exp(z), axis=-1, keepdims=True)

    @softmax.derivation("elementwise")
    def _(g, out, z):
        return g * out * (1 - out)

    report = tg.compare_derivations(softmax, [[1.0, 2.0, 3.0]])
    assert not report and report.suspects == ["elementwise"]
    assert "FAIL" in repr(report) and "z[0, " in repr(report)
    assert tg.registry()["softmax"] is tg.softmax  # a user's op of that name is another op
    assert tg.registry()[f"{__name__}:softmax"] is softmax


def test_a_forward_of_its_own_and_a_shortcut():
    @tg.op
    def doubled(x):
        return x + x

    seen = []

    @doubled.forward
    def _(x):
        seen.append("kernel")
        return 2 * x

    @tg.op
    def halved(x):
        return x * 0.5

    @tg.shortcut(doubled, halved, name="nothing", formula="g")
    def _(g, out, x):
        seen.append("jump")
        return g

    v = Value(3.0)
    halved(doubled(v)).backward()
    assert v.grad == 1.0 and seen == ["kernel", "jump"]
    assert tg.compare_derivations(halved(doubled(v)))


def test_the_default_is_the_first_derivation_without_assumptions():
    @tg.op
    def f(x):
        return x * x

    @f.derivation("positive", assumes=[("x > 0", lambda x: bool(np.all(x > 0)))])
    def _(g, out, x):
        return g * 2 * np.sqrt(out)

    assert f.default == "autodiff"
    f.derivation("any")(lambda g, out, x: 2 * g * x)
    assert f.default == "any"
    v = Value(-3.0)
    f(v).backward()
    assert v.grad == -6.0
    with pytest.raises(tg.AssumptionError, match="assumes x > 0, but x > 0 does not hold"):
        f(v).backward(derivation="positive")
    report = tg.compare_derivations(f, -3.0)
    assert "positive" in report.skipped and report


def test_one_function_for_each_input_runs_only_where_needed():
    @tg.op
    def times(x, y):
        return x * y

    seen = []
    times.derivation("each")(
        (lambda g, out, x, y: seen.append("x") or g * y, lambda g, out, x, y: seen.append("y") or g * x)
    )
    v = Value(2.0)
    times(v, 3.0).backward()
    assert v.grad == 3.0 and seen == ["x"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: f(), "misses argument x"),
        (lambda f: f(1.0, 2.0, 3.0), "takes at most 2 arguments"),
        (lambda f: f(1.0, beat=2.0), "no argument 'beat'; it takes x, beta"),
        (lambda f: f(1.0, x=2.0), "two values for argument 'x'"),
        (lambda f: f("text"), "'x' is str"),
        (lambda f: f([Value(1.0)]), r"np\.stack"),
        (lambda f: f(1.0, beta=np.ones(2)), "options are constants, arrays are inputs"),
        (lambda f: f(1.0, beta=Value(1.0)), "options are constants"),
        (lambda f: f.derivation(""), "name"),
        (lambda f: f.derivation("autodiff"), "autodiff"),
        (lambda f: f.derivation(lambda: None), "name"),
        (lambda f: tg.shortcut(f, np.exp, name="x"), "joins two ops"),
        (lambda f: tg.op(3), "stands on a function"),
        (lambda f: tg.op(lambda *, a: a), "no positional argument"),
        (lambda f: tg.op(lambda x, **k: x), "keyword-only"),
        (lambda f: tg.op(lambda x: x, constants=["y"]), "not among its inputs"),
    ],
)
def test_mistakes_at_the_door(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call(make_swish())


def test_forward_and_decomposition_of_different_shapes_are_noticed():
    @tg.op
    def f(x):
        return np.sum(x)

    f.forward(lambda x: np.sum(x, keepdims=True))
    with pytest.raises(ValueError, match=r"forward of f returns shape \(1,\), its decomposition shape \(\)"):
        f(Value(np.ones(3))).backward()


def test_options_may_follow_by_position_as_in_numpy():
    v = Value(np.ones((2, 3)))
    assert np.sum(v, 0).shape == (3,) and np.sum(v, axis=0, keepdims=True).shape == (1, 3)
    assert make_swish()(1.0, 2.0) == make_swish()(1.0, beta=2.0)


def test_built_in_ops_pickle_by_name():
    assert pickle.loads(pickle.dumps(tg.softmax)) is tg.softmax


def test_the_registry_is_data():
    listing = tg.registry().to_dict()
    facts = listing["softmax_cross_entropy"]
    assert facts["default"] == "stable"
    assert facts["derivations"]["analytic"]["formula"] == "ŷ − y"
    assert facts["derivations"]["analytic"]["assumes"] == ["Σy = 1, no class weights, no smoothing"]
    assert set(listing["cross_entropy"]["shortcuts"]) == {"softmax → stable", "softmax → analytic"}
    assert "stable: ŷ ⊙ (g' − Σ g' ŷ)" in repr(tg.registry()) and len(tg.registry()) > 50
    assert tg.registry() and "<table>" in tg.registry()._repr_html_()
    for name, op in tg.registry().items():
        if ":" not in name:
            assert op.__doc__, f"{name} is not documented"
            assert all(d.formula for d in op.derivations.values()), name


# -- what rules may do -----------------------------------------------------------------------------------------


def test_rules_are_plain_and_pure():
    """A rule's own source assigns into nothing, branches on no data, and uses neither out= nor float()."""
    functions = {}
    for op in tg.registry().values():
        if ":" in op.key:
            continue
        for d in op.derivations.values():
            for rule in inspect.getclosurevars(d.rule).nonlocals.values():
                for f in rule if isinstance(rule, tuple) else (rule,):
                    if inspect.isfunction(f):
                        functions[f.__code__] = (op.name, f)
    assert len(functions) > 60
    for name, f in functions.values():
        if f.__name__ == "<lambda>":
            continue  # an expression can assign nothing
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(f)))):
            assert not isinstance(node, (ast.AugAssign, ast.Global, ast.Nonlocal, ast.Delete)), (
                name,
                ast.unparse(node),
            )
            if isinstance(node, ast.Assign):
                assert all(not isinstance(t, (ast.Subscript, ast.Attribute)) for t in node.targets), name
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in ("float", "bool"), name
                assert all(k.arg != "out" for k in node.keywords), name


def test_the_examples_in_every_ops_docstring_run():
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    parser = doctest.DocTestParser()
    ran = 0
    for op in tg.registry().values():
        test = parser.get_doctest(op.__doc__ or "", {}, op.name, None, None)
        failed, attempted = runner.run(test)
        assert not failed, op.name
        ran += attempted
    assert ran > 20
