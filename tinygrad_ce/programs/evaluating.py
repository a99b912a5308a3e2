"""A kept model, judged on data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..data import DataError
from ..train import confusion, evaluate
from .corpus import Corpus, characters, read_rows, rows
from .kept import Kept
from .task import task_of


def judged(
    kept: Kept, name: str | None = None, target: str | None = None
) -> tuple[dict[str, float], NDArray[np.int64] | None]:
    """Metrics by name, and the confusion matrix where there are classes.

    Parameters
    ----------
    kept : Kept
    name : str, optional
        Data, all of which count; by default those held out of its own.
    target : str, optional
        Of a CSV file.

    Raises
    ------
    DataError
        If the data cannot be read, or are none for this model.
    """
    corpus = _corpus(kept, name, target)
    job = task_of(kept.config, corpus, kept.model)
    found = evaluate(kept.model, job.validation(), job.loss, job.metrics)
    matrix = confusion(kept.model, job.validation()) if kept.facts.class_names else None
    return {"rows": len(corpus.test), **found}, matrix


def _corpus(kept: Kept, name: str | None, target: str | None) -> Corpus:
    config, facts = kept.config, kept.facts
    if config.preset == "gpt":
        chosen = config if name is None else replace(config, data=name)
        found = characters(chosen, facts.vocabulary)
        return found
    if name is None:
        return rows(config)
    data = read_rows(name, target)
    inputs = facts.scaled(data.inputs)
    if facts.class_names:
        unknown = [c for c in data.class_names if c not in facts.class_names]
        if unknown:
            raise DataError(f"{name} has the class '{unknown[0]}', which the model does not know")
        places = np.array([facts.class_names.index(c) for c in data.class_names])
        data = replace(data, inputs=inputs, targets=places[data.targets], class_names=facts.class_names)
    else:
        data = replace(data, inputs=inputs)
    return Corpus(data, replace(data, feature_names=()), facts, data.name)
