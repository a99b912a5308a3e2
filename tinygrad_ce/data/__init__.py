"""Data sets: bundled ones, toys, the user's files and texts, and what it takes to feed them to a training loop.

>>> from tinygrad_ce.data import DataLoader, iris, split, standardise
>>> train, test = standardise(*split(iris(), held_out=0.2, seed=0))
>>> for inputs, targets in DataLoader(train, batch_size=32):
...     pass
>>> inputs.shape, targets.shape
((24, 4), (24,))
"""

from . import augment
from .archives import read_npz
from .bundled import digits, iris
from .characters import Text, Windows, text
from .dataset import Dataset
from .encoding import one_hot
from .errors import DataError
from .idx import fashion_mnist, mnist, read_idx
from .loader import DataLoader, Loader
from .scaling import Standardiser, standardise
from .splitting import split
from .tables import read_csv
from .toys import blobs, circles, sine, spirals, two_moons, xor

__all__ = [
    "DataError",
    "DataLoader",
    "Dataset",
    "Loader",
    "Standardiser",
    "Text",
    "Windows",
    "augment",
    "blobs",
    "circles",
    "digits",
    "fashion_mnist",
    "iris",
    "mnist",
    "one_hot",
    "read_csv",
    "read_idx",
    "read_npz",
    "sine",
    "spirals",
    "split",
    "standardise",
    "text",
    "two_moons",
    "xor",
]
