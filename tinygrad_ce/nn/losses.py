"""Losses as modules: a function of `functional`, with its options. Under torch.nn's names too, where it has them.

Call them as `loss(outputs, targets)`; `fit` takes the functions themselves as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..node import plain
from ..ops import cross_entropy, sigmoid_binary_cross_entropy, softmax_cross_entropy
from ..ops.terms import REDUCTIONS, require
from . import functional as F
from .module import Module


class _Loss(Module):
    """A loss's options, checked when it is made; what it is called with goes to `function` with them."""

    def __init__(self, reduction: str, allowed: tuple[str, ...] = REDUCTIONS, **options: Any) -> None:
        require(type(self).__name__, reduction, allowed)
        self.options = {**options, "reduction": reduction}

    def extra_repr(self) -> str:
        return ", ".join(f"{k}={v!r}" for k, v in self.options.items())

    def __repr__(self) -> str:
        return self._headline()


class _Weighted(_Loss):
    """A loss with weights, which are a buffer."""

    weight: Any

    def __init__(self, weight: Any, reduction: str, **options: Any) -> None:
        super().__init__(reduction, **options)
        self.register_buffer("weight", None if weight is None else np.asarray(plain(weight)))


# -- of classes ------------------------------------------------------------------------------------------------


class SoftmaxCrossEntropy(_Weighted):
    """Cross-entropy of softmax(outputs), from the logits: `tg.softmax_cross_entropy`, with its options.

    Parameters
    ----------
    weight : array of shape (K,), optional
        Class weights ≥ 0.
    axis : int
        Of the classes.
    ignore_index : int, optional
    label_smoothing : float in [0, 1]
    reduction : "mean", "sum" or "none"

    Examples
    --------
    >>> round(float(SoftmaxCrossEntropy()([[0.0, 0.0]], [1])), 4)
    0.6931
    >>> SoftmaxCrossEntropy(label_smoothing=0.1)
    SoftmaxCrossEntropy(axis=-1, ignore_index=None, label_smoothing=0.1, reduction='mean')
    """

    def __init__(
        self,
        weight: Any = None,
        *,
        axis: int = -1,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, reduction, axis=axis, ignore_index=ignore_index, label_smoothing=label_smoothing)

    def forward(self, logits: Any, targets: Any) -> Any:
        return softmax_cross_entropy(logits, targets, self.weight, **self.options)


class CrossEntropy(SoftmaxCrossEntropy):
    """Cross-entropy of probabilities: `tg.cross_entropy`. Of logits, use SoftmaxCrossEntropy (CrossEntropyLoss).

    >>> round(float(CrossEntropy()([[0.5, 0.5]], [1])), 4)
    0.6931
    """

    def forward(self, probabilities: Any, targets: Any) -> Any:
        return cross_entropy(probabilities, targets, self.weight, **self.options)


class CrossEntropyLoss(_Weighted):
    """torch.nn's: cross-entropy of softmax(input), from logits whose classes are axis 1.

    >>> CrossEntropyLoss()(np.zeros((2, 3, 5)), np.zeros((2, 5), int)).round(4)
    np.float64(1.0986)
    """

    def __init__(
        self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0
    ) -> None:
        super().__init__(weight, reduction, ignore_index=ignore_index, label_smoothing=label_smoothing)

    def forward(self, input: Any, target: Any) -> Any:
        return F.cross_entropy(input, target, self.weight, **self.options)


class SigmoidBinaryCrossEntropy(_Weighted):
    """Cross-entropy of independent yes/no labels, from the logits: `tg.sigmoid_binary_cross_entropy`.

    Parameters
    ----------
    weight : array that broadcasts against the logits, optional
    label_smoothing : float in [0, 1]
    reduction : "mean" (over all entries), "sum" or "none"
    """

    def __init__(self, weight: Any = None, *, label_smoothing: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(weight, reduction, label_smoothing=label_smoothing)

    def forward(self, logits: Any, targets: Any) -> Any:
        return sigmoid_binary_cross_entropy(logits, targets, self.weight, **self.options)


BCEWithLogitsLoss = SigmoidBinaryCrossEntropy


class Hinge(_Loss):
    """max(0, margin − y s) for labels y of −1 and 1: `functional.hinge_loss`.

    >>> float(Hinge()([0.5, -2.0], [1.0, -1.0]))
    0.25
    """

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction, margin=margin)

    def forward(self, scores: Any, targets: Any) -> Any:
        return F.hinge_loss(scores, targets, **self.options)


class MultiClassHinge(_Weighted):
    """Σ_{j≠y} w_y max(0, margin − s_y + s_j)^p / K: `functional.multi_margin_loss`."""

    def __init__(self, p: int = 1, margin: float = 1.0, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(weight, reduction, p=p, margin=margin)

    def forward(self, scores: Any, targets: Any) -> Any:
        return F.multi_margin_loss(scores, targets, self.weight, **self.options)


MultiMarginLoss = MultiClassHinge

# -- of numbers ------------------------------------------------------------------------------------------------


class MSE(_Loss):
    """(input − target)², its mean.

    >>> float(MSE()([1.0, 2.0], [1.0, 4.0]))
    2.0
    """

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Any, target: Any) -> Any:
        return F.mse_loss(input, target, **self.options)


class L1(_Loss):
    """|input − target|, its mean."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Any, target: Any) -> Any:
        return F.l1_loss(input, target, **self.options)


class Huber(_Loss):
    """½ d² where |d| ≤ δ, δ (|d| − ½ δ) beyond, d = input − target."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        if not delta > 0:
            raise ValueError(f"delta is above 0, not {delta!r}")
        super().__init__(reduction, delta=delta)

    def forward(self, input: Any, target: Any) -> Any:
        return F.huber_loss(input, target, **self.options)


MSELoss, L1Loss, HuberLoss = MSE, L1, Huber

# -- of distributions and vectors ------------------------------------------------------------------------------


class KLDiv(_Loss):
    """p (log p − input) for log-probabilities `input`: `functional.kl_div`; the divergence is its "batchmean"."""

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction, (*REDUCTIONS, "batchmean"), log_target=log_target)

    def forward(self, input: Any, target: Any) -> Any:
        return F.kl_div(input, target, **self.options)


class CosineSimilarity(Module):
    """<x1, x2> / (max(‖x1‖, ε) max(‖x2‖, ε)) along an axis, `dim` or `axis`: 1 by default."""

    def __init__(self, dim: int | None = None, eps: float = 1e-8, *, axis: int | None = None) -> None:
        self.axis = 1 if dim is None and axis is None else F.one_axis(dim, axis)
        self.eps = eps

    def forward(self, x1: Any, x2: Any) -> Any:
        return F.cosine_similarity(x1, x2, axis=self.axis, eps=self.eps)

    def extra_repr(self) -> str:
        return f"axis={self.axis}"

    def __repr__(self) -> str:
        return self._headline()


class CosineEmbedding(_Loss):
    """1 − cos of pairs whose target is 1, max(0, cos − margin) of those whose target is −1."""

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction, margin=margin)

    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        return F.cosine_embedding_loss(input1, input2, target, **self.options)


class TripletMargin(_Loss):
    """max(0, d(a, p) − d(a, n) + margin): `functional.triplet_margin_loss`."""

    def __init__(
        self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction, margin=margin, p=p, eps=eps, swap=swap)

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Any:
        return F.triplet_margin_loss(anchor, positive, negative, **self.options)


KLDivLoss, CosineEmbeddingLoss, TripletMarginLoss = KLDiv, CosineEmbedding, TripletMargin
