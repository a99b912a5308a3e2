"""check_op: right ops pass, wrong ones are named, and what a derivation assumes is tested on both sides."""

import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce.check.gradcheck import check_subject
from tinygrad_ce.check.mutants import MUTANTS, plant
from tinygrad_ce.check.opreport import COLUMNS
from tinygrad_ce.check.subject import of_rule
from tinygrad_ce.check.taylor import taylor
from tinygrad_ce.check.ways import samples, ways
from tinygrad_ce.check.work import plan, run
from tinygrad_ce.invariants import Claim, Invariant, homogeneous, odd, shift, sums_to_zero
from tinygrad_ce.registry import registry

FEW = ["exp", "clip", "floor_divide", "matmul", "max", "relu", "softmax", "getitem", "sum"]


@pytest.fixture
def passing():
    """Ops defined in a test leave the registry with it."""
    registry.complete()  # what is imported while a test runs stays
    before = dict(registry.ops)
    yield
    registry.ops.clear()
    registry.ops.update(before)


def points(rng):
    yield (rng.normal(size=(3, 4)),), {}
    yield (rng.normal(size=(2, 5)),), {}


def my_softmax(**options):
    @tg.op(samples=points, **options)
    def own_softmax(z):
        e = np.exp(z - np.max(z, axis=-1, keepdims=True))
        return e / np.sum(e, axis=-1, keepdims=True)

    return own_softmax


# -- the registry --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FEW)
def test_right_ops_pass(name):
    report = tg.check_op(tg.registry()[name], quick=name != "clip")
    assert report, report
    for label in report.labels:
        for column in COLUMNS:
            assert report.cell(label, column).verdict != "FAIL"
        for column in ("gradient", "invariants"):
            assert report.cell(label, column).verdict == "PASS"


def test_the_whole_registry_passes(pytestconfig):
    if not pytestconfig.getoption("--full"):
        pytest.skip("with --full")
    with ProcessPoolExecutor(2) as executor:
        report = tg.check_registry(executor=executor)
    assert report, report
    for op in report.reports:
        for label in op.labels:
            assert op.cell(label, "gradient").verdict == "PASS"
            assert op.cell(label, "other points").verdict == "PASS"
            assert op.cell(label, "order 2").verdict in ("PASS", "order 1")


@pytest.mark.parametrize("op", [tg.softmax_cross_entropy, tg.cross_entropy], ids=lambda op: op.name)
def test_every_derivation_and_shortcut_of_the_losses(op):
    report = tg.check_op(op, quick=True, seed=1)
    assert report, report
    assert set(report.labels) == {*op.derivations, *(f"softmax → {s.derivation.name}" for s in op.shortcuts)}


def test_an_assumption_is_tested_on_both_sides():
    report = tg.check_op(tg.softmax_cross_entropy, derivation="analytic", quick=True)
    (assumed,) = report.assumed
    assert assumed.inside == 7
    larger = next(d for d in assumed.departures if d.where == "1.7 targets")
    assert larger.off == "off by (Σ targets − 1) · softmax(logits)"
    # ŷ − y against T ŷ − y for T = 1.7: 0.7 ŷ, a good part of the gradient
    assert 0.1 < larger.size < 10
    assert all(d.off for d in assumed.departures)
    assert "holds where Σy = 1" in repr(report)


def test_an_assumption_that_is_not_needed_is_called_that(passing):
    op = my_softmax()

    @op.derivation("careful", assumes=[("z > 0", lambda z: bool(np.all(z > 0)))])
    def _(g, out, z):
        return out * (g - np.sum(g * out, axis=-1, keepdims=True))

    op.samples = lambda rng: [((rng.uniform(1, 2, size=(2, 3)),), {}), ((-rng.uniform(1, 2, size=(2, 3)),), {})]
    report = tg.check_op(op, derivation="careful", quick=True)
    assert report
    assert "is the assumption needed?" in repr(report)


# -- wrong ops -----------------------------------------------------------------------------------------------------


