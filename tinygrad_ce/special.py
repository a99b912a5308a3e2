"""Rules for scipy.special: with this module imported, its ufuncs work on Values (scipy.special.erf(v)).

Those of its functions that are no ufuncs are offered here, under the same names and with the same arguments:
logsumexp, softmax, log_softmax, polygamma, multigammaln, zeta.

    import tinygrad_ce.special          # or tg.special; needs SciPy (the extra "special")

Arguments in which a function has no known derivative (the order of a Bessel function, the parameters of an incomplete
gamma or beta function) raise where one is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

try:
    from scipy import special as sp
except ImportError as error:
    raise ImportError("tinygrad_ce.special needs SciPy: pip install 'tinygrad_ce[special]'") from error

from .forms import elementwise, primitive
from .node import plain
from .ops import softmax as _softmax
from .ops.elementwise import select, sigmoid_density

_POSITIVE, _UNIT = (0.4, 4.0), (0.1, 0.9)
_ROOT_PI = math.sqrt(math.pi)


def _unknown(argument: str, function: str) -> Callable[..., Any]:
    def slope(*_: Any) -> Any:
        raise NotImplementedError(
            f"the derivative of scipy.special.{function} in its argument {argument} is not known here; give it as a "
            f"plain number, not as a Value that requires a gradient"
        )

    return slope


# -- polygamma, and the gamma function -------------------------------------------------------------------------


def _polygamma_samples(rng: np.random.Generator) -> Iterable[Any]:
    for n in (0, 1, 3):
        yield (rng.uniform(0.5, 3, size=(2, 3)),), {"n": n}


@primitive(
    vjps=(lambda g, out, x, *, n: g * _polygamma(x, n=n + 1),),
    pushforward=lambda tangents, out, inputs, params: tangents[0] * _polygamma(inputs[0], n=params["n"] + 1),
    samples=_polygamma_samples,
    formula="g ψ⁽ⁿ⁺¹⁾(x)",
)
def polygamma_(x: Any, *, n: int) -> Any:
    """The n-th derivative of the digamma function."""
    return sp.polygamma(n, x)


def _polygamma(x: Any, *, n: int) -> Any:
    return polygamma_(x, n=n)


def polygamma(n: int, x: Any) -> Any:
    """The n-th derivative of the digamma function, as scipy.special.polygamma."""
    return polygamma_(x, n=int(n))


digamma = elementwise(sp.psi, lambda out, x: polygamma(1, x), name="digamma", domain=[_POSITIVE], formula="g ψ′(x)")
psi = digamma
gammaln = elementwise(sp.gammaln, lambda out, x: sp.psi(x), domain=[_POSITIVE], formula="g ψ(x)")
loggamma = elementwise(sp.loggamma, lambda out, x: sp.psi(x), domain=[_POSITIVE], formula="g ψ(x)")
gamma = elementwise(sp.gamma, lambda out, x: out * sp.psi(x), domain=[_POSITIVE], formula="g Γ(x) ψ(x)")
rgamma = elementwise(sp.rgamma, lambda out, x: -out * sp.psi(x), domain=[_POSITIVE], formula="−g ψ(x) / Γ(x)")
gammasgn = elementwise(sp.gammasgn, 0, domain=[_POSITIVE], formula="0")
beta = elementwise(
    sp.beta,
    lambda out, x, y: out * (sp.psi(x) - sp.psi(x + y)),
    lambda out, x, y: out * (sp.psi(y) - sp.psi(x + y)),
    domain=[_POSITIVE, _POSITIVE],
    formula="g B (ψ(x) − ψ(x + y)), …",
)
betaln = elementwise(
    sp.betaln,
    lambda out, x, y: sp.psi(x) - sp.psi(x + y),
    lambda out, x, y: sp.psi(y) - sp.psi(x + y),
    domain=[_POSITIVE, _POSITIVE],
    formula="g (ψ(x) − ψ(x + y)), …",
)


def _last_moves(
    function: Any, slope: Callable[..., Any], formula: str, first: Any, domain: Any, name: str | None = None
) -> Any:
    """A ufunc whose last argument alone has a known derivative; `first` are sample values of the others."""
    names = "xyz"[: len(first) + 1]
    low, high = domain

    def samples(rng: np.random.Generator) -> Iterable[Any]:
        # integers, so that they are data and not variables of the test
        yield (*[np.array(f) for f in first], rng.uniform(low, high, size=(3, 4))), {}

    return elementwise(
        function,
        *[_unknown(n, name or function.__name__) for n in names[:-1]],
        slope,
        name=name,
        samples=samples,
        formula=formula,
    )


gammainc = _last_moves(
    sp.gammainc,
    lambda out, x, y: np.exp(-y + sp.xlogy(x - 1.0, y) - sp.gammaln(x)),
    "g y^(x−1) exp(−y) / Γ(x)",
    (2,),
    _POSITIVE,
)
gammaincc = _last_moves(
    sp.gammaincc,
    lambda out, x, y: -np.exp(-y + sp.xlogy(x - 1.0, y) - sp.gammaln(x)),
    "−g y^(x−1) exp(−y) / Γ(x)",
    (2,),
    _POSITIVE,
)
betainc = _last_moves(
    sp.betainc,
    lambda out, x, y, z: np.exp(sp.xlogy(x - 1.0, z) + sp.xlog1py(y - 1.0, -z) - sp.betaln(x, y)),
    "g z^(x−1) (1 − z)^(y−1) / B(x, y)",
    (2, 3),
    _UNIT,
)
zeta = _last_moves(
    lambda x, y: sp.zeta(x, y), lambda out, x, y: -x * _zeta(x + 1.0, y), "−g x ζ(x + 1, y)", (2,), _POSITIVE, "zeta"
)


def _zeta(x: Any, y: Any) -> Any:
    return zeta(x, y)


# -- the error function, and the normal distribution -----------------------------------------------------------

erf = elementwise(sp.erf, lambda out, x: 2.0 / _ROOT_PI * np.exp(-x * x), name="scipy_erf", formula="2 g exp(−x²) / √π")
erfc = elementwise(sp.erfc, lambda out, x: -2.0 / _ROOT_PI * np.exp(-x * x), formula="−2 g exp(−x²) / √π")
erfcx = elementwise(sp.erfcx, lambda out, x: 2.0 * x * out - 2.0 / _ROOT_PI, formula="g (2 x erfcx x − 2 / √π)")
erfi = elementwise(sp.erfi, lambda out, x: 2.0 / _ROOT_PI * np.exp(x * x), formula="2 g exp(x²) / √π")
erfinv = elementwise(
    sp.erfinv, lambda out, x: 0.5 * _ROOT_PI * np.exp(out * out), domain=[(-0.9, 0.9)], formula="g √π exp(out²) / 2"
)
erfcinv = elementwise(
    sp.erfcinv, lambda out, x: -0.5 * _ROOT_PI * np.exp(out * out), domain=[(0.1, 1.9)], formula="−g √π exp(out²) / 2"
)
dawsn = elementwise(sp.dawsn, lambda out, x: 1.0 - 2.0 * x * out, formula="g (1 − 2 x out)")
_ROOT_2PI = math.sqrt(2.0 * math.pi)
ndtr = elementwise(sp.ndtr, lambda out, x: np.exp(-0.5 * x * x) / _ROOT_2PI, formula="g φ(x)")
ndtri = elementwise(sp.ndtri, lambda out, x: _ROOT_2PI * np.exp(0.5 * out * out), domain=[_UNIT], formula="g / φ(out)")
log_ndtr = elementwise(sp.log_ndtr, lambda out, x: np.exp(-0.5 * x * x - out) / _ROOT_2PI, formula="g φ(x) / Φ(x)")

# -- logistic --------------------------------------------------------------------------------------------------

expit = elementwise(sp.expit, lambda out, x: sigmoid_density(x), formula="g σ′(x)")
logit = elementwise(sp.logit, lambda out, x: 1.0 / (x * (1.0 - x)), domain=[_UNIT], formula="g / (x (1 − x))")
log_expit = elementwise(sp.log_expit, lambda out, x: sp.expit(-x), formula="g σ(−x)")

# -- entropies: 0 log 0 is 0 -----------------------------------------------------------------------------------


def _log_where(x: Any, y: Any, log: Callable[..., Any], end: float) -> Any:
    dropped = (x == 0) & (y <= end)
    return select(dropped, 0.0, log(select(dropped, 1.0, y)))


def _ratio(x: Any, y: Any) -> Any:
    return select(x == 0, 0.0, x / select(x == 0, 1.0, y))


xlogy = elementwise(
    sp.xlogy,
    lambda out, x, y: _log_where(x, y, np.log, 0.0),
    lambda out, x, y: _ratio(x, y),
    domain=[(-3.0, 3.0), _POSITIVE],
    formula="g log y, g x / y; 0 where x = 0 and y ≤ 0",
)
xlog1py = elementwise(
    sp.xlog1py,
    lambda out, x, y: _log_where(x, y, np.log1p, -1.0),
    lambda out, x, y: _ratio(x, 1.0 + y),
    domain=[(-3.0, 3.0), (-0.8, 3.0)],
    formula="g log(1 + y), g x / (1 + y); 0 where x = 0 and y ≤ −1",
)
entr = elementwise(sp.entr, lambda out, x: -np.log(x) - 1.0, domain=[_POSITIVE], formula="−g (log x + 1)")
rel_entr = elementwise(
    sp.rel_entr,
    lambda out, x, y: np.log(x / y) + 1.0,
    lambda out, x, y: -_ratio(x, y),
    domain=[_POSITIVE, _POSITIVE],
    formula="g (log(x / y) + 1), −g x / y",
)
kl_div = elementwise(
    sp.kl_div,
    lambda out, x, y: np.log(x / y),
    lambda out, x, y: 1.0 - _ratio(x, y),
    domain=[_POSITIVE, _POSITIVE],
    name="scipy_kl_div",
    formula="g log(x / y), g (1 − x / y)",
)

# -- Bessel functions ------------------------------------------------------------------------------------------


def _bessel(function: Any, below: float, above: float, own: Callable[[Any], Any] | None = None) -> Any:
    """Of order x: half of the neighbours' sum, with signs, and a multiple of itself where it is scaled."""

    def slope(out: Any, x: Any, y: Any) -> Any:
        neighbours = 0.5 * (below * function(x - 1.0, y) + above * function(x + 1.0, y))
        return neighbours if own is None else neighbours + own(y) * out

    return _last_moves(function, slope, "g of the neighbouring orders, halved", (2,), (0.5, 8.0))


