"""The referee: are an op's derivations the same gradient, and is it the gradient of the function?

    compare_derivations     derivations of one op, or of a finished graph, against each other
    gradcheck               a gradient against everything that can be known of it independently
"""

from .compare import compare_derivations
from .gradcheck import gradcheck
from .gradreport import GradReport
from .report import Comparison, Row

__all__ = ["Comparison", "GradReport", "Row", "compare_derivations", "gradcheck"]
