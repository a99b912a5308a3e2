"""Parameter groups: options of their own, written between steps, saved; frozen parameters; closures."""

import io
from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce.capture import capture
from tinygrad_ce.optim import LBFGS, SGD, Adagrad, Adam, AdamW, Lion, RMSprop


def parameter(data, grad=None, label=""):
    return SimpleNamespace(data=data, grad=grad, label=label)


def two(make=SGD, **options):
    a, b = parameter(np.ones(2), np.ones(2)), parameter(np.ones(3), np.ones(3))
    return a, b, make([{"params": [a], "lr": 0.5, "name": "slow"}, {"params": b}], lr=0.25, **options)


def test_each_group_has_its_own_options_and_the_others_defaults():
    a, b, sgd = two(weight_decay=1.0)
    sgd.param_groups[1]["weight_decay"] = 0.0
    sgd.step()
    assert a.data.tolist() == [0.0] * 2 and b.data.tolist() == [0.75] * 3
    assert sgd.params == (a, b) and [group["params"] for group in sgd.param_groups] == [(a,), (b,)]
    assert sgd.param_groups[0]["name"] == "slow"


def test_the_optimisers_attribute_is_what_all_groups_share():
    _, _, sgd = two()
    assert sgd.momentum == 0.0
    with pytest.raises(
        ValueError, match=r"groups differ in lr \(0.5, 0.25\): read optimizer.param_groups\[i\]\['lr'\]"
    ):
        print(sgd.lr)
    sgd.lr = 1
    assert [group["lr"] for group in sgd.param_groups] == [1.0, 1.0] and sgd.lr == 1.0
    assert repr(two()[2]).startswith("SGD(2 parameters, 5 numbers in 2 groups; lr=0.5 | 0.25, momentum=0.0")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("lr", -1.0, "parameter group 1: lr is at least 0, not -1.0"),
        ("lr", float("nan"), "lr is a finite number"),
        ("lr", None, "lr is a number, not None"),
        ("nesterov", True, "nesterov needs momentum"),
        ("nesterov", 2, "nesterov is True or False"),
    ],
)
def test_what_is_written_to_a_group_is_checked_at_the_step(key, value, words):
    a, b, sgd = two()
    before = sgd.param_groups[1][key]
    sgd.param_groups[1][key] = value
    with pytest.raises(ValueError, match=words):
        sgd.step()
    assert a.data.tolist() == [1.0] * 2 and b.data.tolist() == [1.0] * 3
    sgd.param_groups[1][key] = before
    sgd.step()
    assert b.data.tolist() == [0.75] * 3


@pytest.mark.parametrize(
    ("groups", "error", "words"),
    [
        ([{"params": []}], ValueError, "has no parameters"),
        ([{"lr": 0.1}], ValueError, "a dict with 'params', not only 'lr'"),
        ([{"params": parameter(1.0), "weigth_decay": 0.1}], ValueError, "'weigth_decay', which SGD does not take: its"),
        ([{"params": parameter(1.0), "lr": -0.1}], ValueError, "lr is at least 0"),
        ([parameter(1.0), {"params": parameter(1.0)}], TypeError, "mixes parameters and parameter groups"),
        ({"params": parameter(1.0)}, TypeError, r"write \[group\]"),
        ([{"params": [parameter(1.0), parameter(1j)]}], TypeError, "parameter 1"),
    ],
)
def test_groups_that_are_none(groups, error, words):
    with pytest.raises(error, match=words) as raised:
        SGD(groups)
    assert "\n" not in str(raised.value)


def test_a_group_that_is_refused_leaves_the_optimiser_as_it_was():
    a, b, sgd = two()
    for group in ({"params": [parameter(1.0), b]}, {"params": [parameter(1)]}, {"params": [parameter(1.0)], "lr": -1}):
        with pytest.raises((ValueError, TypeError)):
            sgd.add_param_group(group)
    assert sgd.params == (a, b) and len(sgd.param_groups) == 2
    sgd.step()
    assert a.data.tolist() == [0.5] * 2
    with pytest.raises(ValueError, match="parameter 2 is parameter 0 again"):
        sgd.add_param_group({"params": [a]})


