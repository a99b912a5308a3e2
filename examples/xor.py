"""XOR with two hidden units and nothing but the basics: the network that one line cannot replace."""

import sys

import numpy as np

import tinygrad_ce as tg
from tinygrad_ce import nn, optim

SEED, STEPS = 0, 20 if "--short" in sys.argv else 2000

inputs = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
targets = np.array([0.0, 1.0, 1.0, 0.0])

model = nn.Sequential(nn.Linear(2, 4, rng=SEED), nn.Tanh(), nn.Linear(4, 1, rng=SEED + 1))
optimiser = optim.SGD(model.parameters(), lr=0.5)

for step in range(STEPS):
    loss = tg.sigmoid_binary_cross_entropy(model(inputs)[:, 0], targets)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    if step % 400 == 0:
        print(f"step {step:4}  loss {loss.item():.4f}")

with tg.no_grad():
    chances = tg.sigmoid(model(inputs)[:, 0]).numpy()
for (a, b), p in zip(inputs, chances, strict=True):
    print(f"{a:.0f} xor {b:.0f} = {p > 0.5:d}  (p = {p:.3f})")
print(f"xor: {np.sum((chances > 0.5) == targets)} of 4 right, loss {loss.item():.4f} after {STEPS} steps, seed {SEED}")
