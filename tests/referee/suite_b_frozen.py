"""Values held constant by stop_gradient, iterations inside the forward, and solutions of equations."""

import numpy as np

import tinygrad_ce as tg

from .b_forms import like, log_softmax, pick, rng, softmax
from .case import Case

X = rng(1201).normal(size=(4, 3))
CODES = rng(1202).normal(size=(4, 3))
ACTIONS = rng(1203).integers(0, 3, size=4)
RETURNS = rng(1204).normal(size=4)
WEIGHT = 0.8 * np.linalg.qr(rng(1205).normal(size=(3, 3)))[0]


def rounded(x):
    return x + tg.stop_gradient(np.round(x) - x)


def clipped_round(x):
    y = np.clip(x, -1, 1)
    return y + tg.stop_gradient(np.round(4 * y) / 4 - y)


def scaled(x):
    """Divided by a standard deviation that counts as a constant."""
    return x / tg.stop_gradient(np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5))


def scaled_rule(g, out, x):
    return like(g / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5), x)


def policy(z, actions, returns):
    """Advantages from a baseline that is not differentiated."""
    lp = pick(log_softmax(z), actions)
    return -(lp * tg.stop_gradient(returns - (softmax(z) * z).sum(-1))).mean()


def policy_rule(g, out, z, actions, returns):
    p = softmax(z)
    a = (returns - (p * z).sum(-1))[:, None]
    return like(g * a * (p - (actions[:, None] == np.arange(3))) / len(z), z), None, np.zeros_like(returns)


def dice(z):
    return np.exp(z - tg.stop_gradient(z)) * 3.0


def twin(a, b):
    """SimSiam: minus the cosine with a frozen target."""
    b = tg.stop_gradient(b)
    return -(a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1))


def twin_rule(g, out, a, b):
    aa, bb = (a * a).sum(-1, keepdims=True), (b * b).sum(-1, keepdims=True)
    return like(-g[:, None] * (b / np.sqrt(aa * bb) + out[:, None] * a / aa), a), np.zeros_like(b)


def equilibrium(x):
    """z = tanh(z W + x), iterated four hundred times: a contraction by 0.8."""
    z = 0 * x
    for _ in range(400):
        z = np.tanh(z @ WEIGHT.astype(x.dtype) + x)
    return z


def equilibrium_rule(implicit):
    def rule(g, out, x):
        s = 1 - out**2
        if not implicit:
            return like(g * s, x)
        jac = np.eye(3) - s[:, None, :] * WEIGHT
        return like(s * np.linalg.solve(jac, g[..., None])[..., 0], x)

    return rule


def kepler(m, e):
    """The eccentric anomaly: E - e sin E = M, by Newton."""
    x = m + e * np.sin(m)
    for _ in range(60):
        x = x - (x - e * np.sin(x) - m) / (1 - e * np.cos(x))
    return x


def kepler_rule(moves):
    def rule(g, out, m, e):
        d = g / (1 - e * np.cos(out)) if moves else g
        return like(d, m), like((d * np.sin(out)).sum(), e)

    return rule


def annealed(x):
    """Three gradient steps on (y - x)^2 + y^4 from zero: a forward that optimises."""
    y = 0 * x
    for _ in range(3):
        y = y - 0.1 * (2 * (y - x) + 4 * y**3)
    return y


def annealed_rule(g, out, x):
    y, dy = 0 * x, 0 * x
    for _ in range(3):
        y, dy = y - 0.1 * (2 * (y - x) + 4 * y**3), dy * (0.8 - 1.2 * y**2) + 0.2
    return like(g * dy, x)


CASES = [
    Case(
        "frozen factor: differentiated anyway",
        "wrong",
        lambda x: x * tg.stop_gradient(x),
        lambda g, out, x: like(2 * g * x, x),
        (X,),
        "One factor counts as a constant: x, not 2x.",
        ("factor", "elsewhere"),
    ),
    Case(
        "straight-through: no mask where clipped",
        "wrong",
        clipped_round,
        lambda g, out, x: like(g, x),
        (X,),
        "The clip before the rounding is still there.",
        ("mask", "term missing"),
    ),
    Case(
        "equilibrium: last step only",
        "wrong",
        equilibrium,
        equilibrium_rule(False),
        (X,),
        "One step of the iteration is differentiated, not its fixed point.",
        ("term missing", "elementwise"),
    ),
    Case(
        "kepler: denominator dropped at small eccentricity",
        "wrong",
        kepler,
        kepler_rule(False),
        (3 * X[:, 0], np.array(1e-4)),
        "1/(1 - e cos E) with e of 1e-4.",
        ("term missing", "factor"),
    ),
    # right
    Case(
        "straight-through rounding",
        "right",
        rounded,
        lambda g, out, x: like(g, x),
        (3 * X,),
        "The forward is a staircase, the slope is one by decree.",
    ),
    Case(
        "frozen factor",
        "right",
        lambda x: x * tg.stop_gradient(x),
        lambda g, out, x: like(g * x, x),
        (X,),
        "A difference of forwards says 2x.",
    ),
    Case(
        "frozen scale: elementwise by right",
        "right",
        scaled,
        scaled_rule,
        (X,),
        "The gradient that is wrong for RMS norm is right here.",
    ),
    Case(
        "policy gradient: frozen baseline",
        "right",
        policy,
        policy_rule,
        (X, ACTIONS, RETURNS),
        "The baseline depends on the scores and is a constant; the returns' gradient is zero.",
    ),
    Case(
        "dice: one to the forward, live to the backward",
        "right",
        dice,
        lambda g, out, x: like(3.0 * g, x),
        (X,),
        "exp(z - frozen z): its value never changes.",
    ),
    Case("frozen target", "right", twin, twin_rule, (X, CODES), "The target's gradient is zero everywhere."),
    Case(
        "equilibrium: implicit",
        "right",
        equilibrium,
        equilibrium_rule(True),
        (X,),
        "A long loop to a fixed point; the rule solves a system.",
    ),
    Case(
        "kepler: eccentricity 0.9",
        "right",
        kepler,
        kepler_rule(True),
        (np.array([0.02, 1.0, 3.0, -0.5]), np.array(0.9)),
        "Newton's iteration inside, slopes up to ten.",
    ),
    Case(
        "inner optimisation: three steps",
        "right",
        annealed,
        annealed_rule,
        (X,),
        "The forward takes gradient steps that do not converge.",
    ),
]
