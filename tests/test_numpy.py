"""What NumPy's functions do on Values beyond their rules: methods, ufuncs' methods and keywords, mistakes."""

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import Value

from .battery import assert_close

METHODS = [
    ("all", ()),
    ("any", (0,)),
    ("argmax", (1,)),
    ("argmin", ()),
    ("argpartition", (1,)),
    ("argsort", ()),
    ("clip", (1.0, 3.0)),
    ("compress", ([True, False], 0)),
    ("conj", ()),
    ("conjugate", ()),
    ("copy", ()),
    ("cumprod", (1,)),
    ("cumsum", ()),
    ("diagonal", (1,)),
    ("dot", (np.ones(3),)),
    ("flatten", ("F",)),
    ("max", (1,)),
    ("mean", (0,)),
    ("min", ()),
    ("nonzero", ()),
    ("prod", (0,)),
    ("ravel", ()),
    ("repeat", (2, 1)),
    ("reshape", (3, 2)),
    ("round", (1,)),
    ("searchsorted", (2.5,)),
    ("squeeze", ()),
    ("std", (1,)),
    ("sum", (0,)),
    ("swapaxes", (0, 1)),
    ("take", ([0, 2],)),
    ("tolist", ()),
    ("trace", (1,)),
    ("transpose", (1, 0)),
    ("var", (None, None, None, 1)),
]


@pytest.mark.parametrize(("name", "args"), METHODS, ids=[m[0] for m in METHODS])
def test_the_methods_of_ndarray(name, args):
    x = np.arange(6.0).reshape(2, 3) + 0.25
    x = x[0] if name == "searchsorted" else x
    found, expected = getattr(Value(x), name)(*args), getattr(x, name)(*args)
    if isinstance(found, tuple):
        assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    else:
        assert np.allclose(tg.value.plain(found), expected, rtol=1e-15)
    assert name in dir(Value(x))


def test_attributes_that_are_arrays():
    v = Value(np.arange(6.0).reshape(2, 3))
    assert v.T.shape == v.mT.shape == (3, 2) and v.real is v
    assert np.all(v.imag.data == 0) and [x.item() for x in v.flat] == list(range(6))
    z = Value(np.array([1 + 2j]))
    (z.real * z.imag).sum().backward()
    assert z.grad[0] == 2 - 1j


@pytest.mark.parametrize("name", ["sort", "partition", "fill", "put", "resize"])
def test_methods_that_write_are_refused(name):
    with pytest.raises(TypeError, match="write into the data"):
        getattr(Value([2.0, 1.0]), name)(0)


def test_pythons_own_functions():
    v = Value([1.26, -2.51])
    assert round(v, 1).data.tolist() == [1.3, -2.5] and abs(v).data.tolist() == [1.26, 2.51]
    assert sum([v, v]).data.tolist() == [2.52, -5.02] and max(Value(2.0), 1.0).item() == 2.0
    assert [x.tolist() for x in divmod(v, 1.0)] == [[1.0, -3.0], (v.data % 1.0).tolist()]


