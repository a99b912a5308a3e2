"""The ops, by family. Each file holds its ops' forwards, rules, decompositions and documentation.

An op is declared in one place, and everything else follows from the registry: NumPy dispatch, methods of Value,
forward mode, the test battery, the referee, the table in the documentation.
"""

from ..registry import registry
from . import complex, passthrough, reducing, shaping  # noqa: F401  (register)
from .activation import relu, softplus
from .binary import sigmoid_binary_cross_entropy
from .cross_entropy import cross_entropy
from .elementwise import (
    add,
    divide,
    exp,
    floor_divide,
    log,
    multiply,
    negative,
    positive,
    power,
    remainder,
    sigmoid,
    subtract,
    tanh,
)
from .joining import array
from .kinks import abs, stop_gradient
from .linalg import matmul
from .shaping import transpose
from .softmax import log_softmax, logsumexp, softmax
from .softmax_cross_entropy import softmax_cross_entropy

# Imported when a function is looked for that none of the above has registered.
registry.late += [
    f"{__name__}.{late}"
    for late in """
        activations attention batch_norm calculus convolution decompositions distances divergences dropout einsum
        embedding error_function fourier inverses margins normalization norms padding polynomials pooling products
        ranges rearranging recurrent runs selecting spectra statistics trigonometric
    """.split()  # noqa: SIM905 (a list would be thirty lines)
]
registry.late_methods = (
    *("arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "cos", "cosh", "deg2rad", "degrees", "erf", "i0"),
    *("mish", "normal_cdf", "rad2deg", "radians", "silu", "sin", "sinc", "sinh", "tan"),
)

__all__ = [
    "abs",
    "add",
    "array",
    "cross_entropy",
    "divide",
    "exp",
    "floor_divide",
    "log",
    "log_softmax",
    "logsumexp",
    "matmul",
    "multiply",
    "negative",
    "positive",
    "power",
    "relu",
    "remainder",
    "sigmoid",
    "sigmoid_binary_cross_entropy",
    "softmax",
    "softmax_cross_entropy",
    "softplus",
    "stop_gradient",
    "subtract",
    "tanh",
    "transpose",
]
