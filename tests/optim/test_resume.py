"""A training run that stops in the middle of an epoch and goes on from files, to the bit."""

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import optim
from tinygrad_ce.data import DataLoader, augment, digits, split, two_moons
from tinygrad_ce.nn import MLP


def run(folder, make, schedule, images):
    """A network, what trains it, and what saves and loads all that."""
    data = split(digits()[:200])[0].reshape(1, 8, 8) if images else two_moons(150)
    transform = [augment.rotate, augment.shift] if images else ()
    loader = DataLoader(data, 32, seed=4, transform=transform, prefetch=2)
    model = MLP([64 if images else 2, 16, len(data.class_names)], rng=0)
    weights, biases = ([p for p in model.parameters() if (p.ndim > 1) == wide] for wide in (True, False))
    optimizer = make([{"params": weights, "weight_decay": 1e-3}, {"params": biases, "lr": 0.003}])
    scheduler = schedule(optimizer)
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "loader": loader}

    def batches():
        while True:
            yield from loader

    def train(steps):
        losses = []
        for (inputs, targets), _ in zip(batches(), range(steps), strict=False):
            loss = tg.softmax_cross_entropy(model(inputs.reshape(len(inputs), -1)), targets)
            optimizer.zero_grad()
            loss.backward()
            optim.clip_grad_norm(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
            if len(losses) == steps:
                break
        return losses

    def save():
        for name, part in parts.items():
            np.savez(folder / name, **part.state_dict())

    def load():
        for name, part in parts.items():
            with np.load(folder / f"{name}.npz", allow_pickle=False) as saved:
                part.load_state_dict(saved)

    return train, save, load, model


@pytest.mark.parametrize("images", [False, True])
@pytest.mark.parametrize(
    ("make", "schedule"),
    [
        (lambda p: optim.SGD(p, 0.1, momentum=0.9), lambda o: optim.OneCycleLR(o, 0.2, 30)),
        (lambda p: optim.AdamW(p, 0.01, amsgrad=True), lambda o: optim.OneCycleLR(o, 0.02, 30, three_phase=True)),
        (lambda p: optim.RMSprop(p, 0.01, momentum=0.5, centered=True), lambda o: optim.CosineAnnealingLR(o, 30)),
        (lambda p: optim.Lion(p, 0.003), lambda o: optim.ChainedScheduler([optim.LinearLR(o), optim.StepLR(o, 4)])),
        (
            lambda p: optim.Adagrad(p, 0.05, lr_decay=0.01),
            lambda o: optim.SequentialLR(o, [optim.LinearLR(o), optim.ExponentialLR(o, 0.9)], [5]),
        ),
    ],
)
def test_thirteen_steps_and_seventeen_are_thirty(tmp_path, make, schedule, images):
    whole, _, _, model = run(tmp_path, make, schedule, images)
    losses = whole(30)
    first, save, _, _ = run(tmp_path, make, schedule, images)
    before = first(13)
    save()
    second, _, load, again = run(tmp_path, make, schedule, images)
    second(3)
    load()
    assert before + second(17) == losses
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        np.testing.assert_array_equal(one.data, other.data)
    assert losses[-1] < losses[0]
