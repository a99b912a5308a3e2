"""The referee: are an op's derivations the same gradient?

compare_derivations     derivations of one op, or of a finished graph, against each other
prove.py                a derivation's closed form against the decomposition, in symbols
exact.py                values and derivatives in extended precision, without any rule
"""

from .compare import compare_derivations
from .report import Comparison, Row

__all__ = ["Comparison", "Row", "compare_derivations"]
