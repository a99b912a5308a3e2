"""Text from a trained GPT, character by character."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..data import DataError
from ..nn import Module
from ..node import plain
from ..transforms import no_grad
from .corpus import Facts, text_of


def generate(
    model: Module,
    facts: Facts,
    prompt: str = "\n",
    *,
    length: int = 500,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
) -> Iterator[str]:
    """Yield characters that follow a prompt.

    Parameters
    ----------
    model : Module
        Tokens of shape (1, T) ↦ logits of shape (1, T, K).
    facts : Facts
        With its vocabulary and context.
    prompt : str
        What comes before.
    length : int
        How many characters.
    temperature : float
        Logits are divided by it: below 1 surer, above 1 wilder; 0 always takes the likeliest.
    top_k : int, optional
        Only the k likeliest are drawn from.
    seed : int

    Raises
    ------
    DataError
        If the prompt has a character that the model does not know.
    ValueError
        If an option makes no sense.
    """
    if not temperature >= 0:
        raise ValueError(f"temperature is at least 0, not {temperature!r}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k is at least 1, not {top_k!r}")
    coder, rng = text_of(facts), np.random.default_rng(seed)
    if not prompt:
        raise DataError("an empty prompt: give at least one character to begin with")
    tokens = coder.encode(prompt).tolist()
    for _ in range(length):
        with no_grad():
            logits = plain(model(np.array([tokens[-facts.shape[0] :]])))[0, -1]
        tokens.append(_drawn(np.asarray(logits, float), temperature, top_k, rng))
        yield coder.decode(np.array(tokens[-1:]))


def opening(facts: Facts) -> str:
    """What to begin with where nothing is said: a new line, or a space, or else the first of its characters.

    >>> opening(Facts(vocabulary="ab ")), opening(Facts(vocabulary="ab"))
    (' ', 'a')
    """
    return next(c for c in ("\n", " ", *facts.vocabulary) if c in facts.vocabulary)


def _drawn(logits: np.ndarray, temperature: float, top_k: int | None, rng: np.random.Generator) -> int:
    """A class, drawn by softmax(logits / temperature) among the k largest."""
    if temperature == 0:
        return int(np.argmax(logits))
    kept = np.argsort(-logits, kind="stable")[: top_k or len(logits)]
    # Adding Gumbel noise and taking the largest is to draw from the softmax.
    return int(kept[np.argmax(logits[kept] / temperature + rng.gumbel(size=len(kept)))])
