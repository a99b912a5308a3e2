"""tinygrad_ce: an autograd micro-framework whose gradients come with a second opinion.

    import tinygrad_ce as tg

    z = tg.Value([[2.0, 1.0, 0.1]])                    a leaf
    loss = tg.softmax_cross_entropy(z, [0])            one forward
    loss.backward(); z.grad                            each op's default derivation
    loss.backward(derivation="autodiff")               another, on the same graph
    tg.compare_derivations(loss)                       all of them, refereed
"""

from .choice import use_derivation
from .op import Assumption, AssumptionError, op, shortcut
from .ops import (
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
from .value import Value

__version__ = "0.1.0"