def test_methods_of_ufuncs():
    x = np.array([[1.0, 3.0, 2.0], [2.0, 2.0, 5.0]])
    for ufunc, method, args in [
        (np.add, "reduce", ()),
        (np.add, "reduce", (1,)),
        (np.multiply, "reduce", ()),
        (np.maximum, "reduce", (None,)),
        (np.minimum, "reduce", ()),
        (np.add, "accumulate", (1,)),
        (np.multiply, "accumulate", ()),
        (np.maximum, "accumulate", (1,)),
        (np.minimum, "accumulate", ()),
        (np.subtract, "outer", (np.arange(2.0),)),
        *[(f, "reduce", (axis,)) for f in (np.logaddexp, np.hypot) for axis in (0, -1, None, (0, 1))],
        *[(f, "accumulate", (axis,)) for f in (np.logaddexp, np.subtract, np.fmax) for axis in (0, -1)],
        (np.subtract, "reduce", (1,)),
        (np.logaddexp, "reduce", (1, None, None, True)),
    ]:
        found = getattr(ufunc, method)(Value(x), *args)
        assert np.array_equal(found.data, getattr(ufunc, method)(x, *args)), (ufunc, method)
    v = Value(x)
    np.maximum.accumulate(v, 1).sum().backward()
    assert v.grad.tolist() == [[1.0, 2.0, 0.0], [1.0, 1.0, 1.0]]
    w = Value(x)
    np.logaddexp.reduce(w, 1).sum().backward()
    assert_close(w.grad, tg.softmax(x), 1e-15)
    assert np.logaddexp.reduce(Value(np.zeros((0, 2)))).tolist() == [-np.inf, -np.inf]
    assert np.logaddexp.accumulate(Value(np.zeros((0, 2)))).shape == (0, 2)
    with pytest.raises(NotImplementedError, match=r"np\.add\.reduceat has no rule"):
        np.add.reduceat(v, [0, 1])
    with pytest.raises(NotImplementedError, match=r"np\.hypot\.reduce has no rule"):
        np.hypot.reduce(v, where=x > 0)
    assert np.exp(v, dtype=np.float32).dtype == np.float32


def test_an_array_of_values_has_a_spelling():
    x = Value(2.0)
    y = tg.array([[x, x * x, 1.0], [x + 2.5, 0.0, x / 2]])
    assert y.shape == (2, 3) and y.data.tolist() == [[2.0, 4.0, 1.0], [4.5, 0.0, 1.0]]
    (y + y).sum().backward()
    assert x.grad == 2 * (1 + 4 + 1 + 0.5)
    a = Value(np.ones((3, 2)))
    assert tg.array([[2 * a, a + 1], [a, a]]).shape == (2, 2, 3, 2)
    assert tg.array(x) is x and tg.array([1, 2]).tolist() == [1.0, 2.0]
    assert tg.array([x, 1.0], dtype=np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="different shapes"):
        tg.array([a, x])


@pytest.mark.parametrize("data", [2.0, np.array(2.0), np.array([2.0])])
def test_an_array_made_by_assignment_is_caught(data):
    v, buffer = Value(data), np.zeros(3)
    for _ in range(20):  # CPython rewrites instructions that run often
        with pytest.raises((TypeError, ValueError)) as caught:
            buffer[0] = v
        assert "tg.array" in str(caught.value) or "tg.array" in str(caught.value.__cause__)
    with pytest.raises(TypeError, match=r"np\.stack.*tg\.array"):
        buffer[:] = v
    for make in (lambda: np.array([v, v]), lambda: np.r_[v, v], lambda: np.ones(1).dot(v)):
        with pytest.raises(TypeError, match=r"tg\.array"):
            make()
    for write in (lambda: np.copyto(buffer, v), lambda: np.put(buffer, [0], v), lambda: np.fill_diagonal(v, 1.0)):
        with pytest.raises(TypeError, match=r"tg\.array"):
            write()
    buffer[0] = float(v)
    buffer[1] = v.item()
    kept = {}
    kept[0] = v
    assert buffer.tolist() == [2.0, 2.0, 0.0]


def test_constants_may_be_assigned():
    buffer = np.zeros(1)
    buffer[0] = Value(3.0, requires_grad=False)
    assert buffer[0] == 3.0


def test_functions_with_two_results():
    v = Value([3.5, -0.75])
    mantissa, exponent = np.frexp(v)
    assert np.array_equal(np.ldexp(mantissa.data, exponent), v.data)
    mantissa.sum().backward()
    assert np.array_equal(v.grad, np.ldexp(1.0, -exponent))
    fraction, whole = np.modf(v)
    assert fraction.data.tolist() == [0.5, -0.75] and whole.data.tolist() == [3.0, -0.0]
    w, u = np.linalg.eigh(Value(np.diag([2.0, 1.0])))
    assert w.data.tolist() == [1.0, 2.0] and np.linalg.eigh(Value(np.eye(2))).eigenvectors.shape == (2, 2)
    assert u.shape == (2, 2) and np.linalg.slogdet(Value(np.eye(2))).logabsdet.item() == 0.0


