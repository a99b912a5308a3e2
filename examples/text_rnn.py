"""A recurrent network that writes: characters of Python's own documentation (or of a text file that you name)."""

import sys

import numpy as np

import tinygrad_ce as tg
from tinygrad_ce import nn, optim
from tinygrad_ce.data import DataLoader, text
from tinygrad_ce.train import Perplexity, fit

SEED, SHORT = 0, "--short" in sys.argv
files = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
corpus = text(files[0] if files else None)
train, validation = corpus.split(0.1)


class Writer(nn.Module):
    """Characters to logits of the next ones, by a GRU that remembers."""

    def __init__(self, vocabulary, width, rng):
        self.table = nn.Embedding(vocabulary, 32, rng=rng, dtype=np.float32)
        self.memory = nn.GRU(32, width, batch_first=True, rng=rng, dtype=np.float32)
        self.head = nn.Linear(width, vocabulary, rng=rng, dtype=np.float32)

    def forward(self, tokens, state=None):
        out, self._state = self.memory(self.table(tokens), state)
        return self.head(out)


rng = np.random.default_rng(SEED)
model = Writer(len(corpus.vocabulary), 128, rng)
loader = DataLoader(train.windows(64, stride=9001 if SHORT else 64), 32, seed=SEED)
judged = DataLoader(validation.windows(64, stride=640 if SHORT else 64), 128, shuffle=False)
optimiser = optim.AdamW(model.parameters(), lr=0.003)
history = fit(
    model, loader, tg.softmax_cross_entropy, optimiser, 1 if SHORT else 4, validation=judged, metrics=[Perplexity()],
    clip_norm=1.0, progress=True,
)  # fmt: skip

tokens, state, written = corpus.encode("The "), None, "The "
with tg.no_grad():
    for _ in range(20 if SHORT else 300):
        scores = model(np.atleast_2d(tokens), state).numpy()[0, -1] / 0.7
        state, tokens = model._state, np.array([np.argmax(scores + rng.gumbel(size=len(scores)))])
        written += corpus.decode(tokens)
print(written)
print(f"text RNN: validation loss {history.validation_loss[-1]:.3f} nats a character, seed {SEED}")
