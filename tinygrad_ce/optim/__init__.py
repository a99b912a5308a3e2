"""Optimisers: pure updates of flat vectors, and the bookkeeping that steps parameters with them.

>>> from types import SimpleNamespace
>>> from tinygrad_ce.optim import Adam
>>> w = SimpleNamespace(data=3.0, grad=None)
>>> optimizer = Adam([w], lr=0.1)
>>> for _ in range(300):
...     optimizer.zero_grad()
...     w.grad = 2.0 * (w.data - 1.0)
...     optimizer.step()
>>> round(w.data, 3)
1.0
"""

from .adam import Adam, AdamW
from .optimizer import Optimizer
from .sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]