jv, yv = _bessel(sp.jv, 1.0, -1.0), _bessel(sp.yv, 1.0, -1.0)
iv, kv = _bessel(sp.iv, 1.0, 1.0), _bessel(sp.kv, -1.0, -1.0)
ive = _bessel(sp.ive, 1.0, 1.0, lambda y: -np.sign(y))
kve = _bessel(sp.kve, -1.0, -1.0, lambda y: 1.0)
yn = _last_moves(sp.yn, lambda out, x, y: 0.5 * (sp.yv(x - 1.0, y) - sp.yv(x + 1.0, y)), "as yv", (2,), (0.5, 8.0))
kn = _last_moves(sp.kn, lambda out, x, y: -0.5 * (sp.kv(x - 1.0, y) + sp.kv(x + 1.0, y)), "as kv", (2,), (0.5, 8.0))
_WAVES = [(0.5, 8.0)]
j0 = elementwise(sp.j0, lambda out, x: -sp.j1(x), domain=_WAVES, formula="−g J₁(x)")
j1 = elementwise(sp.j1, lambda out, x: 0.5 * (sp.j0(x) - sp.jv(2.0, x)), domain=_WAVES, formula="g (J₀ − J₂) / 2")
y0 = elementwise(sp.y0, lambda out, x: -sp.y1(x), domain=_WAVES, formula="−g Y₁(x)")
y1 = elementwise(sp.y1, lambda out, x: 0.5 * (sp.y0(x) - sp.yv(2.0, x)), domain=_WAVES, formula="g (Y₀ − Y₂) / 2")
i0 = elementwise(sp.i0, lambda out, x: sp.i1(x), name="scipy_i0", formula="g I₁(x)")
i1 = elementwise(sp.i1, lambda out, x: 0.5 * (sp.i0(x) + sp.iv(2.0, x)), formula="g (I₀ + I₂) / 2")
i0e = elementwise(sp.i0e, lambda out, x: sp.i1e(x) - np.sign(x) * out, formula="g (I₁ − sign(x) I₀) e^−|x|")
i1e = elementwise(
    sp.i1e,
    lambda out, x: 0.5 * (sp.i0e(x) + sp.ive(2.0, x)) - np.sign(x) * out,
    formula="g ((I₀ + I₂) / 2 − sign(x) I₁) e^−|x|",
)

