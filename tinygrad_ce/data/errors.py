"""The one exception of this package: something is wrong with the data, and the message says where."""

from __future__ import annotations

_SHOWN = 40


class DataError(ValueError):
    """Data that cannot be used as they are.

    The message is one line: what is wrong, where (file, line, column), and what to do about it.

    Examples
    --------
    >>> issubclass(DataError, ValueError)
    True
    """


def quoted(text: str, shown: int = _SHOWN) -> str:
    """Quote `text` on one line, with control characters escaped and anything long cut short.

    Examples
    --------
    >>> print(quoted("two\\nlines"), quoted("x" * 100, shown=5))
    'two\\nlines' 'xxxxx…'
    """
    return repr(text if len(text) <= shown else text[:shown] + "…")


def listed(names: tuple[str, ...] | list[str], shown: int = 20) -> str:
    """Quote several names on one line, and count those left out.

    Examples
    --------
    >>> listed(["a", "b", "c"], shown=2)
    "'a', 'b' and 1 more"
    """
    text = ", ".join(quoted(name) for name in names[:shown])
    return text if len(names) <= shown else f"{text} and {len(names) - shown} more"
