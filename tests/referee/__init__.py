"""What the referee is tried on: two suites of functions with hand-written gradients, right and wrong.

case.py         what a case is: a function, a rule, inputs, and what ought to be said of them
suite_a_*.py    the first suite, written beside the referee, and unkind to it
suite_b_*.py    the second, written independently and without sight of the referee; b_forms.py is what its files share
argued.py       cases that the referee judges otherwise on purpose, and why
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path

from .argued import ARGUED
from .case import Case

SUITES = ("a", "b")


@cache
def all_cases() -> dict[str, Case]:
    """Every case by suite and name, "a: relu at zero" say; names are unique within a suite."""
    found: dict[str, Case] = {}
    for suite in SUITES:
        for path in sorted(Path(__file__).parent.glob(f"suite_{suite}_*.py")):
            for case in import_module(f".{path.stem}", __name__).CASES:
                key = f"{suite}: {case.name}"
                assert key not in found, f"there are two cases named {key!r}"
                found[key] = case
    return found


def acceptable(case: Case) -> bool:
    """Whether a check ought to accept the rule."""
    return case.kind not in ("wrong", "elsewhere")


def fits(case: Case, diagnosis: str) -> bool:
    """Whether a diagnosis is one of those that the case's author thinks right; none is "elsewhere"."""
    return (diagnosis or "elsewhere") in case.diagnosis


__all__ = ["ARGUED", "SUITES", "Case", "acceptable", "all_cases", "fits"]
