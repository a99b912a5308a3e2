"""From the residual alone, what the mistake probably is.

Each suspicion is a function of what was found and what is true; the first that explains the residual to a millionth
names the mistake. When nothing fits, that is said.

    diagnose(subject, finding)      (name, what to do)
"""

from __future__ import annotations

import numpy as np

from .contract import cotangent
from .findings import Finding
from .precision import HIGH, quiet
from .runs import Runs
from .subject import Subject
from .suspicions import SUSPICIONS, Evidence
from .truth import Truth


def diagnose(subject: Subject, finding: Finding) -> tuple[str, str]:
    """The likely mistake, by name, and a sentence that says what to look at."""
    with quiet():
        try:
            evidence = _evidence(subject, finding)
            for suspicion in SUSPICIONS:
                found = suspicion(evidence)
                if found is not None:
                    return found
        except Exception:  # a diagnosis is a courtesy: it must not hide the verdict
            return "", ""
    return "", "nothing fits: none of the usual mistakes explains the residual"


def _evidence(subject: Subject, finding: Finding) -> Evidence:
    truth: Truth = finding.data["truth"]
    runs: Runs = finding.data["runs"]
    i = finding.data["i"]
    gs = [finding.data["g"], *[cotangent(runs.out.shape, runs.out.dtype, s) for s in (21, 22)]]
    found = [truth.pick(i, runs.native(g)[i]).astype(HIGH) for g in gs]
    wide = [runs.wide(g) for g in gs]
    true = [truth.gradient(g) for g in gs]
    return Evidence(
        subject,
        i,
        np.asarray(runs.inputs[i]),
        runs.out,
        gs,
        found,
        None if any(w is None for w in wide) else [truth.pick(i, w[i]).astype(HIGH) for w in wide],  # type: ignore[index]
        [t[i].value for t in true],
        truth.jacobian[i][0],
        truth.chosen[i] is None,
        {
            k: [t[k].value for t in true]
            for k in subject.moving
            if np.shape(true[0][k].value) == np.shape(true[0][i].value)
        },
        lambda g: truth.pick(i, runs.native(g)[i]).astype(HIGH),
    )
