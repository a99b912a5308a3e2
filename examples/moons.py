"""Two moons: a boundary that no straight line draws, and a picture of it in text."""

import sys

import numpy as np

import tinygrad_ce as tg
from tinygrad_ce import nn, optim
from tinygrad_ce.data import DataLoader, split, two_moons
from tinygrad_ce.train import accuracy, fit, predict

SEED, EPOCHS = 0, 3 if "--short" in sys.argv else 100

train, test = split(two_moons(400, noise=0.1), held_out=0.2)
rng = np.random.default_rng(SEED)
model = nn.Sequential(
    nn.Linear(2, 16, rng=rng), nn.Tanh(), nn.Linear(16, 16, rng=rng), nn.Tanh(), nn.Linear(16, 2, rng=rng)
)
print(nn.summary(model, (1, 2)))

report = tg.check_model(model, (train.inputs[:32], train.targets[:32]), tg.softmax_cross_entropy)
print(f"before training, every layer before the referee: {report.verdict}")

optimiser = optim.Adam(model.parameters(), lr=0.02)
fit(model, DataLoader(train, 32, seed=SEED), tg.softmax_cross_entropy, optimiser, EPOCHS, progress=True)

across, up = np.linspace(-1.5, 2.5, 64), np.linspace(1.3, -0.8, 20)
classes = predict(model, np.array([(x, y) for y in up for x in across])).argmax(axis=1).reshape(20, 64)
for row in classes:
    print("".join(".#"[k] for k in row))
print(f"moons: {100 * accuracy(model, test):.1f} % of {len(test)} held-out points right, seed {SEED}")