def test_forms_that_older_numpys_do_not_have():
    x = np.arange(1.0, 7.0).reshape(2, 3)
    v = Value(x)
    assert np.array_equal(np.pad(v, {1: (1, 2)}).data, np.pad(x, ((0, 0), (1, 2))))
    padded = np.pad(v, {0: 1, -1: (0, 1)})
    assert np.array_equal(np.trim_zeros(padded).data, x) and np.trim_zeros(padded, axis=0).shape == (2, 4)
    np.trim_zeros(padded, "f").sum().backward()
    assert np.array_equal(v.grad, np.ones((2, 3)))


def test_columns_that_complete_a_matrix_have_no_gradient():
    x = np.random.default_rng(0).normal(size=(2, 3))
    v = Value(x)
    u, s, vh = np.linalg.svd(v)
    assert vh.shape == (3, 3) and np.allclose(np.linalg.svd(x)[2], vh.data)
    (s.sum() + vh[:2].sum()).backward()
    with pytest.raises(NotImplementedError, match="not unique"):
        vh.sum().backward()
    q, _ = np.linalg.qr(Value(x.T), mode="complete")
    with pytest.raises(NotImplementedError, match="not unique"):
        q.sum().backward()


def test_symmetric_factors_read_one_triangle_as_numpy_does():
    a = np.array([[4.0, 100.0], [1.0, 3.0]])
    v = Value(a)
    np.linalg.cholesky(v).sum().backward()
    assert np.array_equal(np.linalg.cholesky(v).data, np.linalg.cholesky(a)) and v.grad[0, 1] == 0.0
    for f in (np.linalg.eigvalsh, np.linalg.eigh, np.linalg.cholesky):
        with pytest.raises(np.linalg.LinAlgError, match="square"):
            f(Value(np.ones((4, 1))))
    assert_close(np.linalg.eigvalsh(Value(a), "U").data, np.linalg.eigvalsh(a, "U"), 1e-14)


def test_equal_eigenvalues_do_no_harm_to_what_does_not_depend_on_the_vectors():
    v = Value(np.eye(3))
    np.sum(np.linalg.eigh(v)[0] ** 2).backward()
    assert_close(v.grad, 2 * np.eye(3), 1e-14)
    v.zero_grad()
    np.linalg.norm(v, "nuc").backward()
    assert_close(v.grad, np.eye(3), 1e-14)


def test_bad_axes_are_refused_as_numpy_refuses_them():
    v = Value(np.ones((2, 3)))
    for call in (
        lambda: np.sum(v, axis=2),
        lambda: np.median(v, axis=2),
        lambda: np.take(v, 0, axis=2),
        lambda: np.linalg.norm(v, axis=-3),
        lambda: np.tensordot(v, v, (2, 0)),
        lambda: np.diff(v, axis=5),
        lambda: np.sort(v, axis=2),
        lambda: np.gradient(v, axis=2),
        lambda: np.average(v, axis=2, weights=np.ones(3)),
    ):
        with pytest.raises((ValueError, IndexError)):
            call()


def test_scipys_functions_ask_for_the_module():
    special = pytest.importorskip("scipy.special")
    with pytest.raises(NotImplementedError, match=r"scipy\.special\.airy"):
        special.airy(Value(1.0))
    v = Value([0.5, 1.0])
    import tinygrad_ce.special as ours

    special.erf(v).sum().backward()
    assert np.allclose(v.grad, 2 / np.sqrt(np.pi) * np.exp(-(v.data**2)))
    for f in (lambda m: m.logsumexp, lambda m: m.softmax, lambda m: m.log_softmax):
        x = np.array([[1.0, 1000.0], [-np.inf, 2.0]])
        for axis in (None, 0, 1, (0, 1)):
            assert np.allclose(f(ours)(Value(x), axis=axis).data, f(special)(x, axis=axis))
    b, a = np.array([1.0, 0.0, -0.5]), np.array([0.3, 1.0, 0.1])
    assert np.isclose(ours.logsumexp(Value(a), b=b).item(), special.logsumexp(a, b=b))
    assert np.isclose(ours.multigammaln(Value(3.2), 2).item(), special.multigammaln(3.2, 2))
    with pytest.raises(NotImplementedError, match="argument x is not known"):
        special.jv(Value(1.0), 2.0).backward()


