"""Training curves as a picture."""

from __future__ import annotations

import os
from typing import Any

from ..atomic import replacing
from ..draw import draw
from ..train.history import History


def save_curves(path: str | os.PathLike[str], history: History, title: str) -> None:
    """Draw loss and accuracy over the epochs, of training and of the rows held out, as a PNG.

    No window, no global state: the figure is made, written and forgotten.
    """
    figure: Any = draw.curves(history)[0].figure
    figure.suptitle(title, fontsize=11, parse_math=False)
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=144)
