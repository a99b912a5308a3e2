"""Each of these was broken once. Found by a reader who tried to break it; kept so that it stays mended."""

import warnings

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import Value


def test_a_corrected_rule_is_used():
    @tg.op
    def cube(x):
        return x * x * x

    cube.derivation("analytic")(lambda g, out, x: g * 2 * x * x)
    x = Value(2.0)
    cube(x).backward()
    cube.derivation("analytic")(lambda g, out, x: g * 3 * x * x)
    x.grad = None
    cube(x).backward()
    assert x.grad == 12.0


def test_orders_are_held_to_in_forward_mode_too():
    @tg.op
    def fourth(x):
        return x**4

    @fourth.derivation("two", order=2)
    def _(g, out, x):
        s = tg.stop_gradient(x)
        return g * (4 * s**3 + 12 * s**2 * (x - s))

    assert tg.hvp(fourth, (2.0,), (1.0,)) == (48.0,)
    for third in (
        lambda: tg.jvp(lambda a: tg.jvp(tg.grad(fourth), (a,), (1.0,))[1], (2.0,), (1.0,)),
        lambda: tg.grad(lambda a: tg.hvp(fourth, (a,), (1.0,))[0])(2.0),
        lambda: tg.grad(lambda a: tg.jvp(tg.grad(fourth), (a,), (1.0,))[1])(2.0),
    ):
        with pytest.raises(ValueError, match="not declared for so high an order"):
            third()


def test_a_shortcut_stays_away_from_options_it_does_not_know():
    @tg.op
    def inner(x, *, beta=1.0):
        return np.exp(beta * x)

    @tg.op
    def outer(x):
        return np.log(x)

    tg.shortcut(inner, outer, name="direct")(lambda g, out, x: g)
    x = Value(2.0)
    outer(inner(x)).backward()
    assert x.grad == 1.0
    x.grad = None
    outer(inner(x, beta=5.0)).backward()
    assert x.grad == pytest.approx(5.0)


def test_one_axis_may_be_named_in_two_ways():
    z = Value([[0.0, 800.0]])
    loss = tg.cross_entropy(tg.softmax(z, axis=1), [0])
    loss.backward()
    assert loss.item() == 800.0 and z.grad.tolist() == [[-1.0, 1.0]]


def test_integers_in_a_value_do_not_truncate_gradients():
    v = Value(Value([1, 2, 3], requires_grad=False))
    (v * 0.5).sum().backward()
    assert v.grad.tolist() == [0.5] * 3
    c = Value([1, 2, 3], requires_grad=False)
    c.requires_grad = True
    (c * 0.5).sum().backward()
    assert c.grad.tolist() == [0.5] * 3


def test_second_derivatives_of_a_saturated_tanh():
    assert tg.grad(tg.grad(np.tanh))(800.0) == 0.0
    h = tg.hvp(lambda x: np.tanh(x).sum(), (np.array([100.0, 1.0], np.float32),), (np.ones(2, np.float32),))[0]
    assert h[0] == 0 and h[1] == pytest.approx(-0.6397, rel=1e-3)


def test_small_integers_do_not_wrap():
    u = np.array([3, 0], np.uint8)
    assert np.allclose(tg.softplus(u), [3.04858735, 0.69314718])
    loss = tg.sigmoid_binary_cross_entropy(u, [1.0, 0.0], reduction="none")
    assert np.allclose(loss, [0.04858735, 0.69314718])
    assert tg.softplus(np.array([-128], np.int8))[0] == pytest.approx(np.exp(-128.0))


def test_a_forward_that_closes_over_a_value_or_returns_no_array_says_so():
    w = Value(np.ones(2))

    @tg.op
    def closing(x):
        return x * w

    closing.derivation("a")(lambda g, out, x: g * w.data)
    with pytest.raises(ValueError, match="closing: its forward uses a Value that is not among its inputs"):
        closing(Value(np.ones(2)))
    for bad in (lambda x: (x, x), lambda x: None, lambda x: [x[0]]):
        with pytest.raises(TypeError, match="an op returns one array"):
            tg.op(bad)(Value(np.ones(2)))


