"""Confusion matrices, weights, saliency, Jacobians: the numbers behind the colours."""

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce.nn import MLP, Linear

pytest.importorskip("matplotlib")


def written(axes):
    return [text.get_text() for text in axes.texts]


# -- confusion ------------------------------------------------------------------------------------------------------


def test_a_confusion_matrix_has_its_counts_and_names():
    axes = tg.draw.confusion([[5, 1, 0], [0, 4, 0], [2, 0, 8]], class_names=["cat", "dog", "$cow"])
    assert written(axes) == ["5", "1", "4", "2", "8"]
    assert axes.get_title() == "85.0 % of 20 right"
    assert [t.get_text() for t in axes.get_xticklabels()] == ["cat", "dog", r"\$cow"]
    picture = np.asarray(axes.images[0].get_array())
    assert np.all(picture[0, 2] == 1)  # nothing there: white
    assert picture[0, 0][2] > picture[0, 0][0] and picture[2, 0][0] > picture[2, 0][2]


def test_many_classes_and_empty_rows_are_drawn():
    axes = tg.draw.confusion(np.diag(np.arange(40)))
    assert not written(axes)
    assert tg.draw.confusion(np.zeros((2, 2), dtype=int)).get_title() == "no rows"


@pytest.mark.parametrize("matrix", [np.ones((2, 3)), np.zeros((0, 0)), [[1, -1], [0, 1]]])
def test_what_is_no_confusion_matrix_is_refused(matrix):
    with pytest.raises(ValueError, match="a confusion matrix"):
        tg.draw.confusion(matrix)


# -- images ---------------------------------------------------------------------------------------------------------


def test_weights_share_one_scale():
    array = np.zeros((2, 4))
    array[0, 0], array[1, 3] = 2.0, -1.0
    axes = tg.draw.weights(array)
    sheet = np.asarray(axes.images[0].get_array())
    red, blue, white = sheet[0, 0], sheet[1, 4], sheet[0, 1]  # tiles of 2 × 2 with a line between
    assert red[0] > red[2] and blue[2] > blue[0] and white.min() > 0.9
    assert "2 units of 2 × 2 weights, ±2" in axes.get_title()
    assert "the first 64 of 70" in tg.draw.weights(Linear(9, 70)).get_title()
    tg.draw.weights(np.full((3, 2, 5, 5), np.nan)).figure.canvas.draw()


@pytest.mark.parametrize(
    ("array", "shape", "message"),
    [(np.ones((2, 5)), None, "no square image"), (np.ones((2, 6)), (2, 2), "4 pixels"), (np.ones(4), None, "shape")],
)
def test_weights_that_make_no_image_are_refused(array, shape, message):
    with pytest.raises(ValueError, match=message):
        tg.draw.weights(array, shape=shape)


def test_saliency_is_the_gradient_of_the_winning_score():
    matrix = np.array([[1.0, -2.0, 0.0, 0.0], [0.0, 0.0, 4.0, 1.0]])
    weight = tg.Value(matrix)

    def model(x):
        return x @ weight.T

    axes = tg.draw.saliency(model, np.eye(4)[[0, 2]], class_names=["left", "right"])
    assert written(axes) == ["left", "right"]
    sheet = np.asarray(axes.images[0].get_array())
    first = sheet[3:5, 0:2]  # the gradient of row 0's winner: the first row of the matrix
    assert first[0, 1][2] > first[0, 1][0]  # −2: blue, and the deepest
    assert first[1].min() > 0.9  # zeros: white
    assert weight.grad is None


def test_saliency_of_another_class_and_of_one_row():
    axes = tg.draw.saliency(MLP([4, 8, 3], rng=0), np.ones(4), target=2)
    assert written(axes) == ["2"]
    with pytest.raises(ValueError, match="classes from 0 to 2"):
        tg.draw.saliency(MLP([4, 8, 3], rng=0), np.ones(4), target=3)


# -- Jacobians ------------------------------------------------------------------------------------------------------


def test_the_jacobian_of_softmax():
    z = np.array([1.0, 2.0, 3.0])
    y = np.exp(z) / np.exp(z).sum()
    axes = tg.draw.jacobian_heatmap(tg.softmax, z)
    np.testing.assert_allclose(axes.images[0].get_array(), np.diag(y) - np.outer(y, y), atol=1e-15)
    assert len(written(axes)) == 9


def test_a_derivation_is_drawn_even_where_it_is_wrong():
    @tg.op
    def twice_badly(x):
        return x + x

    twice_badly.derivation("hand")(lambda g, out, x: 3 * g)
    hand = tg.draw.jacobian_heatmap(twice_badly, np.ones(2), derivation="hand")
    right = tg.draw.jacobian_heatmap(twice_badly, np.ones(2), derivation="autodiff")
    assert hand.images[0].get_array()[0, 0] == 3.0
    assert right.images[0].get_array()[0, 0] == 2.0


def test_other_inputs_and_options_are_passed_on():
    axes = tg.draw.jacobian_heatmap(tg.softmax_cross_entropy, [[1.0, 2.0], [3.0, 0.0]], [0, 1], reduction="none")
    assert axes.images[0].get_array().shape == (2, 4)
    axes = tg.draw.jacobian_heatmap(np.matmul, np.ones((2, 3)), np.ones((3, 2)), argnum=1)
    assert axes.images[0].get_array().shape == (4, 6)


def test_large_empty_and_infinite_ones():
    with pytest.raises(ValueError, match="2,000 numbers, more than 1,024"):
        tg.draw.jacobian_heatmap(np.exp, np.ones(2000))
    with pytest.raises(ValueError, match="of nothing"):
        tg.draw.jacobian_heatmap(np.exp, np.ones(0))
    with np.errstate(all="ignore"):
        tg.draw.jacobian_heatmap(np.sqrt, np.array([0.0, 1.0])).figure.canvas.draw()
