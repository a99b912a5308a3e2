"""fit(compiled=True): the run that eager code makes, with everything that a run has."""

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import nn
from tinygrad_ce.compiler import NotCaptured
from tinygrad_ce.data import Loader, iris, split, standardise
from tinygrad_ce.nn import MLP, Module
from tinygrad_ce.optim import LBFGS, SGD, Adam, AdamW, OneCycleLR
from tinygrad_ce.train import F1, Callback, Checkpoints, EarlyStopping, GradientStatistics, Stepping, fit

TRAIN, TEST = standardise(*split(iris()))


class Noisy(Module):
    """With all that a model may have beside parameters: dropout, noise of its own, a running mean, batch norm."""

    def __init__(self):
        rng = np.random.default_rng(3)
        self.generator = np.random.default_rng(4)
        self.first, self.last = nn.Linear(4, 8, rng=rng), nn.Linear(8, 3, rng=rng)
        self.drop = nn.Dropout(0.3, rng=rng)
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x):
        if self.training:
            x = x + 0.1 * self.generator.normal(size=x.shape)
        return self.last(self.drop(tg.relu(self.norm(self.first(x)))))


def run(epochs=4, *, compiled, optimiser=AdamW, **options):
    """120 rows in batches of 16: the last of an epoch has 8."""
    model = Noisy()
    stepped = optimiser(model.parameters(), lr=0.02)
    rates = OneCycleLR(stepped, max_lr=0.02, total_steps=1000)
    extras = {"validation": TEST, "clip_norm": 0.5, "metrics": [F1()], "schedule": Stepping(rates, "step"), **options}
    loss = tg.softmax_cross_entropy
    history = fit(model, Loader(TRAIN, 16, seed=1), loss, stepped, epochs, compiled=compiled, **extras)
    told = [{k: v for k, v in r.items() if k != "seconds"} for r in history.to_dict()["reports"]]
    return model, told


def test_it_is_the_eager_run():
    (eager, its), (fast, told) = [run(compiled=c) for c in (False, True)]
    for name, array in eager.state_dict().items():
        np.testing.assert_allclose(fast.state_dict()[name], array, rtol=1e-9, atol=1e-12, err_msg=name)
    for a, b in zip(its, told, strict=True):
        assert a.keys() == b.keys()
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-9) and a["validation_loss"] == pytest.approx(
            b["validation_loss"], rel=1e-9
        )


@pytest.mark.parametrize("steps", [None, 3])
def test_it_goes_on_to_the_bit(tmp_path, steps):
    class Stop(Callback):
        def step(self, run):
            if run.step == 19:
                raise KeyboardInterrupt

    whole, told = run(compiled=True)
    path = Checkpoints(tmp_path / "run.npz", steps=steps)
    run(compiled=True, checkpoint=path, callbacks=[Stop()])
    model, again = run(compiled=True, checkpoint=Checkpoints(path.path), resume=True)
    assert again == told
    for name, array in whole.state_dict().items():
        np.testing.assert_array_equal(model.state_dict()[name], array, err_msg=name)


def test_callbacks_see_gradients_and_the_best_epoch_comes_back():
    seen = []

    class Look(Callback):
        def step(self, run):
            seen.append([np.array(p.grad) for p in run.optimiser.params])

    histories = []
    for compiled in (False, True):
        statistics = GradientStatistics(every=5)
        stop = EarlyStopping("validation_loss", patience=2)
        model, told = run(12, compiled=compiled, callbacks=[Look(), statistics, stop])
        histories.append((told, statistics.rows, stop.best_epoch, model.state_dict()))
    half = len(seen) // 2
    for a, b in zip(seen[:half], seen[half:], strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-7, atol=1e-12)
    (_, rows, best, state), (_, rows_2, best_2, state_2) = histories
    assert best == best_2 and [r["step"] for r in rows] == [r["step"] for r in rows_2]
    for name, array in state.items():
        np.testing.assert_allclose(state_2[name], array, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("optimiser", [SGD, Adam, LBFGS])
def test_every_kind_of_step(optimiser):
    losses = []
    for compiled in (False, True):
        model = MLP([4, 8, 3], rng=0)
        options = {"max_iter": 4} if optimiser is LBFGS else {"lr": 0.05}
        made = optimiser(model.parameters(), **options)
        losses.append(fit(model, Loader(TRAIN, 50), tg.softmax_cross_entropy, made, 3, compiled=compiled).loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)


def test_what_is_wrong_is_said():
    model = MLP([4, 8, 3], rng=0)

    def train(*batch, model=model, by=model):
        return fit(model, [batch], tg.softmax_cross_entropy, Adam(by.parameters()), 1, compiled=True)

    with pytest.raises(ValueError, match="labels count from 1"):
        train(TRAIN.inputs, TRAIN.targets + 1)
    with pytest.raises(ValueError, match=r"takes inputs of shape \(..., 4\)"):
        train(np.zeros((2, 5)), np.zeros(2, int))
    with pytest.raises(FloatingPointError, match=r"inputs\[0, 0\] is nan"):
        train(np.full((2, 4), np.nan), np.zeros(2, int))

    def looks(x):
        y = model(x)
        return y if float(np.sum(y.data)) > 0 else -y

    with pytest.raises(NotCaptured, match="float"):
        train(TRAIN.inputs, TRAIN.targets, model=looks)
