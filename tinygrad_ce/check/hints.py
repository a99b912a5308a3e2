"""What a grader tells a student of a mistake: where to look, never what to write.

Each diagnosis has a nudge, which asks a question, and a pointer, which names the input, the axis or the part of the
rule. Neither holds a number of the true gradient, or its formula.

    hint_of(part, finding)      the hint for something that was found
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .findings import Finding


@dataclass(frozen=True)
class Hint:
    """A hint in two steps: `nudge`, then `pointer`. `part`: which marks it is about."""

    part: str
    nudge: str
    pointer: str


# By diagnosis: a question, and a place to look. Names, axes and places are filled in where they are known.
HINTS: dict[str, tuple[str, str]] = {
    "sign": (
        "Its size is right. Is its direction?",
        "Follow the minus signs{of}{where}: differentiate once more from the outside in, and count them.",
    ),
    "factor": (
        "It points exactly the right way. Is it as long as it should be?",
        "One constant is off{of}{size}: a mean or a sum, a power's exponent, something counted twice or not at all.",
    ),
    "g ignored": (
        "A rule is given g. What would change if g were another one?",
        "The gradient{of} has to be built from each entry of g{axis}, not from one of them, their mean, or ones.",
    ),
    "transposed": (
        "The numbers look familiar. Are they in the right places, and in the right argument?",
        "Write the shapes beside every factor{of}: one matrix, or an order of axes, is the wrong way round.",
    ),
    "axis": (
        "Along which axis does the forward sum or average, and along which does the rule?",
        "Look at the sums{of}{axis}: one runs along an axis that the forward does not mix, or misses one that it does.",
    ),
    "not summed": (
        "An input that is used many times gets a contribution from each use. Are all of them there?",
        "Broadcasting uses {input} more than once: see along which axes{axis}, and what that does on the way back.",
    ),
    "elementwise": (
        "Does each output depend on the matching input alone?",
        "The Jacobian{of} has entries beside its diagonal: every output moves when one input does.",
    ),
    "simplex": (
        "Which property of the targets did you use, and is it always true?",
        "Try targets{of} whose entries do not sum to one: a step of the derivation has taken that for granted.",
    ),
    "options forgotten": (
        "Does the rule use everything that the forward uses?",
        "Something is scaled{axis}{of}, by weights, a mask or an option, and the rule does not scale it.",
    ),
    "mask": (
        "Do all entries take part in the forward?",
        "Some entries{of}{where} have no influence on the result, or should have some: compare which ones are 0.",
    ),
    "one index": (
        "Nearly all of it is right. What is different about the few entries that are not?",
        "Look at {entry}{where}: a border, an index that is off by one, or a case of its own.",
    ),
    "cancellation": (
        "On paper it is right. What does the computer do with two numbers that are nearly equal?",
        "A difference of nearly equal numbers, or an overflow, eats the digits{of}{at}: say the same without it.",
    ),
    "not linear": (
        "A vector-Jacobian product doubles when g doubles. Does yours?",
        "Look at what happens to g{of}: it is clipped, squared, rounded, or a term is added that has no g in it.",
    ),
    "term missing": (
        "Does every way in which the input reaches the result contribute?",
        "List each place where {input} stands in the forward: one gives nothing yet, or too much{axis}.",
    ),
    "not finite": (
        "What does the rule do where numbers are very large, very small, or equal to 0?",
        "There is an overflow, a 0/0 or a 0·inf{of}{at}, where the forward itself is harmless.",
    ),
    "shape": (
        "What shape does a gradient have?",
        "Compare the shape of what you return{of} with that of the input it belongs to; mind reduced axes.",
    ),
    "dtype": (
        "Give it float32. What comes back?",
        "The gradient{of} has another dtype than its input: find the array or the constant that widens it.",
    ),
    "mutation": (
        "Are the arguments the same after the call as before?",
        "An assignment or an in-place operation (x[...] = , +=, out=) changes an array that the caller still needs.",
    ),
    "state": (
        "Does it give the same answer when it is called twice, with something else in between?",
        "Something is kept from one call to the next: a cache, a buffer, a counter, a global.",
    ),
    "noise": (
        "Does it give the same answer when it is called twice?",
        "It draws random numbers: they have to come in as an input, or from a generator that is seeded inside.",
    ),
    "second order detached": (
        "The gradient is right. Is the gradient of the gradient?",
        "A part of the rule takes for constant what moves with the inputs: use out, x and NumPy functions throughout.",
    ),
    "raises": (
        "Call the rule yourself with the arguments of the forward.",
        "It raises: {message}",
    ),
    "missing": (
        "Which inputs does the result depend on?",
        "There is no gradient{of}, and the result depends on it.",
    ),
    "": (
        "Take one entry, and work its derivative out by hand for the smallest input there is.",
        "No usual mistake explains what is off{of}{at}: check the local derivative of each step.",
    ),
}


def hint_of(part: str, finding: Finding, point: str = "") -> Hint:
    """The hint for what was found; nothing of the finding but names, axes and places goes into it."""
    nudge, pointer = HINTS.get(finding.diagnosis, HINTS[""])
    name = about(finding)
    axis = re.search(r"axis (\d+)", finding.hint)
    size = re.search(r"the size of (axis \d+) of '\w+'|the number of (?:results|entries)", finding.hint)
    places = re.search(r"where it is negative", finding.hint)
    fill = {
        "of": f" in '{name}'" if name else "",
        "input": f"'{name}'" if name else "the input",
        "entry": finding.where or "those entries",
        "axis": f" along axis {axis[1]}" if axis else "",
        "size": f", and it goes with {'the size of ' + size[1] if size[1] else size[0]}" if size else "",
        "where": ", where the input is negative" if places else "",
        "at": f" (at: {point})" if point and point != "your point" else "",
        "message": finding.message.removeprefix("the rule raised ") if finding.diagnosis == "raises" else "",
    }
    return Hint(part, nudge, pointer.format(**fill))


def about(finding: Finding) -> str:
    """The input that it is about."""
    if finding.where:
        return finding.where.partition("[")[0]
    named = re.search(r"gradient of '([^']+)'|returned for '?(\w+)", finding.message)
    return (named[1] or named[2]) if named else ""