def test_the_short_way_of_unary_ops_asks_the_guard():
    @tg.op
    def positive(x):
        return np.log(x)

    @positive.guard
    def _(x):
        if np.any(x <= 0):
            raise ValueError("not positive")

    for x in (-1.0, Value(-1.0)):
        with pytest.raises(ValueError, match="not positive"):
            positive(x)


def test_options_that_are_equal_are_not_the_same():
    @tg.op
    def f(x, *, k=0):
        return x * (2.0 if k is True else 3.0)

    assert (f(np.ones(1), k=1)[0], f(np.ones(1), k=True)[0]) == (3.0, 2.0)


@pytest.mark.parametrize("other", [np.array([1j, 2]), np.array([1, 2], object), np.ma.masked_array([1.0, 2.0])])
def test_operators_refuse_arrays_that_are_not_real(other):
    with pytest.raises(TypeError):
        Value([1.0, 2.0]) * other


def test_matrices_are_refused():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matrix = np.matrix([[1.0]])
    with pytest.raises(TypeError, match="plain arrays"):
        Value(matrix)


def test_results_of_transforms_share_memory_with_nothing():
    _, pullback = tg.vjp(lambda x, y: x + y, np.ones(3), np.ones(3))
    c = np.ones(3)
    p, q = pullback(c)
    assert not np.shares_memory(p, c) and not np.shares_memory(p, q)
    g = tg.grad(lambda x: x.sum())(np.ones(3))
    g += 1
    t = np.ones(2)
    assert not np.shares_memory(tg.jvp(lambda x: x + 0.0, (np.ones(2),), (t,))[1], t)


def test_values_among_keywords_and_accumulation_under_no_grad():
    w = Value(3.0)
    assert isinstance(tg.grad(lambda x, w: x * x * w)(2.0, w=w), Value)
    x = Value(2.0)
    y = x * x
    with tg.no_grad():
        y.backward(create_graph=True)
        y.backward(create_graph=True)
    assert x.grad.requires_grad and x.grad.item() == 8.0


def test_nan_passes_through_relu_alike():
    x = np.array([np.nan, 1.0, -1.0])
    for name in ("analytic", "autodiff"):
        v = Value(x)
        tg.relu(v).sum().backward(derivation=name)
        assert v.grad.tolist() == [1.0, 1.0, 0.0]


def test_every_class_masked_has_logsumexp_minus_infinity():
    assert tg.logsumexp(np.array([-np.inf, -np.inf])) == -np.inf


def test_slices_are_integers():
    with pytest.raises(TypeError):
        Value(np.arange(5.0))[1.5:3]


# -- the referee -----------------------------------------------------------------------------------------------


def textbook_softmax():
    @tg.op
    def softmax(z):
        e = np.exp(z - tg.stop_gradient(np.max(z, axis=-1, keepdims=True)))
        return e / np.sum(e, axis=-1, keepdims=True)

    return softmax


def test_a_masked_logit_hides_no_wrong_sign():
    f = textbook_softmax()
    f.derivation("sign")(lambda g, o, z: -o * (g - np.sum(g * o, axis=-1, keepdims=True)))
    assert not tg.compare_derivations(f, np.array([[0.0, 1.0, -np.inf]]))
    for op in (tg.softmax, tg.log_softmax, tg.logsumexp):
        report = tg.compare_derivations(op, np.array([[0.0, 1.0, -np.inf]]))
        assert report or op is tg.log_softmax, report
    assert tg.compare_derivations(tg.softmax_cross_entropy, np.array([[0.0, 1.0, -np.inf]]), [0])


def test_a_wrong_rule_that_cannot_be_traced_does_not_pass():
    @tg.op
    def f(x):
        return np.exp(x)

    @f.derivation("a")
    def _(g, o, x):
        plain = [t if isinstance(t, np.ndarray) else t.data for t in (g, o, x)]
        return plain[0] * plain[1] * np.where(plain[2] < 0, -1, 1)

    assert not tg.compare_derivations(f, np.array([-30.0, 3.0]))


