"""Hooks: before and after the forward, and when the gradient has come through."""

from contextlib import suppress

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce.nn import MLP, Linear, Module

torch = None
with suppress(ImportError):  # a peer
    import torch


def test_forward_hooks_see_and_change():
    layer, seen = Linear(2, 2, rng=0), []
    pre = layer.register_forward_pre_hook(lambda m, args: seen.append(("before", m, args[0].shape)) or args[0] * 2)
    post = layer.register_forward_hook(lambda m, args, out: seen.append(("after", args[0][0, 0], out.shape)) or -out)
    x = np.ones((3, 2))
    changed = layer(x)
    assert seen == [("before", layer, (3, 2)), ("after", 2.0, (3, 2))]
    pre.remove(), post.remove(), post.remove()
    np.testing.assert_allclose(changed.data, -layer(2 * x).data)
    assert len(seen) == 2


def test_hooks_run_in_order_and_end_with_their_block():
    layer, seen = Linear(1, 1, rng=0), []
    with layer.register_forward_hook(lambda *_: seen.append(1)):
        layer.register_forward_hook(lambda *_: seen.append(2))
        layer(np.ones(1))
    layer(np.ones(1))
    assert seen == [1, 2, 2]
    with pytest.raises(TypeError, match="a hook is a function"):
        layer.register_forward_hook("print")


def test_backward_hooks_see_both_sides_and_change_nothing_by_looking():
    model, seen = MLP([2, 3, 1], rng=0), []
    x = tg.Value(np.ones((4, 2)))
    model(x).sum().backward()
    plain = [p.grad for p in model.parameters()] + [x.grad]
    model.zero_grad(), x.zero_grad()
    for layer in model.layers:
        layer.register_full_backward_hook(lambda m, gi, go: seen.append((m, gi, go)))
    model(x).sum().backward()
    assert [m for m, *_ in seen] == model.layers[::-1]
    (_, gi, go), (_, first, _) = seen
    assert go[0].shape == (4, 1) and gi[0].shape == (4, 3)
    np.testing.assert_allclose(gi[0], go[0] @ model.layers[1].weight.data)
    np.testing.assert_array_equal(first[0], x.grad)
    for p, g in zip([*model.parameters(), x], plain, strict=True):
        np.testing.assert_array_equal(p.grad, g)


def test_a_backward_hook_may_replace_the_gradient():
    layer = Linear(2, 2, rng=0)
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0] * 10.0,))
    layer.register_full_backward_hook(lambda m, gi, go: gi[0] + 1.0)
    x = tg.Value(np.ones(2))
    layer(x).sum().backward()
    np.testing.assert_allclose(x.grad, 10 * layer.weight.data.sum(axis=0) + 1)


class Two(Module):
    """Two inputs, nested outputs, one of which nobody may use."""

    def __init__(self):
        self.w = tg.Value(3.0)

    def forward(self, x, y, z):
        return x * self.w, (y * x, [z])


def test_backward_hooks_of_several_inputs_and_outputs():
    module, seen = Two(), []
    module.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    x, y = tg.Value(2.0), tg.Value(5.0)
    a, (b, [z]) = module(x, y, "text")
    assert z == "text"
    a.backward()
    assert seen == [((3.0, None, None), (1.0, None, None))]
    a, (b, _) = module(x, y, None)
    (a + 2.0 * b).backward()
    assert seen[1] == ((13.0, 4.0, None), (1.0, 2.0, None))


def test_a_backward_hook_is_called_without_a_gradient_for_inputs_and_once_a_sweep():
    layer, seen = Linear(2, 1, rng=0), []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    loss = layer(np.ones((3, 2))).sum()
    loss.backward()
    loss.backward()
    assert [gi for gi, _ in seen] == [(None,), (None,)]
    assert layer.weight.grad.tolist() == [[6.0, 6.0]]


def test_transforms_pass_by_and_what_a_hook_said_is_forgotten():
    layer, seen = Linear(1, 1, rng=0), []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append(go) or (gi[0] * 0.0,))
    slope = layer.weight.data[0, 0]
    x = tg.Value([1.0])
    y = tg.softplus(layer(x)).sum()
    y.backward()
    assert x.grad.tolist() == [0.0]
    assert tg.compare_derivations(y)
    calls = len(seen)
    assert tg.grad(lambda x: layer(x).sum())(np.ones(1)).tolist() == [slope]
    assert len(seen) == calls
    y.backward(), y.backward()
    assert x.grad.tolist() == [0.0] and len(seen) == calls + 2
    layer.register_full_backward_hook(lambda m, gi, go: (1.0, 2.0))
    with pytest.raises(ValueError, match=r"hook of Linear\(1 → 1\) returned 2 gradients for 1 arguments"):
        layer(x).sum().backward()


def test_a_hooked_model_can_be_differentiated_twice_and_forward():
    layer = Linear(2, 1, rng=0)
    layer.register_full_backward_hook(lambda m, gi, go: None)
    f = lambda x: (layer(x) ** 3).sum()
    x = np.array([0.3, -0.2])
    plain = Linear(2, 1, rng=0)
    g = lambda x: (plain(x) ** 3).sum()
    np.testing.assert_allclose(tg.hessian(f)(x), tg.hessian(g)(x))
    np.testing.assert_allclose(tg.jvp(f, (x,), (np.ones(2),))[1], tg.jvp(g, (x,), (np.ones(2),))[1])


@pytest.mark.skipif(torch is None, reason="torch is not installed")
def test_as_torch_calls_them():
    ours, theirs = (
        MLP([2, 3, 1], tg.tanh, rng=0),
        torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1)).double(),
    )
    theirs.load_state_dict(
        {k.replace("layers.1", "2").replace("layers.", ""): torch.tensor(v) for k, v in ours.state_dict().items()}
    )
    found, expected = [], []
    ours.layers[1].register_full_backward_hook(lambda m, gi, go: found.append((gi, go)))
    theirs[2].register_full_backward_hook(lambda m, gi, go: expected.append((gi, go)))
    x = np.random.default_rng(0).normal(size=(4, 2))
    (ours(x) ** 2).sum().backward()
    (theirs(torch.tensor(x)) ** 2).sum().backward()
    for mine, its in zip(found[0], expected[0], strict=True):
        np.testing.assert_allclose(mine[0], its[0].numpy(), rtol=1e-12)
