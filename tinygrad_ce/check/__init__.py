"""The referee: are an op's derivations the same gradient?

compare_derivations     derivations of one op, or of a finished graph, against each other
"""

from .compare import compare_derivations
from .report import Comparison, Row

__all__ = ["Comparison", "Row", "compare_derivations"]
