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

from .adagrad import Adagrad
from .adam import Adam, AdamW
from .clip import clip_grad_norm, clip_grad_value
from .lbfgs import LBFGS
from .lion import Lion
from .optimizer import Optimizer
from .rmsprop import RMSprop
from .schedule import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    Schedule,
    StepLR,
)
from .schedule_cycle import OneCycleLR
from .schedule_joined import ChainedScheduler, SequentialLR
from .schedule_plateau import ReduceLROnPlateau
from .sgd import SGD

__all__ = [
    "LBFGS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "ChainedScheduler",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "Lion",
    "MultiStepLR",
    "OneCycleLR",
    "Optimizer",
    "RMSprop",
    "ReduceLROnPlateau",
    "Schedule",
    "SequentialLR",
    "StepLR",
    "clip_grad_norm",
    "clip_grad_value",
]
