"""Curves of training: which panels there are, and the numbers in them."""

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce.train import EpochReport, History

pytest.importorskip("matplotlib")


def history(epochs=4, **columns):
    made = History([EpochReport(k, epochs, 1 / k, k / 10, 2 / k, None, 0.1) for k in range(1, epochs + 1)])
    for name, column in columns.items():
        setattr(made, name, column)
    return made


def lines(axes):
    return {line.get_label(): list(line.get_ydata()) for line in axes.lines}


def test_the_numbers_are_those_of_the_history():
    loss, accuracy = tg.draw.curves(history())
    assert lines(loss) == {"training": [1, 1 / 2, 1 / 3, 1 / 4], "validation": [2, 1, 2 / 3, 1 / 2]}
    assert list(lines(accuracy)) == ["training"]  # validation accuracy is None throughout
    assert np.allclose(lines(accuracy)["training"], [10, 20, 30, 40])
    assert loss.get_yscale() == "log"


def test_what_a_richer_history_remembers_has_panels_too():
    rich = history(
        learning_rate=[0.1, 0.1, 0.05, 0.05],
        gradient_norms=[{"a": 1.0, "b": 2.0}, {"a": 0.5}, {"a": 0.25, "b": 1.0}, {"a": 0.1, "b": float("nan")}],
        dead_relus=[0.0, 0.0, 0.25, 0.5],
    )
    drawn = tg.draw.curves(rich)
    assert [axes.get_ylabel() for axes in drawn] == [
        "loss",
        "accuracy (%)",
        "learning rate",
        "gradient norm",
        "dead relus (%)",
    ]
    norms = lines(drawn[3])
    assert norms["a"] == [1.0, 0.5, 0.25, 0.1]
    np.testing.assert_array_equal(norms["b"], [2.0, np.nan, 1.0, np.nan])
    assert list(lines(drawn[4]).values()) == [[0, 0, 25, 50]]


def test_columns_may_stand_in_the_reports_or_their_metrics():
    reports = [SimpleNamespace(loss=1.0, lr=0.1, metrics={"dead_relus": {"h": 0.5}}) for _ in range(2)]
    drawn = tg.draw.curves(SimpleNamespace(reports=reports))
    assert [axes.get_ylabel() for axes in drawn] == ["loss", "learning rate", "dead relus (%)"]


def test_a_mapping_of_columns_is_read_too():
    (axes,) = tg.draw.curves(history(2, gradient_norms={"w": [1.0, 2.0], "b": [3.0]}), what="gradient norms")
    np.testing.assert_array_equal(lines(axes)["b"], [3.0, np.nan])


def test_of_many_layers_the_largest_are_shown():
    norms = [{f"layer{k}": float(k) for k in range(1, 31)}] * 2
    (axes,) = tg.draw.curves(history(2, gradient_norms=norms), what=["gradient norms"])
    assert sorted(lines(axes)) == sorted(f"layer{k}" for k in range(23, 31))
    assert "8 largest of 30" in axes.get_title(loc="left")


def test_axes_are_accepted_and_returned():
    from matplotlib.figure import Figure

    mine = Figure().subplots(1, 2)
    assert tg.draw.curves(history(), axes=mine) == list(mine)
    with pytest.raises(ValueError, match="draws 2 panels, and axes= holds 1"):
        tg.draw.curves(history(), axes=mine[0])


@pytest.mark.parametrize(
    ("asked", "message"),
    [("lsos", "no panel 'lsos'; there are loss,"), ("dead relus", "the history has no dead relus; it has loss")],
)
def test_what_is_not_there_is_said(asked, message):
    with pytest.raises(ValueError, match=message):
        tg.draw.curves(history(), what=[asked])


def test_an_empty_history_is_refused():
    with pytest.raises(ValueError, match="no epoch"):
        tg.draw.curves(History())


def test_a_loss_below_zero_and_odd_names_are_drawn():
    odd = SimpleNamespace(loss=[-1.0, -2.0], gradient_norms=[{"$x_1": 1.0, "<b>&": 2.0}] * 2)
    drawn = tg.draw.curves(odd)
    assert drawn[0].get_yscale() == "linear"
    drawn[0].figure.canvas.draw()  # a $ is no formula


def test_no_pyplot_and_no_change_of_settings(tmp_path):
    program = """
import sys, matplotlib
before = matplotlib.rcParams.copy()
import tinygrad_ce as tg
from tinygrad_ce.train import EpochReport, History
tg.draw.curves(History([EpochReport(1, 1, 0.5, 0.5, None, None, 0.1)]))[0].figure.savefig("c.png")
assert "matplotlib.pyplot" not in sys.modules
assert matplotlib.rcParams.copy() == before
"""
    where = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=where, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    from tinygrad_ce.draw.plots import figure

    monkeypatch.setattr(figure, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'tinygrad_ce\[plot\]'"):
        tg.draw.curves(history())


def test_draw_itself_is_the_function_it_was():
    import inspect

    assert "limit" in inspect.signature(tg.draw).parameters
    assert "computation graph" in tg.draw.__doc__
    with pytest.raises(AttributeError, match="no 'curvse'"):
        tg.draw.curvse  # noqa: B018
    assert {"curves", "landscape", "decision_boundary"} <= set(dir(tg.draw))
