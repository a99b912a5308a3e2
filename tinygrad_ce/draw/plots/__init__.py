"""Pictures of training and of what was learnt (extra `plot`): `tg.draw.curves(history)` and the like.

    curves(history)                         loss, accuracy, learning rate, gradient norms, dead relus
    decision_boundary(model, X, y)          which class the model gives to each point of a plane
    BoundaryFilm(model, X, y)               the same after every epoch, as a GIF
    confusion(matrix)                       which class is taken for which
    weights(layer), saliency(model, x)      what a layer looks for; which pixels an answer hangs on
    landscape(model, loss)                  the loss around the present parameters
    jacobian_heatmap(f, *inputs)            every partial derivative of f

Each takes `axes=` to draw into and returns the Axes it drew into; without, it makes a figure of its own, which is
`.figure` of what it returns. Nothing here is global: no pyplot, no current figure, no settings changed.
"""

from .boundary import BoundaryFilm, decision_boundary
from .confusion import confusion
from .curves import curves
from .images import saliency, weights
from .jacobian import jacobian_heatmap
from .landscape import landscape

__all__ = [
    "BoundaryFilm",
    "confusion",
    "curves",
    "decision_boundary",
    "jacobian_heatmap",
    "landscape",
    "saliency",
    "weights",
]
