"""What a check found, as data.

Finding     one thing that is wrong, doubtful or worth knowing, and where
Row         one line of the report: what was checked, at which points, with what verdict
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PASS, FAIL, KINK, INCONCLUSIVE = "PASS", "FAIL", "KINK", "INCONCLUSIVE"


@dataclass
class Finding:
    """One thing found.

    Attributes
    ----------
    check : str
        What was being checked: "gradient", "shape", "dtype", "mutation", "state", "noise", "linearity", …
    verdict : str
    message : str
        In a sentence: what, where, by how much.
    diagnosis : str
        The likely mistake, by name; "" where nothing is to be diagnosed.
    hint : str
        What to do about it.
    point : str
        Which point, by name: "your point", "ties", "batch of one".
    where : str
        The input and entry: "z[0, 1]".
    value, truth, bar : float or None
        The worst entry: the rule's number, the referee's, and the referee's error bar.
    data : dict
        What a reproduction and a picture need; not part of `to_dict`.
    """

    check: str
    verdict: str
    message: str
    diagnosis: str = ""
    hint: str = ""
    point: str = "your point"
    where: str = ""
    value: float | None = None
    truth: float | None = None
    bar: float | None = None
    data: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass
class Row:
    """One line of the report."""

    check: str
    verdict: str
    detail: str = ""


def worst(verdicts: list[str]) -> str:
    """The verdict of several: FAIL beats INCONCLUSIVE beats KINK beats PASS."""
    for verdict in (FAIL, INCONCLUSIVE, KINK, PASS):
        if verdict in verdicts:
            return verdict
    return INCONCLUSIVE
