"""Activations, gates and other elementwise functions."""

import math

import numpy as np

from .b_forms import like, rng, sigmoid, softplus
from .case import Case

X = rng(101).normal(size=(4, 5))
C = math.sqrt(2 / math.pi)
SCALE, ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
erf = np.vectorize(math.erf, otypes=[float])


def gelu(x):
    return 0.5 * x * (1 + np.tanh(C * (x + 0.044715 * x * x * x)))


def gelu_rule(cubic):
    def rule(g, out, x):
        u = np.tanh(C * (x + 0.044715 * x * x * x))
        return like(g * (0.5 * (1 + u) + 0.5 * x * (1 - u * u) * C * (1 + cubic * x * x)), x)

    return rule


def gelu_erf_rule(g, out, x):
    return like(g * (0.5 * (1 + erf(x / math.sqrt(2))) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)), x)


def selu(x):
    return SCALE * np.where(x > 0, x, ALPHA * np.expm1(np.minimum(x, 0)))


def selu_rule(scale, alpha):
    return lambda g, out, x: like(g * scale * np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0))), x)


def silu(x):
    return x * sigmoid(x)


def dsilu(x):
    s = sigmoid(x)
    return s + x * s * sigmoid(-x)


def silu_float32_rule(g, out, x):
    return like(g * dsilu(x.astype(np.float32)), x)


def hard_swish(x):
    return x * np.clip(x + 3, 0, 6) / 6


def hard_swish_rule(above):
    return lambda g, out, x: like(g * np.where(x >= 3, above, np.where(x <= -3, 0.0, x / 3 + 0.5)), x)


def prelu(x, a):
    return np.where(x > 0, x, a * x)


def prelu_rule(axis):
    def rule(g, out, x, a):
        return like(g * np.where(x > 0, 1.0, a), x), like((g * np.where(x > 0, 0.0, x)).sum(axis=axis), a)

    return rule


def swiglu_rule(sign):
    return lambda g, out, a, b: (like(g * silu(b), a), like(sign * g * a * dsilu(b), b))


def sech2(x):
    e = np.exp(-2 * np.abs(x))
    return 4 * e / (1 + e) ** 2


def readonly(x):
    x.setflags(write=False)
    return x


