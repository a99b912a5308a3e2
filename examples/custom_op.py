"""An op of one's own with a gradient derived by hand, refereed, and then trained with: SwiGLU's gate, x · silu(g)."""

import sys

import numpy as np

import tinygrad_ce as tg
from tinygrad_ce import nn, optim
from tinygrad_ce.data import DataLoader, spirals, split
from tinygrad_ce.train import accuracy, fit

SEED, EPOCHS = 0, 2 if "--short" in sys.argv else 150


@tg.op(samples=lambda rng: [((rng.normal(size=5), rng.normal(size=5)), {})])
def gated(x, g):
    """x · g · σ(g)."""
    return x * g / (1.0 + np.exp(-g))


@gated.derivation("analytic", formula="x: c·g·σ(g);  g: c·x·σ(g)·(1 + g·(1 − σ(g)))")
def _(c, out, x, g):
    s = 1.0 / (1.0 + np.exp(-g))
    return c * g * s, c * x * s * (1.0 + g * (1.0 - s))


print(tg.check_op(gated))


class Gate(nn.Module):
    def __init__(self, width, middle, rng):
        self.value, self.gate = nn.Linear(width, middle, rng=rng), nn.Linear(width, middle, rng=rng)

    def forward(self, x):
        return gated(self.value(x), self.gate(x))


rng = np.random.default_rng(SEED)
model = nn.Sequential(Gate(2, 32, rng), Gate(32, 32, rng), nn.Linear(32, 3, rng=rng))
train, test = split(spirals(600), held_out=0.2)
print(tg.check_model(model, (train.inputs[:16], train.targets[:16]), tg.softmax_cross_entropy))

optimiser = optim.Adam(model.parameters(), lr=0.01)
fit(model, DataLoader(train, 32, seed=SEED), tg.softmax_cross_entropy, optimiser, EPOCHS, progress=True)
print(f"custom op, spirals: {100 * accuracy(model, test):.1f} % of {len(test)} held-out points right, seed {SEED}")
