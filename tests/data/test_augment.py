"""Augmentations against the plain thing, one image at a time."""

from functools import partial

import numpy as np
import pytest

from tinygrad_ce.data import DataError, augment, digits

ALL = [augment.shift, augment.rotate, augment.flip, augment.noise, augment.cutout]
SHAPES = [(6, 8, 8), (6, 1, 8, 8), (6, 3, 7, 5), (2, 2, 3, 4, 4), (0, 1, 8, 8), (3, 1, 1, 1)]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("change", ALL)
def test_new_arrays_of_the_same_shape_and_dtype_fixed_by_the_generator(change, shape, dtype):
    images = np.random.default_rng(0).random(shape).astype(dtype)
    images.flags.writeable = False
    one, same = (change(images, np.random.default_rng(1)) for _ in range(2))
    assert one.shape == shape and one.dtype == dtype and not np.shares_memory(one, images)
    np.testing.assert_array_equal(one, same)
    if images.size > 100:
        assert not np.array_equal(one, change(images, np.random.default_rng(2)))


@pytest.mark.parametrize("change", [augment.shift, augment.rotate, augment.flip, augment.cutout])
def test_all_channels_of_an_image_change_alike_and_images_do_not(change):
    plane = np.random.default_rng(0).random((50, 1, 8, 8)) + 1
    changed = change(np.concatenate([plane, 2 * plane], axis=1), np.random.default_rng(1))
    np.testing.assert_allclose(changed[:, 1], 2 * changed[:, 0])
    same = change(np.broadcast_to(plane[:1], plane.shape), np.random.default_rng(1))
    assert len(np.unique(same.reshape(50, -1), axis=0)) > 1


def test_shifts_are_those_of_padded_images():
    images = np.arange(1, 41.0).reshape(2, 4, 5)
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    windows = {padded[i, r : r + 4, c : c + 5].tobytes() for i in range(2) for r in range(5) for c in range(5)}
    rng = np.random.default_rng(0)
    seen = {image.tobytes() for _ in range(300) for image in augment.shift(images, rng, by=2)}
    assert seen == windows
    np.testing.assert_array_equal(augment.shift(images, rng, by=0), images)
    assert np.all(augment.shift(images.astype(np.uint8), rng, by=9).dtype == np.uint8)


def test_quarter_turns_are_exact_and_small_ones_are_scipys():
    images = np.random.default_rng(0).random((4, 5, 5))

    class Fixed:
        def __init__(self, degrees):
            self.degrees = degrees

        def uniform(self, low, high, size):
            return np.full(size, self.degrees)

    turned = augment.rotate(images, Fixed(90.0), degrees=90.0)
    expected = [np.rot90(image, k) for image in images for k in (1, 3)]
    assert any(np.allclose(turned[0], image) for image in expected[:2])
    back = augment.rotate(turned, Fixed(-90.0), degrees=90.0)
    np.testing.assert_allclose(back, images, atol=1e-12)
    ndimage = pytest.importorskip("scipy.ndimage", reason="compares with SciPy")
    for degrees in (-30.0, 4.0, 17.0):
        mine = augment.rotate(images, Fixed(degrees), degrees=90.0)
        # scipy fades to zero only beyond the edge pixel: the inner part is the same.
        theirs = ndimage.rotate(images, -degrees, axes=(2, 1), reshape=False, order=1, mode="constant")
        np.testing.assert_allclose(mine[:, 1:-1, 1:-1], theirs[:, 1:-1, 1:-1], atol=1e-12)


def test_flips_noise_and_holes():
    images, rng = digits().inputs.reshape(-1, 1, 8, 8), np.random.default_rng(0)
    flipped = augment.flip(images, rng, p=0.3)
    mirrored = np.all(flipped == images[..., ::-1], axis=(1, 2, 3))
    kept = np.all(flipped == images, axis=(1, 2, 3))
    assert np.all(mirrored | kept) and abs(mirrored.mean() - 0.3) < 0.05
    assert abs((augment.noise(images, rng, std=0.2) - images).std() - 0.2) < 0.01
    np.testing.assert_array_equal(augment.noise(images, rng, std=0), images)
    holes = (augment.cutout(images + 1, rng, size=3) == 0).sum(axis=(1, 2, 3))
    assert set(holes.tolist()) <= {4, 6, 9} and holes.max() == 9
    assert np.all(augment.cutout(images + 1, rng, size=99) == 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (partial(augment.shift, by=-1), "by is an integer of at least 0"),
        (partial(augment.shift, by=1.5), "by"),
        (partial(augment.rotate, degrees=float("nan")), "degrees"),
        (partial(augment.flip, p=1.5), "p is a probability"),
        (partial(augment.noise, std=-1), "std"),
        (partial(augment.cutout, size=0), "size"),
    ],
)
def test_options_refused(change, words):
    with pytest.raises(DataError, match=words):
        change(np.ones((2, 4, 4)), np.random.default_rng(0))


@pytest.mark.parametrize("change", ALL)
def test_rows_are_no_images(change):
    with pytest.raises(DataError, match=r"not \(1797, 64\): reshape them, as in \(-1, 8, 8\)"):
        change(digits().inputs, np.random.default_rng(0))


@pytest.mark.parametrize("change", [augment.rotate, augment.noise])
def test_bytes_have_nothing_between_them(change):
    with pytest.raises(DataError, match=r"images are uint8.*make them floats"):
        change(np.ones((2, 4, 4), np.uint8), np.random.default_rng(0))
