"""tinygrad_ce: an autograd micro-framework whose gradients come with a second opinion.

    import tinygrad_ce as tg

    z = tg.Value([[2.0, 1.0, 0.1]])                    a leaf
    loss = tg.softmax_cross_entropy(z, [0])            one forward
    loss.backward(); z.grad                            each op's default derivation
    loss.backward(derivation="autodiff")               another, on the same graph
    tg.compare_derivations(loss)                       all of them, refereed

Importing it imports NumPy and nothing heavier: what draws, plots or shows progress is imported where it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .anomaly import AnomalyError
from .check import compare_derivations
from .choice import use_derivation
from .derivation import Assumption, AssumptionError
from .draw import draw
from .explain import explain
from .heap import keep_freed_memory as _keep_freed_memory
from .mutation import MutationError
from .observe import detect_anomaly, detect_mutation, trace
from .op import shortcut
from .ops import (
    array,
    cross_entropy,
    log_softmax,
    logsumexp,
    relu,
    sigmoid,
    sigmoid_binary_cross_entropy,
    softmax,
    softmax_cross_entropy,
    softplus,
    stop_gradient,
    tanh,
)
from .registry import Registry, op
from .registry import registry as _registry
from .transforms import (
    elementwise_grad,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    linearize,
    no_grad,
    value_and_grad,
    vjp,
)
from .value import Value

__version__ = "0.1.0"

_keep_freed_memory()

if TYPE_CHECKING:
    from .check.bisect import bisect
    from .check.check_op import check_op, check_registry
    from .check.gradcheck import gradcheck
    from .check.grade import grade
    from .check.prove import prove
    from .compiler import NotCaptured, compile
    from .draw.page import explore
    from .modelcheck import check_model

_PARTS = ("data", "nn", "optim", "special", "train")
_LATER = {
    "check_model": ".modelcheck",
    "check_op": ".check.check_op",
    "check_registry": ".check.check_op",
    "bisect": ".check.bisect",
    "explore": ".draw.page",
    "grade": ".check.grade",
    "gradcheck": ".check.gradcheck",
    "prove": ".check.prove",
    "compile": ".compiler",
    "NotCaptured": ".compiler",
}


def __getattr__(name: str) -> Any:
    # tg.nn and the like are imported when first asked for.
    if name in _PARTS:
        return import_module(f".{name}", __name__)
    if name in _LATER:
        return getattr(import_module(_LATER[name], __name__), name)
    raise AttributeError(f"tinygrad_ce has no attribute '{name}'")


def registry() -> Registry:
    """Every op by name: its derivations, their orders, assumptions and formulas.

    >>> registry()["softmax"]
    <op softmax: autodiff, stable (default), analytic, jacobian>
    """
    _registry.complete()
    return _registry


__all__ = [
    "AnomalyError",
    "Assumption",
    "AssumptionError",
    "MutationError",
    "NotCaptured",
    "Value",
    "array",
    "bisect",
    "check_model",
    "check_op",
    "check_registry",
    "compare_derivations",
    "compile",
    "cross_entropy",
    "detect_anomaly",
    "detect_mutation",
    "draw",
    "elementwise_grad",
    "explain",
    "explore",
    "grad",
    "gradcheck",
    "grade",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "linearize",
    "log_softmax",
    "logsumexp",
    "no_grad",
    "op",
    "prove",
    "registry",
    "relu",
    "shortcut",
    "sigmoid",
    "sigmoid_binary_cross_entropy",
    "softmax",
    "softmax_cross_entropy",
    "softplus",
    "stop_gradient",
    "tanh",
    "trace",
    "use_derivation",
    "value_and_grad",
    "vjp",
]
