"""Memory stays flat over many steps: nothing of a step is held on to."""

import gc
import tracemalloc

import numpy as np

import tinygrad_ce as tg
from tinygrad_ce import nn, optim
from tinygrad_ce.data import DataLoader, digits
from tinygrad_ce.train import Callback, EarlyStopping, GradientStatistics, Perplexity, fit


def test_memory_over_many_steps_is_flat(full):
    steps, every = (2000, 100) if full else (240, 30)
    rng = np.random.default_rng(0)
    model = nn.Sequential(
        nn.Linear(64, 32, rng=rng), nn.LayerNorm(32), nn.ReLU(), nn.Dropout(0.1, rng=rng), nn.Linear(32, 10, rng=rng)
    )
    optimiser = optim.AdamW(model.parameters(), lr=0.001)
    seen = []

    class Measure(Callback):
        def step(self, run):
            if run.step % every == 0:
                gc.collect()
                seen.append(tracemalloc.get_traced_memory()[0])

    rows = digits().take(range(30 * 8))
    schedule = tg.train.Stepping(optim.LambdaLR(optimiser, lambda t: 1 / (1 + t)), every="step")
    tracemalloc.start()
    try:
        fit(
            model,
            DataLoader(rows, 8, seed=0),
            tg.softmax_cross_entropy,
            optimiser,
            -(-steps // 30),
            validation=rows,
            metrics=[Perplexity()],
            schedule=schedule,
            callbacks=[Measure(), EarlyStopping(patience=10**6), GradientStatistics(every=10**6)],
            clip_norm=1.0,
        )
    finally:
        tracemalloc.stop()
    settled = seen[2:]
    # A history grows by a report an epoch, some hundred bytes; a step that were held on to, by some hundred thousand.
    assert max(settled) - min(settled) < 100_000, seen


def test_a_step_leaves_no_cycle_behind():
    """What reference counts free at once needs no collector: no graph survives its step."""
    model = nn.Sequential(nn.Linear(4, 8, rng=0), nn.GELU(), nn.Linear(8, 3, rng=1))
    optimiser = optim.Adam(model.parameters(), lr=0.01)
    x, y = np.ones((5, 4)), np.arange(5) % 3

    def step():
        loss = tg.softmax_cross_entropy(model(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    step()
    gc.collect()
    gc.disable()
    try:
        before = sum(type(thing) is tg.Value for thing in gc.get_objects())
        for _ in range(20):
            step()
        after = sum(type(thing) is tg.Value for thing in gc.get_objects())
    finally:
        gc.enable()
    assert after == before