def test_a_wrong_derivation_is_named_and_the_right_ones_are_not(passing):
    op = my_softmax()

    @op.derivation("wrong")
    def _(g, out, z):
        return g * out * (1 - out)

    @op.derivation("right")
    def _(g, out, z):
        return out * (g - np.sum(g * out, axis=-1, keepdims=True))

    report = tg.check_op(op, quick=True)
    assert not report
    assert {o.unit.label for o in report.failures} == {"wrong"}
    assert report.failures[0].report.diagnosis == "elementwise"
    assert report.cell("wrong", "gradient").verdict == "FAIL"
    assert report.cell("right", "order 2").verdict == "PASS"
    assert "and at 1" in repr(report)


def test_a_kernel_that_is_another_function(passing):
    @tg.op(samples=lambda rng: [((rng.uniform(1, 2, size=4),), {})])
    def third(x):
        return x * x * x

    @third.forward
    def _(x):
        return x * x * x * (1 + 1e-9)

    report = tg.check_op(third)
    assert not report
    assert report.cell("autodiff", "forward").verdict == "FAIL"
    assert "the kernel" in report.failures[0].report.findings[0].message


def test_an_invariant_that_does_not_hold(passing):
    op = my_softmax(invariants=[sums_to_zero("z"), homogeneous("z", degree=1.0)])
    report = tg.check_op(op, quick=True)
    assert report.cell("autodiff", "gradient").verdict == "PASS"
    assert report.cell("autodiff", "invariants").verdict == "FAIL"
    (finding,) = report.failures[0].report.findings
    assert finding.message.startswith("homogeneous of degree 1 in z")


def test_an_invariant_of_ones_own(passing):
    seen = []

    def claims(probe):
        seen.append(probe.names)
        g = probe.cotangent()
        yield Claim(probe.gradients(g, probe.inputs)[0], 3.0 * g, np.abs(g))

    @tg.op(samples=points, invariants=[Invariant("the gradient is 3 g", claims)])
    def thrice(x):
        return 3.0 * x

    assert tg.check_op(thrice, quick=True)
    assert seen == [("x",), ("x",)]


@pytest.mark.parametrize("invariant", [shift("z"), sums_to_zero("z"), odd], ids=["shift", "sums", "odd"])
def test_invariants_catch_what_breaks_them(passing, invariant):
    """A gradient that is off by a millionth along its own entries, where no invariant of softmax should hold."""

    @tg.op(samples=points, invariants=[invariant])
    def nearly(z):
        e = np.exp(z)
        return e / np.sum(e, axis=-1, keepdims=True) + 1e-6 * z * z

    report = tg.check_op(nearly, quick=True)
    assert report.cell("autodiff", "gradient").verdict == "PASS"
    assert report.cell("autodiff", "invariants").verdict == "FAIL"


def test_an_op_that_raises_is_a_failure_and_no_exception(passing):
    op = my_softmax()

    @op.derivation("raises")
    def _(g, out, z):
        raise RuntimeError("not today")

    report = tg.check_op(op, derivation="raises", quick=True)
    assert not report
    assert "not today" in repr(report)


# -- an op of one's own --------------------------------------------------------------------------------------------


def test_an_op_without_samples_is_checked_at_ordinary_numbers(passing):
    @tg.op
    def swish(x, *, beta=1.0):
        return x * tg.sigmoid(beta * x)

    @swish.derivation("analytic")
    def _(g, out, x, *, beta):
        s = tg.sigmoid(beta * x)
        return g * (s + beta * x * s * (1 - s))

    report = tg.check_op(swish)
    assert report, report
    assert len(report.reports) == 2


def test_an_op_whose_inputs_cannot_be_guessed(passing):
    @tg.op(constants=["index"])
    def pick(x, index):
        return x[index]

    with pytest.raises(ValueError, match="declares no samples"):
        tg.check_op(pick)


def test_bad_arguments():
    with pytest.raises(TypeError, match=r"tg\.gradcheck"):
        tg.check_op(np.exp)
    with pytest.raises(ValueError, match="'autodiff', 'analytic'"):
        tg.check_op(tg.relu, derivation="other")
    with pytest.raises(ValueError, match="order is 1 or 2"):
        tg.check_op(tg.relu, order=3)
    with pytest.raises(ValueError, match="one of the two"):
        tg.check_op(tg.relu, quick=True, full=True)


# -- mutants -------------------------------------------------------------------------------------------------------


