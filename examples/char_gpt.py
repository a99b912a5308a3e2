"""A small GPT, character by character: about 100,000 parameters, on Python's own documentation or a file of yours."""

import sys

import numpy as np

import tinygrad_ce as tg
from tinygrad_ce import nn, optim
from tinygrad_ce.data import DataLoader, text
from tinygrad_ce.train import Stepping, fit

SEED, SHORT, CONTEXT, WIDTH = 0, "--short" in sys.argv, 64, 64
files = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
corpus = text(files[0] if files else None)
train, validation = corpus.split(0.1)


class GPT(nn.Module):
    """Characters so far to logits of the next: attention to what came before, layer upon layer."""

    def __init__(self, vocabulary, width, layers, heads, rng):
        new = {"rng": rng, "dtype": np.float32}
        block = {"dropout": 0.0, "activation": "gelu", "batch_first": True, "norm_first": True, "causal": True, **new}
        self.tokens = nn.Embedding(vocabulary, width, **new)
        self.places = nn.LearnedPositions(CONTEXT, width, **new)
        self.blocks = nn.Sequential(*[nn.TransformerBlock(width, heads, 4 * width, **block) for _ in range(layers)])
        self.norm = nn.LayerNorm(width, dtype=np.float32)
        self.head = nn.Linear(width, vocabulary, bias=False, **new)

    def forward(self, tokens):
        return self.head(self.norm(self.blocks(self.places(self.tokens(tokens)))))


rng = np.random.default_rng(SEED)
model = GPT(len(corpus.vocabulary), WIDTH, layers=2, heads=4, rng=rng)
print(f"{sum(p.size for p in model.parameters()):,} parameters, {len(corpus.vocabulary)} different characters")

loader = DataLoader(train.windows(CONTEXT, stride=9001 if SHORT else 33), 32, seed=SEED)
judged = DataLoader(validation.windows(CONTEXT, stride=640 if SHORT else CONTEXT), 128, shuffle=False)
epochs = 1 if SHORT else 4
optimiser = optim.AdamW(model.parameters(), lr=0.003, weight_decay=0.01)
rates = optim.OneCycleLR(optimiser, max_lr=0.003, total_steps=epochs * len(loader) + 1)
history = fit(
    model, loader, tg.softmax_cross_entropy, optimiser, epochs, validation=judged, schedule=Stepping(rates, "step"),
    clip_norm=1.0, progress=True,
)  # fmt: skip

tokens = corpus.encode("The ").tolist()
with tg.no_grad():
    for _ in range(20 if SHORT else 400):
        scores = model(np.array([tokens[-CONTEXT:]])).numpy()[0, -1] / 0.7
        tokens.append(int(np.argmax(scores + rng.gumbel(size=len(scores)))))
print(corpus.decode(tokens))
print(f"char GPT: validation loss {history.validation_loss[-1]:.3f} nats a character, seed {SEED}")