def test_momentum_switched_on_begins_with_a_velocity():
    param = parameter(np.ones(2))
    sgd = SGD([param], lr=0.1)
    for momentum in (0.0, 0.0, 0.5, 0.5):
        sgd.momentum = momentum
        param.grad = np.ones(2)
        sgd.step()
    np.testing.assert_allclose(param.data, 1 - 0.1 * (1 + 1 + 1 + 1.5))


@pytest.mark.parametrize("make", [SGD, Adam, AdamW, RMSprop, Adagrad, Lion])
def test_frozen_parameters_stay_and_keep_their_state(make):
    w, b = tg.Value(np.ones(2)), tg.Value(np.ones(3))
    optimizer = make([w, b])
    for step in range(4):
        optimizer.zero_grad()
        b.requires_grad = step not in (1, 2)
        w.grad, b.grad = np.ones(2), np.ones(3)  # a gradient from before it was frozen
        before = b.data
        optimizer.step()
        assert (b.data is before) == (not b.requires_grad)
    assert optimizer.state_dict()["0.step"] == 4 and optimizer.state_dict()["1.step"] == 2


def test_a_closure_is_called_first_and_its_loss_returned():
    w = tg.Value(3.0)
    sgd = SGD([w], lr=0.5)

    def closure():
        sgd.zero_grad()
        loss = w * w
        loss.backward()
        return loss

    assert sgd.step(closure).item() == 9.0 and w.data == 0.0
    assert sgd.step() is None


def test_state_of_groups_round_trips_with_every_option():
    def made():
        params = [parameter(np.ones(2)), parameter(1.0), parameter(np.ones((2, 2), np.float32))]
        groups = [{"params": params[:1]}, {"params": params[1:], "betas": (0.5, 0.75), "amsgrad": True}]
        return params, Adam(groups, lr=0.1)

    def run(params, optimizer, steps):
        for step in steps:
            optimizer.param_groups[1]["betas"] = (0.5 + step / 100, 0.75)
            for index, param in enumerate(params):
                param.grad = None if step % 3 == index else np.cos(step + np.asarray(param.data))
            optimizer.step()

    whole, half = made(), made()
    run(*whole, range(10))
    run(*half, range(5))
    half[1].param_groups[0]["weight_decay"] = 0.0
    file = io.BytesIO()
    np.savez(file, **half[1].state_dict())
    file.seek(0)
    again = Adam([{"params": half[0][:1]}, {"params": half[0][1:]}], lr=3.0)
    with np.load(file) as saved:
        assert {"lr", "group1.lr", "betas", "group1.betas", "1.peak"} <= set(saved)
        again.load_state_dict(saved)
    run(half[0], again, range(5, 10))
    for one, other in zip(whole[0], half[0], strict=True):
        np.testing.assert_array_equal(one.data, other.data)
    assert again.param_groups[1]["betas"] == (0.59, 0.75)


def test_states_of_other_groups_and_older_ones():
    a, b, sgd = two()
    state = sgd.state_dict()
    with pytest.raises(ValueError, match=r"unknown 'group1\.lr'"):
        SGD([a, b]).load_state_dict(state)
    one = SGD([a, b], lr=0.1)
    one.load_state_dict({"lr": 0.3, "0.step": 2, "1.step": 2})
    assert one.lr == 0.3 and one.state_dict()["1.step"] == 2
    with pytest.raises(ValueError, match="missing 'lr'"):
        one.load_state_dict({"0.step": 2, "1.step": 2})
    with pytest.raises(ValueError, match="momentum is at least 0"):
        one.load_state_dict({"lr": 0.7, "momentum": -1.0, "0.step": 2, "1.step": 2})
    assert one.lr == 0.3


def test_lion_by_the_book():
    param = parameter(np.linspace(-2, 2, 5))
    lion = Lion([param], lr=0.03, betas=(0.8, 0.9), weight_decay=0.1)
    p, m = param.data, np.zeros(5)
    for step in range(100):
        g = p - np.sin(step)
        param.grad = param.data - np.sin(step)
        lion.step()
        p, m = p - 0.03 * (0.1 * p + np.sign(0.8 * m + 0.2 * g)), 0.9 * m + 0.1 * g
    np.testing.assert_allclose(param.data, p, rtol=1e-12)
    assert (Lion([param]).lr, Lion([param]).betas) == (1e-4, (0.9, 0.99))