CASES = [
    Case(
        "relu: gated by the sign of the gradient",
        "wrong",
        lambda x: np.maximum(x, 0),
        lambda g, out, x: like(g * (g > 0), x),
        (X,),
        "The mask is taken from g, not from x (guided backprop by accident).",
        ("not linear", "mask"),
    ),
    Case(
        "selu: rounded constants",
        "wrong",
        selu,
        selu_rule(1.0507, 1.67326),
        (X,),
        "Scale and alpha rounded in the rule: off by a part in a million.",
        ("factor", "options forgotten"),
    ),
    Case(
        "gelu: erf derivative of the tanh form",
        "wrong",
        gelu,
        gelu_erf_rule,
        (X,),
        "The derivative of the exact GELU belongs to another function; they differ by about 1e-4.",
        ("elsewhere", "options forgotten", "term missing"),
    ),
    Case(
        "silu: evaluated in float32",
        "wrong",
        silu,
        silu_float32_rule,
        (X,),
        "x is float64 and the slope is computed in float32: seven digits where sixteen are due.",
        ("cancellation", "dtype"),
    ),
    Case(
        "softplus: beta chained once too often",
        "wrong",
        lambda x: softplus(1.001 * x) / 1.001,
        lambda g, out, x: like(1.001 * g * sigmoid(1.001 * x), x),
        (X,),
        "The 1/beta in front cancels the chain's beta; the rule keeps one.",
        ("factor", "options forgotten"),
    ),
    Case(
        "hard_swish: zero beyond three",
        "wrong",
        hard_swish,
        hard_swish_rule(0.0),
        (3 * X,),
        "Above 3 the function is x, with slope one.",
        ("mask", "term missing"),
    ),
    Case(
        "softsign: square forgotten at small x",
        "wrong",
        lambda x: x / (1 + np.abs(x)),
        lambda g, out, x: like(g / (1 + np.abs(x)), x),
        (1e-4 * X,),
        "1/(1+|x|) for 1/(1+|x|)^2: a relative error of 1e-4 here.",
        ("term missing", "factor", "elsewhere"),
    ),
    Case(
        "tanh: one minus x squared",
        "wrong",
        np.tanh,
        lambda g, out, x: like(g * (1 - x * x), x),
        (0.03 * X,),
        "x stands where out should; for small x they agree to 1e-6.",
        ("elsewhere", "term missing"),
    ),
    Case(
        "softplus: slope as one minus a logistic",
        "wrong",
        lambda x: np.log1p(np.exp(x)),
        lambda g, out, x: like(g * (1 - 1 / (1 + np.exp(x))), x),
        (-24 + 2 * X,),
        "1 - 1/(1+e^x) cancels at x = -24: six digits are left of sixteen.",
        ("cancellation",),
    ),
    Case(
        "prelu: slope's gradient summed over features",
        "wrong",
        prelu,
        prelu_rule(1),
        (rng(102).normal(size=(5, 5)), np.linspace(0.1, 0.5, 5)),
        "The slope is one per feature, so the sum runs over the batch; a square input hides it.",
        ("axis", "not summed", "transposed"),
    ),
    Case(
        "swiglu: tiny gate gradient with the wrong sign",
        "wrong",
        lambda a, b: a * silu(b),
        swiglu_rule(-1.0),
        (1e-9 * rng(104).normal(size=(4, 5)), X),
        "The gate's gradient is about 1e-9, beside 1 for the value's, and has the wrong sign.",
        ("sign", "factor"),
    ),
    Case(
        "relu6: cap forgotten",
        "wrong",
        lambda x: np.clip(x, 0, 6),
        lambda g, out, x: like(g * (x > 0), x),
        (rng(105).uniform(-4, 6.6, size=40),),
        "Entries above 6 are constant and still get g.",
        ("mask", "one index", "options forgotten"),
    ),
    # right
    Case(
        "tanh: saturated",
        "right",
        np.tanh,
        lambda g, out, x: like(g * sech2(x), x),
        (np.concatenate([np.linspace(-19, -9, 7), np.linspace(9, 19, 7)]),),
        "Slopes of 1e-8 to 1e-16, where the forward is 1 to all its digits.",
    ),
    Case(
        "silu: from 1e-8 to 1e8",
        "right",
        silu,
        lambda g, out, x: like(g * dsilu(x), x),
        (np.array([-1e8, -700.0, -40.0, -1e-8, 1e-8, 3.0, 40.0, 1e8]),),
        "Arguments over sixteen decades, some slopes zero to all digits.",
    ),
    Case(
        "relu: kinks 1e-7 away",
        "right",
        lambda x: np.maximum(x, 0),
        lambda g, out, x: like(g * (x > 0), x),
        (1e-7 * np.where(rng(106).random(12) < 0.5, -1.0, 1.0),),
        "Every entry is within a usual step of the kink.",
    ),
    Case(
        "exp of 50x",
        "right",
        lambda x: np.exp(50 * x),
        lambda g, out, x: like(50 * g * out, x),
        (np.linspace(-1, 1, 13),),
        "Slopes from 1e-20 to 1e23 with strong curvature.",
    ),
    Case(
        "sine of 1e4 x",
        "right",
        lambda x: np.sin(1e4 * x),
        lambda g, out, x: like(1e4 * g * np.cos(1e4 * x), x),
        (X,),
        "A step of 1e-4 passes a whole radian.",
    ),
    Case(
        "softplus on a pedestal",
        "right",
        lambda x: 1e6 + softplus(x),
        lambda g, out, x: like(g * sigmoid(x), x),
        (3 * X,),
        "The constant 1e6 takes six digits from every difference.",
    ),
    Case(
        "floor: piecewise constant",
        "right",
        np.floor,
        lambda g, out, x: np.zeros_like(x),
        (np.append(3.3 * X, [2 - 1e-5, -3 + 1e-5]),),
        "The gradient is zero almost everywhere; two entries are 1e-5 from a jump.",
    ),
    Case(
        "gelu: float32 at 1e-8",
        "right",
        gelu,
        gelu_rule(0.134145),
        ((1e-8 * X).astype(np.float32),),
        "float32 inputs far smaller than any usual step.",
    ),
    Case(
        "selu: read-only strided view",
        "right",
        selu,
        selu_rule(SCALE, ALPHA),
        (readonly(rng(107).normal(size=(8, 10))[::2, ::-2]),),
        "A view with negative strides that may not be written.",
    ),
    Case(
        "squared relu: zeros among the inputs",
        "right",
        lambda x: np.maximum(x, 0) ** 2,
        lambda g, out, x: like(2 * g * np.maximum(x, 0), x),
        (np.where(np.abs(X) < 0.5, 0.0, X),),
        "At 0 the function is differentiable, with slope 0; the second derivative jumps.",
    ),
    Case(
        "swiglu: value at 1e-9",
        "right",
        lambda a, b: a * silu(b),
        swiglu_rule(1.0),
        (1e-9 * rng(104).normal(size=(4, 5)), X),
        "The twin of a wrong one: gradients of 1e-9 beside gradients of 1.",
    ),
    Case(
        "lorentzian spike",
        "right",
        lambda x: 1 / (1e-4 + x * x),
        lambda g, out, x: like(-2 * g * x * out * out, x),
        (np.array([-0.5, -0.02, -0.005, 1e-6, 0.004, 0.011, 0.3, 2.0]),),
        "The width is 1e-2, the height 1e4, and one entry all but sits on the top.",
    ),
    Case(
        "power 1.5 with exact zeros",
        "right",
        lambda x: np.abs(x) ** 1.5,
        lambda g, out, x: like(1.5 * g * np.sign(x) * np.sqrt(np.abs(x)), x),
        (np.array([-2.0, -0.3, 0.0, 0.0, 1e-6, 0.7, 5.0]),),
        "Differentiable at zero with slope 0, and an unbounded second derivative there.",
    ),
    # kink
    Case(
        "relu: exactly at zero",
        "kink",
        lambda x: np.maximum(x, 0),
        lambda g, out, x: like(g * (x > 0), x),
        (np.where(np.abs(X) < 0.6, 0.0, X),),
        "Slope 0 at the kink: a valid subgradient.",
    ),
    Case(
        "leaky_relu: slope one at zero",
        "kink",
        lambda x: np.where(x > 0, x, 0.1 * x),
        lambda g, out, x: like(g * np.where(x >= 0, 1.0, 0.1), x),
        (np.where(np.abs(X) < 0.6, 0.0, X),),
        "The right-hand slope at the kink: a valid subgradient.",
    ),
    Case(
        "abs: sign of zero",
        "kink",
        np.abs,
        lambda g, out, x: like(g * np.sign(x), x),
        (np.array([0.0, -1.0, 0.0, 2.0, -0.0, 1e-9]),),
        "Slope 0 at zero, from [-1, 1].",
    ),
]
