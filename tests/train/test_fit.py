"""fit, accuracy, confusion: what is reported, how it ends, and that parameters are never left half stepped."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_ce as tg
from tinygrad_ce import nn
from tinygrad_ce.data import Dataset, Loader, iris, split, standardise
from tinygrad_ce.nn import MLP
from tinygrad_ce.optim import LBFGS, SGD, Adam
from tinygrad_ce.train import F1, EpochReport, History, accuracy, confusion, fit

TRAIN, TEST = standardise(*split(iris()))


def job(epochs=3, *, rng=0, lr=0.05, **options):
    """A model, its optimiser, and its history after so many epochs."""
    model = MLP([4, 8, 3], rng=rng)
    optimiser = Adam(model.parameters(), lr=lr)
    return model, optimiser, fit(model, Loader(TRAIN), tg.softmax_cross_entropy, optimiser, epochs, **options)


def arrays(model):
    return [np.array(p.data) for p in model.parameters()]


def equal(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


# -- what it does --------------------------------------------------------------------------------------------------


def test_it_learns():
    model, _, history = job(30, validation=TEST)
    assert accuracy(model, TEST) >= 0.9
    assert history.loss[-1] < history.loss[0] / 3
    assert history.validation_accuracy[-1] == accuracy(model, TEST)
    assert (history.interrupted, history.stopped) == (False, False)


def test_it_is_the_loop_one_would_write():
    model, _, history = job(2)
    again = MLP([4, 8, 3], rng=0)
    optimiser, loader = Adam(again.parameters(), lr=0.05), Loader(TRAIN)
    losses = []
    for _ in range(2):
        total = right = 0.0
        for x, y in loader:
            scores = again(x)
            loss = tg.softmax_cross_entropy(scores, y)
            total += loss.item() * len(y)
            right += np.sum(scores.data.argmax(axis=1) == y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        losses.append((total / len(TRAIN), right / len(TRAIN)))
    assert equal(arrays(model), arrays(again))
    np.testing.assert_allclose(list(zip(history.loss, history.accuracy, strict=True)), losses, rtol=1e-14)


def test_the_history():
    _, _, history = job(3, validation=TEST)
    assert len(history) == 3
    assert [r.epoch for r in history.reports] == [1, 2, 3]
    assert {r.epochs for r in history.reports} == {3}
    assert all(s > 0 for s in history.seconds)
    data = json.loads(json.dumps(history.to_dict(), allow_nan=False))
    assert [r["loss"] for r in data["reports"]] == history.loss
    assert data["interrupted"] is False
    assert repr(history).startswith("History(3 epochs: loss ")
    assert repr(History(interrupted=True)) == "History(0 epochs, interrupted)"


def test_without_validation_there_is_none():
    _, _, history = job(1)
    assert history.validation_loss == history.validation_accuracy == [None]


def test_validation_changes_nothing():
    a, _, _ = job(3)
    b, _, _ = job(3, validation=TEST)
    assert equal(arrays(a), arrays(b))
    assert all(p.grad is not None for p in b.parameters())


def test_validation_by_batches_is_validation_by_the_set():
    whole = job(2, validation=TEST)[2]
    parts = job(2, validation=Loader(TEST, 7))[2]
    np.testing.assert_allclose(whole.validation_loss, parts.validation_loss, rtol=1e-12)
    assert whole.validation_accuracy == parts.validation_accuracy


def test_a_regression_has_no_accuracy():
    x = np.random.default_rng(0).normal(size=(32, 4))
    target = x @ [[1.0], [2.0], [0.0], [-1.0]]
    model = MLP([4, 1], rng=0)
    optimiser = SGD(model.parameters(), lr=0.1)
    history = fit(
        model, [(x, target)], lambda out, y: ((out - y) ** 2).mean(), optimiser, 200, validation=[(x, target)]
    )
    assert history.loss[-1] < 1e-6
    assert set(history.accuracy) == set(history.validation_accuracy) == {None}


def test_an_optimiser_that_looks_ahead():
    x = np.random.default_rng(0).normal(size=(32, 4))
    target = x @ [[1.0], [2.0], [0.0], [-1.0]] + 3.0
    model = MLP([4, 1], rng=0)
    optimiser = LBFGS(model.parameters(), line_search_fn="strong_wolfe")
    history = fit(model, [(x, target)], lambda out, y: ((out - y) ** 2).mean(), optimiser, 3)
    assert history.loss[-1] < 1e-8


def test_a_model_is_any_function_and_the_loss_sees_values():
    w = tg.Value(np.zeros((4, 3)), label="w")
    seen = []

    def loss_fn(scores, targets):
        seen.append(type(scores))
        return tg.softmax_cross_entropy(scores, targets)

    fit(lambda x: tg.Value(x, requires_grad=False) @ w, Loader(TRAIN), loss_fn, SGD([w], lr=0.1), 1, validation=TEST)
    assert set(seen) == {tg.Value}
    assert w.data.any()


# -- callbacks -----------------------------------------------------------------------------------------------------


def test_callbacks_are_told_of_every_epoch():
    told = []
    _, _, history = job(3, callbacks=[told.append])
    assert told == history.reports
    assert all(isinstance(report, EpochReport) for report in told)


def test_a_callback_stops_it_and_the_others_are_still_told():
    told = []
    _, _, history = job(9, callbacks=[lambda report: report.epoch == 2, told.append])
    assert len(history) == len(told) == 2
    assert history.stopped
    assert not history.interrupted
    assert repr(history).endswith(", stopped)")


def test_a_callback_may_set_the_learning_rate():
    model = MLP([4, 3], rng=0)
    optimiser = SGD(model.parameters(), lr=0.1)
    states = []

    def freeze(report):
        optimiser.lr = 0.0
        states.append(arrays(model))

    fit(model, Loader(TRAIN), tg.softmax_cross_entropy, optimiser, 3, callbacks=[freeze])
    assert equal(states[0], states[2])


def test_an_error_in_a_callback_is_the_users():
    def broken(report):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        job(callbacks=[broken])


# -- Ctrl-C --------------------------------------------------------------------------------------------------------


class Interrupting(Loader):
    """Ctrl-C just before a batch is given."""

    def __init__(self, *args, batch, epoch, **options):
        super().__init__(*args, **options)
        self.at = (epoch, batch)

    def __iter__(self):
        epoch = self.epoch
        for i, pair in enumerate(super().__iter__()):
            if (epoch, i) == self.at:
                raise KeyboardInterrupt
            yield pair


def test_an_interrupt_leaves_the_epochs_done():
    model = MLP([4, 8, 3], rng=0)
    loader = Interrupting(TRAIN, batch=2, epoch=2)
    history = fit(model, loader, tg.softmax_cross_entropy, Adam(model.parameters()), 9)
    assert history.interrupted
    assert len(history) == 2
    assert repr(history).endswith(", interrupted)")


def test_an_interrupt_in_a_callback_counts_its_epoch():
    def stop(report):
        raise KeyboardInterrupt

    _, _, history = job(5, callbacks=[stop])
    assert history.interrupted
    assert len(history) == 1


@pytest.mark.parametrize("where", ["backward", "before the step", "in the step", "after the step"])
def test_an_interrupt_leaves_parameters_after_a_whole_step(where):
    model = MLP([4, 8, 3], rng=0)
    steps = [arrays(model)]

    class Interrupted(Adam):
        def step(self):
            last = len(steps) == 6
            if last and where == "before the step":
                raise KeyboardInterrupt
            super().step()
            if last and where == "in the step":
                # As if the last parameters had not been reached yet.
                self.params[-1].data = steps[-1][-1]
                raise KeyboardInterrupt
            steps.append(arrays(model))
            if last and where == "after the step":
                raise KeyboardInterrupt

    def loss_fn(scores, targets):
        if len(steps) == 6 and where == "backward":
            raise KeyboardInterrupt
        return tg.softmax_cross_entropy(scores, targets)

    history = fit(model, Loader(TRAIN), loss_fn, Interrupted(model.parameters()), 9)
    assert history.interrupted
    assert any(equal(arrays(model), step) for step in steps)
    assert not equal(arrays(model), steps[0])


# -- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epochs", [0, -1, 1.5, "3", None, True])
def test_epochs_are_a_positive_integer(epochs):
    with pytest.raises(ValueError, match="epochs is an integer of at least 1"):
        job(epochs)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_says_where(bad):
    inputs = np.array(TRAIN.inputs)
    inputs[40, 2] = bad
    data = Dataset(inputs, TRAIN.targets, TRAIN.class_names)
    model = MLP([4, 8, 3], rng=0)
    loader = Loader(data, 16, shuffle=False)
    with pytest.raises(FloatingPointError, match=r"the loss is nan in epoch 1, batch 3: "):
        fit(model, loader, tg.softmax_cross_entropy, Adam(model.parameters()), 2)
    assert all(np.all(np.isfinite(a)) for a in arrays(model))


def test_divergence_in_validation_and_in_the_last_step():
    model = MLP([4, 3], rng=0)
    bad = [(np.full((2, 4), np.nan), np.array([0, 1]))]
    with pytest.raises(FloatingPointError, match="the validation of epoch 1, batch 1"):
        fit(model, Loader(TRAIN), tg.softmax_cross_entropy, SGD(model.parameters()), 1, validation=bad)
    once = [(1e3 * TRAIN.inputs, TRAIN.targets)]
    with pytest.raises(FloatingPointError, match=r"parameter layers\.0\.weight is not finite after epoch 1"):
        fit(model, once, tg.softmax_cross_entropy, SGD(model.parameters(), lr=1e308), 1)


def test_data_that_last_for_one_epoch():
    model = MLP([4, 3], rng=0)
    once = iter(Loader(TRAIN))
    with pytest.raises(ValueError, match="epoch 2 has no batch"):
        fit(model, once, tg.softmax_cross_entropy, SGD(model.parameters()), 2)


def test_a_loss_without_a_graph():
    model = MLP([4, 3], rng=0)
    with pytest.raises(TypeError, match="loss_fn returned a float"):
        fit(model, Loader(TRAIN), lambda out, y: 1.0, SGD(model.parameters()), 1)


# -- accuracy and confusion ----------------------------------------------------------------------------------------


@given(st.integers(2, 5), st.integers(1, 40), st.integers(0, 999))
def test_the_confusion_matrix_counts(classes, rows, seed):
    rng = np.random.default_rng(seed)
    scores, targets = rng.normal(size=(rows, classes)), rng.integers(classes, size=rows)
    data = Dataset(scores, targets, tuple(map(str, range(classes))))
    matrix = confusion(lambda x: x, data)
    for i in range(classes):
        for j in range(classes):
            assert matrix[i, j] == np.sum((targets == i) & (scores.argmax(axis=1) == j))
    assert matrix.dtype == np.int64
    assert accuracy(lambda x: x, data) == np.mean(scores.argmax(axis=1) == targets)
    assert np.array_equal(confusion(lambda x: x, Loader(data, 3)), matrix)


def test_a_large_set_is_evaluated_in_parts():
    sizes = []

    def model(x):
        sizes.append(len(x))
        return x

    data = Dataset(np.eye(2)[np.arange(2500) % 2], np.arange(2500) % 2, ("a", "b"))
    assert accuracy(model, data) == 1.0
    assert sum(sizes) == 2500
    assert max(sizes) <= 1024


def test_nothing_is_recorded_while_judging():
    model = MLP([4, 3], rng=0)
    outputs = []
    accuracy(lambda x: outputs.append(model(x)) or outputs[-1], TEST)
    assert not outputs[0].requires_grad


@pytest.mark.parametrize("targets", [[0.0, 1.0], [0, 2], [-1, 0], [[1, 0], [0, 1]]])
def test_targets_that_are_no_classes(targets):
    with pytest.raises(ValueError, match="no classes of outputs of shape"):
        accuracy(lambda x: x, [(np.eye(2), np.array(targets))])


def test_no_rows_to_judge():
    with pytest.raises(ValueError, match="no rows"):
        accuracy(lambda x: x, TEST[:0])


def test_what_would_train_nothing_is_refused():
    model, other = nn.Linear(2, 2, rng=0), nn.Linear(2, 2, rng=1)
    batch = [(np.ones((3, 2)), np.array([0, 1, 0]))]
    with pytest.raises(ValueError, match="none of the parameters of this Linear"):
        fit(model, batch, tg.softmax_cross_entropy, Adam(other.parameters()), 1)
    optimiser = Adam(model.parameters())
    for metrics in ("f1", ["f1"], [F1], F1, 3):
        with pytest.raises(TypeError, match="such as"):
            fit(model, batch, tg.softmax_cross_entropy, optimiser, 1, metrics=metrics)
