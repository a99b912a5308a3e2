"""Convolution along one or two axes, and its two transposes: three ops that are each other's gradients.

With y = conv(x, w) and a cotangent g of y, the number <g, y> is linear in each of x, w and g:

    conv               y, its gradient in g
    convolution_input  its gradient in x: g convolved with w "transposed", spread over where the windows stood
    convolution_weight its gradient in w: x correlated with g

so that the rules of each are the other two, to any order, and forward mode is the ops themselves. All are one matrix
product a group, of windows laid out side by side (im2col). As everywhere in this field, "convolution" is a correlation:
the kernel is not turned round.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..invariants import Claim, Invariant, Probe, homogeneous
from ..op import Op
from ..registry import op
from .windows import Sizes, Windows, padded, tap, unfolded, windows

Options = Mapping[str, Any]


def _windows(name: str, size: Sizes, kernel: Sizes, options: Options) -> Windows:
    return windows(name, size, kernel, options["stride"], options["padding"], options["dilation"])


def _of(weight: Any, size: Sizes, options: Options) -> Windows:
    kernel = np.shape(weight)[2:]
    return _windows(f"conv{len(kernel)}d", size, kernel, options)


def _grouped(x: Any, lead: int, groups: int) -> Any:
    """Channels as (groups, channels of one), after `lead` axes."""
    shape = np.shape(x)
    return np.reshape(x, (*shape[:lead], groups, shape[lead] // groups, *shape[lead + 1 :]))


def _batch(x: Any, rank: int) -> Any:
    """(..., C, *L) as (N, C, *L)."""
    shape = np.shape(x)
    return x if len(shape) == rank + 2 else np.reshape(x, (math.prod(shape[: -rank - 1]), *shape[-rank - 1 :]))


def _fan(weight: Any) -> int:
    """How many numbers a window shows to an output channel."""
    return math.prod(np.shape(weight)[1:])


# -- conv ------------------------------------------------------------------------------------------------------


def _convolved(x: Any, weight: Any, bias: Any, options: Options) -> Any:
    """The decomposition: windows of the padded input, and a matrix product a group."""
    rank, groups = len(np.shape(weight)) - 2, options["groups"]
    lead, w = np.shape(x)[: -rank - 1], _of(weight, np.shape(x)[-rank:], options)
    views = _grouped(unfolded(_batch(x, rank), w), 1, groups)  # (N, G, C/G, *out, *kernel)
    order = (0, 1, *range(3, 3 + rank), 2, *range(3 + rank, 3 + 2 * rank))
    rows = np.reshape(np.transpose(views, order), (*np.shape(views)[:2], math.prod(w.out), _fan(weight)))
    kernels = np.reshape(weight, (groups, np.shape(weight)[0] // groups, _fan(weight)))
    y = np.matmul(rows, np.swapaxes(kernels, -1, -2))  # (N, G, L, O/G)
    y = np.reshape(np.swapaxes(y, -1, -2), (*lead, np.shape(weight)[0], *w.out))
    return y if bias is None else y + np.reshape(bias, (-1, *[1] * rank))


def _columns(x: Any, w: Windows, groups: int) -> Any:
    """Windows of (N, C, *L) side by side, (N, G, C/G · kernel, out), in one copy."""
    whole = np.ascontiguousarray(padded(x, w))
    n, c = x.shape[:2]
    steps = whole.strides
    inner = [s * d for s, d in zip(steps[2:], w.dilation, strict=True)]
    outer = [s * d for s, d in zip(steps[2:], w.stride, strict=True)]
    views = as_strided(whole, (n, c, *w.kernel, *w.out), (*steps[:2], *inner, *outer), writeable=False)
    return views.reshape(n, groups, c // groups * math.prod(w.kernel), math.prod(w.out))


def _convolve(x: Any, weight: Any, bias: Any, options: Options) -> Any:
    """`_convolved`, fast."""
    if type(x) is not np.ndarray or type(weight) is not np.ndarray:
        return _convolved(x, weight, bias, options)
    rank, groups = weight.ndim - 2, options["groups"]
    w = _of(weight, x.shape[-rank:], options)
    columns = _columns(_batch(x, rank), w, groups)
    y = np.matmul(weight.reshape(groups, weight.shape[0] // groups, -1), columns)
    if bias is not None:
        y = _plus(y, np.reshape(bias, (groups, -1, 1)))
    return y.reshape(*x.shape[: -rank - 1], weight.shape[0], *w.out)


def _plus(y: Any, bias: Any) -> Any:
    """y + bias, in y's memory where that holds the sum."""
    if type(bias) is not np.ndarray or np.result_type(y, bias) != y.dtype:
        return y + bias
    y += bias
    return y


