"""Value from outside: operators, NumPy's protocols, scalars, what it refuses and what it says."""

import copy
import math
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_ce as tg
from tinygrad_ce import Value

from .battery import assert_close, central


def test_micrograds_own_example():
    a = Value(-4.0)
    b = Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    assert g.data == pytest.approx(24.70408163265306, rel=1e-15)
    assert a.grad == pytest.approx(138.83381924198252, rel=1e-15)
    assert b.grad == pytest.approx(645.5772594752186, rel=1e-15)


def test_micrograds_idioms():
    a, b = Value(3.0), Value(-2.0)
    out = sum([a, b, a * b]) + (2 - a) + 6 / a + a**-1 + 2**a - abs(b)
    out.backward()

    def f(x, y):
        return x + y + x * y + 2 - x + 6 / x + 1 / x + 2**x - abs(y)

    assert out.data == f(3.0, -2.0)
    assert_close(a.grad, central(lambda x: f(x, -2.0), 3.0))
    assert_close(b.grad, central(lambda y: f(3.0, y), -2.0))


OPERATORS = [
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: x * y,
    lambda x, y: x / y,
    lambda x, y: x**y,
    lambda x, y: x // y,
    lambda x, y: x % y,
    lambda x, y: divmod(x, y)[1],
]


@pytest.mark.parametrize("operate", OPERATORS)
@pytest.mark.parametrize("kind", [float, lambda x: np.array([x, 2 * x]), lambda x: np.float32(x), lambda x: int(x)])
def test_every_operator_and_its_reflection(operate, kind):
    x, y = kind(5.0), Value(3.0)
    for left, right in ((x, y), (y, x)):
        out = operate(left, right)
        assert isinstance(out, Value)
        expected = operate(tg.value.plain(left), tg.value.plain(right))
        assert np.array_equal(out.data, expected)


def test_matmul_with_an_array_on_either_side():
    m, v = np.arange(6.0).reshape(2, 3), Value(np.arange(3.0))
    assert isinstance(m @ v, Value) and np.array_equal((m @ v).data, m @ v.data)
    w = Value(np.arange(2.0))
    assert np.array_equal((w @ m).data, w.data @ m)


@pytest.mark.parametrize("other", ["text", None, {}, b"x"])
def test_operators_with_what_is_no_number_are_a_type_error(other):
    with pytest.raises(TypeError):
        Value(1.0) + other
    with pytest.raises(TypeError):
        other * Value([1.0])


def test_comparisons_are_plain():
    a, b = Value([1.0, 2.0]), Value([2.0, 2.0])
    for compare in (lambda: a < b, lambda: a <= b, lambda: a > b, lambda: a >= b, lambda: a == b, lambda: a != b):
        assert type(compare()) is np.ndarray
    assert (Value(1.0) < 2.0) is True
    assert len({a, b, a}) == 2  # hashed by identity


# -- scalars ---------------------------------------------------------------------------------------------------


def test_scalars_are_python_floats_and_touch_no_array(monkeypatch):
    def no_array(*_, **__):
        raise AssertionError("an ndarray was touched")

    monkeypatch.setattr(type(tg.relu), "evaluate", no_array)
    x = Value(2.0)
    out = (x * 3 + 1 - x / 2) ** 2
    assert type(out.data) is float
    out.backward()
    assert type(x.grad) is float and x.grad == 2 * (2 * 3 + 1 - 1) * 2.5


@pytest.mark.parametrize("data", [2, True, 2.0])
def test_python_numbers_become_floats(data):
    assert type(Value(data).data) is float


def test_numpy_scalars_keep_their_dtype():
    for data in (np.float32(2), np.float64(2), np.array(2.0, np.float16)):
        x = Value(data)
        y = x * 3.0
        assert y.dtype == data.dtype
        y.backward()
        assert x.grad.dtype == data.dtype and x.grad == 3


@pytest.mark.parametrize(
    ("f", "value", "slope"),
    [
        (lambda x: 1 / x, math.inf, -math.inf),
        (lambda x: x**-1, math.inf, -math.inf),
        (lambda x: np.log(x), -math.inf, math.inf),
        (lambda x: np.sqrt(x), 0.0, math.inf),
        (lambda x: x**0, 1.0, 0.0),
        (lambda x: x**1, 0.0, 1.0),
        (lambda x: x**2, 0.0, 0.0),
    ],
)
def test_scalars_follow_ieee_at_zero(f, value, slope):
    for zero in (0.0, np.array([0.0])):
        x = Value(zero)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            y = f(x)
            y.backward()
        assert y.item() == value
        assert np.all(x.grad == slope)


