"""check_model: a network before the referee, layer by layer, and the usual mistakes of training in sentences.

report = tg.check_model(model, (inputs, targets), tg.softmax_cross_entropy)
"""

from .check import check_model
from .report import Concern, LayerRow, ModelReport

__all__ = ["Concern", "LayerRow", "ModelReport", "check_model"]
