"""detect_anomaly: the first non-finite number made of finite ones, where it was made, and the standard remedy."""

import inspect
import re

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import Value

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def caught(f, *pieces):
    """The message of the AnomalyError that f raises, in which all pieces are found."""
    with tg.detect_anomaly(), pytest.raises(tg.AnomalyError) as error:
        f()
    for piece in pieces:
        assert re.search(piece, str(error.value)), f"{piece!r} is not in {error.value}"
    return error.value


def test_forward_names_op_argument_entry_and_line():
    x = Value(np.array([[1.0, 2.0], [0.0, 3.0]]))

    def f():
        return np.sum(np.log(x * 1.0))

    line = inspect.getsourcelines(f)[1] + 1
    place = rf"test_anomaly.py:{line}, in f"
    caught(f, r"forward of log made -inf at entry \(1, 0\)", "argument 0 'x' is 0.0", place, "tg.log_softmax")


def test_backward_names_derivation_argument_entry_and_line():
    x = Value(np.array([4.0, 0.0]), label="x")

    def f():
        y = np.sqrt(x)
        np.sum(y * y).backward()

    line = inspect.getsourcelines(f)[1] + 1
    place = rf"test_anomaly.py:{line}, in f"
    caught(f, "derivation 'rule' of sqrt", r"at entry \(1,\)", "argument 0 'x'", place)
    assert x.grad is None


@pytest.mark.parametrize(
    ("f", "pieces"),
    [
        (lambda v: np.log(v), ["forward of log", "logarithm of 0", r"np.where\(ok, np.log\(np.where\(ok, x, 1.0\)\)"]),
        (lambda v: np.log(v - 1), ["logarithm of a negative number"]),
        (lambda v: np.sqrt(v - 1), ["forward of sqrt made nan", "square root of a negative"]),
        (lambda v: 1 / v, ["division by 0", "argument 1 'y' is 0.0"]),
        (lambda v: np.exp(v + 1e3), ["forward of exp made inf", "overflows"]),
        (lambda v: (v + 1e200) * 1e200, ["too large for its dtype"]),
        (lambda v: v * np.array([np.inf, 1.0]), ["forward of multiply made nan", "0 · inf", r"np.where\(mask, x"]),
        (lambda v: v**-1.0, ["forward of power", "0 to a negative power"]),
        (lambda v: (v - 1) ** 0.5, ["fractional power"]),
        (lambda v: np.sqrt(v) * 3, ["derivation 'rule' of sqrt made inf", "slope of a root is infinite at 0"]),
        (lambda v: v**0.5, ["derivation 'rule' of power", "slope of a root"]),
        (lambda v: np.sqrt(np.sum(v[:1] ** 2)), ["of sqrt made inf", "norm at 0", "np.linalg.norm"]),
        (lambda v: np.sqrt(v * v), ["norm at 0"]),
        (lambda v: np.sqrt(v[0] ** 2 + np.square(v[0])), ["norm at 0"]),
        (
            lambda v: np.where(v.data > 0, np.sqrt(v), 0.0),
            ["of sqrt made nan", "branch of an np.where that is not taken", r"np.where\(ok, np.sqrt\(np.where"],
        ),
    ],
)
def test_the_usual_causes(f, pieces):
    v = Value(np.array([0.0, 1.0]))
    caught(lambda: np.sum(f(v)).backward(), *pieces)


def test_scalars():
    caught(lambda: Value(0.0).log(), "forward of log made -inf", "logarithm of 0")
    caught(lambda: (Value(0.0) ** 0.5).backward(), "derivation 'rule' of power")


def test_under_no_grad_and_on_constants():
    with tg.no_grad():
        caught(lambda: np.log(Value(np.zeros(2))), "forward of log")
    caught(lambda: np.log(Value(np.zeros(2), requires_grad=False)), "forward of log")


def test_forward_mode_and_transforms():
    caught(lambda: tg.jvp(np.sqrt, (np.zeros(2),), (np.ones(2),)), "of sqrt, in forward mode", "argument 0")
    caught(lambda: tg.grad(lambda x: np.sum(np.sqrt(x)))(np.zeros(2)), "of sqrt", "test_anomaly.py")
    caught(lambda: tg.grad(tg.grad(lambda x: x**1.5))(0.0), "power")


def test_what_was_not_finite_before_is_not_blamed():
    scores = Value(np.array([[1.0, -np.inf, 2.0], [0.0, 1.0, -np.inf]]))
    with tg.detect_anomaly():
        loss = tg.softmax_cross_entropy(scores, [0, 1])
        loss.backward()
        loss.backward(derivation="autodiff")
        np.where(np.isinf(scores.data), 0.0, scores).sum().backward()
        np.exp(scores).sum().backward()
    # an entry that is masked excuses no other one
    caught(lambda: np.log(np.exp(scores) * np.array([0.0, 1.0, 1.0])), "forward of log", r"entry \(0, 0\)")


def test_users_ops_are_looked_into():
    @tg.op
    def length(x):
        return np.sqrt(np.sum(x * x))

    x = Value(np.zeros(3))
    caught(lambda: length(x).backward(), "norm at 0", "test_anomaly.py")

    @length.derivation("wrong")
    def _(g, out, x):
        return g * x / out

    caught(lambda: length(x).backward(), "derivation 'wrong' of length made nan", r"gradient of argument 0 'x'")


def test_rules_may_compute_what_they_like_on_their_way():
    @tg.op
    def careful(x):
        return x * 1.0

    careful.derivation("careful")(lambda g, out, x: np.where(x == 0, 0.0, g / np.where(x == 0, np.inf, x) * x))
    careful.derivation("masked")(lambda g, out, x: np.where(x == 0, 0.0, g * np.log(x)))
    x = Value(np.array([0.0, 1.0]))
    with tg.detect_anomaly():
        np.sum(careful(x)).backward(derivation="masked", create_graph=True)


def test_through_a_shortcut():
    @tg.op
    def inner(x):
        return x * 1.0

    @tg.op
    def outer(y, z):
        return np.sum(y * z)

    @tg.shortcut(inner, outer, name="broken")
    def _(g, out, x, z):
        return g / (x * 0), g * x

    x = Value(np.ones(2))
    caught(lambda: outer(inner(x), np.ones(2)).backward(), "'broken' of outer made inf", "argument 0 'x of inner'")


def test_a_graph_made_outside_says_how_to_get_its_line():
    y = np.sum(np.sqrt(Value(np.zeros(2))))
    caught(y.backward, "of sqrt made inf", "put the forward under tg.detect_anomaly")


def test_all_is_as_before_afterwards():
    x = Value(np.zeros(2))
    with tg.detect_anomaly():
        pass
    assert np.all(np.isinf(np.log(x).data))
    np.sum(np.sqrt(x)).backward()
    assert np.all(np.isinf(x.grad))


def test_errors_in_rules_name_the_line_of_traced_nodes():
    @tg.op
    def f(x):
        return x * 1.0

    f.derivation("broken")(lambda g, out, x: {}["missing"])
    with tg.trace():
        y = f(Value(np.ones(3))).sum()
    with pytest.raises(KeyError) as error:
        y.backward()
    assert "test_anomaly.py" in error.value.__notes__[0]
