"""The same hundred steps in PyTorch, gradients that come and go included."""

from types import SimpleNamespace

import numpy as np
import pytest

from tinygrad_ce.optim import SGD, Adam, AdamW

torch = pytest.importorskip("torch")

CASES = [
    (SGD, "SGD", {"lr": 0.05}),
    (SGD, "SGD", {"lr": 0.05, "momentum": 0.9}),
    (SGD, "SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.01}),
    (SGD, "SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01, "nesterov": True}),
    (Adam, "Adam", {}),
    (Adam, "Adam", {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1}),
    (AdamW, "AdamW", {}),
    (AdamW, "AdamW", {"lr": 0.02, "weight_decay": 0.2}),
]


def present(pattern, step, index):
    return {
        "always": True,
        "one is frozen": index != 1,
        "in turns": step % 2 == index % 2,
        "by chance": np.random.default_rng([step, index]).random() < 0.6,
    }[pattern]


@pytest.mark.parametrize("pattern", ["always", "one is frozen", "in turns", "by chance"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("ours", "theirs", "options"), CASES)
def test_a_hundred_steps(ours, theirs, options, dtype, pattern):
    rng = np.random.default_rng(0)
    starts = [rng.normal(size=shape).astype(dtype) for shape in [(3, 4), (4,), (2, 1, 2), ()]]
    params = [SimpleNamespace(data=start, grad=None) for start in starts]
    tensors = [torch.tensor(start, requires_grad=True) for start in starts]
    mine, torchs = ours(params, **options), getattr(torch.optim, theirs)(tensors, **options)
    for step in range(100):
        if step == 50:
            mine.lr = torchs.param_groups[0]["lr"] = 0.03
        for index, (param, tensor) in enumerate(zip(params, tensors, strict=True)):
            grad = rng.normal(size=param.data.shape).astype(dtype)
            on = present(pattern, step, index)
            param.grad = grad if on else None
            tensor.grad = torch.tensor(grad) if on else None
        mine.step()
        torchs.step()
    eps = np.finfo(dtype).eps
    for param, tensor in zip(params, tensors, strict=True):
        assert param.data.dtype == dtype
        np.testing.assert_allclose(param.data, tensor.detach().numpy(), rtol=200 * eps, atol=200 * eps)
