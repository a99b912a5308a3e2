"""What a compiled function closes over: seen where it changes, and written back where the function sets it."""

import copy
import functools
import warnings

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import nn
from tinygrad_ce.optim import SGD

scale = 2.0
table = np.array([1.0, 2.0, 3.0])


def shifted(x):
    return x + scale


class Box:
    def __init__(self, factor):
        self.factor, self.count, self.log = factor, 0, []

    def __call__(self, x):
        return self.inner(x) * 1.0

    def inner(self, x):
        return x * self.factor

    def train(self, steps):  # nobody calls it from within
        self.count += 1
        self.log.append(self.count)


def captures_of(fast):
    """How often a compiled function captures, from now on."""
    made, capture = [], fast._capture
    fast._capture = lambda *args: made.append(1) or capture(*args)
    return made


X = np.array([1.0, 2.0])


def test_numbers_in_cells_globals_attributes_and_containers(monkeypatch):
    factor, table, box = 2.0, {"k": [1.0, 3.0]}, Box(5.0)

    def f(x):
        return box(x * factor) + table["k"][1] + shifted(x)

    fast = tg.compile(f)
    np.testing.assert_array_equal(fast(X), f(X))
    anew = captures_of(fast)
    np.testing.assert_array_equal(fast(X), f(X))
    assert not anew
    factor = 3.0
    np.testing.assert_array_equal(fast(X), f(X))
    box.factor = 7.0
    np.testing.assert_array_equal(fast(X), f(X))
    table["k"][1] = -1.0
    np.testing.assert_array_equal(fast(X), f(X))
    monkeypatch.setitem(globals(), "scale", 100.0)
    np.testing.assert_array_equal(fast(X), f(X))
    monkeypatch.setitem(globals(), "shifted", lambda x: x - scale)
    np.testing.assert_array_equal(fast(X), f(X))
    assert len(anew) == 5
    factor = float("3.0")  # equal, and another object
    for _ in range(3):
        np.testing.assert_array_equal(fast(X), f(X))
    assert len(anew) == 5 and len(fast.cache) == 1


def test_plain_arrays_are_seen_when_written_into_or_replaced():
    small, large = np.array([1.0, 2.0]), np.ones(5000)

    def f(x):
        return x * small + large.sum()

    fast = tg.compile(f)
    np.testing.assert_array_equal(fast(X), f(X))
    small[1] = 10.0
    np.testing.assert_array_equal(fast(X), f(X))
    large *= 2.0
    np.testing.assert_array_equal(fast(X), f(X))
    small = np.array([3.0, 4.0])
    np.testing.assert_array_equal(fast(X), f(X))
    anew = captures_of(fast)
    small = small.copy()
    np.testing.assert_array_equal(fast(X), f(X))
    assert len(anew) <= 1
    np.testing.assert_array_equal(fast(X), f(X))
    assert len(anew) <= 1


def test_a_parameter_replaced_by_another_value():
    box = Box(tg.Value(np.array([1.0, 2.0])))
    fast = tg.compile(box)
    assert fast(X).data.tolist() == [1.0, 4.0]
    box.factor = tg.Value(np.array([3.0, 3.0]))
    out = fast(X)
    assert out.data.tolist() == [3.0, 6.0]
    out.sum().backward()
    assert box.factor.grad.tolist() == [1.0, 2.0]


def test_what_the_code_does_not_speak_of_may_change():
    box = Box(2.0)
    fast = tg.compile(box)
    fast(X)
    anew = captures_of(fast)
    for step in range(5):
        box.train(step)
        fast(X)
    assert not anew


def test_what_changes_all_the_time_is_said_once():
    factor = 0.0
    fast = tg.compile(lambda x: x * factor)
    with pytest.warns(RuntimeWarning, match="because of 'factor'.*quicker as an argument") as told:
        for factor in range(20):
            assert fast(X).tolist() == (X * factor).tolist()
    assert len(told) == 1


def test_partials_and_methods_and_functions_given_as_arguments():
    def step(model, x, *, power):
        return (model(x) ** power).sum()

    layer = nn.Linear(2, 3, rng=0)
    fast = tg.compile(functools.partial(step, layer, power=2))
    expected = step(layer, X, power=2)
    out = fast(X)
    assert out.item() == expected.item()
    out.backward()
    assert layer.weight.grad.shape == (3, 2)
    given = tg.compile(step)
    norm = nn.BatchNorm1d(2)
    given(norm, np.array([[1.0, 2.0], [3.0, 5.0]]), power=1)
    assert norm.running_mean.tolist() == pytest.approx([0.2, 0.35])


