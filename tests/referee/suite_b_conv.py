"""Convolution, pooling, resampling, and filters in time."""

import numpy as np

from .b_forms import like, rng
from .case import Case

IMG = rng(601).normal(size=(2, 3, 6, 6))
KERNEL = rng(602).normal(size=(2, 3, 3, 3))
BIAS = rng(603).normal(size=2)
LINE = rng(604).normal(size=(2, 9))
TAPS = rng(605).normal(size=3)
MAPS = rng(606).normal(size=(2, 3, 4, 4))
SMALL = rng(608).normal(size=(2, 7, 7))


def windows(x, i, j, size, stride, dil=1):
    """The entries of x under kernel position (i, j), for `size` output positions."""
    i, j = i * dil, j * dil
    return x[..., i : i + stride * (size[0] - 1) + 1 : stride, j : j + stride * (size[1] - 1) + 1 : stride]


def out_size(x, w, stride, pad, dil):
    pairs = zip(x.shape[-2:], w.shape[-2:], strict=True)
    return tuple((n + 2 * pad - dil * (k - 1) - 1) // stride + 1 for n, k in pairs)


def padded(x, pad):
    return np.pad(x, [(0, 0)] * (x.ndim - 2) + [(pad, pad)] * 2)


def conv(stride=1, pad=0, dil=1):
    def f(x, w, b):
        size, p = out_size(x, w, stride, pad, dil), padded(x, pad)
        out = b[:, None, None] + np.zeros((len(x), len(w), *size), dtype=x.dtype)
        for i, j in np.ndindex(*w.shape[-2:]):
            out = out + np.einsum("nchw,fc->nfhw", windows(p, i, j, size, stride, dil), w[:, :, i, j])
        return out

    return f


def conv_rule(stride=1, pad=0, dil=1, shift=0, last=True, w_dil=None, w_swap=False):
    """The gradient of `conv`, with one place for each way to get it wrong."""

    def rule(g, out, x, w, b):
        size, p = g.shape[-2:], padded(x, pad)
        if not last:
            g = g.copy()
            g[..., -1, :] = 0
        dp, dw = np.zeros(p.shape, p.dtype), np.zeros_like(w)
        for i, j in np.ndindex(*w.shape[-2:]):
            windows(dp, i, j, size, stride, dil)[...] += np.einsum("nfhw,fc->nchw", g, w[:, :, i, j])
            dw[:, :, i, j] = np.einsum("nfhw,nchw->fc", g, windows(p, i, j, size, stride, w_dil or dil))
        h, v = x.shape[-2:]
        dx = dp[..., pad - shift : pad - shift + h, pad - shift : pad - shift + v]
        return like(dx, x), like(dw.swapaxes(-1, -2) if w_swap else dw, w), like(g.sum(axis=(0, 2, 3)), b)

    return rule


def conv1d(x, w):
    p = np.pad(x, ((0, 0), (1, 1)))
    return sum(w[k] * p[:, k : k + x.shape[1]] for k in range(3))


def conv1d_rule(flip):
    def rule(g, out, x, w):
        p = np.pad(x, ((0, 0), (1, 1)))
        dw = np.array([(g * p[:, k : k + x.shape[1]]).sum() for k in range(3)])
        return like(conv1d(g, w[::-1] if flip else w), x), like(dw, w)

    return rule


def max_pool(k, stride):
    def f(x):
        v = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(-2, -1))
        return v[..., ::stride, ::stride, :, :].max((-2, -1))

    return f


def max_pool_rule(k, stride, adds=True):
    def rule(g, out, x):
        grad = np.zeros_like(x)
        for idx in np.ndindex(*g.shape):
            top, left = idx[-2] * stride, idx[-1] * stride
            w = x[idx[:-2]][top : top + k, left : left + k]
            r, c = np.unravel_index(w.argmax(), w.shape)
            at = (*idx[:-2], top + r, left + c)
            grad[at] = g[idx] + (grad[at] if adds else 0)
        return grad

    return rule


def max_pool_ties(g, out, x):
    """2 x 2 windows: every entry equal to its window's maximum receives all of g."""
    up = np.ones((2, 2), x.dtype)
    h, w = 2 * out.shape[-2], 2 * out.shape[-1]
    grad = np.zeros_like(x)
    grad[..., :h, :w] = np.kron(g, up) * (x[..., :h, :w] == np.kron(out, up))
    return grad


def counts(x):
    """How many real entries a padded 3 x 3 window holds, at each position."""
    p = padded(np.ones(x.shape[-2:]), 1)
    return sum(windows(p, i, j, x.shape[-2:], 1) for i, j in np.ndindex(3, 3)).astype(x.dtype)


def avg_pool(x):
    p = padded(x, 1)
    return sum(windows(p, i, j, x.shape[-2:], 1) for i, j in np.ndindex(3, 3)) / counts(x)


def avg_pool_rule(count):
    def rule(g, out, x):
        p = padded(g / count(x), 1)
        return like(sum(windows(p, i, j, x.shape[-2:], 1) for i, j in np.ndindex(3, 3)), x)

    return rule


def recursive(x, a):
    """y[t] = a y[t-1] + x[t]."""
    out, y = np.zeros(x.shape, dtype=x.dtype), 0 * x[0]
    for t in range(len(x)):
        y = a * y + x[t]
        out[t] = y
    return out