def test_every_mistake_planted_in_softmax_is_caught():
    report = tg.check_op(tg.softmax, derivation="analytic", quick=True, mutants=True)
    names = {p.name for p in report.planted}
    assert names >= {"sign", "factor 2", "factor 1 + 1e-6", "as if elementwise", "transposed", "second order detached"}
    assert report.score == 1.0, report
    assert "planted mistakes caught" in repr(report)
    assert report.to_dict()["mutation"]["score"] == 1.0


def test_a_mistake_that_changes_nothing_is_not_planted():
    way = ways(tg.registry()["exp"])["rule"]
    scalar = next(s for s in samples(way.op, 0) if np.shape(s.inputs[0]) == ())
    subject = way.direct(scalar)
    assert plant(subject, "transposed") is None
    assert plant(subject, "factor 1/N") is None
    assert plant(subject, "sign") is not None


def test_the_mistakes_are_mistakes():
    """Each differs from the right gradient of x ↦ x² A, which no two of them leave alone."""
    a = np.random.default_rng(0).normal(size=(3, 3))

    def rule(g, out, x):
        return (2 * x * (g @ a.T),)

    x = np.random.default_rng(1).normal(size=(2, 3))
    subject = of_rule(lambda x: (x * x) @ a, rule, (x,), None, "f", None)
    planted = [name for name in MUTANTS if plant(subject, name) is not None]
    assert len(planted) >= 15
    for name in planted:
        assert not check_subject(plant(subject, name), others=False), name


def test_survivors_are_named(passing):
    """At a single point of one entry, in float64, a cast to float32 that is exact cannot be seen."""

    @tg.op(samples=lambda rng: [((np.array([2.0, 0.5]),), {})])
    def double(x):
        return 2.0 * x

    @double.derivation("analytic")
    def _(g, out, x):
        return g * 2.0

    report = tg.check_op(double, derivation="analytic", quick=True, mutants=True)
    assert all(p.caught for p in report.planted) == (not report.survivors)
    for p in report.survivors:
        assert f"not caught in 'analytic': {p.name}" in repr(report)


def test_what_moves_at_jumps_alone_cannot_be_detached():
    way = ways(tg.registry()["maximum"])["rule"]
    assert all(plant(way.direct(s), "second order detached") is None for s in samples(way.op, 0) if not s.empty)


# -- spreading it --------------------------------------------------------------------------------------------------


def verdicts(report):
    """All but the texts: how often a call was repeated depends on the machine's load."""
    return [
        (o.unit, [(r.check, r.verdict) for r in o.report.rows])
        for one in report.reports
        for o in one.outcomes
        if o.report
    ]


@pytest.mark.parametrize("pool", [None, ThreadPoolExecutor, ProcessPoolExecutor])
def test_any_executor_gives_the_same_report(pool):
    ops = ["exp", tg.relu, "clip"]
    expected = tg.check_registry(ops, quick=True)
    done = []
    if pool is None:
        found = tg.check_registry(ops, quick=True, progress=lambda n, planned, outcome: done.append((n, planned)))
    else:
        with pool(2) as executor:
            found = tg.check_registry(
                ops, executor=executor, quick=True, progress=lambda n, planned, outcome: done.append((n, planned))
            )
    assert verdicts(found) == verdicts(expected)
    assert done == [(k + 1, len(found.units)) for k in range(len(found.units))]


def test_dask(pytestconfig):
    distributed = pytest.importorskip("distributed")
    if not pytestconfig.getoption("--full"):
        pytest.skip("with --full")
    with distributed.Client(n_workers=2, threads_per_worker=1, dashboard_address=None) as client:
        report = tg.check_registry(["exp", "relu"], executor=client.get_executor(), quick=True)
    assert report, report
    assert len(report.outcomes) == len(report.units)


def test_work_is_small_and_results_are_picklable(passing):
    op = my_softmax()

    @op.derivation("wrong")
    def _(g, out, z):
        return 2.0 * out * (g - np.sum(g * out, axis=-1, keepdims=True))

    units = plan(op, derivation="wrong", quick=True)
    assert all(len(pickle.dumps(unit)) < 400 for unit in units)
    outcome = pickle.loads(pickle.dumps(run(units[0])))
    assert outcome.report.verdict == "FAIL"
    assert outcome.report.diagnosis == "factor"
    assert outcome.report.pictures.wrong.verdict == "FAIL"


