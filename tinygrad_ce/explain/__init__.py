"""The chain rule of a graph, in words, symbols and numbers.

explain(v)      an Explanation: text, LaTeX, HTML
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..node import Node

if TYPE_CHECKING:
    from .writing import Explanation

__all__ = ["explain"]

LIMIT = 40  # operations that are written out


def explain(v: Node, *, gradient: Any = None, limit: int = LIMIT) -> Explanation:
    """How the gradient of `v` comes about: the chain rule of this very graph, written out.

    It says what each operation computes and what its local derivative is; how adjoints come together, from the result
    to the leaves; the product along each path and the sum over paths; the gradient as one formula; and for ops that
    have a closed form, that beside what the chain rule through their decomposition gives. Arrays of up to 16 elements
    are treated exactly, with their Jacobians; of larger ones there are formulas and norms. No `.grad` is touched.

    Parameters
    ----------
    v : Value
    gradient : array, optional
        The cotangent to start from; 1 by default, for one element.
    limit : int
        Of a graph with more operations, only the last ones are written out.

    Returns
    -------
    Explanation
        With `.text`, `.latex` (needs amsmath), `.html` and `.to_dict()`; shows itself in a notebook.

    Raises
    ------
    TypeError
        If `v` is no Value.
    ValueError
        If an option makes no sense, `v` needs no gradient, or has several elements and no `gradient` is given.

    Notes
    -----
    Formulas of local derivatives are read off the rules themselves. They say what holds away from single points: ties
    and kinks have a convention of their own (docs/conventions.md), which the numbers follow.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> a, b = tg.Value(2.0, label="a"), tg.Value(3.0, label="b")
    >>> c = a * b + a
    >>> c.label = "c"
    >>> print(explain(c))
    How the gradient of c comes about
    <BLANKLINE>
    What is computed
      v1 = a·b = 2·3 = 6
      c = v1 + a = 6 + 2 = 8
    <BLANKLINE>
    Local derivatives
    Of what an operation gives, with respect to each of its inputs; g is a cotangent that its rule is given.
      ∂v1/∂a = b = 3
      ∂v1/∂b = a = 2
      ∂c/∂v1 = 1
      ∂c/∂a = 1
    <BLANKLINE>
    Backward, adjoint by adjoint
    d is the derivative all in all, ∂ that of one operation. What comes together at a value is added.
      dc/dc = 1
      dc/dv1 = ∂c/∂v1 = 1
      dc/db = dc/dv1·∂v1/∂b = 2
      dc/da = dc/dv1·∂v1/∂a + ∂c/∂a = 3 + 1 = 4
    <BLANKLINE>
    Path by path
    The product of local derivatives along each way; then the sum.
      c → v1 → a: ∂c/∂v1·∂v1/∂a = 3
      c → a: ∂c/∂a = 1
      their sum: dc/da = 3 + 1 = 4
      c → v1 → b: ∂c/∂v1·∂v1/∂b = 2
    <BLANKLINE>
    The gradient as one formula
      dc/da = 1 + b = 4
      dc/db = a = 2
    """
    if not isinstance(v, Node):
        raise TypeError(f"explain() takes a Value, the result whose gradient is asked for, not {type(v).__name__}")
    from ..draw.options import whole
    from .sections import explained  # what only explaining needs is imported then

    return explained(v, gradient, whole("limit", limit, 1))
