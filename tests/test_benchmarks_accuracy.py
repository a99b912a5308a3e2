"""benchmarks.accuracy: what is true is, and everybody is asked alike."""

import json

import mpmath
import numpy as np
import pytest

from benchmarks import accuracy, exact, measured
from benchmarks.model import OURS
from benchmarks.peers import present
from benchmarks.rows import kernels
from benchmarks.timing import agreement


def test_errors_are_counted_in_places_of_the_truth():
    with mpmath.workdps(60):
        third = exact.pair([mpmath.mpf(1) / 3])
    assert third[0][0] == 1 / 3 and 0 < abs(third[1][0]) < np.spacing(1 / 3)
    assert exact.ulps(np.array([1 / 3]), third) <= 0.5
    assert exact.ulps(np.array([1 / 3 + 8 * np.spacing(1 / 3)]), third) == pytest.approx(8, abs=0.5)
    assert exact.ulps(np.array([1 / 3], np.float32), third) <= 0.5
    assert exact.ulps(np.array([np.nan]), third) == exact.ulps(np.array([np.inf]), third) == np.inf
    nothing = exact.pair([mpmath.mpf(10) ** -320, mpmath.mpf("-inf")])
    assert exact.ulps(np.array([0.0, -np.inf]), nothing) == 0.0
    assert exact.epsilons(np.array([1.0 + 2.0**-52]), exact.pair([mpmath.mpf(1)]), np.array([1.0])) == pytest.approx(1)


def test_a_truth_is_the_textbooks():
    z, y = np.array([[0.3, -1.0, 2.0]]), np.array([[0.2, 0.3, 0.1]])
    found = exact.truth(z, exact.effective(y, [1.0, 2.0, 3.0], 0.1))
    p = np.exp(z) / np.exp(z).sum()
    target = np.array([1.0, 2.0, 3.0]) * (0.9 * y + 0.1 / 3)
    assert np.allclose(found.softmax[0], p) and np.allclose(found.log_softmax[0], np.log(p))
    assert np.allclose(found.logsumexp[0], np.log(np.exp(z).sum()))
    assert np.allclose(found.loss[0], -(target * np.log(p)).sum())
    assert np.allclose(found.gradient[0], target.sum() * p - target)


def test_everybody_who_is_installed_answers_alike():
    z, labels, weight = np.random.default_rng(0).normal(size=(4, 3)), np.array([0, 2, 1, 1]), np.array([0.5, 1.0, 2.0])
    for axis, laid, dense in ((-1, z, np.eye(3)[labels]), (0, z.T, np.eye(3)[labels].T)):
        everybody = present()
        ours = everybody[OURS]
        for theirs in everybody.values():
            for name in ("softmax", "log_softmax", "logsumexp"):
                assert np.allclose(getattr(theirs, name)(laid, axis), getattr(ours, name)(laid, axis=axis))
            for targets in (labels, dense):
                assert np.allclose(theirs.loss(laid, targets, weight, axis), ours.loss(laid, labels, weight, axis))
                if theirs.gradient is not None:
                    found = theirs.gradient(laid, targets, weight, axis)
                    assert np.allclose(found, ours.gradient(laid, labels, weight, axis))


@pytest.mark.parametrize("row", kernels.ROWS, ids=lambda row: row.name)
def test_kernels_compute_the_same(row):
    assert agreement(row, row.present) <= row.tolerance


def test_the_table_of_digits(tmp_path, capsys):
    """The quick form: nobody but us need be installed, and nothing of ours is off by more than 4."""
    assert accuracy.main(["--quick", "--json", str(tmp_path / "it.json")]) == 0
    printed = capsys.readouterr().out
    made = json.loads((tmp_path / "it.json").read_text("utf-8"))
    assert made["machine"]["cpu"] in printed and "SIMD" in printed
    assert {f["quantity"] for f in made["findings"]} == set(accuracy.QUANTITIES)
    assert {f["dtype"] for f in made["findings"]} == {"float32", "float64"}
    assert max(f["error"] for f in made["findings"] if f["who"] == "NumPy") > 1e6
    for quantity in accuracy.QUANTITIES:
        assert f"### {quantity}, in" in printed


def test_the_page_of_digits_has_every_quantity():
    page = accuracy.PAGE.read_text("utf-8")
    assert measured.rewrite(page, "new", accuracy.START)
    assert [quantity for quantity in accuracy.QUANTITIES if f"### {quantity}, in" not in page] == []
    with pytest.raises(SystemExit):
        accuracy.main(["--quick", "--write"])
