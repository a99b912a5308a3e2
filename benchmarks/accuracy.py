"""How many digits softmax and cross-entropy have, ours and our peers', and what ours cost.

python -m benchmarks.accuracy            everything, a few minutes
python -m benchmarks.accuracy --write    and rewrite the tables in docs/accuracy.md
python -m benchmarks.accuracy --quick    a small version in seconds, without the costs

exact.py says what is true, regimes.py where it is asked, peers.py who answers, rows/kernels.py what costs are of.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .apart import measured_apart
from .exact import Truth, effective, epsilons, truth, ulps
from .machine import described, machine
from .measured import rewrite
from .model import OURS
from .peers import PEERS, Answers, present
from .regimes import Regime, regimes
from .report import digits, markdown, missed, table
from .rows.kernels import ROWS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "accuracy.md"
UNPROMISED = "logsumexp, relative"  # as near 0 as can be had
START = "<!-- measured: python -m benchmarks.accuracy --write rewrites all up to the next comment -->"
QUANTITIES = {
    "softmax": "ulp",
    "log_softmax": "ulp",
    "loss": "ulp",
    "gradient": "ulp",
    "loss, weighted": "ulp",
    "gradient, weighted": "ulp",
    "loss, soft targets": "ulp",
    "gradient, soft targets": "eps (T ŷ + ỹ)",
    "logsumexp": "eps max(abs lse, abs max s)",
    UNPROMISED: "ulp",
}


@dataclass(frozen=True)
class Finding:
    """The worst error of one answer in one regime."""

    quantity: str
    regime: str
    who: str
    dtype: str
    error: float


def findings(who: dict[str, Answers], rows: int, many: int) -> Iterator[Finding]:
    """Everybody's worst errors: every quantity in every regime, float32 and float64."""
    for dtype in (np.float32, np.float64):
        for regime in regimes(dtype, rows, many):
            print(f"{np.dtype(dtype)}, {regime.name}", file=sys.stderr, flush=True)
            for quantity, name, error in _of_regime(regime, who):
                yield Finding(quantity, regime.name, name, str(np.dtype(dtype)), error)


def _of_regime(regime: Regime, who: dict[str, Answers]) -> Iterator[tuple[str, str, float]]:
    z, labels, k = regime.scores, regime.labels, regime.scores.shape[1]
    rng = np.random.default_rng(1)
    one_hot = np.eye(k)[labels] if k <= 1000 else [[int(j == y) for j in range(k)] for y in labels]
    yield from _compared(regime, labels, None, truth(z, one_hot), who, "")
    if k <= 1000:
        weight = (10.0 ** rng.uniform(-3, 3, size=k)).astype(z.dtype)
        yield from _compared(regime, labels, weight, truth(z, effective(one_hot, weight)), who, ", weighted")
        soft = np.where(np.isneginf(z), 0.0, rng.dirichlet(np.full(k, 0.3), size=len(z))).astype(z.dtype)
        yield from _compared(regime, soft, weight, truth(z, effective(soft, weight)), who, ", soft targets")


def _compared(
    regime: Regime, targets: Any, weight: Any, exact: Truth, who: dict[str, Answers], suffix: str
) -> Iterator[tuple[str, str, float]]:
    z, axis = regime.scores, regime.axis
    laid = z if axis == -1 else np.ascontiguousarray(z.T)
    if np.ndim(targets) == 2 and axis == 0:
        targets = np.ascontiguousarray(targets.T)
    for name, answers in who.items():
        with np.errstate(all="ignore"):
            loss = answers.loss(laid, targets, weight, axis)
            yield f"loss{suffix}", name, ulps(loss, exact.loss)
            if answers.gradient is not None:
                gradient = _back(answers.gradient(laid, targets, weight, axis), axis)
                soft = suffix == ", soft targets"
                error = epsilons(gradient, exact.gradient, exact.size) if soft else ulps(gradient, exact.gradient)
                yield f"gradient{suffix}", name, error
            if not suffix:
                yield "softmax", name, ulps(_back(answers.softmax(laid, axis), axis), exact.softmax)
                yield "log_softmax", name, ulps(_back(answers.log_softmax(laid, axis), axis), exact.log_softmax)
                found = answers.logsumexp(laid, axis)
                size = np.maximum(np.abs(exact.logsumexp[0]), np.abs(z.max(axis=1).astype(np.float64)))
                yield "logsumexp", name, epsilons(found, exact.logsumexp, size)
                yield "logsumexp, relative", name, ulps(found, exact.logsumexp)