def recursive_rule(lag):
    def rule(g, out, x, a):
        dx = np.zeros_like(x)
        adj = 0 * x[0]
        for t in range(len(x) - 1, -1, -1):
            adj = g[t] + a * adj
            dx[t] = adj
        prev = np.concatenate([0 * x[:1], out[:-1]]) if lag else out
        return dx, like((dx * prev).sum(), a)

    return rule


def variation(x):
    return np.sqrt(np.diff(x, axis=-1) ** 2 + 1e-4).sum(-1)


def variation_rule(g, out, x):
    d = np.diff(x, axis=-1)
    s = g[..., None] * d / np.sqrt(d * d + 1e-4)
    grad = np.zeros_like(x)
    grad[..., 1:] += s
    grad[..., :-1] -= s
    return grad


TIED = np.round(SMALL[:, :6, :6])
CASES = [
    Case(
        "conv1d: kernel not flipped",
        "wrong",
        conv1d,
        conv1d_rule(False),
        (LINE, TAPS),
        "The adjoint of a correlation is a convolution.",
        ("transposed", "elsewhere"),
    ),
    Case(
        "conv2d: last output row skipped",
        "wrong",
        conv(2, 1),
        conv_rule(2, 1, last=False),
        (IMG, KERNEL, BIAS),
        "A loop over rows that ends one early.",
        ("one index", "term missing", "mask"),
    ),
    Case(
        "conv2d: kernel's gradient has rows for columns",
        "wrong",
        conv(1, 1),
        conv_rule(1, 1, w_swap=True),
        (IMG, KERNEL, BIAS),
        "The kernel is square and its gradient transposed.",
        ("transposed", "axis"),
    ),
    Case(
        "conv2d: padding cropped off one side",
        "wrong",
        conv(1, 1),
        conv_rule(1, 1, shift=1),
        (IMG, KERNEL, BIAS),
        "The padded gradient is cut at 0 instead of at the padding: shifted by a pixel.",
        ("elsewhere", "options forgotten", "transposed"),
    ),
    Case(
        "conv2d: dilation forgotten for the kernel",
        "wrong",
        conv(1, 0, 2),
        conv_rule(1, 0, 2, w_dil=1),
        (IMG, KERNEL, BIAS),
        "The kernel's gradient reads neighbouring pixels.",
        ("options forgotten",),
    ),
    Case(
        "max pool: overlapping windows overwrite",
        "wrong",
        max_pool(3, 1),
        max_pool_rule(3, 1, adds=False),
        (SMALL,),
        "An entry that wins several windows keeps the last g only.",
        ("not summed", "one index", "term missing"),
    ),
    Case(
        "average pool: border counted in full",
        "wrong",
        avg_pool,
        avg_pool_rule(lambda x: 9.0),
        (MAPS,),
        "The forward divides by the real entries under the window, the rule by nine.",
        ("options forgotten", "factor", "mask"),
    ),
    Case(
        "recursive filter: coefficient sees today's output",
        "wrong",
        recursive,
        recursive_rule(False),
        (LINE[0], np.array(0.9)),
        "The coefficient multiplies y[t-1]; the rule uses y[t].",
        ("elsewhere", "term missing"),
    ),
    # elsewhere
    Case(
        "max pool: ties paid in full",
        "elsewhere",
        max_pool(2, 2),
        max_pool_ties,
        (SMALL[:, :6, :6].copy(),),
        "Where two entries of a window tie, both receive g; no subgradient does that.",
        ("factor", "mask", "elsewhere"),
    ),
    # right
    Case(
        "conv2d: stride two, padded, one column unread",
        "right",
        conv(2, 1),
        conv_rule(2, 1),
        (IMG, KERNEL, BIAS),
        "The last padded row and column are never read.",
    ),
    Case(
        "max pool: overlapping windows",
        "right",
        max_pool(3, 1),
        max_pool_rule(3, 1),
        (SMALL,),
        "One entry may win nine windows.",
    ),
    Case(
        "max pool: runners-up 1e-7 behind",
        "right",
        max_pool(2, 2),
        max_pool_rule(2, 2),
        (1 + 1e-7 * rng(611).permutation(72).reshape(2, 6, 6),),
        "Any usual step changes every winner.",
    ),
    Case(
        "average pool: border counted as it is",
        "right",
        avg_pool,
        avg_pool_rule(counts),
        (MAPS,),
        "The divisor is 4, 6 or 9.",
    ),
    Case(
        "recursive filter: almost undamped",
        "right",
        recursive,
        recursive_rule(True),
        (rng(612).normal(size=120), np.array(0.999)),
        "A loop of 120 steps; the coefficient's gradient is in the hundreds.",
    ),
    Case(
        "total variation: smoothed by 1e-2",
        "right",
        variation,
        variation_rule,
        (np.round(LINE),),
        "Equal neighbours, where the curvature is 100.",
    ),
    # kink
    Case(
        "max pool: ties in the windows",
        "kink",
        max_pool(2, 2),
        max_pool_rule(2, 2),
        (TIED,),
        "The first of equal entries takes all of g.",
    ),
]