def test_scalars_follow_ieee_elsewhere():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.exp(Value(1000.0)).data == math.inf
        assert math.isnan((Value(-8.0) ** (1 / 3)).data)
        x = Value(-8.0)
        (x ** (1 / 3)).backward()
        assert math.isnan(x.grad)
        assert (Value(1e308) * 10).data == math.inf
        assert (Value(10.0) ** 400).data == math.inf


def test_conversions():
    assert (bool(Value(0.0)), float(Value([2.5])), int(Value(3.7))) == (False, 2.5, 3)
    assert f"{Value(1.23456):.2f}" == "1.23"
    for convert in (bool, float, int):
        with pytest.raises(ValueError, match="only one element"):
            convert(Value([1.0, 2.0]))
    v = Value(np.arange(6.0).reshape(2, 3))
    assert (len(v), v.ndim, v.size, v.shape) == (2, 2, 6, (2, 3))
    assert [row.shape for row in v] == [(3,), (3,)]
    for nothing in (lambda: len(Value(1.0)), lambda: iter(Value(1.0))):
        with pytest.raises(TypeError):
            nothing()


# -- leaves ----------------------------------------------------------------------------------------------------


def test_integers_become_floats_only_where_a_gradient_is_required():
    assert Value([1, 2]).dtype == np.float64
    assert Value(np.array([1, 2], np.int8), requires_grad=False).dtype == np.int8


@pytest.mark.parametrize("data", ["text", ["a"], [object()], None, {1: 2}])
def test_what_is_no_number_is_refused(data):
    with pytest.raises(TypeError):
        Value(data)


def test_ragged_data_and_sequences_of_values_are_refused_in_words():
    with pytest.raises(ValueError, match="ragged"):
        Value([[1.0], [1.0, 2.0]])
    a = Value(1.0)
    for make in (lambda: Value([a, a]), lambda: np.array([a, a]), lambda: np.asarray(a)):
        with pytest.raises(TypeError, match=r"np\.stack"):
            make()
    assert np.stack([a, a]).shape == (2,)


def test_array_of_a_constant_is_plain():
    assert np.array_equal(np.asarray(Value([1.0, 2.0], requires_grad=False)), [1.0, 2.0])


def test_gradients_accumulate_and_are_cleared():
    x = Value([1.0, 2.0])
    y = (x * x).sum()
    assert x.grad is None
    y.backward()
    first = x.grad
    y.backward()  # the same graph again
    assert np.array_equal(x.grad, [4.0, 8.0]) and np.array_equal(first, [2.0, 4.0])
    x.zero_grad()
    assert x.grad is None
    x.grad = None
    y.backward()
    assert np.array_equal(x.grad, [2.0, 4.0])


def test_gradients_share_memory_with_nothing():
    a, b = Value(np.ones(3)), Value(np.ones(3))
    cotangent = np.ones(3)
    (a + b).backward(cotangent)
    assert not np.shares_memory(a.grad, b.grad) and not np.shares_memory(a.grad, cotangent)
    c = Value(np.ones((2, 3)))
    np.broadcast_to(c.sum(), (1,)).backward()
    c.grad *= 2  # writeable, its own


def test_a_backward_on_a_leaf():
    x = Value(3.0)
    x.backward()
    assert x.grad == 1.0


def test_retain_grad():
    x = Value(2.0)
    y = (x * 3).retain_grad()
    z = y * y
    z.backward()
    assert y.grad == 12.0 and x.grad == 36.0
    assert (x * 1).grad is None


def test_shared_nodes_get_every_contribution():
    x = Value(np.array([2.0, 3.0]))
    y = x * x
    z = y + y * x + x
    z.sum().backward()
    assert_close(x.grad, 2 * 2 * x.data / 2 + 3 * x.data**2 + 1)
    w = Value(1.5)
    (w * w * w).backward()
    assert w.grad == 3 * 1.5**2


