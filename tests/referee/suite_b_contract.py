"""What a rule owes its caller: all of g, linearly; shapes, dtypes, untouched arrays, the same answer twice."""

import numpy as np

from .b_forms import like, log_softmax, onehot, pick, rng, sigmoid, softmax, softplus
from .case import Case

X = rng(1301).normal(size=(4, 3))
V = rng(1302).normal(size=7)
W = rng(1303).normal(size=(4, 3))
Y = rng(1304).integers(0, 3, size=4)


def nll(z, y):
    return -pick(log_softmax(z), y).mean()


def huber(r):
    return np.where(np.abs(r) <= 1, 0.5 * r * r, np.abs(r) - 0.5)


def clipped_rule(g, out, r):
    return like(np.clip(g, -1, 1) * np.clip(r, -1, 1), r)


def thresholded_rule(g, out, x):
    return like(np.where(np.abs(g) < 1e-3, 0.0, g) * sigmoid(x), x)


def filtered(x):
    """Circular convolution with three taps."""
    return 0.5 * x + 0.3 * np.roll(x, 1) - 0.2 * np.roll(x, 2)


def filtered_rule(g, out, x):
    taps = np.zeros(len(x))
    taps[:3] = 0.5, 0.3, -0.2
    return np.fft.ifft(np.conj(np.fft.fft(taps)) * np.fft.fft(g))


def upsample(x):
    return x.repeat(3, axis=-1)


def upsample_rule(g, out, x):
    return g.astype(np.float64).reshape(*x.shape, 3).sum(-1)


def writes_out(g, out, x):
    out *= 1 - out
    return like(g * out, x)


def writes_g(g, out, x):
    """NumPy's in-place product, where g is an array; a scalar g cannot be written to."""
    g *= np.cos(x)
    return like(g, x)


def writes_input(g, out, x):
    x -= x.mean(-1, keepdims=True)
    return like(2 * g[:, None] * x, x)


def spread(x):
    return ((x - x.mean(-1, keepdims=True)) ** 2).sum(-1)


class Momentum:
    """A rule that returns a running mean of its gradients."""

    def __init__(self):
        self.mean = 0.0

    def __call__(self, g, out, x):
        self.mean = 0.9 * self.mean + 0.1 * g * np.cos(x)
        return like(self.mean, x)


class Cached:
    """exp whose backward multiplies by what the last forward left behind."""

    def forward(self, x):
        self.out = np.exp(x)
        return self.out.copy()

    def backward(self, g, out, x):
        return like(g * self.out, x)


class Buffered:
    """A rule that keeps one buffer for its result and hands the same memory out at every call."""

    def __init__(self):
        self.buffer = None

    def __call__(self, g, out, x):
        if self.buffer is None or self.buffer.shape != x.shape or self.buffer.dtype != x.dtype:
            self.buffer = np.empty(x.shape, x.dtype)
        self.buffer[...] = g * np.cos(x)
        return self.buffer


class Accumulator:
    """A rule that adds to a gradient nobody clears."""

    def __init__(self):
        self.grad = {}

    def __call__(self, g, out, x):
        self.grad[x.shape] = self.grad.get(x.shape, 0.0) + g * np.cos(x)
        return like(self.grad[x.shape], x)


class Flaky:
    """A rule that is off by a thousandth in one call of twenty, by the toss of a coin."""

    def __init__(self):
        self.draw = rng(1310)

    def __call__(self, g, out, x):
        off = 1e-3 if self.draw.random() < 0.05 else 0.0
        return like((1 + off) * g * np.cos(x), x)


class Noisy:
    def __init__(self, scale, seed):
        self.draw, self.scale = rng(seed), scale

    def __call__(self, g, out, x):
        return like(g * np.cos(x) * (1 + self.scale * self.draw.normal(size=x.shape)), x)


class FreshMask:
    """Dropout's rule with a mask of its own."""

    def __init__(self):
        self.draw = rng(1306)

    def __call__(self, g, out, x, keep):
        return like(np.where(self.draw.random(x.shape) < 0.8, g / 0.8, 0.0), x), None


def one_nan(g, out, x):
    """The mean's share of a row, through a weight that is 0/0 where x is zero."""
    with np.errstate(invalid="ignore"):
        return like(g * 2 * x * (x / x), x)


def naive_logistic_slope(g, out, x):
    with np.errstate(over="ignore", invalid="ignore"):
        e = np.exp(x)
        return like(g * e / (1 + e) ** 2, x)


