"""Data sets: shapes, names, and the rows one takes from them."""

import dataclasses

import numpy as np
import pytest

from tinygrad_ce.data import DataError, Dataset


@pytest.fixture
def points():
    return Dataset(np.arange(8.0).reshape(4, 2), [0, 1, 1, 0], ("no", "yes"), ("x", "y"), "points", "made up")


def test_arrays_are_float64_and_int64_whatever_came_in():
    data = Dataset(np.ones((2, 3), np.float32), np.array([1, 0], np.uint8), ("a", "b"))
    assert data.inputs.dtype == np.float64 and data.targets.dtype == np.int64


def test_it_cannot_be_written_to(points):
    with pytest.raises(dataclasses.FrozenInstanceError):
        points.name = "other"
    with pytest.raises(ValueError, match="read-only"):
        points.inputs[0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        points[1:].targets[0] = 1


def test_the_array_it_was_made_of_stays_writeable():
    inputs = np.ones((2, 1))
    Dataset(inputs, [0, 1], ("a", "b"))
    inputs[0] = 2.0


def test_length_iteration_and_one_row(points):
    assert len(points) == 4 and [label for _, label in points] == [0, 1, 1, 0]
    row, label = points[np.int64(-1)]
    assert row.tolist() == [6.0, 7.0] and type(label) is int
    with pytest.raises(IndexError):
        points[4]


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        (slice(1, 3), [1, 2]),
        (slice(None, None, -1), [3, 2, 1, 0]),
        ([2, 0, 2], [2, 0, 2]),
        (np.array([-1]), [3]),
        (np.array([True, False, False, True]), [0, 3]),
        ([], []),
    ],
)
def test_slices_and_chosen_rows_keep_the_names(points, rows, kept):
    chosen = points[rows]
    np.testing.assert_array_equal(chosen.inputs, points.inputs[kept].reshape(-1, 2))
    np.testing.assert_array_equal(chosen.targets, points.targets[kept])
    names = (chosen.class_names, chosen.feature_names, chosen.name, chosen.source)
    assert names == (("no", "yes"), ("x", "y"), "points", "made up")


@pytest.mark.parametrize("rows", [[4], [-5], [0.0], [[0]], ["a"], np.array([True, False])])
def test_rows_that_are_not_there(points, rows):
    with pytest.raises(DataError) as error:
        points.take(rows)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"inputs": [1.0, 2.0]}, r"reshape them, as in \(-1, 1\)"),
        ({"inputs": [["a"], ["b"]]}, "encode text"),
        ({"inputs": [[1j], [1]]}, "real numbers"),
        ({"inputs": [[1.0]]}, "1 rows of inputs, but 2 targets"),
        ({"targets": [0.0, 1.0]}, "class indices"),
        ({"targets": [[0], [1]]}, "class indices"),
        ({"targets": [0, 2]}, "target 2 of row 1 is not a class: there are 2 class names"),
        ({"targets": [-1, 0]}, "target -1 of row 0"),
        ({"feature_names": ("x", "y")}, "2 feature names for 1 features"),
    ],
)
def test_parts_that_do_not_fit(fields, words):
    with pytest.raises(DataError, match=words):
        Dataset(**{"inputs": [[1.0], [2.0]], "targets": [0, 1], "class_names": ("a", "b")} | fields)


def test_class_counts_include_classes_without_rows():
    assert Dataset([[1.0]], [2], ("a", "b", "c")).class_counts.tolist() == [0, 0, 1]


def test_repr_is_short():
    many = Dataset(np.ones((1, 8, 8)), [0], tuple(str(k) for k in range(1000)), name="images")
    assert repr(many).startswith("Dataset('images': 1 row of 8 × 8 features, 1000 classes: '0', '1'")
    assert repr(many).endswith("'9' and 990 more)")
