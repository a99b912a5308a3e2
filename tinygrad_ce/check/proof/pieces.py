"""Function and rule of a subject on symbols: both gradients, in every region where the code branches alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Any

import mpmath
import numpy as np
import sympy

from ...capture import NotCaptured, Program, capture
from .regions import Path, inside, untaken
from .subject import Case, Subject
from .symbols import DIGITS, Region, Tie, probing

POINTS = 64  # random points, whose regions are the pieces
MOST = 128  # pieces
EVIDENCE = 16  # of them in one region, where numbers are compared
_WIDE = 3.0

Point = Mapping[sympy.Symbol, Fraction]
Solution = Mapping[sympy.Symbol, Any]


@dataclass(frozen=True)
class Piece:
    """Both gradients in one region: by input, arrays of expressions. None: the rule gives no gradient."""

    region: Region
    point: Point
    symbols: dict[int, Any]
    derivative: dict[int, Any]
    rule: dict[int, Any]
    equations: tuple[Any, ...]  # what vanishes where the assumptions hold

    def entries(self, i: int) -> list[tuple[sympy.Symbol, Any, Any]]:
        """(symbol, rule, derivative) for each entry of an input."""
        symbols, rule = self.symbols[i], self.rule[i]
        rules = [sympy.Integer(0)] * symbols.size if rule is None else list(rule.flat)
        return list(zip(symbols.flat, rules, self.derivative[i].flat, strict=True))


class Setting:
    """Function and rule of a subject, captured for one kind of inputs, with a symbol for every number."""

    def __init__(self, subject: Subject, case: Case) -> None:
        self.subject, self.case = subject, case
        self.assumes = subject.derivation.assumes
        self.moving = [i for i in case.symbolic if not subject.constant(i)]
        if not self.moving:
            raise ValueError(f"{subject.title}: none of its inputs is an array of numbers to differentiate in")
        examples = [np.full(case.inputs[i].shape, sum(case.ranges[i]) / 2) for i in case.symbolic]
        self.function = self._captured("decomposition", self._function, examples)
        out = np.asarray(self.function(*examples))
        self.rule = self._captured("rule", self._rule, [np.ones(out.shape), out, *examples])
        self.equations = self._captured("equations", self._equations, examples)
        kinds = {case.names[i]: (case.inputs[i].shape, case.ranges[i][0] > 0) for i in case.symbolic}
        g = "g" if "g" not in kinds else "cotangent"
        arrays = _named({**kinds, g: (out.shape, False)})
        self.g = arrays[g]
        self.symbols = {i: arrays[case.names[i]] for i in case.symbolic}
        self.ranges = {s: case.ranges[i] for i, array in self.symbols.items() for s in array.flat}
        self.rng = np.random.default_rng(0)
        self._seen: set[Any] = set()  # outcomes of comparisons, by which pieces are known

    # -- what is captured --------------------------------------------------------------------------------------

    def _captured(self, what: str, f: Callable[..., Any], examples: Sequence[Any]) -> Program:
        try:
            return capture(f, *examples, opened=True, values=False)
        except NotCaptured as error:
            error.add_note(f"in the {what} of '{self.subject.derivation.name}' of {self.subject.title}")
            raise

    def _inputs(self, xs: Sequence[Any]) -> list[Any]:
        inputs = list(self.case.inputs)
        for i, x in zip(self.case.symbolic, xs, strict=True):
            inputs[i] = x
        return inputs

    def _function(self, *xs: Any) -> Any:
        return self.subject.function(*self._inputs(xs), **self.case.params)

    def _rule(self, g: Any, out: Any, *xs: Any) -> list[Any]:
        inputs = tuple(self._inputs(xs))
        found = self.subject.derivation.rule(g, out, inputs, self.case.params, self.moving)
        return [found[i] for i in self.moving]

    def _equations(self, *xs: Any) -> list[Any]:
        """What vanishes where the assumptions hold, of those that have a symbolic form."""
        inputs = self._inputs(xs)
        stated = [a.equations(*inputs, **self.case.params) for a in self.assumes if a.equations is not None]
        return list(chain.from_iterable(stated))

    # -- points ------------------------------------------------------------------------------------------------

    def _point(self, n: int) -> dict[sympy.Symbol, Fraction]:
        """The n-th random point: first eighths up to 1, easy to read, then quarters, then finer fractions."""
        parts = 8 if n < POINTS // 4 else 4 if n < POINTS // 2 else 64
        point = {}
        for symbol, (low, high) in self.ranges.items():
            if low < _WIDE and high > -_WIDE:
                low, high = max(low, -_WIDE), min(high, _WIDE)
            if parts == 8 and low < 0.5 and high > 1:
                low, high = max(low, 0.0), 1.0
            first, last = int(np.ceil(low * parts)), int(np.floor(high * parts))
            if last - first < 2:
                point[symbol] = Fraction(float(self.rng.uniform(low, high))).limit_denominator(1000)
            else:
                point[symbol] = Fraction(int(self.rng.integers(max(first, 1) if low >= 0 else first, last + 1)), parts)
        return point

    def _points(self) -> Iterator[Point]:
        """Random points, with a cotangent: 1 for one number."""
        for n in range(POINTS):
            halves = [2] if self.g.size == 1 else self.rng.choice([-3, -2, -1, 1, 2, 3], size=self.g.size)
            cotangent = {s: Fraction(int(h), 2) for s, h in zip(self.g.flat, halves, strict=True)}
            yield {**self._point(n), **cotangent}

    def points_in(self, piece: Piece, solution: Solution) -> list[Point]:
        """Points of a piece's region where the solution holds: its own if it is one, and random ones."""
        points: list[Point] = []
        for point in chain([piece.point], self._points()):
            point = {**point, **at(solution, point)}
            if all((value(d, point) > 0) == positive for d, positive in piece.region.decisions.items()):
                points.append(point)
            if len(points) == EVIDENCE:
                break
        return points

    def assumed(self, point: Point) -> bool:
        """Whether what the derivation assumes holds at a point, by its predicates."""
        inputs = self._inputs([self._floats(point, array) for array in self.symbols.values()])
        return all(a.failure(inputs, self.case.params) is None for a in self.assumes)

    def _floats(self, point: Point, symbols: Any) -> Any:
        return np.array([float(point[s]) for s in symbols.flat]).reshape(symbols.shape)

    # -- pieces ------------------------------------------------------------------------------------------------

    def pieces(self) -> tuple[list[Piece], list[Path]]:
        """One for each region, and the branches of which it is not known whether there are points in them."""
        found: dict[Path, Piece] = {}
        for point in self._points():
            self._add(point, found)
        if not found:
            raise ValueError(
                f"{self.subject.title} is defined at none of {POINTS} random points; give its op samples that show "
                f"where it is"
            )
        settled: set[Path] = set()  # branches that are empty, or in which no point was found
        unseen: list[Path] = []
        while todo := [path for path in untaken(list(found)) if path not in settled]:
            if len(found) >= MOST:
                unseen += todo
                break
            settled.add(todo[0])
            start = inside(todo[0])
            if start is not None and not self._enter(todo[0], start, found):
                unseen.append(todo[0])
        return sorted(found.values(), key=lambda piece: piece.region.text), unseen

    def _enter(self, branch: Path, start: Point, found: dict[Path, Piece]) -> bool:
        """Add the piece of a point in a branch; False where none was hit."""
        for n, other in enumerate(self._points()):
            nearby = {s: x + (other[s] - x) / 1024 if n else x for s, x in start.items() if s in other}
            if all((value(d, {**other, **nearby}) > 0) == positive for d, positive in branch):
                self._add({**other, **nearby}, found)
                if any(path[: len(branch)] == branch for path in found):
                    return True
        return False

    def _add(self, point: Point, found: dict[Path, Piece]) -> None:
        """Add the piece of a point, unless it is known, not defined there or on a border."""
        outcomes, arithmetic = probing()
        numbers = {s: mpmath.mpf(x.numerator) / x.denominator for s, x in point.items()}
        g, *xs = [arithmetic.lift(_each(numbers.__getitem__, a)) for a in (self.g, *self.symbols.values())]
        out = arithmetic.lift(self.function.run(xs, arithmetic))
        self.rule.run((g, out, *xs), arithmetic)
        if tuple(outcomes) in self._seen or any(x != x for x in out.flat):
            return
        try:
            piece = self._piece(point)
        except Tie:
            return
        self._seen.add(tuple(outcomes))
        found.setdefault(piece.region.path, piece)

    def _piece(self, point: Point) -> Piece:
        region = Region({s: mpmath.mpf(x.numerator) / x.denominator for s, x in point.items()})
        g, *xs = [region.array(a) for a in (self.g, *self.symbols.values())]
        held = region.arithmetic.lift(self.function.run(xs, region.holding))
        total = sum(s * x.expr for s, x in zip(self.g.flat, held.flat, strict=True))
        derivative = {i: _each(lambda s: region.thawed(sympy.diff(total, s)), self.symbols[i]) for i in self.moving}
        out = _each(lambda x: region.number(region.thawed(x.expr), x.value), held)
        gradients = self.rule.run([g, out, *xs], region.arithmetic)
        rule = {
            i: x if x is None else _each(lambda n: region.thawed(n.expr), region.arithmetic.lift(x))
            for i, x in zip(self.moving, gradients, strict=True)
        }
        stated = [region.arithmetic.lift(x) for x in self.equations.run(xs, region.arithmetic)]
        equations = tuple([x.expr for array in stated for x in array.flat])
        return Piece(region, point, self.symbols, derivative, rule, equations)


