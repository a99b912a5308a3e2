"""Smooth activations with mistakes, most of them small."""

from __future__ import annotations

import math

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([5268, seed])


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


C = math.sqrt(2 / math.pi)


def gelu(x):
    return 0.5 * x * (1 + np.tanh(C * (x + 0.044715 * x**3)))


def gelu_rule(g, out, x, cubic=0.044715):
    t = np.tanh(C * (x + cubic * x**3))
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * C * (1 + 3 * cubic * x * x))


def exact_gelu_rule(g, out, x):
    cdf = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x])
    return g * (cdf + x * np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi))


def mish_rule(g, out, x):
    t = np.tanh(softplus(x))
    return g * (t + x * (1 - t * t))


def elu(alpha):
    return lambda x: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


SELU_SCALE = 1.0507009873554805


SELU_ALPHA = 1.6732632423543772


def selu_rule(g, out, x):
    return g * 1.0507 * np.where(x > 0, 1, SELU_ALPHA * np.exp(np.minimum(x, 0)))


def stable_log_sigmoid(x):
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


X = rng(0).normal(size=7) * 2


CASES = [
    Case(
        "gelu: tanh forward, erf backward",
        "wrong",
        gelu,
        exact_gelu_rule,
        (X,),
        "the two differ by at most 1e-3",
        ("elsewhere",),
    ),
    Case(
        "gelu: 0.0447 for 0.044715 in the backward",
        "wrong",
        gelu,
        lambda g, out, x: gelu_rule(g, out, x, cubic=0.0447),
        (X,),
        "a rounded constant: 1e-5",
        ("elsewhere",),
    ),
    Case(
        "gelu: inner derivative's 3 forgotten",
        "wrong",
        gelu,
        lambda g, out, x: (
            g
            * (
                0.5 * (1 + np.tanh(C * (x + 0.044715 * x**3)))
                + 0.5 * x * (1 - np.tanh(C * (x + 0.044715 * x**3)) ** 2) * C * (1 + 0.044715 * x * x)
            )
        ),
        (0.05 * rng(1).normal(size=6),),
        "close to 0 the missing term is 1e-5 of the whole",
        ("elsewhere", "term missing"),
    ),
    Case(
        "silu: gate only",
        "wrong",
        lambda x: x * sigmoid(x),
        lambda g, out, x: g * sigmoid(x),
        (X,),
        "the product rule's second term is missing",
        ("term missing",),
    ),
    Case(
        "silu far left: 1 - out for 1 - sigmoid",
        "wrong",
        lambda x: x * sigmoid(x),
        lambda g, out, x: g * (sigmoid(x) + out * (1 - out)),
        (np.array([-12.0, -15.0, -18.0]),),
        "out and sigmoid are both tiny there: an error of 1e-5 to 1e-7",
        ("elsewhere", "term missing"),
    ),
    Case(
        "mish: softplus' slope left out of the chain",
        "wrong",
        lambda x: x * np.tanh(softplus(x)),
        mish_rule,
        (X,),
        "sigma(x) is missing from the second term",
        ("term missing", "elsewhere"),
    ),
    Case(
        "elu: alpha 1.0001 forgotten",
        "wrong",
        elu(1.0001),
        lambda g, out, x: g * np.where(x > 0, 1, np.exp(np.minimum(x, 0))),
        (X,),
        "negative inputs only, by 1e-4",
        ("options forgotten",),
    ),
    Case(
        "elu: slope from the output, alpha not added",
        "wrong",
        elu(0.5),
        lambda g, out, x: g * np.where(x > 0, 1, out + 1),
        (X,),
        "out + alpha is right, out + 1 is for alpha 1",
        ("options forgotten", "elsewhere"),
    ),
    Case(
        "selu: scale rounded to 1.0507",
        "wrong",
        lambda x: SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0))),
        selu_rule,
        (X,),
        "a factor of 1 - 9.4e-7",
        ("factor",),
    ),
    Case(
        "softplus with beta: divided by beta",
        "wrong",
        lambda x: softplus(1.5 * x) / 1.5,
        lambda g, out, x: g * sigmoid(1.5 * x) / 1.5,
        (X,),
        "the chain rule's beta cancels the 1/beta",
        ("factor", "options forgotten"),
    ),
    Case(
        "tanh: 1 - out",
        "wrong",
        np.tanh,
        lambda g, out, x: g * (1 - out),
        (X,),
        "the square is missing",
        ("elsewhere",),
    ),
    Case(
        "tanh at 14: 1 - out^2 has cancelled",
        "wrong",
        np.tanh,
        lambda g, out, x: g * (1 - out * out),
        (np.array([14.0, -13.0, 0.5]),),
        "the slope of 2.8e-12 has four digits",
        ("cancellation",),
    ),
    Case(
        "tanh in float32 at 6: 1 - out^2 has cancelled",
        "wrong",
        np.tanh,
        lambda g, out, x: g * (1 - out * out),
        (np.array([6.0, -7.0, 0.5, -0.25], dtype=np.float32),),
        "the slope of 2.4e-5 has two digits",
        ("cancellation",),
    ),
    Case(
        "sigmoid at 25: 1 - out has cancelled",
        "wrong",
        sigmoid,
        lambda g, out, x: g * out * (1 - out),
        (np.array([25.0, 22.0, -25.0, 0.0]),),
        "one side of the curve keeps all its digits, the other five",
        ("cancellation",),
    ),
    Case(
        "sigmoid: s(1-s) of the input",
        "wrong",
        sigmoid,
        lambda g, out, x: g * x * (1 - x),
        (X,),
        "the input stands where the output belongs",
        ("elsewhere",),
    ),
    Case(
        "log-sigmoid: sigma(x) for sigma(-x)",
        "wrong",
        stable_log_sigmoid,
        lambda g, out, x: g * sigmoid(x),
        (1e-3 * rng(2).normal(size=5),),
        "around 0 both are 1/2: a difference of 1e-3",
        ("elsewhere", "sign"),
    ),
    Case(
        "log-sigmoid: naive in the backward",
        "wrong",
        stable_log_sigmoid,
        lambda g, out, x: g * np.exp(-x) / (1 + np.exp(-x)),
        (np.array([-800.0, -2.0, 3.0]),),
        "inf/inf at -800",
        ("not finite",),
    ),
]
