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

from ..checkpoint import Checkpoint, load, save
from .linear import MLP, Linear
from .module import Module
from .pytorch import from_torch, to_torch
from .summary import summary

__all__ = ["MLP", "Checkpoint", "Linear", "Module", "from_torch", "load", "save", "summary", "to_torch"]