# -- its transpose in x ----------------------------------------------------------------------------------------


def _stretched(g: Any, w: Windows) -> Any:
    """g with stride − 1 zeros between its entries, and so much border that every window over it counts."""
    shape = np.shape(g)
    lead = shape[: -w.rank]
    if any(s > 1 for s in w.stride):
        apart = np.reshape(g, (*lead, *[m for n in w.out for m in (n, 1)]))
        gaps = [pair for s in w.stride for pair in ((0, 0), (0, s - 1))]
        g = np.reshape(np.pad(apart, [(0, 0)] * len(lead) + gaps), (*lead, *_times(w.out, w.stride)))
        g = g[(..., *[slice(0, (n - 1) * s + 1) for n, s in zip(w.out, w.stride, strict=True)])]
    before = [e - 1 for e in w.extent]
    after = [f - (n - 1) * s - 1 for f, n, s in zip(w.full, w.out, w.stride, strict=True)]
    return np.pad(g, [(0, 0)] * len(lead) + list(zip(before, after, strict=True)))


def _times(a: Sizes, b: Sizes) -> Sizes:
    return tuple([i * j for i, j in zip(a, b, strict=True)])


def _input_gradient(g: Any, weight: Any, size: Sizes, options: Options) -> Any:
    """The decomposition: g, stretched by the stride, convolved with the kernel turned round and transposed."""
    rank, groups = len(size), options["groups"]
    w = _of(weight, size, options)
    turned = np.swapaxes(np.flip(_grouped(weight, 0, groups), tuple(range(3, 3 + rank))), 1, 2)
    shape = np.shape(turned)
    turned = np.reshape(turned, (groups * shape[1], *shape[2:]))
    plain = {"stride": 1, "padding": 0, "dilation": options["dilation"], "groups": groups}
    return CONV[rank].apply((_stretched(g, w), turned, None), plain)[w.inside]


def _spread(g: Any, weight: Any, size: Sizes, options: Options) -> Any:
    """`_input_gradient`, fast: a product for each row of the kernel, a long addition for each entry (col2im).

    The batch stands innermost meanwhile, so that the additions run over long contiguous rows.
    """
    if type(g) is not np.ndarray or type(weight) is not np.ndarray:
        return _input_gradient(g, weight, size, options)
    rank, groups = len(size), options["groups"]
    w = _of(weight, size, options)
    lead, outer = g.shape[: -rank - 1], range(2, 2 + rank)
    batch = _batch(g, rank)
    channels = weight.shape[1]
    last = np.ascontiguousarray(batch.transpose(1, *outer, 0)).reshape(
        groups, weight.shape[0] // groups, math.prod(w.out) * len(batch)
    )
    kernels = _grouped(weight, 0, groups).transpose(0, *range(3, 3 + rank), 2, 1)  # (G, *kernel, C/G, O/G)
    total = np.zeros((groups, channels, *w.full, len(batch)), dtype=np.result_type(g, weight))
    for row in range(w.kernel[0]):  # not all at once, which would be as many times g
        spread = np.matmul(kernels[:, row].reshape(groups, -1, kernels.shape[-1]), last)
        spread = spread.reshape(groups, *w.kernel[1:], channels, *w.out, len(batch))
        for k in product(*map(range, w.kernel[1:])):
            total[(slice(None), slice(None), *tap((row, *k), w))] += spread[(slice(None), *k)]
    total = total[(*w.inside, slice(None))].reshape(groups * channels, *size, len(batch))
    return np.ascontiguousarray(total.transpose(rank + 1, *range(rank + 1))).reshape(*lead, *total.shape[:-1])


# -- its transpose in w ----------------------------------------------------------------------------------------


