"""Loss landscapes: heights, slopes and directions, and parameters left as they were."""

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce.nn import MLP

pytest.importorskip("matplotlib")


def bowl(parameters):
    w, b = parameters
    return np.sum(w * w) + 3 * np.sum(b * b)


def parameters():
    return [tg.Value([[3.0, 4.0], [0.0, 2.0]]), tg.Value([1.0, -1.0])]


def test_one_direction_of_arrays():
    w, b = parameters()
    way = [np.array([[1.0, 0.0], [0.0, 0.0]]), np.zeros(2)]
    axes = tg.draw.landscape([w, b], bowl, directions=[way], span=2.0, points=5)
    steps, heights = axes.lines[0].get_data()
    np.testing.assert_allclose(heights, 35 + 6 * steps + steps**2)
    assert "slope 6" in axes.lines[1].get_label()


def test_random_directions_are_filter_normalised():
    from tinygrad_ce.draw.plots.landscape import _directions

    start = [np.asarray(p.data) for p in parameters()]
    (way,) = _directions(["random"], start, start, np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(way[0], axis=1), [5.0, 2.0])
    np.testing.assert_allclose(np.linalg.norm(way[1]), np.sqrt(2))


def test_the_gradient_is_downhill_and_the_other_direction_orthogonal():
    from tinygrad_ce.draw.plots.landscape import _directions, _inner

    start = [np.asarray(p.data) for p in parameters()]
    first, second = _directions(["gradient", "random"], start, start, np.random.default_rng(0))
    assert _inner(first, start) < 0
    assert abs(_inner(first, second)) < 1e-12
    axes = tg.draw.landscape(parameters(), bowl, directions=["gradient"])
    heights = axes.lines[0].get_ydata()
    assert heights[len(heights) // 2 + 1] < heights[len(heights) // 2] < heights[len(heights) // 2 - 1]


def test_the_arrow_points_downhill_in_the_plane():
    ways = [[np.eye(2), np.zeros(2)], [np.zeros((2, 2)), np.array([1.0, 0.0])]]
    axes = tg.draw.landscape(parameters(), bowl, directions=ways, points=5)
    arrow = np.array(next(text.xy for text in axes.texts if hasattr(text, "xy")))
    slopes = np.array([2 * (3.0 + 2.0), 6 * 1.0])
    np.testing.assert_allclose(arrow / np.linalg.norm(arrow), -slopes / np.linalg.norm(slopes))


def test_parameters_and_gradients_are_left_as_they_were():
    model = MLP([2, 3, 2], rng=0)
    x, y = np.ones((4, 2)), [0, 1, 0, 1]
    before, objects = model.state_dict(), [p.data for p in model.parameters()]
    tg.draw.landscape(model, lambda m: tg.softmax_cross_entropy(m(x), y), points=3)
    assert all(p.data is kept for p, kept in zip(model.parameters(), objects, strict=True))
    assert all(p.grad is None for p in model.parameters())
    with pytest.raises(RuntimeError, match="in the middle"):
        tg.draw.landscape(model, Breaks(x, y), points=3)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


class Breaks:
    def __init__(self, x, y):
        self.x, self.y, self.calls = x, y, 0

    def __call__(self, model):
        self.calls += 1
        if self.calls == 4:
            raise RuntimeError("in the middle")
        return tg.softmax_cross_entropy(model(self.x), self.y)


def test_float32_stays_and_infinite_losses_are_drawn():
    w = tg.Value(np.ones((2, 2), dtype=np.float32))
    seen = []

    def loss(ps):
        seen.append(ps[0].dtype)
        return np.sum(np.log(ps[0]))

    with np.errstate(all="ignore"):
        tg.draw.landscape([w], loss, span=3.0, points=5).figure.canvas.draw()
    assert set(seen) == {np.dtype(np.float32)}


def test_a_scalar_parameter_stays_a_float():
    a = tg.Value(2.0)
    axes = tg.draw.landscape([a], lambda ps: ps[0] * ps[0], directions=["gradient"], points=3)
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [16, 4, 0])
    assert type(a.data) is float


@pytest.mark.parametrize(
    ("model", "options", "error", "message"),
    [
        ([], {}, ValueError, "has none"),
        ([tg.Value([1.0])], {"directions": ["up"]}, ValueError, "'up'"),
        ([tg.Value([1.0])], {"directions": []}, ValueError, "one direction or two"),
        ([tg.Value([1.0])], {"directions": [[np.ones(2)]]}, ValueError, "an array for each parameter"),
        ([tg.Value([0.0])], {}, ValueError, "length 0"),
        ([tg.Value([1.0])], {"points": 1}, ValueError, "points= is an integer of at least 2"),
    ],
)
def test_what_has_no_landscape_is_said(model, options, error, message):
    with pytest.raises(error, match=message):
        tg.draw.landscape(model, lambda ps: np.sum(ps[0] ** 2), **options)


def test_a_loss_is_one_value():
    with pytest.raises(TypeError, match="not a Value"):
        tg.draw.landscape([tg.Value([1.0])], lambda ps: 1.0)
    with pytest.raises(ValueError, match="of one number"):
        tg.draw.landscape([tg.Value([1.0, 2.0])], lambda ps: ps[0] * 2)