def value(expr: Any, point: Point) -> Any:
    """An expression at a point, to 60 digits; nan where it has none."""
    number = sympy.N(expr.xreplace({s: _rational(x) for s, x in point.items()}), DIGITS)
    return mpmath.mpmathify(number) if number.is_finite and number.is_real else mpmath.nan


def at(solution: Solution, point: Point) -> dict[sympy.Symbol, Fraction]:
    """What a solution says of its symbols at a point."""
    here = {s: _rational(x) for s, x in point.items()}
    return {s: Fraction(str(expr.xreplace(here))) for s, expr in solution.items()}


def _rational(x: Fraction) -> sympy.Rational:
    return sympy.Rational(x.numerator, x.denominator)


def _each(f: Callable[[Any], Any], array: Any) -> Any:
    out = np.empty(np.shape(array), dtype=object)
    for place in np.ndindex(out.shape):
        out[place] = f(array[place])
    return out


def _named(kinds: Mapping[str, tuple[tuple[int, ...], bool]]) -> dict[str, Any]:
    """Arrays of symbols by name, from their shapes and whether they are positive: x, z0, y12.

    With separators, z_0 and y_1_2, where one might be taken for another.
    """
    for separator in ("", "_", "__", "'"):
        texts = {
            name: [separator.join([name, *map(str, place)]) for place in np.ndindex(shape)]
            for name, (shape, _) in kinds.items()
        }
        every = list(chain.from_iterable(texts.values()))
        if len(set(every)) == len(every):
            break
    arrays = {}
    for name, (shape, positive) in kinds.items():
        arrays[name] = np.empty(shape, dtype=object)
        for place, text in zip(np.ndindex(shape), texts[name], strict=True):
            arrays[name][place] = sympy.Symbol(text, real=True, positive=positive or None)
    return arrays
