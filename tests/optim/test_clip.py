"""Clipping, without torch."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_ce as tg
from tinygrad_ce.optim import clip_grad_norm, clip_grad_value


def parameter(grad, label=""):
    return SimpleNamespace(data=grad, grad=grad, label=label)


@given(
    grads=st.lists(st.lists(st.floats(-1e300, 1e300), max_size=4), max_size=4),
    most=st.floats(0, 1e10),
)
def test_the_norm_is_exact_at_any_scale_and_kept_within_the_bound(grads, most):
    params = [parameter(np.array(grad)) for grad in grads]
    total = clip_grad_norm(params, most)
    largest = max((abs(g) for grad in grads for g in grad), default=0.0)
    exact = np.sqrt(sum((np.longdouble(g) / (largest or 1)) ** 2 for grad in grads for g in grad)) * largest
    np.testing.assert_allclose(total, float(exact), rtol=1e-12)
    after = np.concatenate([np.ravel(param.grad) for param in params] or [np.zeros(0)])
    assert np.sqrt(np.sum(after.astype(np.longdouble) ** 2)) <= most * (1 + 1e-12)
    if total < most - 1e-6:
        assert all(param.grad.tolist() == grad for param, grad in zip(params, grads, strict=True))


def test_arrays_are_not_written_to_and_dtypes_stay():
    grads = [np.full(2, 3.0, np.float32), 4.0, np.full(2, 3.0)]
    params = [parameter(grad) for grad in grads]
    clip_grad_norm(params, 1.0)
    assert [type(param.grad) for param in params] == [np.ndarray, float, np.ndarray]
    assert params[0].grad.dtype == np.float32 and grads[0].tolist() == [3.0, 3.0]
    clip_grad_value(params, 0.1)
    assert [type(param.grad) for param in params] == [np.ndarray, float, np.ndarray]
    assert params[0].grad.dtype == np.float32 and params[1].grad == 0.1


def test_a_single_parameter_none_at_all_and_no_gradients():
    assert clip_grad_norm(parameter(np.array([3.0, 4.0])), 10.0) == 5.0
    assert clip_grad_norm([], 1.0) == 0.0 == clip_grad_norm([parameter(None)], 1.0)
    assert clip_grad_norm(iter([parameter(np.array([3.0, 4.0]))]), 10.0) == 5.0


def test_frozen_parameters_do_not_count():
    free, frozen = tg.Value([0.0, 0.0]), tg.Value([0.0])
    free.grad, frozen.grad = np.array([3.0, 4.0]), np.array([100.0])
    frozen.requires_grad = False
    assert clip_grad_norm([frozen, free], 1.0) == 5.0 and frozen.grad.tolist() == [100.0]


def test_gradients_with_a_graph():
    x = tg.Value([3.0, 4.0])
    (x * x / 2).sum().backward(create_graph=True)
    assert clip_grad_norm([x], 1.0) == 5.0
    x.grad.sum().backward()
    np.testing.assert_allclose(x.grad.data, [0.6 + 0.2, 0.8 + 0.2], rtol=1e-5)


def test_an_error_for_what_is_not_finite_names_the_parameter_and_changes_nothing():
    params = [parameter(np.ones(2)), parameter(None), parameter(np.array([1.0, np.nan]), "bias")]
    with pytest.raises(FloatingPointError, match=r"norm of the gradients is nan: look at .* parameter 2 \(bias\)"):
        clip_grad_norm(params, 0.1, error_if_nonfinite=True)
    assert params[0].grad.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda p: clip_grad_norm(p, -1.0), "max_norm is at least 0"),
        (lambda p: clip_grad_norm(p, float("nan")), "max_norm"),
        (lambda p: clip_grad_norm(p, 1.0, 0.0), "norm_type is greater than 0"),
        (lambda p: clip_grad_norm(p, 1.0, float("nan")), "norm_type"),
        (lambda p: clip_grad_value(p, -1.0), "clip_value"),
    ],
)
def test_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call([parameter(np.ones(2))])