# -- buffers -------------------------------------------------------------------------------------------------------


def network(momentum):
    images = [nn.Conv2d(1, 3, 2, rng=0), nn.BatchNorm2d(3, momentum=momentum), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*images, nn.Linear(12, 4, rng=1), nn.BatchNorm1d(4), nn.Linear(4, 3, rng=2))


@pytest.mark.parametrize("whole", [True, False], ids=["step", "loss"])
@pytest.mark.parametrize("momentum", [0.1, None])
def test_batch_normalisation_learns_its_statistics(whole, momentum):
    runs = []
    for compiled in (False, True):
        model = network(momentum)
        optimizer = SGD(model.parameters(), lr=0.05)  # Adam would make steps of biases' rounding errors

        def loss_of(x, y, model=model):
            return tg.softmax_cross_entropy(model(x), y)

        def step(x, y, loss_of=loss_of, optimizer=optimizer):
            loss = loss_of(x, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        if compiled and whole:
            run = tg.compile(step)
        elif compiled:
            run = functools.partial(step, loss_of=tg.compile(loss_of))
        else:
            run = step
        losses = []
        rng = np.random.default_rng(0)
        for i in range(8):
            x, y = rng.normal(size=(6, 1, 3, 3)), rng.integers(0, 3, size=6)
            model.train(i not in (4, 5))
            losses.append(run(x, y).item())
            if i == 6:
                model[1].running_mean = model[1].running_mean * 2.0  # as load_state_dict does
        model.eval()
        losses.append(float((tg.compile(model) if compiled else model)(x).sum().data))
        runs.append((losses, [b.copy() for b in model.buffers()], [p.data.copy() for p in model.parameters()]))
    for a, b in zip(runs[0][0], runs[1][0], strict=True):
        assert a == pytest.approx(b, rel=1e-12)
    for a, b in zip([*runs[0][1], *runs[0][2]], [*runs[1][1], *runs[1][2]], strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-12)


def test_statistics_are_read_at_each_call():
    norm = nn.BatchNorm1d(2).eval()
    fast = tg.compile(lambda x: norm(x))
    x = np.array([[1.0, 2.0], [3.0, 5.0]])
    fast(x)
    anew = captures_of(fast)
    norm.running_mean = np.array([1.0, 1.0])
    norm.running_var = np.array([4.0, 9.0])
    np.testing.assert_array_equal(fast(x).data, norm(x).data)
    norm.num_batches_tracked = np.int64(3)
    np.testing.assert_array_equal(fast(x).data, norm(x).data)
    assert not anew


def test_a_user_s_own_buffer():
    class Average(nn.Module):
        def __init__(self):
            self.register_buffer("mean", np.zeros(2))

        def forward(self, x):
            self.mean = 0.9 * self.mean + 0.1 * x
            return x - self.mean

    fast, eager = Average(), Average()
    call = tg.compile(lambda x: fast(x))
    for k in range(4):
        np.testing.assert_array_equal(call(X * k), eager(X * k))
        np.testing.assert_array_equal(fast.mean, eager.mean)
    assert type(fast.mean) is np.ndarray
    assert copy.deepcopy(fast).mean.tolist() == fast.mean.tolist()


def test_frozen_parameters_and_parameters_set_between_calls():
    layer = nn.Linear(2, 2, rng=0)
    optimizer = SGD(layer.parameters(), lr=0.1)

    def step(x):
        loss = (layer(x) ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    fast = tg.compile(step)
    fast(X)
    weight, bias = layer.weight.data.copy(), layer.bias.data.copy()
    layer.weight.data = weight * 2.0
    expected = ((weight * 2.0 @ X + bias) ** 2).sum()
    assert fast(X).item() == pytest.approx(expected, rel=1e-13)
    layer.freeze()
    layer.bias.requires_grad = True
    before = layer.weight.data.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fast(X)
        fast(X)
    np.testing.assert_array_equal(layer.weight.data, before)
