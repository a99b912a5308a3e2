"""Neural networks: modules that find their parameters, layers, losses, and files that keep what was learnt.

Names, arguments, weight shapes and beginnings follow torch.nn; `functional` has the functions, `init` the beginnings.

>>> from tinygrad_ce import nn
>>> model = nn.Sequential(nn.Linear(64, 32, rng=0), nn.LayerNorm(32), nn.ReLU(), nn.Linear(32, 10, rng=1))
>>> nn.summary(model, (5, 64))
layer  what             output   parameters
       Sequential()     (5, 10)
0      Linear(64 → 32)  (5, 32)       2,080
1      LayerNorm(32)    (5, 32)          64
2      ReLU()           (5, 32)
3      Linear(32 → 10)  (5, 10)         330
2,474 parameters, 19.3 KiB
"""

from ..checkpoint import Checkpoint, load, save
from . import functional, init
from .activations import ELU, GELU, Hardtanh, LeakyReLU, LogSoftmax, Mish, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh
from .attention import MultiHeadAttention
from .containers import Flatten, Identity, ModuleList, Residual, Sequential
from .conv import Conv1d, Conv2d
from .dropout import Dropout
from .embedding import Embedding
from .linear import MLP, Linear
from .losses import (
    L1,
    MSE,
    BCEWithLogitsLoss,
    CosineEmbedding,
    CosineEmbeddingLoss,
    CosineSimilarity,
    CrossEntropy,
    CrossEntropyLoss,
    Hinge,
    Huber,
    HuberLoss,
    KLDiv,
    KLDivLoss,
    L1Loss,
    MSELoss,
    MultiClassHinge,
    MultiMarginLoss,
    SigmoidBinaryCrossEntropy,
    SoftmaxCrossEntropy,
    TripletMargin,
    TripletMarginLoss,
)
from .module import Module
from .normalization import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm, RMSNorm
from .pooling import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from .positions import LearnedPositions, SinusoidalPositions, rotary
from .pytorch import from_torch, to_torch
from .recurrent import GRU, LSTM, RNN
from .summary import Summary, summary
from .transformer import TransformerBlock

__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "L1",
    "LSTM",
    "MLP",
    "MSE",
    "RNN",
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Checkpoint",
    "Conv1d",
    "Conv2d",
    "CosineEmbedding",
    "CosineEmbeddingLoss",
    "CosineSimilarity",
    "CrossEntropy",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "Flatten",
    "GroupNorm",
    "Hardtanh",
    "Hinge",
    "Huber",
    "HuberLoss",
    "Identity",
    "KLDiv",
    "KLDivLoss",
    "L1Loss",
    "LayerNorm",
    "LeakyReLU",
    "LearnedPositions",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Mish",
    "Module",
    "ModuleList",
    "MultiClassHinge",
    "MultiHeadAttention",
    "MultiMarginLoss",
    "RMSNorm",
    "ReLU",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SigmoidBinaryCrossEntropy",
    "SinusoidalPositions",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Softplus",
    "Summary",
    "Tanh",
    "TransformerBlock",
    "TripletMargin",
    "TripletMarginLoss",
    "from_torch",
    "functional",
    "init",
    "load",
    "rotary",
    "save",
    "summary",
    "to_torch",
]
