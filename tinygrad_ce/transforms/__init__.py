"""Functions of functions: grad, value_and_grad, elementwise_grad, vjp, jvp, linearize, hvp, jacobian, hessian; no_grad.

Each runs f once on fresh Values and sweeps the graph that it left. They nest to any order: inside another
transform, or given a Value, a transform returns Values that can be differentiated again. A fresh Value is a node
of its own, so an inner derivative never takes an outer variable for its own (no perturbation confusion):

    grad(lambda x: x * grad(lambda y: x * y)(1.0))(3.0)     is 6: the inner gradient is x, not 2x

Arguments and results may be nested containers (tuple, list, dict, dataclass, namedtuple; see trees.py).
"""

from .context import no_grad
from .derivatives import elementwise_grad, grad, hvp, jvp, linearize, value_and_grad, vjp
from .matrices import hessian, jacobian

__all__ = [
    "elementwise_grad",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "linearize",
    "no_grad",
    "value_and_grad",
    "vjp",
]
