"""Distances, kernels, densities and geometry with mistakes."""

from __future__ import annotations

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([9966, seed])


SQUARE = rng(2).normal(size=(3, 3)) + 2 * np.eye(3)


def spd(seed, n=3):
    a = rng(seed).normal(size=(n, n))
    return a @ a.T + np.eye(n)


def gaussian(x, mu, a):
    d = x - mu
    return -0.5 * (d @ np.linalg.solve(a, d) + np.linalg.slogdet(a)[1])


def gaussian_rule(g, out, x, mu, a):
    d = x - mu
    s = np.linalg.solve((a + a.T) / 2, d)
    return -g * s, g * s, 0.5 * g * np.outer(s, s)


def pairwise(x):
    """All squared distances, both orders."""
    return np.sum((x[:, None] - x) ** 2, axis=2)


def pairwise_rule(g, out, x):
    """The points as columns are held constant."""
    return 2 * (np.sum(g, axis=1)[:, None] * x - g @ x)


def distance(a, b):
    return np.sqrt(np.sum((a - b) ** 2, axis=1))


def rbf(x, y, gamma):
    return np.exp(-gamma * np.sum((x[:, None] - y) ** 2, axis=2))


def rbf_rule(g, out, x, y, gamma):
    d = x[:, None] - y
    w = (2 * gamma * g * out)[..., None] * d
    return -np.sum(w, axis=1), np.sum(w, axis=0), np.sum(g * out * np.sum(d * d, axis=2))


def student_t(x):
    return -np.sum(2.5 * np.log1p(x**2 / 4))


def mixture(x, w, mu):
    """Log-likelihood for weights w that need not sum to one."""
    return np.sum(np.log(np.exp(-0.5 * (x[:, None] - mu) ** 2) @ w))


def mixture_rule(g, out, x, w, mu):
    """Responsibilities without the weights."""
    k = np.exp(-0.5 * (x[:, None] - mu) ** 2)
    p = k / np.sum(k, axis=1, keepdims=True)
    d = g * p * (x[:, None] - mu)
    return -np.sum(d, axis=1), g * np.sum(k / (k @ w)[:, None], axis=0), np.sum(d, axis=0)


def rayleigh(x, a):
    return x @ a @ x / (x @ x)


def rotate(t, v):
    return np.stack([np.cos(t) * v[0] - np.sin(t) * v[1], np.sin(t) * v[0] + np.cos(t) * v[1]])


def rotate_rule(g, out, t, v):
    return g[0] * out[1] - g[1] * out[0], np.stack(
        [np.cos(t) * g[0] + np.sin(t) * g[1], np.cos(t) * g[1] - np.sin(t) * g[0]]
    )


def unit_quaternion_matrix(q):
    w, x, y, z = q / np.sqrt(np.sum(q * q))
    return np.stack(
        [
            np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)]),
            np.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)]),
            np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]),
        ]
    )


def quaternion_rule(g, out, q):
    """The normalisation is held constant."""
    n = np.sqrt(np.sum(q * q))
    w, x, y, z = q / n
    skew = np.stack([g[2, 1] - g[1, 2], g[0, 2] - g[2, 0], g[1, 0] - g[0, 1]])
    sym = g + g.T
    v = np.stack([x, y, z])
    dw = 2 * np.sum(skew * v)
    dv = 2 * w * skew + 2 * sym @ v - 4 * np.trace(g) * v
    return np.concatenate([dw[None], dv]) / n


def bilinear_sample(image, at):
    i, j = np.floor(at).astype(int).T
    u, v = at[:, 0] - i, at[:, 1] - j
    a, b, c, d = image[i, j], image[i, j + 1], image[i + 1, j], image[i + 1, j + 1]
    return (1 - u) * ((1 - v) * a + v * b) + u * ((1 - v) * c + v * d)


def bilinear_sample_rule(g, out, image, at):
    i, j = np.floor(at).astype(int).T
    u, v = at[:, 0] - i, at[:, 1] - j
    a, b, c, d = image[i, j], image[i, j + 1], image[i + 1, j], image[i + 1, j + 1]
    pixels = np.zeros_like(image)
    for di, dj, weight in ((0, 0, (1 - u) * (1 - v)), (0, 1, (1 - u) * v), (1, 0, u * (1 - v)), (1, 1, u * v)):
        np.add.at(pixels, (i + di, j + dj), g * weight)
    row = g * ((1 - v) * (c - a) + v * (d - b))
    column = g * ((1 - u) * (b - a) + u * (d - c))
    return pixels, np.stack([column, row], axis=1)


def horner(c, x):
    out = 0 * x
    for a in c[::-1]:
        out = out * x + a
    return out


def horner_rule(g, out, c, x):
    d, value = 0 * x, 0 * x
    for a in c[::-1]:
        d, value = d * x + value, value * x + a
    return np.stack([np.sum(g * x**k) for k in range(len(c))])[::-1], g * d


