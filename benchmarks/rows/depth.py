"""Deep chains: a node is to cost the same in a graph of a thousand and in one of a million."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..memory import resident, traced
from ..model import BYTES, OURS, Aim, Competitor, Row, Run

LENGTHS = (1_000, 10_000, 100_000, 1_000_000)
DEEP = 100_000  # beside others, who take a million times 10 µs and more
_OTHERS = f"deep chain of {DEEP:,}, beside others, memory"


def chain(length: int) -> Run:
    """Multiplications and additions of one number: built and swept."""
    from tinygrad_ce import Value

    def run() -> Any:
        start = Value(0.5)
        _links(start, length).backward()
        return start.grad

    return run


def _links(x: Any, length: int) -> Any:
    for _ in range(length // 2):
        x = x * 1.0 + 0.0
    return x


def _torch(length: int) -> Run:
    import torch

    def run() -> Any:
        start = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
        _links(start, length).backward()
        return start.grad

    return run


def _hips(length: int) -> Run:
    import autograd

    return partial(autograd.grad(partial(_links, length=length)), 0.5)


def _named(length: int) -> str:
    return f"{OURS}, {length:,} nodes"


def _row(name: str, what: str, **options: Any) -> Row:
    return Row(
        name=name,
        what=what,
        unit="node",
        baseline=_named(LENGTHS[0]),
        competitors=tuple(Competitor(_named(n), partial(chain, n), per=n) for n in LENGTHS),
        **options,
    )


def _beside_others(name: str, what: str, aims: tuple[Aim, ...], **options: Any) -> Row:
    return Row(
        name=name,
        what=what,
        unit="node",
        baseline=OURS,
        competitors=(
            Competitor(OURS, partial(chain, DEEP), per=DEEP),
            Competitor("torch", partial(_torch, DEEP), needs="torch", per=DEEP),
            Competitor("HIPS autograd", partial(_hips, DEEP), needs="autograd", per=DEEP),
        ),
        aim=aims,
        **options,
    )


_WHAT = "Multiplications and additions of one number: built, swept, freed"
_FLAT = 1.1  # as near as two lengths are measured to each other

ROWS = (
    _row(
        "deep chains",
        f"{_WHAT}.",
        aim=(
            Aim(None, 3e-6, who=_named(1_000_000)),
            Aim(_named(1_000), _FLAT, who=_named(1_000_000)),
        ),
    ),
    _row("deep chains, cyclic collector off", f"{_WHAT}.", collector=False),
    _row(
        "deep chains, memory",
        "The same, at the peak, as tracemalloc sees it.",
        aim=(Aim(None, 300.0, who=_named(1_000)), Aim(None, 400.0, who=_named(1_000_000))),
        gauge=traced,
        answers=None,
        fewest=1,
        measures=BYTES,
    ),
    _beside_others(f"deep chain of {DEEP:,}, beside others", f"{_WHAT}.", (Aim("torch", 0.5),)),
    _beside_others(
        _OTHERS,
        "The same at the peak: what a process of its own grows by.",
        (Aim(None, 400.0),),
        gauge=resident(_OTHERS),
        answers=None,
        fewest=1,
        measures=BYTES,
    ),
)