# -- integrals -------------------------------------------------------------------------------------------------

expi = elementwise(sp.expi, lambda out, x: np.exp(x) / x, domain=[_POSITIVE], formula="g exp(x) / x")
exp1 = elementwise(sp.exp1, lambda out, x: -np.exp(-x) / x, domain=[_POSITIVE], formula="−g exp(−x) / x")

# -- those that are no ufuncs ----------------------------------------------------------------------------------


def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    """log Σ b exp(a) over `axis`, as scipy.special.logsumexp.

    Examples
    --------
    >>> float(logsumexp(np.array([1000.0, 1000.0])) - math.log(2.0))
    1000.0
    """
    data = plain(a)
    data = data if b is None else np.where(plain(b) == 0, -np.inf, data)
    top = np.max(data, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0.0)
    e = np.exp(a - top)
    total = np.sum(e if b is None else np.where(plain(b) == 0, 0.0, b * e), axis=axis, keepdims=keepdims)
    top = top if keepdims else np.squeeze(top, axis=axis) if np.ndim(top) else top
    if return_sign:
        return np.log(np.abs(total)) + top, np.sign(plain(total))
    return np.log(total) + top


def log_softmax(x: Any, axis: Any = None) -> Any:
    """x − logsumexp(x), as scipy.special.log_softmax."""
    return x - logsumexp(x, axis=axis, keepdims=True)


def softmax(x: Any, axis: Any = None) -> Any:
    """exp(x) / Σ exp(x), as scipy.special.softmax."""
    return (
        _softmax(x, axis=axis)
        if isinstance(axis, int) and np.ndim(x) and not np.iscomplexobj(x)
        else np.exp(log_softmax(x, axis))
    )


def multigammaln(a: Any, d: int) -> Any:
    """The logarithm of the multivariate gamma function, as scipy.special.multigammaln."""
    if np.any(plain(a) <= 0.5 * (d - 1)):
        raise ValueError("condition a > 0.5 (d − 1) is not met")
    total = 0.25 * d * (d - 1) * math.log(math.pi)
    for j in range(d):
        total = total + sp.gammaln(a - 0.5 * j)
    return total


__all__ = ["log_softmax", "logsumexp", "multigammaln", "polygamma", "softmax", "zeta"]