# -- one flat vector -----------------------------------------------------------------------------------------------


class Counting(np.ndarray):
    """An array that counts the arithmetic done with it."""

    calls = 0

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        Counting.calls += 1
        plain = [np.asarray(x) if isinstance(x, Counting) else x for x in inputs]
        return getattr(ufunc, method)(*plain, **options).view(Counting)


@pytest.mark.parametrize("make", [SGD, Adam, AdamW, RMSprop, Adagrad, Lion])
def test_the_arithmetic_of_a_step_does_not_grow_with_the_parameters(make, monkeypatch):
    def cost(parameters):
        params = [parameter(np.ones(2), np.ones(2)) for _ in range(parameters)]
        optimizer, update = make(params), make.update
        monkeypatch.setattr(optimizer, "update", lambda p, g, s: update(optimizer, p.view(Counting), g, s))
        Counting.calls = 0
        optimizer.step()
        return Counting.calls

    assert 0 < cost(1) == cost(100)


UPDATES = [
    (SGD, {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}),
    (SGD, {"momentum": 0.9, "nesterov": True}),
    (Adam, {"weight_decay": 0.1, "amsgrad": True, "maximize": True}),
    (AdamW, {}),
    (RMSprop, {"centered": True, "momentum": 0.5, "weight_decay": 0.1}),
    (Adagrad, {"lr_decay": 0.1, "initial_accumulator_value": 0.1}),
    (Lion, {"weight_decay": 0.1}),
]


@pytest.mark.parametrize(("make", "options"), UPDATES)
def test_an_update_can_be_captured_with_rate_and_count_as_inputs(make, options):
    optimizer = make([parameter(np.ones(4))], **options)
    state = {"lr": np.float64(0.1), "step": np.float64(0.0), **optimizer.initial_state(np.ones(4))}
    state["step"], names = np.float64(0.0), list(state)

    def pure(params, grads, *values):
        moved, after = optimizer.update(params, grads, dict(zip(names, values, strict=True)))
        return (moved, *(after[name] for name in names if name != "lr"))

    rng = np.random.default_rng(0)
    params, grads = rng.normal(size=4), rng.normal(size=4)
    program = capture(pure, params, grads, *(state[name] for name in names))
    for step in range(3):
        state["lr"] = np.float64(0.1 / (1 + step))
        values = [state[name] for name in names]
        expected, got = pure(params, grads, *values), program(params, grads, *values)
        for one, other in zip(expected, got, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-15)
        params, grads = expected[0], rng.normal(size=4)
        state |= dict(zip([name for name in names if name != "lr"], expected[1:], strict=True))


# -- L-BFGS, without torch -----------------------------------------------------------------------------------------


def quadratic(n=6):
    rng = np.random.default_rng(0)
    root = rng.normal(size=(n, n))
    return root @ root.T + np.eye(n), rng.normal(size=n)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_solves_a_quadratic_of_parameters_of_several_kinds(search):
    matrix, right = quadratic()
    parts = [tg.Value(np.zeros((2, 1))), tg.Value(0.0), tg.Value(np.zeros(3)), tg.Value(np.ones(2))]
    parts[3].requires_grad = False
    optimizer = LBFGS(parts, lr=1.0 if search else 0.5, max_iter=200, line_search_fn=search, tolerance_change=1e-16)

    def closure():
        optimizer.zero_grad()
        x = np.concatenate([np.reshape(part, -1) for part in parts[:3]])
        loss = 0.5 * x @ (matrix @ x) - right @ x
        loss.backward()
        return loss

    before = optimizer.step(closure)
    assert before.item() == 0.0 and parts[3].data.tolist() == [1.0, 1.0]
    found = np.concatenate([np.ravel(part.data) for part in parts[:3]])
    np.testing.assert_allclose(found, np.linalg.solve(matrix, right), rtol=1e-5)
    assert type(parts[1].data) is float and parts[0].shape == (2, 1)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_saved_and_continued_to_the_bit(search):
    matrix, right = quadratic()

    def made():
        param = parameter(np.ones(6))
        optimizer = LBFGS([param], lr=0.3, max_iter=3, history_size=4, line_search_fn=search)

        def closure():
            param.grad = matrix @ param.data - right
            return 0.5 * param.data @ matrix @ param.data - right @ param.data

        return param, optimizer, closure

    param, whole, closure = made()
    fresh = {key: value for key, value in whole.state_dict().items() if key[0] != "0"}
    assert fresh["iterations"] == 0 and "steps" not in fresh
    for _ in range(3):
        whole.step(closure)
    file = io.BytesIO()
    np.savez(file, **whole.state_dict())
    file.seek(0)
    other, again, other_closure = made()
    again.step(other_closure)
    other.data = param.data.copy()
    with np.load(file) as saved:
        again.load_state_dict(saved)
    assert again.state_dict().keys() == whole.state_dict().keys()
    for _ in range(3):
        assert whole.step(closure) == again.step(other_closure)
    np.testing.assert_array_equal(param.data, other.data)
    again.load_state_dict(fresh)
    assert again.state_dict()["iterations"] == 0