def _weight_gradient(x: Any, g: Any, kernel: Sizes, options: Options) -> Any:
    """The decomposition: for each entry of the kernel, what it met, times g, summed over batch and places."""
    rank, groups = len(kernel), options["groups"]
    w = _windows(f"conv{rank}d", np.shape(x)[-rank:], kernel, options)
    views = _grouped(unfolded(_batch(x, rank), w), 1, groups)  # (N, G, C/G, *out, *kernel)
    channels, places = np.shape(views)[2], range(3, 3 + rank)
    order = (1, 2, *range(3 + rank, 3 + 2 * rank), 0, *places)
    g = _grouped(_batch(g, rank), 1, groups)  # (N, G, O/G, *out)
    met = np.shape(g)[0] * math.prod(w.out)
    columns = np.reshape(np.transpose(views, order), (groups, channels * math.prod(kernel), met))
    rows = np.reshape(np.transpose(g, (1, 2, 0, *places)), (groups, np.shape(g)[2], met))
    found = np.matmul(rows, np.swapaxes(columns, -1, -2))
    return np.reshape(found, (groups * np.shape(rows)[1], channels, *kernel))


def _correlate(x: Any, g: Any, kernel: Sizes, options: Options) -> Any:
    """`_weight_gradient`, fast."""
    if type(x) is not np.ndarray or type(g) is not np.ndarray:
        return _weight_gradient(x, g, kernel, options)
    rank, groups = len(kernel), options["groups"]
    w = _windows(f"conv{rank}d", x.shape[-rank:], kernel, options)
    batch = _batch(x, rank)
    columns = _columns(batch, w, groups)
    rows = g.reshape(len(batch), groups, g.shape[-rank - 1] // groups, math.prod(w.out))
    found = np.matmul(rows, columns.swapaxes(-1, -2)).sum(axis=0)
    return found.reshape(groups * rows.shape[2], batch.shape[1] // groups, *kernel)


# -- what they obey --------------------------------------------------------------------------------------------


def _translation(probe: Probe) -> Iterator[Claim]:
    i = probe.position("x")
    if i is None:
        return
    g = np.zeros_like(probe.cotangent())
    if not g.size or g.shape[-1] < 2:
        return
    first, second = g.copy(), g.copy()
    first[..., 0] = second[..., 1] = probe.cotangent()[..., 0]
    here, there = [np.asarray(probe.gradients(c, probe.inputs)[i]) for c in (first, second)]
    stride = probe.options["stride"]
    step = stride[-1] if isinstance(stride, tuple) else stride
    yield Claim(there[..., step:], here[..., : max(here.shape[-1] - step, 0)], np.max(np.abs(here), initial=0.0))


TRANSLATION = Invariant("g one place further along gives the gradient in x one stride further along", _translation)
INVARIANTS = (homogeneous("x", "bias"), homogeneous("weight", "bias"), TRANSLATION)


# -- the ops ---------------------------------------------------------------------------------------------------


def _cases(rank: int) -> Iterator[tuple[Sizes, Sizes, dict[str, Any]]]:
    """Shapes of x and w, and options."""
    if rank == 1:
        yield (2, 2, 5), (2, 2, 3), {}
        yield (2, 5), (2, 1, 2), {"stride": 2, "padding": 1, "groups": 2}
        yield (1, 1, 4), (1, 1, 2), {"padding": "same", "dilation": 2}
        yield (0, 1, 4), (2, 1, 2), {}
    else:
        yield (2, 2, 3, 4), (1, 2, 2, 3), {}
        yield (1, 2, 4, 3), (2, 1, 2, 2), {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2}
        yield (1, 3, 3), (1, 1, 2, 2), {"padding": "same"}


def _samples(rank: int) -> Any:
    def samples(rng: np.random.Generator) -> Iterable[Any]:
        for n, (x, w, options) in enumerate(_cases(rank)):
            yield (rng.normal(size=x), rng.normal(size=w), rng.normal(size=w[:1]) if n % 2 else None), options

    return samples


def _spread_samples(rng: np.random.Generator) -> Iterable[Any]:
    for rank in CONV:
        for x, w, options in _cases(rank):
            y = CONV[rank](np.zeros(x), np.zeros(w), **options)
            yield (rng.normal(size=y.shape), rng.normal(size=w)), {"size": x[-rank:], **options}


def _correlate_samples(rng: np.random.Generator) -> Iterable[Any]:
    for rank in CONV:
        for x, w, options in _cases(rank):
            y = CONV[rank](np.zeros(x), np.zeros(w), **options)
            yield (rng.normal(size=x), rng.normal(size=y.shape)), {"kernel": w[2:], **options}


@op(samples=_samples(1), invariants=INVARIANTS)
def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: int | Sizes = 1,
    padding: int | Sizes | str = 0,
    dilation: int | Sizes = 1,
    groups: int = 1,
) -> Any:
    """y[n, o, i] = b[o] + Σ_{c, k} w[o, c, k] x[n, c, i·stride − padding + k·dilation]; 0 beyond the borders.

    As `conv2d`, along one axis: x is (..., C, L), the weight (O, C / groups, K), y (..., O, L').

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_ce.ops.convolution import conv1d
    >>> conv1d(np.array([[1.0, 2.0, 4.0, 8.0]]), np.array([[[-1.0, 1.0]]]))
    array([[1., 2., 4.]])
    """
    return _convolved(x, weight, bias, dict(stride=stride, padding=padding, dilation=dilation, groups=groups))


@op(samples=_samples(2), invariants=INVARIANTS)
def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: int | Sizes = 1,
    padding: int | Sizes | str = 0,
    dilation: int | Sizes = 1,
    groups: int = 1,
) -> Any:
    """y[n, o, i, j] = b[o] + Σ w[o, c, k, l] x[n, c, i·s − p + k·d, j·s − p + l·d], over c, k, l; 0 beyond the borders.

    Parameters
    ----------
    x : Value or array of shape (..., C, H, W)
    weight : Value or array of shape (O, C / groups, K, L)
    bias : Value or array of shape (O,), optional
    stride, dilation : int, or one for each axis
    padding : int, one for each axis, "valid" (none) or "same" (H' = H; stride 1)
        Zeros on both sides; of an odd total for "same", one more after than before.
    groups : int
        Output channels of group i see the input channels of group i alone.

    Returns
    -------
    Value or array of shape (..., O, H', W')
        H' = ⌊(H + 2·padding − dilation·(K − 1) − 1) / stride⌋ + 1.

    Raises
    ------
    ValueError
        If channels, groups or the bias do not fit together, or the kernel does not fit into the input.

    Notes
    -----
    "analytic": in x, g convolved with the transposed kernel (`convolution_input`); in w, x correlated with g
    (`convolution_weight`); in b, g summed (Dumoulin and Visin, A guide to convolution arithmetic, 2016).

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_ce.ops.convolution import conv2d
    >>> conv2d(np.ones((1, 3, 3)), np.ones((1, 1, 2, 2)), padding=1).tolist()
    [[[1.0, 2.0, 2.0, 1.0], [2.0, 4.0, 4.0, 2.0], [2.0, 4.0, 4.0, 2.0], [1.0, 2.0, 2.0, 1.0]]]
    """
    return _convolved(x, weight, bias, dict(stride=stride, padding=padding, dilation=dilation, groups=groups))


