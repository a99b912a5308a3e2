"""Text as numbers, character by character, and windows of it for a model that says what comes next."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property
from operator import index
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from .errors import DataError, quoted
from .reading import fail, reading


def text(path: str | os.PathLike[str] | None = None, *, encoding: str = "utf-8") -> Text:
    """Read a text to learn to write from; by default Python's own documentation.

    The default is what ``help("topics")`` shows, from the module ``pydoc_data.topics``: about 700,000 characters that
    come with every Python, a little different in every version of it.

    Parameters
    ----------
    path : str or path-like, optional
        A text file.
    encoding : str, optional
        Of the file. A byte order mark at its start is left out, and line ends become ``"\\n"``.

    Returns
    -------
    Text

    Raises
    ------
    DataError
        When the file cannot be read, is empty, or is no text in this encoding.

    Examples
    --------
    >>> corpus = text()
    >>> len(corpus) > 100_000
    True
    >>> train, validation = corpus.split(0.1)
    >>> windows = train.windows(context=32)
    >>> windows.inputs.shape[1], windows.targets.shape[1]
    (32, 32)
    """
    if path is None:
        return Text(_documentation(), name="Python's documentation")
    with reading(path, "a text file") as file:
        content = Path(path).read_bytes()
    try:
        decoded = content.decode("utf-8-sig" if encoding.lower().replace("_", "-") == "utf-8" else encoding)
    except LookupError:
        raise DataError(f"no encoding is called {quoted(encoding)}: 'utf-8', 'latin-1' and 'utf-16' are some") from None
    except UnicodeDecodeError as error:
        at = f"byte 0x{content[error.start]:02x} at position {error.start}"
        fail(file, f"{at} is not {encoding} text: save it as UTF-8, or pass its encoding")
    if not decoded:
        fail(file, "an empty file: it needs text to learn from")
    return Text(decoded.replace("\r\n", "\n").replace("\r", "\n"), name=Path(file).stem)


@dataclass(frozen=True, eq=False, repr=False)
class Text:
    """A text, and the vocabulary that numbers its characters.

    Parameters
    ----------
    content : str
    vocabulary : tuple of str, optional
        Character k is ``vocabulary[k]``; those of the text by default, sorted.
    name : str, optional

    Raises
    ------
    DataError
        When the text is empty, or has a character that is not in the vocabulary.

    Examples
    --------
    >>> words = Text("hello")
    >>> words.vocabulary, words.tokens
    (('e', 'h', 'l', 'o'), array([1, 0, 2, 2, 3]))
    >>> words.decode(words.encode("hole"))
    'hole'
    >>> words.encode("help")
    Traceback (most recent call last):
        ...
    tinygrad_ce.data.errors.DataError: character 'p' at position 3 is not in the vocabulary (4 characters): leave it out
    """

    content: str
    vocabulary: tuple[str, ...] = ()
    name: str = "text"

    def __post_init__(self) -> None:
        if not self.content:
            raise DataError("an empty text has no characters to learn from")
        vocabulary = tuple(self.vocabulary) or tuple(sorted(set(self.content)))
        if any(not isinstance(c, str) or len(c) != 1 for c in vocabulary) or len(set(vocabulary)) < len(vocabulary):
            raise DataError("a vocabulary is made of single characters, each once")
        object.__setattr__(self, "vocabulary", vocabulary)
        self.tokens  # noqa: B018  # encoded at once, so that a foreign character is found here

    def __len__(self) -> int:
        return len(self.content)

    @cached_property
    def tokens(self) -> NDArray[np.int64]:
        """The text as numbers, shape (len(text),), read-only."""
        tokens = self.encode(self.content)
        tokens.flags.writeable = False
        return tokens

    def encode(self, text: str) -> NDArray[np.int64]:
        """Return the numbers of a text's characters.

        Raises
        ------
        DataError
            For a character that is not in the vocabulary.
        """
        points, known = _points(text), self._points
        places = np.minimum(np.searchsorted(known, points), len(known) - 1)
        foreign = np.flatnonzero(known[places] != points)
        if foreign.size:
            at = int(foreign[0])
            raise DataError(
                f"character {quoted(text[at])} at position {at} is not in the vocabulary ({len(known)} characters): "
                "leave it out"
            )
        return self._order[places]

    def decode(self, tokens: ArrayLike) -> str:
        """Return the text that numbers stand for.

        Raises
        ------
        DataError
            For what are no integers in ``range(len(vocabulary))``.
        """
        array = np.ravel(tokens)
        if array.size and (array.dtype.kind not in "iu" or array.min() < 0 or array.max() >= len(self.vocabulary)):
            raise DataError(f"tokens are integers from 0 to {len(self.vocabulary) - 1}, not {quoted(str(tokens))}")
        return "".join(self.vocabulary[token] for token in array.tolist())

    def split(self, held_out: float = 0.1) -> tuple[Text, Text]:
        """Cut the text in two, the end of it for validation.

        Windows are made of each part alone, so none reaches across the cut: nothing that is validated on has been
        learnt from. Both keep the vocabulary of the whole.

        Raises
        ------
        DataError
            When `held_out` is no fraction, or leaves a part empty.
        """
        if not 0.0 < held_out < 1.0:
            raise DataError(f"held_out is a fraction strictly between 0 and 1, not {held_out!r}")
        cut = len(self) - round(len(self) * held_out)
        if not 0 < cut < len(self):
            raise DataError(f"held_out={held_out} of {len(self)} characters leaves a part empty")
        return replace(self, content=self.content[:cut]), replace(self, content=self.content[cut:])

    def windows(self, context: int, stride: int = 1, *, last: bool = False) -> Windows:
        """Return the windows of the text, as a data set.

        Parameters
        ----------
        context : int
            Characters in a window.
        stride : int, optional
            Characters from the start of one window to that of the next.
        last : bool, optional
            Ask only for the character after the window, not for that after each of its characters.

        Raises
        ------
        DataError
            When the text is too short for one.
        """
        return Windows(self.tokens, context, stride, last, self.name)

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        return np.argsort(_points("".join(self.vocabulary)), kind="stable")

    @cached_property
    def _points(self) -> NDArray[np.uint32]:
        return _points("".join(self.vocabulary))[self._order]

    def __repr__(self) -> str:
        return f"Text({self.name!r}: {len(self)} characters, {len(self.vocabulary)} different)"


class Windows:
    """Windows of a sequence and what follows: inputs[i] is tokens[s : s + T], targets[i] the same one further.

    A view of the tokens, however many windows there are.

    Parameters
    ----------
    tokens : ndarray of int, shape (L,)
    context : int
        T.
    stride : int, optional
        s = i · stride.
    last : bool, optional
        Targets are tokens[s + T] alone.
    name : str, optional

    Attributes
    ----------
    inputs : ndarray of int64, shape (N, T)
    targets : ndarray of int64, shape (N, T), or (N,) for `last`

    Raises
    ------
    DataError
        When there are not more than `context` tokens.

    Examples
    --------
    >>> windows = Windows(np.arange(5), context=3)
    >>> windows.inputs, windows.targets
    (array([[0, 1, 2],
           [1, 2, 3]]), array([[1, 2, 3],
           [2, 3, 4]]))
    """

    def __init__(
        self, tokens: ArrayLike, context: int, stride: int = 1, last: bool = False, name: str = "tokens"
    ) -> None:
        array = np.asarray(tokens)
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise DataError(f"tokens are a 1-D array of integers, not {array.ndim}-D {array.dtype}")
        sizes = {"context": context, "stride": stride}
        for option, value in sizes.items():
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
                raise DataError(f"{option} is an integer of at least 1, not {value!r}")
        if len(array) <= context:
            raise DataError(f"{len(array)} tokens hold no window of {context} and what follows: make context smaller")
        self.context, self.name = index(context), name
        rows = sliding_window_view(array.astype(np.int64, copy=False), self.context + 1)[:: index(stride)]
        self.inputs: NDArray[np.int64] = rows[:, :-1]
        self.targets: NDArray[np.int64] = rows[:, -1] if last else rows[:, 1:]

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, row: Any) -> tuple[NDArray[np.int64], Any]:
        return self.inputs[row], self.targets[row]

    def __repr__(self) -> str:
        return f"Windows({self.name!r}: {len(self)} windows of {self.context})"


def _points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint32, copy=False)


def _documentation() -> str:
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise DataError("this Python has no pydoc_data, its documentation: name a text file of yours") from None
    return "\n".join(topics[name] for name in sorted(topics))
