"""Where two derivations part: ŷ − y beside its stable form, on answers made ever more confident.

Of a trained network's logits, two rows are taken: one that is right, one that is wrong. All logits are
multiplied by one factor, until the winner stands 45 above its rival: then ŷ at the winner is 1 in float64.
At the right answer, ŷ − y is 1 − 1 and no digit is left; at the wrong one it is 1 − 0, or 0 − 1, and all are.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..check import Comparison, compare_derivations
from ..ops import softmax, softmax_cross_entropy
from ..value import Value

GAP = 45.0
_GAPS = (15.0, 30.0, GAP)
_DIGITS = 16  # of a float64


@dataclass(frozen=True)
class Duel:
    """Two rows of logits, (2, K): the first answered right, the second wrong; and what was done for that.

    Attributes
    ----------
    rows : (int, int)
        Where in the data they stand.
    logits : ndarray of shape (2, K)
    targets : ndarray of shape (2,)
    relabelled : (bool, bool)
        Whether a row was given another class than its own, because no row was right, or wrong.
    """

    rows: tuple[int, int]
    logits: NDArray[np.float64]
    targets: NDArray[np.int64]
    relabelled: tuple[bool, bool]

    @property
    def gaps(self) -> NDArray[np.float64]:
        """How far the winner stands above its rival: the true class where that lost, else the runner-up."""
        return _gaps(self.logits, self.targets)


@dataclass(frozen=True)
class Line:
    """The gradient in the logit of the true class, by both derivations.

    Attributes
    ----------
    right : bool
        Whether the answer is.
    scale, gap : float
        What the logits were multiplied by, and how far apart the two largest then are.
    probability : float
        ŷ of the true class.
    analytic, stable : float
    digits : int
        How many decimal digits of `analytic` are those of `stable`, of 16.
    """

    right: bool
    scale: float
    gap: float
    probability: float
    analytic: float
    stable: float
    digits: int


@dataclass(frozen=True)
class Parting:
    """All of it: the rows, the gradients as confidence grows, and the referee on the logits at the end."""

    duel: Duel
    lines: list[Line]
    comparison: Comparison

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "rows": list(self.duel.rows),
            "relabelled": list(self.duel.relabelled),
            "targets": self.duel.targets.tolist(),
            "scale": self.lines[-1].scale,
            "true_class": [asdict(line) for line in self.lines],
            **self.comparison.to_dict(),
        }


def part(logits: NDArray[np.float64], targets: NDArray[np.int64]) -> Parting:
    """Show where ŷ − y and its stable form part.

    Parameters
    ----------
    logits : ndarray of shape (N, K), N ≥ 1, K ≥ 2
    targets : ndarray of shape (N,)

    Examples
    --------
    >>> parting = part(np.array([[2.0, 0.0, -1.0], [3.0, 0.5, 0.0]]), np.array([0, 1]))
    >>> [(round(line.gap), line.digits) for line in parting.lines if line.right][::3]
    [(2, 16), (45, 0)]
    """
    duel = pick(logits, targets)
    as_trained = float(duel.gaps[0])
    scales = sorted([gap / as_trained for gap in _GAPS] + ([1.0] if as_trained < GAP else []))
    lines = [_line(duel, 0, scale) for scale in scales]
    lines += [_line(duel, 1, scale) for scale in (scales[0], scales[-1])]
    scaled = Value(duel.logits * scales[-1], label="logits")
    loss = softmax_cross_entropy(scaled, duel.targets, reduction="sum")
    return Parting(duel, lines, compare_derivations(loss, reference="stable"))


def pick(logits: NDArray[np.float64], targets: NDArray[np.int64]) -> Duel:
    """A right row and a wrong row, about equally sure: one factor then makes both confident.

    The wrong row is the surest of its kind. Where all rows are right, or all wrong, one is relabelled.
    """
    labels = targets.copy()
    winners = np.argmax(logits, axis=1)
    right = winners == targets
    gaps = _gaps(logits, targets)
    if np.all(right):
        wrong_row = int(np.argsort(gaps)[len(gaps) // 2])
        labels[wrong_row] = np.argsort(logits[wrong_row])[-2]
    else:
        wrong_row = int(np.argmax(np.where(right, -np.inf, gaps)))
    sure = _gaps(logits, labels)[wrong_row]
    others = (np.arange(len(right)) != wrong_row) | (len(right) == 1)
    candidates = others & right if np.any(others & right) else others
    right_row = int(np.argmin(np.where(candidates, np.abs(_gaps(logits, winners) - sure), np.inf)))
    rows = (right_row, wrong_row)
    chosen = np.array([winners[right_row], labels[wrong_row]])
    relabelled = (bool(chosen[0] != targets[right_row]), bool(chosen[1] != targets[wrong_row]))
    return Duel(rows, logits[list(rows)], chosen, relabelled)


def _gaps(logits: NDArray[np.float64], targets: NDArray[np.int64]) -> NDArray[np.float64]:
    rows = np.arange(len(logits))
    rivals = np.where(np.argmax(logits, axis=1) == targets, np.argsort(logits, axis=1)[:, -2], targets)
    gaps: NDArray[np.float64] = np.maximum(np.max(logits, axis=1) - logits[rows, rivals], 1e-12)
    return gaps


def _line(duel: Duel, row: int, scale: float) -> Line:
    logits, target = duel.logits[row] * scale, duel.targets[row]
    leaf = Value(logits, label="logits")
    loss = softmax_cross_entropy(leaf, target)
    gradients = {}
    for derivation in ("analytic", "stable"):
        leaf.zero_grad()
        loss.backward(derivation=derivation)
        gradients[derivation] = float(leaf.grad[target])
    return Line(
        right=row == 0,
        scale=scale,
        gap=float(duel.gaps[row] * scale),
        probability=float(softmax(logits)[target]),
        digits=_common(gradients["analytic"], gradients["stable"]),
        **gradients,
    )


def _common(a: float, b: float) -> int:
    """How many decimal digits of a are right, if b is."""
    if a == b:
        return _DIGITS
    return max(0, min(_DIGITS, int(-log10(abs(a - b) / abs(b)))))