def test_digits_lost_without_declaring_it_fail():
    @tg.op
    def f(x):
        return np.exp(x)

    f.derivation("b")(lambda g, o, x: g * ((o + 1e10) - 1e10))
    assert not tg.compare_derivations(f, np.array([0.1, 2.0]))


def test_subnormal_gradients_have_signs():
    @tg.op
    def f(x):
        return np.exp(x)

    f.derivation("sign")(lambda g, o, x: -g * o)
    assert not tg.compare_derivations(f, np.array([-720.0]))


def test_sums_round_and_right_rules_pass():
    @tg.op
    def off(x):
        return np.square(np.mean(x) - 3.0)

    off.derivation("analytic")(lambda g, out, x: g * 2 * (np.mean(x) - 3.0) / x.size * np.ones(x.shape))
    off.derivation("moved")(lambda g, out, x: g * 2 * np.mean(x - 3.0) / x.size * np.ones(x.shape))
    for seed in range(10):
        x = np.random.default_rng(seed).normal(size=1000) * 0.1 + 3
        report = tg.compare_derivations(off, x)
        assert not report.failures, report
        z = (20 * np.random.default_rng(seed).normal(size=(50, 100))).astype(np.float32)
        report = tg.compare_derivations(tg.log_softmax, z)
        assert report, report


def test_quotients_declare_where_they_underflow():
    z = Value([[0.0, 0.0, -800.0]])
    loss = tg.softmax_cross_entropy(z, [0], label_smoothing=0.1)
    assert tg.compare_derivations(loss)


def test_comparing_under_no_grad():
    with tg.no_grad():
        assert tg.compare_derivations(tg.softplus, np.ones(2))


# -- what used to crash ----------------------------------------------------------------------------------------


def test_forward_mode_follows_ieee():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert tg.jvp(np.tanh, (800.0,), (1.0,)) == (1.0, 0.0)
        assert tg.jvp(np.sqrt, (0.0,), (1.0,)) == (0.0, np.inf)
        assert tg.jvp(lambda x: 1 / x, (0.0,), (1.0,)) == (np.inf, -np.inf)
        assert np.isnan(tg.jvp(lambda x: x ** (1 / 3), (-8.0,), (1.0,))[1])


def test_clip_with_bounds_wider_than_its_input():
    x = Value([0.0, 1.0, 2.0])
    np.clip(x, np.zeros((2, 3)), 1.0).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 0.0]


def test_forward_mode_of_a_rule_in_plain_numpy():
    @tg.op
    def squared(x):
        return x * x

    squared.derivation("one", order=1)(lambda g, o, x: g * 2 * np.asarray(x))
    assert tg.jvp(squared, (np.ones(2),), (np.ones(2),))[1].tolist() == [2.0, 2.0]


def test_softmax_of_longdoubles_is_probabilities():
    for seed in range(20):
        z = np.random.default_rng(seed).normal(size=(4, 3)).astype(np.longdouble) * 5
        tg.cross_entropy(tg.softmax(Value(z)), [0, 1, 2, 0])


def test_options_of_numpys_own_kinds():
    tg.softmax_cross_entropy(np.zeros((1, 2)), [0], label_smoothing=np.float32(0.1))
    v = Value(np.ones((2, 3)))
    assert np.sum(v, 0, None, None, True).shape == (1, 3) and np.max(v, 0, None, True).shape == (1, 3)
    with pytest.raises(NotImplementedError, match=r"np\.sum with dtype="):
        np.sum(v, 0, np.float32)


def test_a_tuple_of_rules_has_one_for_each_input():
    @tg.op
    def f(x, y):
        return x * y

    with pytest.raises(ValueError, match="1 functions for 2 inputs"):
        f.derivation("short")((lambda g, o, x, y: g,))


def test_errors_inside_rules_say_whose_they_are():
    @tg.op
    def f(x):
        return x * 1.0

    f.derivation("broken")(lambda g, out, x: {}["missing"])
    with pytest.raises(KeyError) as caught:
        f(Value(np.ones(3))).sum().backward()
    (note,) = caught.value.__notes__
    assert note.startswith("in derivation 'broken' of f (x (3,) float64), ") and "tg.trace()" in note
