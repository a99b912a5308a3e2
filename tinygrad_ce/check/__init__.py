"""The referee: are an op's derivations the same gradient, and is it the gradient of the function?

compare.py      derivations of one op, or of a finished graph, against each other
gradcheck.py    a gradient against everything that can be known of it independently
prove.py        a derivation's closed form against the decomposition, in symbols
exact.py        values and derivatives in extended precision, without any rule
"""

from .compare import compare_derivations
from .report import Comparison, Row

__all__ = ["Comparison", "Row", "compare_derivations"]