CASES = [
    Case(
        "cross-entropy: g never used",
        "wrong",
        nll,
        lambda g, out, z, y: (like((softmax(z) - onehot(y, z.shape[1])) / len(y), z), None),
        (X, Y),
        "The loss is taken for the end of the graph.",
        ("g ignored", "not linear"),
    ),
    Case(
        "sine: g averaged",
        "wrong",
        np.sin,
        lambda g, out, x: like(g.mean() * np.cos(x), x),
        (X,),
        "One number stands for all of g: right when g is constant.",
        ("axis", "g ignored", "not summed", "elsewhere"),
    ),
    Case(
        "tanh: g squared",
        "wrong",
        np.tanh,
        lambda g, out, x: like(g * g * (1 - out * out), x),
        (X,),
        "Right when g is one.",
        ("not linear",),
    ),
    Case(
        "huber: g clipped at one",
        "wrong",
        huber,
        clipped_rule,
        (X,),
        "Gradient clipping inside the rule: right for small g.",
        ("not linear",),
    ),
    Case(
        "softplus: small g dropped",
        "wrong",
        softplus,
        thresholded_rule,
        (X,),
        "Entries of g below 1e-3 are set to zero.",
        ("not linear",),
    ),
    Case(
        "sum of squares: a column for a vector",
        "wrong",
        lambda x: (x * x).sum(),
        lambda g, out, x: like(2 * g * x[..., None], x),
        (V,),
        "(n, 1) for (n,).",
        ("shape",),
    ),
    Case(
        "sine: a row for a vector",
        "wrong",
        np.sin,
        lambda g, out, x: like((g * np.cos(x))[None], x),
        (V,),
        "(1, n) for (n,): it broadcasts against everything.",
        ("shape",),
    ),
    Case(
        "sum: a scalar for a vector",
        "wrong",
        lambda x: x.sum(),
        lambda g, out, x: like(g, x),
        (V,),
        "All entries are equal, so one number is returned.",
        ("shape", "not summed"),
    ),
    Case(
        "log: float32 for float64",
        "wrong",
        np.log,
        lambda g, out, x: (g / x).astype(np.float32),
        (np.exp(X),),
        "Half the digits are thrown away on return.",
        ("dtype", "cancellation"),
    ),
    Case(
        "upsample: float64 for float32",
        "wrong",
        upsample,
        upsample_rule,
        (X.astype(np.float32),),
        "More digits than the input has: its dtype is not kept.",
        ("dtype",),
    ),
    Case(
        "circular filter: complex by way of fourier",
        "wrong",
        filtered,
        filtered_rule,
        (V,),
        "The numbers are right, as complex ones: the real part was not taken.",
        ("dtype",),
    ),
    Case(
        "rounding: integer zeros",
        "wrong",
        np.round,
        lambda g, out, x: np.zeros(x.shape, int),
        (X,),
        "The zeros are right and have the wrong dtype.",
        ("dtype",),
    ),
    Case(
        "logistic: writes to out",
        "wrong",
        sigmoid,
        writes_out,
        (X,),
        "out *= 1 - out saves an array and spoils the forward's.",
        ("mutation",),
    ),
    Case(
        "sine: writes to g",
        "wrong",
        np.sin,
        writes_g,
        (X,),
        "g *= cos x: whoever else holds g sees it change.",
        ("mutation",),
    ),
    Case(
        "spread: centres its input in place",
        "wrong",
        spread,
        writes_input,
        (1 + X,),
        "x -= x.mean() moves the caller's data.",
        ("mutation",),
    ),
    Case(
        "sine: momentum",
        "wrong",
        np.sin,
        Momentum(),
        (X,),
        "A running mean of all calls so far.",
        ("state", "noise", "factor", "not linear"),
    ),
    Case(
        "dropout: a mask of its own",
        "wrong",
        lambda x, keep: np.where(keep, x / 0.8, 0.0),
        FreshMask(),
        (X, rng(1307).random((4, 3)) < 0.8),
        "The rule draws again instead of using the mask it is given.",
        ("noise", "state", "mask"),
    ),
    Case(
        "sine: noise of a millionth",
        "wrong",
        np.sin,
        Noisy(1e-6, 1308),
        (X,),
        "Each call differs from the last by 1e-6.",
        ("noise", "state"),
    ),
    Case(
        "product: none for the second factor",
        "wrong",
        lambda a, b: a * b,
        lambda g, out, a, b: (like(g * b, a), None),
        (X, W),
        "None says that there is no gradient; there is one.",
        ("term missing", "shape"),
    ),
    Case(
        "product: gradients in the wrong order",
        "wrong",
        lambda a, b: a * b,
        lambda g, out, a, b: (like(g * a, a), like(g * b, b)),
        (X, W),
        "d/da is b; the shapes agree.",
        ("transposed", "elsewhere"),
    ),
    Case(
        "square: nan at a zero",
        "wrong",
        lambda x: x * x,
        one_nan,
        (np.where(np.abs(X) < 0.3, 0.0, X),),
        "x/x is nan where x is zero; the truth is 0.",
        ("not finite", "one index"),
    ),
    Case(
        "logistic: overflow at eight hundred",
        "wrong",
        sigmoid,
        naive_logistic_slope,
        (np.array([-2.0, 0.5, 800.0]),),
        "inf/inf where the slope is zero.",
        ("not finite", "one index"),
    ),
    # elsewhere
    Case(
        "exp: the last forward's output",
        "elsewhere",
        *(lambda c: (c.forward, c.backward))(Cached()),
        (X,),
        "After a forward at another point of the same shape, the rule answers for that point.",
        ("state", "elsewhere"),
    ),
    Case(
        "sine: one buffer for all results",
        "elsewhere",
        np.sin,
        Buffered(),
        (X,),
        "Right when returned; the next call overwrites it.",
        ("state", "mutation", "elsewhere"),
    ),
    Case(
        "sine: an accumulator never cleared",
        "elsewhere",
        np.sin,
        Accumulator(),
        (X,),
        "The first call of a shape is right, later ones add to it.",
        ("state", "noise", "elsewhere"),
    ),
    Case(
        "sine: off by a thousandth in one call of twenty",
        "elsewhere",
        np.sin,
        Flaky(),
        (X,),
        "Right at most calls, and at the first ones.",
        ("noise", "state", "elsewhere"),
    ),
    # alias
    Case(
        "relu: g itself where all is positive",
        "alias",
        lambda x: np.maximum(x, 0),
        lambda g, out, x: g if (x > 0).all() else like(g * (x > 0), x),
        (np.abs(X) + 0.1,),
        "A shortcut that hands g through.",
    ),
]
