"""The bundled files: what they hold, where they come from."""

import numpy as np
import pytest

from tinygrad_ce.data import digits, iris


def test_digits():
    data = digits()
    assert data.inputs.shape == (1797, 64) and data.inputs.dtype == np.float64
    assert data.inputs.min() == 0.0 and data.inputs.max() == 1.0
    assert set(np.unique(data.inputs * 16)) == set(range(17))
    assert data.class_names == tuple("0123456789")
    assert data.class_counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert len(data.feature_names) == 64 and data.feature_names[9] == "pixel_1_1"


def test_iris():
    data = iris()
    assert data.inputs.shape == (150, 4)
    assert data.class_names == ("setosa", "versicolor", "virginica")
    assert data.feature_names == ("sepal_length", "sepal_width", "petal_length", "petal_width")
    assert data.class_counts.tolist() == [50, 50, 50]
    np.testing.assert_allclose(data.inputs.mean(axis=0), [5.8433, 3.0573, 3.758, 1.1993], atol=1e-4)


@pytest.mark.parametrize(
    ("load", "name", "doi"), [(digits, "digits", "10.24432/C50P49"), (iris, "iris", "10.24432/C56C76")]
)
def test_each_names_its_source_and_licence(load, name, doi):
    data = load()
    assert data.name == name and doi in data.source and "CC BY 4.0" in data.source


@pytest.mark.parametrize("name", ["digits", "iris"])
def test_they_are_the_ones_of_scikit_learn(name):
    sklearn = pytest.importorskip("sklearn.datasets")
    theirs, ours = getattr(sklearn, f"load_{name}")(), {"digits": digits, "iris": iris}[name]()
    np.testing.assert_array_equal(ours.inputs, theirs.data / (16 if name == "digits" else 1))
    np.testing.assert_array_equal(ours.targets, theirs.target)
