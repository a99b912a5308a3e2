"""prove: a derivation's closed form, shown equal to the derivative of what the op is defined by.

The op's decomposition (for a primitive, its kernel) is captured and run on SymPy's symbols, and differentiated there;
the derivation's rule is captured and run on the same symbols, with a symbolic cotangent; that their difference is zero
is proved, under what the derivation assumes where that is needed. Where code branches on data, it is proved region by
region; proof/ says how. Real arithmetic: what rounding does is the referee's business, not a theorem's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..extras import extra
from ..op import Op, Shortcut
from .proof.subject import Case, Subject
from .proof.theorem import Proof, Theorem

__all__ = ["prove"]


def prove(
    op: Op | tuple[Op, Op] | Shortcut,
    derivation: str | None = None,
    *,
    classes: int = 3,
    batch: int = 1,
    **given: Any,
) -> Proof:
    """Prove that a derivation of an op is its derivative, for a small number of classes.

    Parameters
    ----------
    op : Op, or (inner, outer) for a shortcut
        What to prove a derivation of.
    derivation : str, optional
        "analytic" where there is one of that name, else the default.
    classes, batch : int
        How many classes, and rows of them, an op with an axis of classes (and one without samples) gets.
    **given
        Options of the op; and inputs by name, as examples: the entries of a float array become symbols, integers and
        masks stay what they are, None leaves an optional input out. Where class indices or a dense target are both
        possible, each is proved.

    Returns
    -------
    Proof
        True when proved; its repr states the theorem. PROVED, REFUTED (with a counterexample) or UNDECIDED (then
        numbers at 60 digits are given, which are no proof). A hypothesis that the derivation declares is used where
        it is needed, and a counterexample without it shown.

    Raises
    ------
    ValueError
        If the op has no such derivation, or nothing to differentiate.
    NotCaptured
        If the decomposition or the rule does what symbols cannot: a Python branch on data, assignment into arrays.
    ImportError
        Without SymPy, which the extra `proof` brings.

    Examples
    --------
    >>> import tinygrad_ce as tg
    >>> prove(tg.relu)
    Theorem. For all real x and every cotangent g:
      the gradient of relu by 'analytic', g [x > 0], is the derivative of its decomposition.
    PROVED
      PROVED  gradient in x, in each of 2 regions (0 > x; x > 0)
          g ∂out/∂x = 0 where 0 > x; g where x > 0
    left out: points where x = 0
    >>> proof = prove(tg.softmax_cross_entropy, "analytic", targets=[0.5, 0.25, 0.25])
    >>> bool(proof), proof.theorems[0].hypotheses
    (True, ('Σy = 1, no class weights, no smoothing',))
    >>> print(proof.theorems[0].formula)
    g ∂out/∂z0 = -g*y0 + g*exp(z0)/(exp(z0) + exp(z1) + exp(z2))
    >>> print(proof.counterexample)
    at ...: in z0 the rule gives ..., the derivative is ...; with y2 = ..., where the hypothesis holds, both are ...
    """
    extra("sympy")
    from .proof.argument import theorems

    subject = Subject.of(op, derivation)
    named = {k: given.pop(k) for k in list(given) if k in subject.names}
    cases = list(subject.cases(classes, batch, named, given))
    found = tuple([theorem for case in cases for theorem in theorems(subject, case)])
    return Proof(
        subject.title,
        subject.derivation.name,
        subject.derivation.formula,
        _statement(subject, cases[0], given, found),
        found,
    )


def _statement(subject: Subject, case: Case, options: dict[str, Any], theorems: Sequence[Theorem]) -> str:
    """The theorem in words."""
    d = subject.derivation
    letters = [", ".join(case.names[i] for i in case.symbolic if (case.ranges[i][0] > 0) == p) for p in (False, True)]
    which = " and ".join([f"all {kind} {x}" for kind, x in zip(("real", "positive"), letters, strict=True) if x])
    chosen = f" with {', '.join(f'{k}={v!r}' for k, v in options.items())}" if options else ""
    needed = dict.fromkeys([h for t in theorems for h in t.hypotheses])
    under = f" where {' and '.join(needed)}" if needed else ""
    return (
        f"For {case.size + ', ' if case.size else ''}{which} and every cotangent g{under}: the gradient of "
        f"{subject.title}{chosen} by '{d.name}'{f', {d.formula},' if d.formula else ''} is the derivative of its "
        f"{'decomposition' if subject.last.decomposition is not None else 'kernel'}."
    )