def test_lbfgs_steps_back_from_where_the_loss_is_not_a_number():
    w = tg.Value(1.0)
    optimizer = LBFGS([w], lr=100.0, max_iter=30, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = 2.0 * w - np.log(w)
        loss.backward()
        return loss

    with np.errstate(invalid="ignore"):
        optimizer.step(closure)
    np.testing.assert_allclose(w.data, 0.5, rtol=1e-5)


def lbfgs_state(param, **changes):
    """What one step leaves, with changes."""
    optimizer = LBFGS([param], max_iter=1)
    optimizer.step(lambda: 1.0)
    return {**optimizer.state_dict(), **changes}


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda w: LBFGS([w], line_search_fn="armijo"), ValueError, "line_search_fn is 'strong_wolfe' or None"),
        (lambda w: LBFGS([w], max_iter=0), ValueError, "max_iter is an integer of at least 1"),
        (lambda w: LBFGS([{"params": [w]}, {"params": [parameter(1.0)]}]), ValueError, "one parameter group"),
        (lambda w: LBFGS([w]).step(), TypeError, "needs a closure"),
        (lambda w: LBFGS([w]).step(lambda: None), TypeError, "the closure returned NoneType, not the loss"),
        (lambda w: LBFGS([w]).load_state_dict({"lr": 1.0, "iterations": 3}), ValueError, "missing"),
        (lambda w: LBFGS([w]).load_state_dict(lbfgs_state(w, steps=3.0)), ValueError, r"'steps' has shape \(1, 2\)"),
        (lambda w: LBFGS([w]).load_state_dict(lbfgs_state(w, gradient=["a", "b"])), ValueError, "'gradient'"),
        (lambda w: LBFGS([w]).load_state_dict(lbfgs_state(w, direction=np.ones(3))), ValueError, "'direction'"),
        (lambda w: LBFGS([w]).update(1.0, 1.0, {}), TypeError, "call step"),
    ],
)
def test_lbfgs_refuses(act, error, words):
    with pytest.raises(error, match=words):
        act(parameter(np.ones(2), np.ones(2)))


# -- what a compiled step relies on --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "options", "momentum"),
    [
        (SGD, {"momentum": 0.9}, "momentum"),
        (RMSprop, {"momentum": 0.9}, "momentum"),
        (Adam, {}, "betas"),
        (Lion, {}, "betas"),
    ],
)
def test_what_schedules_write_is_state_and_other_options_make_new_groups(make, options, momentum):
    params = [parameter(np.ones(2), np.ones(2)), parameter(np.ones(3), np.ones(3))]
    optimizer = make([{"params": params[:1]}, {"params": params[1:]}], **options)
    optimizer.step()
    before = list(optimizer._groups)
    group = optimizer.param_groups[0]
    group["lr"] = 0.5
    group[momentum] = 0.7 if momentum == "momentum" else (0.7, group["betas"][1])
    assert all(one is other for one, other in zip(optimizer._groups, before, strict=True))
    state = optimizer._groups[0].state
    assert state["lr"] == 0.5 and state.get("momentum", state.get("beta1")) == 0.7
    assert optimizer._groups[1].state["lr"] == optimizer.defaults["lr"]
    group["weight_decay"] = 0.1
    now = optimizer._groups
    assert now[0] is not before[0] and now[0].options["weight_decay"] == 0.1
    assert now[0].state["step"] == 1 and now[0].state["lr"] == 0.5