CONV = {1: conv1d, 2: conv2d}


@op(samples=_spread_samples, invariants=[homogeneous("g"), homogeneous("weight")])
def convolution_input(
    g: Any,
    weight: Any,
    *,
    size: Sizes,
    stride: int | Sizes = 1,
    padding: int | Sizes | str = 0,
    dilation: int | Sizes = 1,
    groups: int = 1,
) -> Any:
    """The transpose of x ↦ conv(x, weight) for x of that spatial size: each g times the kernel, where its window stood.

    g is (..., O, *L'), the result (..., C, *size). This is also called a transposed convolution.
    """
    return _input_gradient(g, weight, size, dict(stride=stride, padding=padding, dilation=dilation, groups=groups))


@op(samples=_correlate_samples, invariants=[homogeneous("x"), homogeneous("g")])
def convolution_weight(
    x: Any,
    g: Any,
    *,
    kernel: Sizes,
    stride: int | Sizes = 1,
    padding: int | Sizes | str = 0,
    dilation: int | Sizes = 1,
    groups: int = 1,
) -> Any:
    """The transpose of w ↦ conv(x, w) for kernels of that size: Σ over batch and windows of g times the window.

    x is (..., C, *L), g (..., O, *L'), the result (O, C / groups, *kernel).
    """
    return _weight_gradient(x, g, kernel, dict(stride=stride, padding=padding, dilation=dilation, groups=groups))


@convolution_input.forward
def _(g: Any, weight: Any, *, size: Sizes, **options: Any) -> Any:
    return _spread(g, weight, size, options)


@convolution_weight.forward
def _(x: Any, g: Any, *, kernel: Sizes, **options: Any) -> Any:
    return _correlate(x, g, kernel, options)


