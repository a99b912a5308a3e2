"""Data sets of quantities, other dtypes, other shapes, and NaN."""

import numpy as np
import pytest

from tinygrad_ce.data import DataError, Dataset, digits, iris, one_hot, read_csv, sine, split, standardise


def test_quantities_keep_their_shape_and_take_the_inputs_dtype():
    data = Dataset(np.ones((3, 2)), np.arange(6.0).reshape(3, 2), dtype=np.float32)
    assert data.inputs.dtype == data.targets.dtype == np.float32 and data.targets.shape == (3, 2)
    assert data.take([2, 0]).targets.tolist() == [[4.0, 5.0], [0.0, 1.0]]
    assert data[1:].dtype == np.float32 and data[1][1].tolist() == [2.0, 3.0]
    assert repr(data) == "Dataset('data': 3 rows of 2 features, 2 quantities)"
    assert type(Dataset([[1.0]], [0.5])[0][1]) is float
    with pytest.raises(DataError, match="no classes to count"):
        print(data.class_counts)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"targets": [0, 1]}, "integers, but there are no class_names: name the classes, or make them floats"),
        ({"targets": [1j, 1.0]}, "targets are quantities"),
        ({"targets": ["a", "b"]}, "targets are quantities"),
        ({"targets": [0.5]}, "2 rows of inputs, but 1 targets"),
        ({"dtype": np.int64}, "dtype is a floating dtype"),
        ({"targets": [1, 2], "class_names": ("a", "b")}, "2 of row 1 is not a class: .* count from 0: subtract 1"),
    ],
)
def test_refused(fields, words):
    with pytest.raises(DataError, match=words):
        Dataset(**{"inputs": [[1.0], [2.0]], "targets": [0.5, 1.5]} | fields)


def test_labels_off_by_one_are_told_so():
    with pytest.raises(
        DataError, match="label 3 is outside 0 to 2: there are 3 classes, which count from 0: subtract 1"
    ):
        one_hot([1, 2, 3], 3)


def test_rows_in_another_shape():
    images = digits().reshape(1, 8, 8)
    np.testing.assert_array_equal(images.inputs[5, 0], digits().inputs[5].reshape(8, 8))
    assert images.feature_names == digits().feature_names
    assert digits().reshape(-1).inputs.shape == (1797, 64)
    with pytest.raises(DataError, match=r"rows of shape \(64,\) have no shape \(9, 9\)"):
        digits().reshape(9, 9)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_found(bad):
    inputs = np.array(iris().inputs)
    inputs[40, 2] = bad
    data = Dataset(inputs, iris().targets, iris().class_names, iris().feature_names, "flowers")
    for refuse in (data.require_finite, lambda: standardise(data)):
        with pytest.raises(DataError, match=rf"row 40 of 'flowers' is {bad} at feature 'petal") as error:
            refuse()
        assert "\n" not in str(error.value)
    with pytest.raises(DataError, match="row 1 of 'data' is nan at target 0"):
        Dataset([[1.0], [2.0]], [0.5, np.nan]).require_finite()
    assert iris().require_finite().inputs.shape == (150, 4)
    assert Dataset(np.ones((0, 2)), []).require_finite().inputs.shape == (0, 2)


# -- parts ---------------------------------------------------------------------------------------------------------


def test_three_parts_are_stratified_disjoint_and_complete():
    data = Dataset(np.arange(1797)[:, None], digits().targets, digits().class_names)
    train, validation, test = split(data, (0.1, 0.2), seed=5)
    assert (len(validation), len(test)) == (180, 359)
    rows = np.concatenate([part.inputs.ravel() for part in (train, validation, test)])
    assert sorted(rows) == list(range(1797))
    for part, fraction in ((validation, 0.1), (test, 0.2)):
        assert np.all(np.abs(part.class_counts - data.class_counts * fraction) <= 1)
    for part in (train, validation, test):
        np.testing.assert_array_equal(part.targets, data.targets[part.inputs.ravel().astype(int)])
    np.testing.assert_array_equal(test.inputs, split(data, 0.2, seed=5)[1].inputs)


def test_quantities_and_unstratified_parts():
    train, validation, test = split(sine(50), [0.2, 0.2])
    assert (len(train), len(validation), len(test)) == (30, 10, 10)
    assert len(np.unique(np.concatenate([p.inputs for p in (train, validation, test)]))) == 50
    plain, strict = split(iris(), 0.1, stratified=False), split(iris(), 0.1)
    assert len(plain[1]) == len(strict[1]) == 15 and np.ptp(strict[1].class_counts) == 0
    assert not np.array_equal(plain[1].class_counts, strict[1].class_counts)


@pytest.mark.parametrize("held_out", [(0.5, 0.5), (0.1, 0.0), (), (0.1, float("nan")), (0.001, 0.2)])
def test_fractions_refused(held_out):
    with pytest.raises(DataError, match="held_out"):
        split(iris(), held_out)


def test_a_class_too_small_for_all_parts_keeps_a_row_in_train():
    data = Dataset(np.arange(22)[:, None], [0] * 20 + [1] * 2, ("many", "few"))
    train, _, _ = split(data, (0.4, 0.4))
    assert train.class_counts[1] >= 1


# -- tables --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["", "size,rooms,price\n"])
def test_a_column_of_quantities(tmp_path, header):
    path = tmp_path / "houses.csv"
    path.write_text(header + "50,2,1.5\n80,3,2e2\n81,3,-7\n")
    data = read_csv(path, quantity=True)
    assert data.targets.tolist() == [[1.5], [200.0], [-7.0]] and data.inputs[0].tolist() == [50.0, 2.0]
    assert data.feature_names == (("size", "rooms") if header else ()) and data.class_names == ()
    if header:
        assert read_csv(path, "size", quantity=True).targets.ravel().tolist() == [50.0, 80.0, 81.0]


@pytest.mark.parametrize(
    ("cell", "words"),
    [("", "an empty cell, and no number to predict"), ("dear", "'dear' is not a number to predict"), ("nan", "'nan'")],
)
def test_quantities_that_are_none(tmp_path, cell, words):
    path = tmp_path / "houses.csv"
    path.write_text(f"size,price\n50,1.5\n80,{cell}\n")
    with pytest.raises(
        DataError, match=rf"houses\.csv, line 3, column 'price': {words}.*: fill it in, or delete the row"
    ):
        read_csv(path, quantity=True)
