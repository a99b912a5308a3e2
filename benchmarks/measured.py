"""The measured part of a page, between two comments that no reader sees: numbers come from the command alone."""

from __future__ import annotations

START = "<!-- measured: python -m benchmarks --docs rewrites all up to the next comment -->"
END = "<!-- end of what was measured -->"


def rewrite(page: str, measured: str, opening: str = START) -> str:
    """The page with what stands between the two comments replaced.

    Raises
    ------
    ValueError
        If the page has not exactly one of each, in that order.
    """
    before, start, rest = page.partition(opening)
    _, end, after = rest.partition(END)
    if not (start and end) or opening in rest or END in before or END in after:
        raise ValueError(f"the page needs one line {opening!r} and, after it, one line {END!r}")
    return f"{before}{opening}\n\n{measured.strip()}\n\n{END}{after}"