def test_what_is_done_before_a_stop_is_kept():
    from tinygrad_ce.check.check_op import carry_out, planned

    report = planned(["exp"], quick=True)

    def stop(done, planned, outcome):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_out(report, None, stop)
    assert len(report.outcomes) == 2


# -- pictures and pages --------------------------------------------------------------------------------------------


def test_the_taylor_test_tells_right_from_wrong():
    x = np.random.default_rng(0).normal(size=(2, 3))
    right = of_rule(np.exp, lambda g, out, x: g * out, (x,), None, "exp", None)
    wrong = of_rule(np.exp, lambda g, out, x: g * out * 1.001, (x,), None, "exp", None)
    assert taylor(right).verdict == "PASS"
    assert taylor(right).slope == pytest.approx(2.0, abs=0.05)
    assert taylor(wrong).verdict == "FAIL"
    assert taylor(wrong).slope == pytest.approx(1.0, abs=0.05)
    linear = of_rule(lambda x: 3.0 * x, lambda g, out, x: 3.0 * g, (x,), None, "linear", None)
    assert taylor(linear).verdict == "PASS"


@pytest.mark.parametrize("factor", [1.0, -1.0, 2.0])
def test_the_taylor_test_at_a_saturated_point(factor):
    """The issue's own: a sign-flipped cross-entropy gradient where the loss is 8e-9."""

    def loss(z):
        return np.log(np.sum(np.exp(z - np.max(z)))) + np.max(z) - z[0]

    def rule(g, out, z):
        e = np.exp(z - np.max(z))
        p = e / np.sum(e)
        return factor * g * np.concatenate([[-np.sum(p[1:])], p[1:]])

    z = np.array([20.0, 0.0, 0.0, 0.0, 0.0])
    found = taylor(of_rule(loss, rule, (z,), None, "loss", None), only=0)
    assert found.verdict == ("PASS" if factor == 1.0 else "FAIL"), found


def test_a_page_stands_by_itself(tmp_path):
    pytest.importorskip("matplotlib")
    x = np.random.default_rng(0).normal(size=(3, 4))
    report = tg.gradcheck(np.exp, x, vjp=lambda g, out, x: 1.01 * g * out)
    report.save(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert page.count("<svg") == 3
    assert page.count("<script") == 0
    assert "src=" not in page and "@import" not in page
    assert "factor" in page and "To see it" in page
    ids = [part.split('"')[0] for part in page.split(' id="')[1:]]
    assert len(ids) == len(set(ids))


def test_data_as_json(tmp_path):
    import json

    x = np.random.default_rng(0).normal(size=(3, 4))
    report = tg.gradcheck(np.exp, x, vjp=lambda g, out, x: 1.01 * g * out)
    report.save(tmp_path / "r.json")
    data = json.loads((tmp_path / "r.json").read_bytes())
    assert data["verdict"] == "FAIL"
    curve = data["pictures"]["v_curve"]
    best = min(d for d in curve["from_referee"] if d is not None)
    assert best < 1e-8 < min(d for d in curve["from_rule"] if d is not None)
    assert data["pictures"]["taylor"]["rule"]["slope"] == pytest.approx(1.0, abs=0.1)
    assert np.shape(data["pictures"]["residual"]) == (3, 4)


def test_a_suffix_that_is_neither(tmp_path):
    report = tg.gradcheck(np.exp, np.ones(3), vjp=lambda g, out, x: g * out)
    with pytest.raises(ValueError, match=r"html or \.json"):
        report.save(tmp_path / "r.txt")


def test_the_whole_registry_can_be_planned_and_complex_numbers_are_left_out():
    from tinygrad_ce.check.check_op import planned

    keys = {unit.key for unit in planned(quick=True).units}
    assert len(keys) > 100 and not keys & {"fft", "ifft", "conjugate"}
    assert not tg.check_registry(["rfft"], quick=True).failures  # whose result is complex


@pytest.mark.parametrize("name", ["cbrt", "cofactors", "eigen", "orthogonal", "round", "singular"])
def test_points_where_functions_have_no_slope_are_no_failures(name):
    # An infinite slope met by a cotangent of 0, signs of vectors that jump at exact zeros, spectra that turn complex.
    assert tg.check_op(tg.registry()[name]).verdict == "PASS"
