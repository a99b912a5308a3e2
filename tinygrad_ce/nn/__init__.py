"""Neural networks: modules that find their parameters, layers, and files that keep what was learnt.

>>> import numpy as np
>>> from tinygrad_ce.nn import MLP
>>> model = MLP([64, 32, 10], rng=np.random.default_rng(0))
>>> model
MLP(
  layers.0: Linear(64 → 32)
  layers.1: Linear(32 → 10)
  activation=relu
)
>>> model(np.zeros((5, 64))).shape
(5, 10)
"""

from .attention import MultiHeadAttention
from .checkpoint import Checkpoint, load, save
from .conv import Conv1d, Conv2d
from .linear import MLP, Linear
from .module import Module
from .pooling import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from .summary import summary

__all__ = [
    "MLP",
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "Checkpoint",
    "Conv1d",
    "Conv2d",
    "Linear",
    "MaxPool2d",
    "Module",
    "MultiHeadAttention",
    "load",
    "save",
    "summary",
]
