"""Handwritten digits with a perceptron: moved and turned images, smoothed labels, dropout, early stopping."""

import sys
from functools import partial

import numpy as np

import tinygrad_ce as tg
from tinygrad_ce import nn, optim
from tinygrad_ce.data import DataLoader, augment, digits, split
from tinygrad_ce.train import Calibration, EarlyStopping, Stepping, TopK, accuracy, evaluate, fit

SEED, EPOCHS = 0, 2 if "--short" in sys.argv else 120

# The test fifth is looked at once, at the end; what is chosen is chosen on `validation`.
rest, test = split(digits(), held_out=0.2, seed=0)
train, validation = split(rest, held_out=0.15, seed=1)


def moved(inputs, rng):
    """Images moved by up to a pixel and turned by up to ten degrees: eight times eight pixels, flat."""
    images = augment.shift(inputs.reshape(-1, 1, 8, 8), rng, by=1)
    return augment.rotate(images, rng, 10.0).reshape(len(inputs), -1)


rng = np.random.default_rng(SEED)
model = nn.Sequential(
    nn.Linear(64, 256, init="he", rng=rng),
    nn.ReLU(),
    nn.Dropout(0.3, rng=rng),
    nn.Linear(256, 128, init="he", rng=rng),
    nn.ReLU(),
    nn.Dropout(0.3, rng=rng),
    nn.Linear(128, 10, rng=rng),
)
loader = DataLoader(train, 32, seed=SEED, transform=moved)
optimiser = optim.AdamW(model.parameters(), lr=0.003, weight_decay=0.01)
schedule = Stepping(optim.CosineAnnealingLR(optimiser, EPOCHS * len(loader)), every="step")
history = fit(
    model,
    loader,
    partial(tg.softmax_cross_entropy, label_smoothing=0.1),
    optimiser,
    EPOCHS,
    validation=validation,
    schedule=schedule,
    callbacks=[EarlyStopping("validation_loss", patience=30)],
    progress=True,
)
found = evaluate(model, test, tg.softmax_cross_entropy, [TopK(3), Calibration()])
print("  ".join(f"{name} {value:.4f}" for name, value in found.items()))
print(f"digits, MLP: {100 * accuracy(model, test):.2f} % of {len(test)} held-out images right, seed {SEED}")
