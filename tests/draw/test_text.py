"""Numbers, arrays and labels as text."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce.draw.summary import summarise
from tinygrad_ce.draw.text import lines, number, safe, shape, table


@pytest.mark.parametrize(
    ("x", "text"),
    [(0.0, "0"), (-0.0, "0"), (1 / 3, "0.3333"), (1e300, "1e+300"), (float("nan"), "nan"), (float("-inf"), "-inf")],
)
def test_numbers_have_four_digits(x: float, text: str) -> None:
    assert number(x) == text


@pytest.mark.parametrize(
    ("array", "rows"),
    [
        (np.array(7), [["7"]]),
        (np.array([1.5, 2.0]), [["1.5", "2"]]),
        (np.arange(5), [["0", "1", "2"], ["3", "4"]]),
        (np.array([[1], [2]]), [["1"], ["2"]]),
        (np.array([True, False]), [["True", "False"]]),
        (np.zeros((0, 3)), [["empty"]]),
        (np.zeros(7), [["all 0"]]),
        (np.arange(7), [["min", "0"], ["max", "6"]]),
        (np.arange(7) / 2, [["min", "0"], ["mean", "1.5"], ["max", "3"]]),
        (np.array([np.nan] * 7), [["7 nan"]]),
        (
            np.array([np.nan, np.inf, -np.inf, 1, 2, 3, 4.0]),
            [["min", "1"], ["mean", "2.5"], ["max", "4"], ["nan", "1"], ["inf", "2"]],
        ),
        (np.array([1e308] * 6 + [1.1e308]), [["min", "1e+308"], ["mean", "1.014e+308"], ["max", "1.1e+308"]]),
    ],
)
def test_small_arrays_in_full_and_larger_ones_by_their_range(array: np.ndarray, rows: list[list[str]]) -> None:
    assert table(summarise(array)) == rows


def test_float32_is_summed_in_float64() -> None:
    s = summarise(np.full(7, 1e38, dtype=np.float32))
    assert s.mean == pytest.approx(1e38, rel=1e-6)


def test_shape_and_dtype() -> None:
    assert shape(summarise(1.0)) == ""
    assert shape(summarise(np.float32(1.0))) == "float32"
    assert shape(summarise(np.zeros((2, 3)))) == "(2, 3)"
    assert shape(summarise(np.zeros(2, dtype=int))) == f"(2,) {np.dtype(int)}"


def test_an_array_that_does_not_become_numpy() -> None:
    class OnADevice:
        shape = (2, 3)
        dtype = "float16"

        def __array__(self, *_: object, **__: object) -> np.ndarray:
            raise TypeError("not on this machine")

    assert shape(summarise(OnADevice())) == "(2, 3) float16"
    assert table(summarise(OnADevice())) == [["…"]]


def test_long_labels_are_cut_and_say_so() -> None:
    (line,) = lines("x" * 10_000)
    assert line == "x" * 39 + "…"
    assert lines("a\nb\nc") == ["a", "b", "c"]
    assert lines("a\nb\nc\nd") == ["a", "b", "c…"]
    assert lines("") == [""]


def test_what_xml_cannot_say_is_replaced() -> None:
    assert safe("a\x00b\x1bc\ud800d\ufffee\tf") == "a�b�c�d�e f"


def test_what_a_summary_must_not_hide():
    from tinygrad_ce.draw.labels import brief
    from tinygrad_ce.draw.summary import summarise

    assert table(summarise(np.ones(10) * (3 + 4j))) == [["all |·| 5"]]
    assert brief(summarise(np.full(30, np.inf))) == "30 inf"
    assert summarise(np.tile([1e308, -1e308], 30)).mean == 0.0
    assert "7" in tg.Value(1.0, label=7)._repr_html_()  # any label is text