def haversine(p, q):
    a = np.sin((q[0] - p[0]) / 2) ** 2 + np.cos(p[0]) * np.cos(q[0]) * np.sin((q[1] - p[1]) / 2) ** 2
    return 2 * np.arctan2(np.sqrt(a), np.sqrt(1 - a))


def haversine_rule(g, out, p, q):
    """The cosines of the latitudes are held constant."""
    a = np.sin(out / 2) ** 2
    da = g / np.sqrt(a * (1 - a))
    lat = da * np.sin(q[0] - p[0]) / 2
    lon = da * np.cos(p[0]) * np.cos(q[0]) * np.sin(q[1] - p[1]) / 2
    d = np.stack([lat, lon])
    return -d, d


CASES = [
    Case(
        "Gaussian log-density: covariance's own term missing",
        "wrong",
        gaussian,
        gaussian_rule,
        (rng(19).normal(size=3), rng(20).normal(size=3), spd(21)),
        "the log-determinant is not differentiated",
        ("term missing",),
    ),
    Case(
        "pairwise squared distances: columns held constant",
        "wrong",
        pairwise,
        pairwise_rule,
        (rng(22).normal(size=(4, 2)),),
        "each point occurs as row and as column",
        ("term missing", "transposed"),
    ),
    Case(
        "distance: squared distance's gradient",
        "wrong",
        distance,
        lambda g, out, a, b: (g[:, None] * (a - b), -g[:, None] * (a - b)),
        (rng(23).normal(size=(3, 2)), rng(24).normal(size=(3, 2))),
        "not divided by the distance",
        ("term missing", "elsewhere"),
    ),
    Case(
        "RBF kernel: width's gradient has the wrong sign",
        "wrong",
        rbf,
        rbf_rule,
        (1e-5 * rng(25).normal(size=(3, 2)), 1e-5 * rng(26).normal(size=(3, 2)), np.array(0.7)),
        "for points this close it is 1e-10",
        ("sign",),
    ),
    Case(
        "Student-t: degrees of freedom off by one",
        "wrong",
        student_t,
        lambda g, out, x: -g * 4 * x / (4 + x**2),
        (rng(27).normal(size=5),),
        "nu where nu + 1 belongs",
        ("factor",),
    ),
    Case(
        "mixture: responsibilities without the weights",
        "wrong",
        mixture,
        mixture_rule,
        (rng(28).normal(size=5), np.array([0.2, 0.5, 0.3]), np.array([-1.0, 0.0, 2.0])),
        "x and mu see equal weights",
        ("options forgotten",),
    ),
    Case(
        "Rayleigh quotient: denominator held constant",
        "wrong",
        rayleigh,
        lambda g, out, x, a: (g * (a @ x + a.T @ x) / (x @ x), g * np.outer(x, x) / (x @ x)),
        (rng(29).normal(size=3), SQUARE),
        "the quotient rule's second half is missing",
        ("term missing", "elementwise"),
    ),
    Case(
        "rotation in the plane: angle's sign",
        "wrong",
        rotate,
        rotate_rule,
        (np.array(0.4), rng(30).normal(size=2)),
        "one scalar gradient is negated",
        ("sign",),
    ),
    Case(
        "quaternion: normalisation held constant",
        "wrong",
        unit_quaternion_matrix,
        quaternion_rule,
        (rng(31).normal(size=4),),
        "a part along the quaternion is left in",
        ("term missing", "elementwise"),
    ),
    Case(
        "cross product: factors exchanged",
        "wrong",
        lambda a, b: np.cross(a, b),
        lambda g, out, a, b: (np.cross(b, g), np.cross(a, g)),
        (rng(32).normal(size=3), rng(33).normal(size=3)),
        "b's gradient has the wrong sign",
        ("sign",),
    ),
    Case(
        "bilinear interpolation: row and column exchanged",
        "wrong",
        bilinear_sample,
        bilinear_sample_rule,
        (rng(34).normal(size=(4, 4)), np.array([[0.3, 1.7], [2.2, 0.4], [1.5, 1.6]])),
        "positions are (row, column), their gradient is (x, y)",
        ("transposed", "axis"),
    ),
    Case(
        "polynomial: coefficients' gradient reversed",
        "wrong",
        horner,
        horner_rule,
        (rng(35).normal(size=4), rng(36).normal(size=3)),
        "highest power first",
        ("transposed", "elsewhere"),
    ),
    Case(
        "great circle: latitudes' cosines held constant",
        "wrong",
        haversine,
        haversine_rule,
        (np.array([0.8, 0.1]), np.array([0.8 + 1e-3, 0.1 + 1e-3])),
        "for points a thousandth apart it is off by 1e-4",
        ("term missing",),
    ),
]
