"""The same hundred steps in PyTorch: groups, clipping, and gradients that come and go included."""

from types import SimpleNamespace

import numpy as np
import pytest

from tinygrad_ce.optim import (
    LBFGS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    RMSprop,
    clip_grad_norm,
    clip_grad_value,
)

torch = pytest.importorskip("torch", reason="compares with PyTorch")

CASES = [
    (SGD, {"lr": 0.05}),
    (SGD, {"lr": 0.05, "momentum": 0.9}),
    (SGD, {"lr": 0.05, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.01}),
    (SGD, {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01, "nesterov": True}),
    (SGD, {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01, "maximize": True}),
    (Adam, {}),
    (Adam, {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1}),
    (Adam, {"lr": 0.02, "weight_decay": 0.1, "amsgrad": True, "maximize": True}),
    (AdamW, {}),
    (AdamW, {"lr": 0.02, "weight_decay": 0.2}),
    (AdamW, {"lr": 0.02, "weight_decay": 0.2, "amsgrad": True, "maximize": True}),
    (RMSprop, {}),
    (RMSprop, {"lr": 0.02, "alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1}),
    (RMSprop, {"lr": 0.02, "momentum": 0.9, "centered": True, "eps": 1e-2, "maximize": True}),
    (Adagrad, {}),
    (Adagrad, {"lr": 0.1, "lr_decay": 0.05, "weight_decay": 0.1, "initial_accumulator_value": 0.3}),
    (Adagrad, {"lr": 0.1, "eps": 1e-3, "maximize": True}),
]
SHAPES = [(3, 4), (4,), (2, 1, 2), ()]


def name(case):
    return f"{case[0].__name__}-{'-'.join(case[1])}"


def twins(dtype, rng):
    starts = [rng.normal(size=shape).astype(dtype) for shape in SHAPES]
    params = [SimpleNamespace(data=start, grad=None) for start in starts]
    return params, [torch.tensor(start, requires_grad=True) for start in starts]


def give(params, tensors, rng, present=lambda index: True, scale=1.0):
    """The same gradients to both."""
    for index, (param, tensor) in enumerate(zip(params, tensors, strict=True)):
        grad = (scale * rng.normal(size=param.data.shape)).astype(param.data.dtype)
        on = present(index)
        param.grad = grad if on else None
        tensor.grad = torch.tensor(grad) if on else None


def agree(params, tensors, ulps=200):
    for param, tensor in zip(params, tensors, strict=True):
        theirs = tensor.detach().numpy()
        assert param.data.dtype == theirs.dtype
        tolerance = ulps * np.finfo(theirs.dtype).eps
        np.testing.assert_allclose(param.data, theirs, rtol=tolerance, atol=tolerance)


def present(pattern, step, index):
    return {
        "always": True,
        "one is frozen": index != 1,
        "in turns": step % 2 == index % 2,
        "by chance": np.random.default_rng([step, index]).random() < 0.6,
    }[pattern]


@pytest.mark.parametrize("pattern", ["always", "one is frozen", "in turns", "by chance"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("case", CASES, ids=name)
def test_a_hundred_steps(case, dtype, pattern):
    make, options = case
    rng = np.random.default_rng(0)
    params, tensors = twins(dtype, rng)
    mine, torchs = make(params, **options), getattr(torch.optim, make.__name__)(tensors, **options)
    for step in range(100):
        if step == 50:
            mine.lr = torchs.param_groups[0]["lr"] = 0.03
        give(params, tensors, rng, lambda index, step=step: present(pattern, step, index))
        mine.step()
        torchs.step()
    agree(params, tensors)


GROUPS = {
    SGD: {"lr": 0.02, "momentum": 0.8, "weight_decay": 0.1},
    Adam: {"lr": 0.02, "betas": (0.7, 0.9), "weight_decay": 0.1},
    AdamW: {"lr": 0.02, "eps": 1e-3, "weight_decay": 0.1},
    RMSprop: {"lr": 0.02, "centered": True, "eps": 1e-2},
    Adagrad: {"lr": 0.2, "lr_decay": 0.1, "initial_accumulator_value": 1.0},
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("make", GROUPS)
def test_groups_clipped_and_one_added_later(make, dtype):
    if make is Adagrad:
        # PyTorch reads this one from the constructor, whatever the group says.
        options = {key: value for key, value in GROUPS[make].items() if key != "initial_accumulator_value"}
    else:
        options = GROUPS[make]
    rng = np.random.default_rng(1)
    params, tensors = twins(dtype, rng)
    mine = make([{"params": params[:1]}, {"params": params[1:3], **options}], lr=0.01)
    torchs = getattr(torch.optim, make.__name__)(
        [{"params": tensors[:1]}, {"params": tensors[1:3], **options}], lr=0.01
    )
    for step in range(100):
        if step == 30:
            mine.add_param_group({"params": params[3], "lr": 0.5})
            torchs.add_param_group({"params": tensors[3], "lr": 0.5})
        if step == 60:
            for optimiser in (mine, torchs):
                optimiser.param_groups[1]["lr"] *= 0.5
                optimiser.param_groups[0]["weight_decay"] = 0.05
        give(params, tensors, rng, lambda index, step=step: step % 7 or index != 2, scale=2.0)
        total = clip_grad_norm(params, 1.5)
        theirs = torch.nn.utils.clip_grad_norm_(tensors, 1.5)
        np.testing.assert_allclose(total, theirs.item(), rtol=20 * np.finfo(dtype).eps)
        mine.step()
        torchs.step()
    agree(params, tensors)


@pytest.mark.parametrize("norm_type", [0.5, 1.0, 2.0, 3.0, float("inf")])
@pytest.mark.parametrize("max_norm", [0.0, 0.3, 1e3])
def test_clipping_by_any_norm(norm_type, max_norm):
    rng = np.random.default_rng(2)
    params, tensors = twins(np.float64, rng)
    give(params, tensors, rng, lambda index: index != 2)
    total = clip_grad_norm(params, max_norm, norm_type)
    theirs = torch.nn.utils.clip_grad_norm_(tensors, max_norm, norm_type)
    np.testing.assert_allclose(total, theirs.item(), rtol=1e-13)
    for param, tensor in zip(params, tensors, strict=True):
        assert (param.grad is None) == (tensor.grad is None)
        if param.grad is not None:
            np.testing.assert_allclose(param.grad, tensor.grad.numpy(), rtol=1e-13)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_clipping_what_is_not_finite(bad):
    rng = np.random.default_rng(3)
    params, tensors = twins(np.float64, rng)
    give(params, tensors, rng)
    params[1].grad[2] = tensors[1].grad[2] = bad
    with np.errstate(invalid="ignore"):
        total, theirs = clip_grad_norm(params, 1.0), torch.nn.utils.clip_grad_norm_(tensors, 1.0)
    np.testing.assert_equal(total, theirs.item())
    for param, tensor in zip(params, tensors, strict=True):
        np.testing.assert_array_equal(param.grad, tensor.grad.numpy())


def test_clipping_by_value():
    rng = np.random.default_rng(4)
    params, tensors = twins(np.float32, rng)
    give(params, tensors, rng)
    params[1].grad[2] = tensors[1].grad[2] = np.nan
    clip_grad_value(params, 0.5)
    torch.nn.utils.clip_grad_value_(tensors, 0.5)
    for param, tensor in zip(params, tensors, strict=True):
        np.testing.assert_array_equal(param.grad, tensor.grad.numpy())


# -- L-BFGS --------------------------------------------------------------------------------------------------------


def logistic(dtype):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(40, 5)).astype(dtype)
    return x, np.sign(x @ rng.normal(size=5) + rng.normal(size=40)).astype(dtype)


def closures(param, tensor, mine, torchs, dtype):
    """Logistic regression with a little weight decay: convex, so that roundings are damped."""
    x, y = logistic(dtype)
    calls = [0, 0]

    def ours():
        calls[0] += 1
        margin = y * (x @ param.data)
        param.grad = -(x.T @ (y / (1 + np.exp(margin)))) + dtype(0.1) * param.data
        return float(np.logaddexp(0, -margin).sum() + dtype(0.05) * (param.data**2).sum())

    def theirs():
        calls[1] += 1
        torchs.zero_grad()
        margin = torch.tensor(y) * (torch.tensor(x) @ tensor)
        loss = torch.nn.functional.softplus(-margin).sum() + 0.05 * (tensor**2).sum()
        loss.backward()
        return loss

    return ours, theirs, calls


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("options", [{}, {"history_size": 2, "max_iter": 3}, {"max_eval": 4, "lr": 0.5}])
def test_lbfgs_step_by_step(options, dtype, search):
    param = SimpleNamespace(data=np.zeros(5, dtype), grad=None)
    tensor = torch.zeros(5, dtype=getattr(torch, np.dtype(dtype).name), requires_grad=True)
    mine = LBFGS([param], line_search_fn=search, **options)
    torchs = torch.optim.LBFGS([tensor], line_search_fn=search, **options)
    ours, theirs, calls = closures(param, tensor, mine, torchs, dtype)
    lr = options.get("lr", 1.0) * (0.1 if search is None else 1.0)
    mine.lr = torchs.param_groups[0]["lr"] = lr
    for _ in range(6):
        loss, expected = mine.step(ours), theirs_step(torchs, theirs)
        np.testing.assert_allclose(loss, expected, rtol=1e-10 if dtype is np.float64 else 2e-5)
    if dtype is np.float64:
        assert calls[0] == calls[1]
    tolerance = 1e-7 if dtype is np.float64 else 2e-3
    np.testing.assert_allclose(param.data, tensor.detach().numpy(), rtol=tolerance, atol=tolerance)


def theirs_step(optimiser, closure):
    return float(optimiser.step(closure).detach())


@pytest.mark.parametrize("start", [(-1.2, 1.0), (3.0, -2.0), (0.0, 5.0)])
def test_lbfgs_on_rosenbrocks_valley_until_roundings_grow(start):
    param = SimpleNamespace(data=np.array(start), grad=None)
    tensor = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    options = {"line_search_fn": "strong_wolfe", "max_iter": 1, "max_eval": 26, "tolerance_change": 0.0}
    mine, torchs = LBFGS([param], **options), torch.optim.LBFGS([tensor], **options)
    calls = [0, 0]

    def ours():
        calls[0] += 1
        x, y = param.data
        param.grad = np.array([-400 * x * (y - x * x) - 2 * (1 - x), 200 * (y - x * x)])
        return 100 * (y - x * x) ** 2 + (1 - x) ** 2

    def theirs():
        calls[1] += 1
        torchs.zero_grad()
        loss = 100 * (tensor[1] - tensor[0] ** 2) ** 2 + (1 - tensor[0]) ** 2
        loss.backward()
        return loss

    for _ in range(20):
        mine.step(ours)
        torchs.step(theirs)
        assert calls[0] == calls[1]
        np.testing.assert_allclose(param.data, tensor.detach().numpy(), rtol=1e-8)