@pytest.mark.parametrize("uplo", ["L", "U"])
def test_factors_of_a_hermitian_matrix_have_numpys_signs(uplo):
    rng = np.random.default_rng(1)
    for a in (rng.normal(size=(4, 6, 6)), rng.normal(size=(4, 6, 6)) + 1j * rng.normal(size=(4, 6, 6))):
        for ours, theirs in zip(np.linalg.eigh(Value(a), uplo), np.linalg.eigh(a, uplo), strict=True):
            assert np.array_equal(ours.data, theirs)
        for ours, theirs in zip(np.linalg.svd(Value(a), hermitian=True), np.linalg.svd(a, hermitian=True), strict=True):
            assert np.array_equal(ours.data, theirs)


def test_the_referee_confirms_gradients_in_a_symmetric_matrix():
    # They go to the triangle that np.linalg reads, and differences say so.
    s = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]])
    for f in (lambda s: np.linalg.eigvalsh(s)[0], lambda s: np.sum(np.linalg.cholesky(s))):
        slope = tg.grad(f)(s)
        assert np.all(np.triu(slope, 1) == 0) and np.all(np.abs(np.tril(slope)[np.tril_indices(3)]) > 0)
        assert tg.gradcheck(f, s).verdict == "PASS"


def test_what_numpy_says_of_edges():
    ends = np.array([np.inf, -np.inf, 1.5, -2.0, 0.0])
    for f in (np.angle, np.imag, lambda x: np.modf(x)[0], lambda x: np.modf(x)[1], lambda x: np.sign(x + 1j)):
        assert_close(f(Value(ends)).data, f(ends), 1e-15)
    x = np.arange(6.0).reshape(2, 3)
    assert np.diff(Value(x), n=0, prepend=9.0).shape == (2, 3)  # NumPy joins nothing on where there are no differences
    assert np.linalg.norm(Value(np.zeros((0, 0))), 2).item() == 0.0
    assert np.cov(Value(x), aweights=np.array([0.1, 0.2, 0.4], np.float32)).dtype == np.float64
    for options in ({"rtol": np.array(0.6)}, {"rcond": np.array([0.1, 0.6])}, {"rcond": Value(0.6)}):
        a = np.diag([2.0, 1.0]) * np.ones((2, 1, 1))
        expected = np.linalg.pinv(a, **{k: tg.value.plain(v) for k, v in options.items()})
        assert np.array_equal(np.linalg.pinv(Value(a), **options).data, expected)


def test_equal_singular_values_share_the_slope_of_the_spectral_norm():
    assert_close(tg.grad(lambda a: np.linalg.norm(a, 2))(3.0 * np.eye(2)), 0.5 * np.eye(2), 1e-15)
    assert_close(tg.grad(lambda a: np.linalg.norm(a, -2))(3.0 * np.eye(2)), 0.5 * np.eye(2), 1e-15)


def test_quantiles_move_with_q():
    x = np.array([0.0, 1.0, 4.0, 9.0, 16.0])
    assert tg.grad(lambda q: np.quantile(x, q))(0.3) == 12.0  # (n − 1) times the step from 1 to 4
    assert tg.grad(lambda q: np.percentile(x, q))(30.0) == 0.12
    assert tg.grad(lambda q: np.nanquantile(np.append(x, np.nan), q))(0.3) == 12.0
    assert tg.grad(lambda q: np.quantile(x, q, method="lower"))(0.3) == 0.0
    assert tg.grad(lambda q: np.quantile(x, q, method="hazen"))(0.99) == 0.0  # held at the end
