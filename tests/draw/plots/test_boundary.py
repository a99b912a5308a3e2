"""Decision boundaries: the line is where two classes are equal, and the film moves."""

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce.data import Dataset, Loader
from tinygrad_ce.nn import MLP
from tinygrad_ce.optim import Adam
from tinygrad_ce.train import fit

pytest.importorskip("matplotlib")

X = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def line(axes):
    """The vertices of the boundaries drawn."""
    from matplotlib.contour import ContourSet

    sets = [child for child in axes.get_children() if isinstance(child, ContourSet)]
    return np.concatenate([path.vertices for one in sets for path in one.get_paths()])


@pytest.mark.parametrize("one_score", [True, False])
def test_the_line_is_where_the_classes_are_equal(one_score):
    def model(x):
        score = 2 * x[:, 0] + x[:, 1] - 1.4
        return score if one_score else np.stack([-score, score], axis=1)

    vertices = line(tg.draw.decision_boundary(model, X, [0, 1, 0, 1]))
    np.testing.assert_allclose(2 * vertices[:, 0] + vertices[:, 1], 1.4, atol=1e-9)


def test_the_winner_colours_the_plane():
    axes = tg.draw.decision_boundary(lambda x: x[:, :1] - 0.5, X, [-1, 1, -1, 1], points=11)
    picture = np.asarray(axes.images[0].get_array())
    left, right = picture[5, 0], picture[5, -1]
    assert left[2] > left[0] and right[0] > right[2]  # blue for class 0, orange for class 1
    assert len(axes.collections) >= 2


def test_a_network_is_asked_without_recording_or_touching_gradients():
    model = MLP([2, 4, 3], rng=0)
    tg.draw.decision_boundary(model, X, [0, 1, 2, 0], class_names=["$a$", "<b>", "c"]).figure.canvas.draw()
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("x", "y", "model", "message"),
    [
        (np.ones((3, 3)), [0, 1, 0], None, "two columns, not of shape"),
        (X, [0, 1], None, "X has 4 rows, y 2"),
        (X * np.nan, [0, 1, 0, 1], None, "not finite"),
        (X, [0, 1, 0, 7], lambda x: x, "class indices from 0 to 1"),
        (X, [0, 1, 2, 1], lambda x: x[:, 0], "two classes apart; y has 3"),
        (X, [0, 1, 0, 1], lambda x: x[:3], "answers .* rows with shape"),
    ],
)
def test_what_cannot_be_drawn_is_said(x, y, model, message):
    with pytest.raises(ValueError, match=message):
        tg.draw.decision_boundary(model or (lambda x: x[:, 0]), x, y)


def test_one_row_one_class_and_nan_answers_are_drawn():
    axes = tg.draw.decision_boundary(lambda x: np.where(x > 0, np.nan, x), X[:1], [1])
    axes.figure.canvas.draw()


def test_a_film_of_training(tmp_path):
    from PIL import Image

    data = Dataset(X, [0, 1, 1, 0], ("even", "odd"))
    model = MLP([2, 8, 2], rng=0)
    film = tg.draw.BoundaryFilm(model, X, data.targets, every=2, points=20)
    fit(model, Loader(data, 4), tg.softmax_cross_entropy, Adam(model.parameters(), lr=0.1), 7, callbacks=[film])
    assert len(film) == 4  # epochs 1, 3, 5, 7
    picture = Image.open(film.save(tmp_path / "film.gif", fps=5))
    assert picture.format == "GIF" and picture.n_frames >= 4
    frames = []
    for k in range(picture.n_frames):
        picture.seek(k)
        frames.append(np.asarray(picture.convert("RGB")))
    assert np.any(frames[0] != frames[3])
    assert [path.name for path in tmp_path.iterdir()] == ["film.gif"]


def test_a_film_without_frames_or_of_another_format_is_refused(tmp_path):
    film = tg.draw.BoundaryFilm(lambda x: x, X, [0, 1, 1, 0])
    with pytest.raises(ValueError, match="no frame yet"):
        film.save(tmp_path / "film.gif")
    film()
    with pytest.raises(ValueError, match=r"saved as \.gif"):
        film.save(tmp_path / "film.mp4")