def test_backward_needs_a_cotangent_or_one_element():
    x = Value([1.0, 2.0])
    with pytest.raises(ValueError, match="gradient="):
        (x * 2).backward()
    with pytest.raises(ValueError, match=r"\(3,\)"):
        (x * 2).backward(np.ones(3))
    (x * 2).backward([1, 10])
    assert x.grad.tolist() == [2.0, 20.0]


def test_no_grad_and_stop_gradient():
    x = Value(2.0)
    with tg.no_grad():
        y = x * 3
    assert not y.requires_grad and y.parents == ()
    with pytest.raises(ValueError, match="needs no gradient"):
        y.backward()
    (x * tg.stop_gradient(x * x)).backward()
    assert x.grad == 4.0
    assert (Value(1.0, requires_grad=False) * 2).op is None


def test_detached_values_and_constants_receive_nothing():
    x, c = Value([1.0, 2.0]), Value([3.0, 4.0], requires_grad=False)
    (x * c * x.detach()).sum().backward()
    assert c.grad is None and x.grad.tolist() == [3.0, 8.0]


def test_dtypes_mix_as_numpys_do_and_gradients_come_back():
    a, b = Value(np.ones(3, np.float32)), Value(np.ones(3, np.float64))
    out = (a * b).sum()
    assert out.dtype == np.float64
    out.backward()
    assert a.grad.dtype == np.float32 and b.grad.dtype == np.float64
    assert (a * 2.0 + 1).dtype == np.float32 and (Value(2.0) * a).dtype == np.float32


# -- NumPy's protocols -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("f", [np.packbits, np.unpackbits, lambda v: np.add.reduceat(v, [0])])
def test_a_function_without_a_rule_says_so(f):
    with pytest.raises(NotImplementedError, match="no rule on Values"):
        f(Value(np.eye(2)))


def test_out_and_in_place_are_refused():
    x = np.ones(3)
    v = Value(x)
    with pytest.raises(TypeError, match="lose the graph"):
        x += v
    with pytest.raises(TypeError, match="lose the graph"):
        np.add(v, 1.0, out=np.empty(3))
    with pytest.raises(TypeError, match="lose the graph"):
        np.sum(v, out=np.empty(()))
    with pytest.raises(TypeError, match=r"np\.where"):
        v[0] = 1.0


def test_functions_without_gradient_pass_through():
    v = Value([[1.0, -2.0], [0.0, np.nan]])
    assert np.shape(v) == (2, 2) and np.ndim(v) == 2 and np.size(v) == 4
    assert type(np.isnan(v)) is np.ndarray and type(np.argmax(v, axis=1)) is np.ndarray
    assert np.result_type(v, np.float32) == np.float64
    assert type(np.zeros_like(v)) is np.ndarray
    assert np.less(v, 0).tolist() == [[False, True], [False, False]]


def test_methods_follow_numpy():
    v = Value(np.arange(6.0).reshape(2, 3))
    assert np.array_equal(v.T.data, v.data.T)
    for name, args in [
        ("sum", (0,)),
        ("mean", (1,)),
        ("max", ()),
        ("min", (0,)),
        ("reshape", (3, 2)),
        ("reshape", ((-1,),)),
        ("transpose", (1, 0)),
        ("ravel", ()),
        ("swapaxes", (0, 1)),
        ("clip", (1.0, 3.0)),
        ("argmax", ()),
    ]:
        out = getattr(v, name)(*args)
        assert np.array_equal(tg.value.plain(out), getattr(v.data, name)(*args)), name
    assert np.array_equal(np.clip(v, min=1, max=3).data, v.clip(1, 3).data)
    assert [a.tolist() for a in np.where(v > 3)] == [a.tolist() for a in np.where(v.data > 3)]
    assert [a.tolist() for a in np.where(v)] == [a.tolist() for a in np.where(v.data)]
    assert v.exp().op.name == "exp" and v.sigmoid().shape == (2, 3)
    assert v.astype(np.float32).dtype == np.float32
    assert "relu" in dir(v)
    with pytest.raises(AttributeError):
        _ = v.nonsense


