"""More activations, each a decomposition with a closed form: leaky_relu, elu, gelu, silu, hardtanh, mish.

relu and softplus are in activation.py, sigmoid and tanh in elementwise.py, softmax in softmax.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..derivation import Derivation
from ..forms import closed_elementwise
from ..invariants import entrywise, homogeneous
from ..registry import op
from . import gelu_blocks as blocks
from .activation import softplus
from .elementwise import floating, sigmoid, sigmoid_density
from .error_function import ONE_OVER_ROOT_2PI, normal_cdf

_ROOT_2_OVER_PI = 0.7978845608028654
_CUBIC = 0.044715  # Hendrycks and Gimpel, 2016


def _samples(*options: Mapping[str, Any]) -> Callable[[np.random.Generator], Iterable[Any]]:
    """Points of every shape, and one of each further choice of options."""

    def samples(rng: np.random.Generator) -> Iterable[Any]:
        for shape in ((3, 4), (), (0, 2)):
            yield (rng.uniform(-3, 3, size=shape),), {}
        for chosen in options:
            yield (rng.uniform(-3, 3, size=5),), dict(chosen)

    return samples


# -- with kinks ------------------------------------------------------------------------------------------------


@op(samples=_samples({"negative_slope": 0.2}), invariants=[entrywise(), homogeneous()])
def leaky_relu(x: Any, *, negative_slope: float = 0.01) -> Any:
    """x where x > 0, negative_slope · x elsewhere; slope negative_slope at 0.

    Parameters
    ----------
    x : Value or array of any shape
    negative_slope : float

    Examples
    --------
    >>> from tinygrad_ce.nn import functional as F
    >>> F.leaky_relu([-2.0, 3.0], negative_slope=0.1).tolist()
    [-0.2, 3.0]
    """
    return np.where(x > 0, x, x * negative_slope)


closed_elementwise(
    leaky_relu,
    "analytic",
    lambda out, x, *, negative_slope: np.where(x > 0, 1.0, negative_slope),
    formula="g where x > 0, g · negative_slope elsewhere",
)


@op(samples=_samples({"alpha": 1.7}), invariants=[entrywise()])
def elu(x: Any, *, alpha: float = 1.0) -> Any:
    """x where x > 0, α (exp(x) − 1) elsewhere (Clevert et al., 2015); slope α at 0.

    Parameters
    ----------
    x : Value or array of any shape
    alpha : float

    Examples
    --------
    >>> from tinygrad_ce.nn import functional as F
    >>> F.elu([-1000.0, 3.0]).tolist()
    [-1.0, 3.0]
    """
    x = floating(x)
    return np.where(x > 0, x, alpha * np.expm1(np.where(x > 0, 0.0, x)))


closed_elementwise(
    elu,
    "analytic",
    lambda out, x, *, alpha: np.where(x > 0, 1.0, alpha * np.exp(np.where(x > 0, 0.0, x))),
    formula="g where x > 0, g α exp(x) elsewhere",
)


@op(samples=_samples({"min_val": -0.5, "max_val": 2.0}), invariants=[entrywise()])
def hardtanh(x: Any, *, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """x held between min_val and max_val, with slope 0 at both, as in PyTorch.

    Parameters
    ----------
    x : Value or array of any shape
    min_val, max_val : float

    Examples
    --------
    >>> from tinygrad_ce.nn import functional as F
    >>> F.hardtanh([-7.0, 0.5, 1.5]).tolist()
    [-1.0, 0.5, 1.0]
    """
    return np.where(x <= min_val, min_val, np.where(x >= max_val, max_val, x))


@hardtanh.guard
def _(x: Any, *, min_val: float, max_val: float) -> None:
    if not min_val < max_val:
        raise ValueError(f"hardtanh: min_val is below max_val, not {min_val!r} and {max_val!r}")


closed_elementwise(
    hardtanh,
    "analytic",
    lambda out, x, *, min_val, max_val: (x > min_val) & (x < max_val) | (x != x),
    formula="g inside, 0 at the bounds and beyond",
)


# -- smooth ----------------------------------------------------------------------------------------------------


@op(samples=_samples({"approximate": "tanh"}), invariants=[entrywise()])
def gelu(x: Any, *, approximate: str = "none") -> Any:
    """x Φ(x), Φ the normal distribution's function (Hendrycks and Gimpel, 2016).

    Parameters
    ----------
    x : Value or array of any shape
    approximate : "none" or "tanh"
        "tanh": x (1 + tanh u) / 2, u = √(2/π) (x + 0.044715 x³), computed as x σ(2u), in which nothing cancels.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_ce.nn import functional as F
    >>> np.round(F.gelu([-1.0, 0.0, 1.0]), 4).tolist()
    [-0.1587, 0.0, 0.8413]
    """
    x = floating(x)
    if approximate == "tanh":
        return x * sigmoid(_twice_u(x))
    return x * normal_cdf(x)


@gelu.guard
def _(x: Any, *, approximate: str) -> None:
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate is 'none' or 'tanh', not {approximate!r}")


def _twice_u(x: Any) -> Any:
    return (2.0 * _ROOT_2_OVER_PI) * (x * (1.0 + _CUBIC * x * x))


def _gelu_slope(out: Any, x: Any, *, approximate: str) -> Any:
    x = floating(x)
    if approximate == "tanh":
        z = _twice_u(x)
        bend = (2.0 * _ROOT_2_OVER_PI) * (1.0 + (3.0 * _CUBIC) * x * x)
        return sigmoid(z) + x * bend * sigmoid_density(z)
    return _cdf_of(out, x) + x * (ONE_OVER_ROOT_2PI * np.exp(-0.5 * x * x))


def _cdf_of(out: Any, x: Any) -> Any:
    """Φ(x), which the forward has computed: of ndarrays out / x."""
    if type(x) is not np.ndarray or type(out) is not np.ndarray or x.dtype.itemsize < 4:
        return normal_cdf(x)
    tiny = x * x == 0
    return np.where(tiny, 0.5, out / np.where(tiny, 1.0, x))


@gelu.forward
def _(x: Any, *, approximate: str) -> Any:
    if approximate == "none" and type(x) is np.ndarray and x.dtype == np.float32:
        return blocks.forward(x)
    return gelu.decomposition(x, approximate=approximate)


GELU = "g (Φ(x) + x φ(x)); of tanh, g (σ(2u) + 2 x u′ σ′(2u))"
closed_elementwise(gelu, "analytic", _gelu_slope, formula=GELU)
_gelu_pull = gelu.derivations["analytic"].rule


def _gelu_rule(g: Any, out: Any, inputs: tuple[Any, ...], params: dict[str, Any], needed: Sequence[int]) -> Any:
    (x,) = inputs
    if params["approximate"] == "none" and blocks.take(g, out, x):
        return [blocks.backward(g, out, x)]
    return _gelu_pull(g, out, inputs, params, needed)


gelu.add(Derivation("analytic", _gelu_rule, formula=GELU))


@op(samples=_samples(), invariants=[entrywise()])
def silu(x: Any) -> Any:
    """x σ(x), elementwise: swish.

    Parameters
    ----------
    x : Value or array of any shape

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_ce.nn import functional as F
    >>> np.round(F.silu([-1.0, 0.0, 1.0]), 4).tolist()
    [-0.2689, 0.0, 0.7311]
    """
    x = floating(x)
    return x * sigmoid(x)


closed_elementwise(silu, "analytic", lambda out, x: sigmoid(x) + x * sigmoid_density(x), formula="g (σ(x) + x σ′(x))")


@op(samples=_samples(), invariants=[entrywise()])
def mish(x: Any) -> Any:
    """x tanh(softplus x), elementwise (Misra, 2019).

    Parameters
    ----------
    x : Value or array of any shape

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_ce.nn import functional as F
    >>> np.round(F.mish([-1.0, 0.0, 1.0]), 4).tolist()
    [-0.3034, 0.0, 0.8651]
    """
    x = floating(x)
    return x * np.tanh(softplus(x))


def _mish_slope(out: Any, x: Any) -> Any:
    # In e = exp(−|x|): tanh(softplus x) = (e² + 2e) / D for x < 0, (1 + 2e) / D else, and 1 − tanh² likewise.
    x = floating(x)
    below = x < 0
    e = np.exp(-np.abs(x))
    d = np.where(below, e * e + 2.0 * e + 2.0, 1.0 + 2.0 * e + 2.0 * e * e)
    t = np.where(below, e * e + 2.0 * e, 1.0 + 2.0 * e) / d
    bend = 2.0 * np.where(below, 1.0 + e, e * (1.0 + e)) / d
    return t + x * sigmoid(x) * bend * bend


closed_elementwise(mish, "analytic", _mish_slope, formula="g (t + x σ(x) (1 − t²)), t = tanh(softplus x)")