def _back(x: Any, axis: int) -> Any:
    return x if axis == -1 else x.T


# -- tables ----------------------------------------------------------------------------------------------------


def summary(found: Sequence[Finding]) -> str:
    """The worst of every quantity over all regimes."""
    worst: dict[tuple[str, str, str], Finding] = {}
    for f in found:
        key = (f.quantity, f.who, f.dtype)
        worst[key] = max(worst.get(key, f), f, key=lambda f: f.error)
    named = {q: q if unit == "ulp" else f"{q}, in {unit}" for q, unit in QUANTITIES.items()}
    return _table("quantity", named, worst.values(), lambda f: f.quantity)


def by_regime(found: Sequence[Finding]) -> str:
    """A table of every regime for each quantity."""
    names = {f.regime: f.regime for f in found}
    tables = []
    for quantity, unit in QUANTITIES.items():
        chosen = [f for f in found if f.quantity == quantity]
        tables.append(f"### {quantity}, in {unit}\n\n{_table('regime', names, chosen, lambda f: f.regime)}")
    return "\n\n".join(tables)


def _table(head: str, lines: dict[str, str], found: Iterable[Finding], line_of: Callable[[Finding], str]) -> str:
    """A line for each of `lines` (key: what is shown) and a column for each of those who answered."""
    cells = {(line_of(f), f.dtype, f.who): _shown(f.error) for f in found}
    columns = list(dict.fromkeys((dtype, who) for _, dtype, who in cells))
    kept = [key for key in lines if any(line == key for line, _, _ in cells)]
    body = [(lines[key], *[cells.get((key, *column), "") for column in columns]) for key in kept]
    names = [f"{who} {dtype.removeprefix('float')}" for dtype, who in columns]
    return markdown((head, *names), body, right=names)


def _shown(error: float) -> str:
    return "not finite" if not np.isfinite(error) else digits(error) if error < 1e4 else f"{error:.0e}"


def page(found: Sequence[Finding], costs: Sequence[Any], facts: dict[str, Any]) -> str:
    """All of it, as Markdown."""
    simd = ", ".join(np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])) or "none beyond the baseline"
    absent = [name for name in PEERS if name not in {f.who for f in found}]
    parts = [
        f"{described(facts)} NumPy's SIMD extensions: {simd}.",
        f"Not installed, and so not in the tables: {', '.join(absent)}." if absent else "",
        "## The worst of every regime",
        summary(found),
        "## What it costs" if costs else "",
        f"{table(costs)}\n\n{missed(costs)}" if costs else "",
        "## By regime",
        by_regime(found),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


# -- the command -----------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 if one of our own errors is above 4 where no more is promised."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description="Digits of softmax and its kin.")
    parser.add_argument("--quick", action="store_true", help="few rows, fewer classes, no costs")
    parser.add_argument("--write", action="store_true", help=f"rewrite the tables in docs/{PAGE.name}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the findings there")
    options = parser.parse_args(arguments)
    if options.quick and options.write:
        parser.error("--write is for the whole table: leave out --quick")
    facts = machine(1, [name for name in PEERS if name not in (OURS, "NumPy")])
    costs = [] if options.quick else [measured_apart(row, 3.0, 1) for row in ROWS]
    found = list(findings(present(), *((3, 200) if options.quick else (24, 100_000))))
    made = page(found, costs, facts)
    print(made)
    if options.json:
        data = {"machine": facts, "findings": [asdict(f) for f in found], "costs": [c.to_dict() for c in costs]}
        options.json.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.write:
        PAGE.write_text(rewrite(PAGE.read_text(encoding="utf-8"), made, START), encoding="utf-8")
    return int(any(f.error > 4.0 for f in found if f.who == OURS and f.quantity != UNPROMISED))


if __name__ == "__main__":
    sys.exit(main())
