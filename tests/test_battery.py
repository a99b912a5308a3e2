"""One battery for every op and every derivation, parameterised over the registry."""

import numpy as np
import pytest

import tinygrad_ce as tg

from .battery import Written, assert_close, calls, cases, central, derivations, pairing, widened

CASES = [*(case for op in tg.registry().values() for case in cases(op)), *calls()]
RULES = [pytest.param(c, d, id=f"{c}-{d}") for c in CASES if c.moving for d in derivations(c)]
every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_rule = pytest.mark.parametrize(("case", "derivation"), RULES)


def like(rng, x):
    """A random direction in the space of x."""
    t = rng.normal(size=np.shape(x))
    return t + 1j * rng.normal(size=np.shape(x)) if np.asarray(x).dtype.kind == "c" else t


def narrowed(x, half):
    x = widened(x)
    return x.astype(np.complex64 if x.dtype.kind == "c" else np.float32) if half else x


@every_case
def test_forward_is_that_of_the_decomposition_and_of_numpy(case):
    out = case.op.apply(case.inputs, case.options)
    if case.op.decomposition is not None:
        assert_close(out, case.op.decomposition(*case.inputs, **case.options), 1e-12)
    for function, handler in tg.registry().numpy.items():
        if handler is case.op and case.op.variadic is None:
            assert np.array_equal(out, function(*case.inputs, **dict(case.params.items())), equal_nan=True)


@every_case
def test_values_and_arrays_give_the_same_forward(case):
    moved = case.leaves()
    if not moved:
        return
    ours, numpys = case.forward(*moved), case.forward(*[x.data for x in moved])
    if isinstance(case.op, Written):
        assert_close(tg.value.plain(ours), numpys, 1e-12)
    else:
        assert np.array_equal(ours.data, numpys)


@pytest.mark.parametrize("case", calls(), ids=str)
def test_single_precision_stays_where_numpy_keeps_it(case):
    arrays = [narrowed(x, half=True) for x in case.op.arrays()]
    expected, found = case.op.whole(arrays), case.op.whole([tg.Value(x) for x in arrays])
    assert dtypes(found) == dtypes(expected)


def dtypes(out):
    parts = [np.asarray(tg.value.plain(x)).dtype for x in (out if isinstance(out, (tuple, list)) else [out])]
    return [d for d in parts if d.kind in "fc"]


@every_rule
def test_gradient_agrees_with_central_differences(case, derivation):
    g = case.cotangent()
    found = case.gradients(derivation, g)
    points = [widened(case.inputs[i]) for i in case.moving]
    for k in range(len(points)):

        def along(x, k=k):
            return pairing(case.forward(*points[:k], x, *points[k + 1 :]), g)

        assert_close(found[k], central(along, points[k]))


@every_rule
def test_gradient_has_shape_and_dtype_of_its_input(case, derivation):
    for half in (True, False):
        leaves = [tg.Value(narrowed(case.inputs[i], half)) for i in case.moving]
        out = case.forward(*leaves)
        if not out.requires_grad:
            continue
        out.backward(narrowed(case.cotangent(), half), derivation=None if derivation == "rule" else derivation)
        for x in leaves:
            if x.grad is not None:
                assert x.grad.shape == x.shape and x.grad.dtype == x.dtype


@every_rule
def test_non_contiguous_and_read_only_inputs(case, derivation):
    g = case.cotangent()
    expected = case.gradients(derivation, g)
    strided = list(case.inputs)
    for i in case.moving:
        x = np.asarray(strided[i])
        wide = np.repeat(x.T[..., None], 2, axis=-1)[..., 0].T
        wide.flags.writeable = False
        strided[i] = wide
    g = np.array(g)
    g.flags.writeable = False
    twin = type(case)(case.op, case.number, tuple(strided), case.params)
    for a, b in zip(twin.gradients(derivation, g), expected, strict=True):
        assert_close(a, b, 1e-13)


@every_rule
def test_nothing_is_changed_and_twice_is_the_same(case, derivation):
    before = [np.array(x, copy=True) if x is not None else None for x in case.inputs]
    g = case.cotangent()
    kept = np.array(g)
    first, second = case.gradients(derivation, g), case.gradients(derivation, g)
    assert np.array_equal(g, kept)
    for old, new in zip(before, case.inputs, strict=True):
        assert new is None or np.array_equal(old, new, equal_nan=np.asarray(new).dtype.kind == "f")
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a, b)
        if isinstance(a, np.ndarray):
            assert not np.shares_memory(a, g)


@every_rule
def test_second_order(case, derivation):
    """d/dx <v, d/dx <g, f>>, through create_graph, against differences of the gradient."""
    g = case.cotangent()
    rng = np.random.default_rng(5)
    directions = [like(rng, case.inputs[i]) for i in case.moving]
    leaves = case.leaves()
    out = case.forward(*leaves)
    if not out.requires_grad or case.op.derivations[derivation].order == 1:
        return
    out.backward(g, derivation=None if derivation == "rule" else derivation, create_graph=True)
    grads = [x.grad for x in leaves]
    total = sum(pairing(a, v) for a, v in zip(grads, directions, strict=True) if a is not None)
    for x in leaves:
        x.grad = None
    if isinstance(total, tg.Value) and total.requires_grad:
        total.backward()
    points = [widened(x.data) for x in leaves]
    for k, x in enumerate(leaves):

        def slope(moved, k=k):
            twin = list(case.inputs)
            for i, p in zip(case.moving, [*points[:k], moved, *points[k + 1 :]], strict=True):
                twin[i] = p
            found = type(case)(case.op, case.number, tuple(twin), case.params).gradients("rule", g)
            return sum(pairing(a, v) for a, v in zip(found, directions, strict=True))

        expected = central(slope, points[k])
        assert_close(np.zeros(x.shape) if x.grad is None else x.grad, expected, 1e-6)


@every_case
def test_forward_mode_is_the_transpose_of_reverse_mode(case):
    points = [np.asarray(case.inputs[i]) for i in case.moving]
    if not points:
        return
    rng = np.random.default_rng(11)
    tangents = [like(rng, x) for x in points]
    g = case.cotangent()
    out, tangent = tg.jvp(case.forward, points, tangents)
    assert np.shape(tangent) == np.shape(out)
    _, pullback = tg.vjp(case.forward, *points)
    back = pullback(g)
    left = pairing(g, tangent)
    right = sum(pairing(a, t) for a, t in zip(back, tangents, strict=True))
    assert abs(left - right) <= 1e-11 * max(1.0, abs(left))


@every_case
def test_python_floats_stay_python_floats(case):
    if any(np.shape(x) != () for x in case.inputs if x is not None) or case.op.variadic is not None:
        return
    if not case.moving:
        return
    if any(np.asarray(case.inputs[i]).dtype.kind == "c" for i in case.moving):
        return
    floats = [tg.Value(float(case.inputs[i])) for i in case.moving]
    out = case.forward(*floats)
    if np.shape(out.data) != ():
        return
    assert type(out.data) is float
    if out.requires_grad:
        out.backward()
        assert all(x.grad is None or type(x.grad) is float for x in floats)


def test_a_python_complex_number_is_as_wide_as_the_array_beside_it():
    x = np.ones(2, np.float32)
    for f in (lambda v: v + 1j * v, lambda v: v * 1j, np.multiply, lambda v: (2 + 1j) ** v):
        args = (x, 1j) if f is np.multiply else (x,)
        assert f(tg.Value(args[0]), *args[1:]).dtype == f(*args).dtype == np.complex64
    assert (tg.Value(2.0) * 1j).dtype == np.complex128
