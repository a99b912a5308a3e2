"""Training: one loop, what it reports, and how well a model does.

>>> import numpy as np, tinygrad_ce as tg
>>> from tinygrad_ce.data import Loader, iris, split, standardise
>>> from tinygrad_ce.nn import MLP
>>> from tinygrad_ce.optim import Adam
>>> train, test = standardise(*split(iris()))
>>> model = MLP([4, 16, 3], rng=np.random.default_rng(0))
>>> optimiser = Adam(model.parameters(), lr=0.01)
>>> history = fit(model, Loader(train), tg.softmax_cross_entropy, optimiser, epochs=30, validation=test)
>>> len(history), accuracy(model, test) > 0.9
(30, True)
"""

from .callbacks import Callback, Checkpoints, EarlyStopping, Stepping
from .evaluation import accuracy, confusion, evaluate, predict
from .find_lr import LearningRates, find_lr
from .fit import fit
from .gradients import GradientStatistics
from .history import EpochReport, History
from .metrics import F1, Accuracy, Calibration, Metric, Perplexity, TopK
from .overfit import Overfitting, overfit_one_batch
from .progress import LivePlot, Progress
from .run import Optimiser, Run

__all__ = [
    "F1",
    "Accuracy",
    "Calibration",
    "Callback",
    "Checkpoints",
    "EarlyStopping",
    "EpochReport",
    "GradientStatistics",
    "History",
    "LearningRates",
    "LivePlot",
    "Metric",
    "Optimiser",
    "Overfitting",
    "Perplexity",
    "Progress",
    "Run",
    "Stepping",
    "TopK",
    "accuracy",
    "confusion",
    "evaluate",
    "find_lr",
    "fit",
    "overfit_one_batch",
    "predict",
]