def test_every_elementwise_op_of_one_input_is_a_method():
    v = Value(np.array([0.25, 0.5]))
    for name, op in tg.registry().items():
        if op.partials is not None and len(op.partials) == 1 and ":" not in name:
            out = getattr(v, name)()
            assert out.op is op or not out.requires_grad, (
                f"{name}: a late op's name goes into late_methods of ops/__init__.py"
            )


@given(st.data())
def test_indexing_agrees_with_numpy_and_adds_repeats_up(data):
    x = np.arange(24.0).reshape(2, 3, 4)
    part = st.one_of(
        st.integers(-2, 1),
        st.slices(2),
        st.just(None),
        st.just(Ellipsis),
        st.lists(st.integers(-2, 1), min_size=1, max_size=5),
        st.just(np.array([True, False])),
    )
    key = data.draw(st.one_of(part, st.tuples(part), st.tuples(part, st.just(slice(None)))))
    if isinstance(key, tuple):
        key = tuple(p for i, p in enumerate(key) if p is not Ellipsis or Ellipsis not in key[:i])
    try:
        expected = x[key]
    except IndexError:
        with pytest.raises(IndexError):
            Value(x)[key]
        return
    v = Value(x)
    out = v[key]
    assert np.array_equal(out.data, expected)
    g = np.random.default_rng(0).normal(size=expected.shape)
    out.backward(g)
    counted = np.zeros(x.size)
    np.add.at(counted, np.arange(x.size).reshape(x.shape)[key].ravel(), g.ravel())
    assert_close(v.grad, counted.reshape(x.shape), 1e-14)


@given(
    st.lists(st.integers(0, 3), max_size=3),
    st.lists(st.booleans(), min_size=3, max_size=3),
    st.integers(0, 3),
)
def test_broadcasting_is_undone(shape, stretched, dropped):
    """<g, x broadcast> differentiated in x is g summed over what broadcasting added."""
    shape = tuple(shape)
    small = tuple(1 if s else n for n, s in zip(shape, stretched, strict=False))[min(dropped, len(shape)) :]
    rng = np.random.default_rng(1)
    x, other = Value(rng.normal(size=small)), rng.normal(size=shape)
    for out in (x * other, other + x, np.where(other > 0, x, other), np.maximum(other, x)):
        assert out.shape == shape
        x.zero_grad()
        out.backward(np.ones(shape))
        assert x.grad.shape == small
    x.zero_grad()
    (x * other).backward(np.ones(shape))
    expected = np.zeros(small)
    for index in np.ndindex(shape):
        to = tuple(0 if n == 1 else i for i, n in zip(index[len(shape) - len(small) :], small, strict=True))
        expected[to] += other[index]
    assert_close(x.grad, expected, 1e-13)


def test_bad_indices_are_index_errors():
    v = Value(np.ones((2, 3)))
    for key in (5, (0, 0, 0), 1.5, Value([0.0, 1.0]), "a", np.array([True] * 5)):
        with pytest.raises(IndexError, match="getitem"):
            v[key]


# -- copies and text -------------------------------------------------------------------------------------------


def test_a_copy_of_a_node_is_a_leaf():
    x = Value([1.0, 2.0], label="x")
    y = x * 2
    for twin in (copy.copy(y), copy.deepcopy(y), pickle.loads(pickle.dumps(y))):
        assert twin.parents == () and np.array_equal(twin.data, y.data)
    assert copy.deepcopy(x).label == "x"


def test_repr_says_shape_dtype_op_and_label():
    x = Value(np.zeros((2, 3), np.float32), label="weights")
    text = repr(tg.relu(x))
    for part in ("shape=(2, 3)", "dtype=float32", "op=relu"):
        assert part in text
    assert "label='weights'" in repr(x) and repr(Value(2.0)) == "Value(2.0)"
    assert len(repr(Value(np.zeros(10**6)))) < 200


def test_errors_name_op_and_shapes():
    with pytest.raises(ValueError, match=r"matmul: .*x1 \(2, 3\) float64, x2 \(2,\) float64"):
        Value(np.ones((2, 3))) @ Value(np.ones(2))
    with pytest.raises(ValueError, match="add: "):
        Value(np.ones(2)) + Value(np.ones(3))
    with pytest.raises(ValueError, match="concatenate: "):
        np.concatenate([Value(np.ones((2, 2))), np.ones(3)])