def _summed(g: Any, rank: int) -> Any:
    """g summed over batch and places, a number a channel."""
    ndim = len(np.shape(g))
    return np.sum(g, axis=tuple([i for i in range(ndim) if i != ndim - rank - 1]))


FORMULA = "in x: g convolved with the transposed kernel; in w: x correlated with g; in b: Σ g"
for _rank, _conv in CONV.items():
    _conv.forward(lambda x, weight, bias, **options: _convolve(x, weight, bias, options))
    _conv.derivation("analytic", formula=FORMULA)(
        (
            lambda g, out, x, w, b, **o: convolution_input(g, w, size=np.shape(x)[2 - len(np.shape(w)) :], **o),
            lambda g, out, x, w, b, **o: convolution_weight(x, g, kernel=np.shape(w)[2:], **o),
            lambda g, out, x, w, b, **o: _summed(g, len(np.shape(w)) - 2),
        )
    )
convolution_input.derivation("analytic", formula="in g: conv(h, w); in w: h correlated with g")(
    (
        lambda h, out, g, w, *, size, **o: CONV[len(size)].apply((h, w, None), o),
        lambda h, out, g, w, *, size, **o: convolution_weight(h, g, kernel=np.shape(w)[2:], **o),
    )
)
convolution_weight.derivation("analytic", formula="in x: g convolved with the transposed h; in g: conv(x, h)")(
    (
        lambda h, out, x, g, *, kernel, **o: convolution_input(g, h, size=np.shape(x)[-len(kernel) :], **o),
        lambda h, out, x, g, *, kernel, **o: CONV[len(kernel)].apply((x, h, None), o),
    )
)


def _push(linear: Op, alone: Sequence[int] = ()) -> Callable[..., Any]:
    """Forward mode of an op that is linear in each input: itself, of each tangent in turn.

    An affine op is without its offset then: inputs at `alone` are left out but for their own tangent.
    """

    def push(tangents: Sequence[Any], out: Any, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
        total = None
        for i, t in enumerate(tangents):
            if t is None:
                continue
            if i in alone:
                shape = (-1, *[1] * (len(np.shape(inputs[1])) - 2))
                term = np.broadcast_to(np.reshape(t, shape), np.shape(out))
            else:
                others = [None if k in alone else x for k, x in enumerate(inputs)]
                term = linear.apply((*others[:i], t, *others[i + 1 :]), params)
            total = term if total is None else total + term
        return total

    return push


conv1d.pushforward, conv2d.pushforward = _push(conv1d, (2,)), _push(conv2d, (2,))
convolution_input.pushforward, convolution_weight.pushforward = _push(convolution_input), _push(convolution_weight)


# -- users' mistakes -------------------------------------------------------------------------------------------


def fitting(name: str, shape: Sizes, weight: Sizes, bias: Sizes | None, groups: Any) -> None:
    """Raise ValueError unless an input, a weight and a bias of these shapes can be convolved in so many groups."""
    rank = int(name[4])
    spatial = ", ".join("HW"[:rank] if rank == 2 else "L")
    if len(weight) != rank + 2 or not all(weight[2:]):
        raise ValueError(f"{name}: a weight has shape (out, in / groups, {'K, L' if rank == 2 else 'K'}), not {weight}")
    if len(shape) < rank + 1:
        raise ValueError(f"{name}: an input has shape (batch, channels, {spatial}), not {shape}")
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1 or weight[0] % groups:
        raise ValueError(f"{name}: groups={groups!r} does not divide the weight's {weight[0]} output channels")
    channels = shape[-rank - 1]
    if channels != weight[1] * groups:
        in_groups = f" in {groups} groups" if groups > 1 else ""
        raise ValueError(
            f"{name}: the weight {weight} is for {weight[1] * groups} input channels{in_groups}, "
            f"the input {shape} has {channels}"
        )
    if bias is not None and bias != weight[:1]:
        raise ValueError(f"{name}: the bias has shape {bias}, not {weight[:1]}, one for each output channel")


for _rank, _conv in CONV.items():

    @_conv.guard
    def _(x: Any, weight: Any, bias: Any, *, groups: int, _name: str = _conv.name, **options: Any) -> None:
        fitting(_name, np.shape(x), np.shape(weight), None if bias is None else np.shape(bias), groups)
