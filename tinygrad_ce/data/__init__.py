"""Data sets: two bundled ones, any CSV table, and what it takes to feed them to a training loop.

>>> from tinygrad_ce.data import Loader, iris, split, standardise
>>> train, test = standardise(*split(iris(), held_out=0.2, seed=0))
>>> for inputs, targets in Loader(train, batch_size=32):
...     pass
>>> inputs.shape, targets.shape
((24, 4), (24,))
"""

from .bundled import digits, iris
from .dataset import Dataset
from .encoding import one_hot
from .errors import DataError
from .loader import Loader
from .scaling import Standardiser, standardise
from .splitting import split
from .tables import read_csv

__all__ = [
    "DataError",
    "Dataset",
    "Loader",
    "Standardiser",
    "digits",
    "iris",
    "one_hot",
    "read_csv",
    "split",
    "standardise",
]
