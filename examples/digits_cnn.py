"""Handwritten digits with a convolutional network, in float32, with images moved and turned a little."""

import sys

import numpy as np

import tinygrad_ce as tg
from tinygrad_ce import nn, optim
from tinygrad_ce.data import DataLoader, Dataset, augment, digits, split
from tinygrad_ce.train import Stepping, accuracy, confusion, fit

SEED, EPOCHS = 0, 1 if "--short" in sys.argv else 60

data = digits()
images = Dataset(data.inputs.reshape(-1, 1, 8, 8), data.targets, data.class_names, dtype=np.float32)
# The test fifth is looked at once, at the end; what is chosen was chosen on `validation`.
rest, test = split(images, held_out=0.2, seed=0)
train, validation = split(rest, held_out=0.1, seed=1)

rng = np.random.default_rng(SEED)
new = {"rng": rng, "dtype": np.float32}
model = nn.Sequential(
    nn.Conv2d(1, 32, 3, padding=1, **new),
    nn.BatchNorm2d(32, dtype=np.float32),
    nn.ReLU(),
    nn.Conv2d(32, 32, 3, padding=1, **new),
    nn.BatchNorm2d(32, dtype=np.float32),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(32, 64, 3, padding=1, **new),
    nn.BatchNorm2d(64, dtype=np.float32),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Dropout(0.3, rng=rng),
    nn.Linear(256, 10, **new),
)
print(nn.summary(model, (1, 1, 8, 8)))
loader = DataLoader(train, 32, seed=SEED, transform=[augment.shift, lambda x, rng: augment.rotate(x, rng, 8.0)])
optimiser = optim.AdamW(model.parameters(), lr=0.003, weight_decay=0.02)
schedule = Stepping(optim.CosineAnnealingLR(optimiser, EPOCHS * len(loader)), every="step")
fit(model, loader, tg.softmax_cross_entropy, optimiser, EPOCHS, validation=validation, schedule=schedule, progress=True)

wrong = [(i, j, n) for (i, j), n in np.ndenumerate(confusion(model.eval(), test)) if n and i != j]
print("taken for another:", ", ".join(f"{i} for {j} ({n})" for i, j, n in wrong) or "none")
print(f"digits, CNN: {100 * accuracy(model, test):.2f} % of {len(test)} held-out images right, seed {SEED}")
