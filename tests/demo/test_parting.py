"""The demo's two rows: one right, one wrong, scaled until ŷ − y has no digit left."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_ce.demo.parting import GAP, part, pick


@st.composite
def answered(draw):
    """Logits and targets of every kind: all right, all wrong, one row."""
    rows, classes, seed = draw(st.integers(1, 8)), draw(st.integers(2, 5)), draw(st.integers(0, 999))
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, classes)) * draw(st.sampled_from([0.1, 3.0, 100.0]))
    winners = logits.argmax(axis=1)
    targets = {
        "any": rng.integers(classes, size=rows),
        "right": winners,
        "wrong": (winners + 1) % classes,
    }[draw(st.sampled_from(["any", "right", "wrong"]))]
    return logits, targets


@given(answered())
def test_one_row_is_right_and_one_is_wrong(case):
    logits, targets = case
    kept = targets.copy()
    duel = pick(logits, targets)
    assert np.array_equal(targets, kept)
    winners = duel.logits.argmax(axis=1)
    assert winners[0] == duel.targets[0]
    assert winners[1] != duel.targets[1]
    right = logits.argmax(axis=1) == targets
    assert duel.relabelled[0] == (not right[duel.rows[0]])
    assert duel.relabelled[1] == bool(right[duel.rows[1]])
    assert len(targets) == 1 or duel.rows[0] != duel.rows[1]
    # Nothing is relabelled without need.
    assert duel.relabelled[1] == bool(np.all(right))
    assert not duel.relabelled[0] or not np.any(np.delete(right, duel.rows[1]))
    assert np.all(duel.gaps > 0)


@settings(max_examples=20)
@given(answered())
def test_digits_go_where_the_answer_is_right_and_sure(case):
    parting = part(*case)
    right = [line for line in parting.lines if line.right]
    wrong = [line for line in parting.lines if not line.right]
    assert [line.scale for line in right] == sorted(line.scale for line in right)
    assert right[-1].gap == pytest.approx(max(GAP, right[-1].gap))
    at = next(line for line in right if line.gap == pytest.approx(GAP))
    assert at.analytic == 0.0
    rivals = case[0].shape[1] - 1
    assert -1.01 * rivals * math.exp(-GAP) < at.stable < -0.99 * math.exp(-GAP)
    assert at.digits == 0
    assert at.probability == 1.0
    assert all(line.digits >= 15 for line in wrong)
    assert parting.comparison
    assert {row.leaf for row in parting.comparison.rows} == {"logits"}
    json.dumps(parting.to_dict(), allow_nan=False)


def test_stable_is_the_truth():
    mpmath = pytest.importorskip("mpmath")
    logits = np.array([[2.0, 0.5, -1.0], [3.0, 0.5, 0.0]])
    for line in part(logits, np.array([0, 1])).lines:
        row, target = (0, 0) if line.right else (1, 1)
        with mpmath.workdps(60):
            e = [mpmath.exp(mpmath.mpf(float(z * line.scale))) for z in logits[row]]
            truth = -(sum(e) - e[target]) / sum(e)
            assert abs(line.stable / truth - 1) < 1e-15
            digits = 16 if line.analytic == truth else -mpmath.log10(abs(line.analytic / truth - 1))
        assert line.digits <= max(digits, 0) + 1
