"""The demo's files: the model and its curves as soon as there is something learnt, the comparison at the end."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..atomic import replacing
from ..check import Comparison
from ..nn import MLP, save
from ..train.history import History
from .parting import Parting
from .settings import Prepared, Settings


def meta(data: Prepared, settings: Settings, history: History, matrix: NDArray[np.int64]) -> dict[str, Any]:
    """What it takes to use the parameters again: the sizes, the scale of the inputs, the classes; and how good."""
    train, scale = data.train, data.scale
    return {
        "sizes": [train.inputs.shape[1], *settings.hidden, len(train.class_names)],
        "activation": "relu",
        "classes": list(train.class_names),
        "mean": None if scale is None else scale.mean.tolist(),
        "std": None if scale is None else scale.std.tolist(),
        "data": train.name,
        "seed": settings.seed,
        "epochs": len(history),
        "interrupted": history.interrupted,
        "test_accuracy": float(np.trace(matrix) / matrix.sum()),
    }


def keep_model(settings: Settings, model: MLP, history: History, about: dict[str, Any]) -> list[str]:
    """Write the model, and the curves where there is an epoch to show; return the names of the files."""
    out = settings.out
    out.mkdir(parents=True, exist_ok=True)
    save(out / "model.npz", model, meta=about)
    if not len(history):
        return ["model.npz"]
    from .curves import save_curves

    epochs = f"{len(history)} epoch{'s' * (len(history) != 1)}"
    save_curves(
        out / "curves.png",
        history,
        f"{about['data']}: {epochs}, {100 * about['test_accuracy']:.2f} % of test rows right",
    )
    return ["model.npz", "curves.png"]


def keep_comparisons(
    settings: Settings, history: History, about: dict[str, Any], comparison: Comparison, parting: Parting
) -> None:
    """Write both comparisons, with what they are of, as JSON."""
    report = {
        **about,
        "history": history.to_dict(),
        "parameters": comparison.to_dict(),
        "logits": parting.to_dict(),
    }
    with replacing(settings.out / "derivations.json") as file:
        file.write(json.dumps(report, indent=1, allow_nan=False, ensure_ascii=False).encode())
