"""The memory of a training step: compiled, it is to take no more than by hand, and a fifth."""

from __future__ import annotations

from dataclasses import replace

from ..memory import allocated, resident
from ..model import BYTES, OURS, Aim, Row
from . import compiled
from .common import BY_HAND

_OF_NUMPY = (OURS, "NumPy", "MyGrad", "HIPS")  # of whose arrays NumPy tells
_IN_PROCESSES = (OURS, "NumPy", "torch", "jax")


def _arrays(row: Row) -> Row:
    """What NumPy allocates."""
    return replace(
        row,
        name=f"{row.name}, memory",
        what=f"{row.what} NumPy's arrays at the peak of it, those that are kept from step to step included.",
        competitors=tuple(c for c in row.competitors if c.name.startswith(_OF_NUMPY)),
        aim=Aim(BY_HAND, 1.2),
        gauge=allocated,
        measures=BYTES,
        facts=None,
        answers=None,  # which the rows of the steps themselves hold together
        fewest=1,
    )


def _process(row: Row) -> Row:
    """What the operating system sees."""
    name = f"{row.name}, memory of the process"
    return replace(
        row,
        name=name,
        competitors=tuple(c for c in row.competitors if c.name.startswith(_IN_PROCESSES) and not c.slow),
        what=f"{row.what} What a process of its own grows by, its library imported and all compilation included.",
        aim=Aim(BY_HAND, 1.2),
        gauge=resident(name),
        measures=BYTES,
        facts=None,
        answers=None,
        fewest=1,
    )


_STEPS = [row for row in compiled.ROWS if row.unit == "step"]
_LARGE = [row for row in compiled.ROWS if "784" in row.name or "GPT" in row.name or "50,000" in row.name]

ROWS = (*map(_arrays, _STEPS), *map(_process, _LARGE))
