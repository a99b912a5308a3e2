"""Gradients kept within bounds before a step: by their common norm, or one by one."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, isfinite
from typing import Any

import numpy as np

from .options import nonnegative
from .parameters import Parameter, described, gradient


def clip_grad_norm(
    params: Parameter | Iterable[Parameter],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> float:
    """Scale all gradients together so that their norm, as of one long vector, is at most `max_norm`.

    With the norm n = ‖g‖, each gradient is multiplied by min(1, max_norm / (n + 1e-6)).

    Parameters
    ----------
    params : parameter, or iterable of parameters
        Those whose ``grad`` is None, and frozen ones, do not count. The others get a new gradient where theirs is
        scaled: arrays are not written to.
    max_norm : float
        At least 0.
    norm_type : float, optional
        p > 0 of the p-norm, or infinity for the largest absolute value.
    error_if_nonfinite : bool, optional
        Raise where the norm is NaN or infinite. Otherwise an infinite norm leaves zeros and, where the infinities
        were, NaN; a NaN norm leaves NaN everywhere.

    Returns
    -------
    float
        The norm before clipping, computed in float64; 0.0 where there is no gradient.

    Raises
    ------
    ValueError
        For a negative `max_norm`, or a `norm_type` that is not positive.
    FloatingPointError
        With `error_if_nonfinite`; the message names the parameter. No gradient is changed then.

    Notes
    -----
    As ``torch.nn.utils.clip_grad_norm_``; the norm of huge or tiny gradients does not overflow or vanish here.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> w = SimpleNamespace(data=np.zeros(2), grad=np.array([30.0, -40.0]))
    >>> clip_grad_norm([w], max_norm=1.0), w.grad.round(4)
    (50.0, array([ 0.6, -0.8]))
    """
    bound, p = nonnegative("max_norm", max_norm), float(norm_type)
    if not p > 0.0:
        raise ValueError(f"norm_type is greater than 0, not {norm_type!r}")
    members = _with_gradients(params)
    grads = [_plain(param.grad) for _, param in members]
    total = _norm(np.concatenate(grads, axis=None, dtype=np.float64), p) if grads else 0.0
    if error_if_nonfinite and not isfinite(total):
        which = next((described(i, param) for (i, param), g in zip(members, grads, strict=True) if _bad(g)), "all")
        raise FloatingPointError(f"the norm of the gradients is {total}: look at the gradient of {which}")
    scale = min(1.0, bound / (total + 1e-6)) if total == total else total
    if scale != 1.0:
        for _, param in members:
            param.grad = param.grad * scale
    return total


def clip_grad_value(params: Parameter | Iterable[Parameter], clip_value: float) -> None:
    """Move every entry of every gradient to the nearest number in [−clip_value, clip_value]; NaN stays.

    Parameters
    ----------
    params : parameter, or iterable of parameters
        Those whose ``grad`` is None, and frozen ones, do not count. The others get a new gradient: arrays are not
        written to.
    clip_value : float
        At least 0.

    Raises
    ------
    ValueError
        For a negative or NaN `clip_value`.

    Notes
    -----
    As ``torch.nn.utils.clip_grad_value_``.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> w = SimpleNamespace(data=np.zeros(3), grad=np.array([30.0, -0.5, -40.0]))
    >>> clip_grad_value([w], 1.0)
    >>> w.grad
    array([ 1. , -0.5, -1. ])
    """
    bound = nonnegative("clip_value", clip_value)
    for _, param in _with_gradients(params):
        clipped = np.clip(param.grad, -bound, bound)
        param.grad = float(clipped) if type(param.grad) is float else clipped


def _with_gradients(params: Any) -> list[tuple[int, Parameter]]:
    members = [params] if hasattr(params, "grad") else params
    return [(index, param) for index, param in enumerate(members) if gradient(param) is not None]


def _plain(grad: Any) -> Any:
    return grad.data if hasattr(grad, "grad") else grad


def _norm(vector: Any, p: float) -> float:
    sizes = np.abs(vector)
    largest = float(np.max(sizes, initial=0.0))
    if p == inf or largest in (0.0, inf) or largest != largest:
        return largest
    # Powers of what is near 1 neither overflow nor vanish; a power of two scales without rounding.
    unit = 2.0 ** float(np.floor(np.log2(largest)))
    return float(np.sum((sizes / unit) ** p) ** (1.0 / p)) * unit


def _bad(grad: Any) -> bool:
    return not np.all(np.isfinite(grad))
