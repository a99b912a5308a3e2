"""Geometry, interpolation, rendering, removable singularities, and other closed forms."""

import numpy as np

from .b_forms import like, rng
from .case import Case

X = rng(1101).normal(size=8)
POINTS = rng(1102).normal(size=(5, 2))
TRIPLES = rng(1103).normal(size=(2, 4, 3))
IMAGE = rng(1104).normal(size=(5, 6))
WHERE = rng(1105).uniform(0.1, 3.9, size=(7, 2))
QUAT = rng(1106).normal(size=4)
DENSITY, COLOUR = rng(1107).uniform(0.1, 2, size=12), rng(1108).random((12, 3))
COEFFS = np.array([0.3, -1.2, 0.5, 0.1, -0.02, 1e-6])


def series_or(small, exact):
    """`small` below 1e-2 in magnitude, `exact` above, and no 0/0 on the way."""

    def h(x):
        near = np.abs(x) < 1e-2
        return np.where(near, small(x), exact(np.where(near, 1.0, x)))

    return h


sinc = series_or(lambda x: 1 - x**2 / 6 + x**4 / 120 - x**6 / 5040 + x**8 / 362880, lambda x: np.sin(x) / x)
dsinc = series_or(lambda x: -x / 3 + x**3 / 30 - x**5 / 840 + x**7 / 45360, lambda x: (np.cos(x) - np.sin(x) / x) / x)
expm1_ratio = series_or(
    lambda x: 1 + x / 2 + x**2 / 6 + x**3 / 24 + x**4 / 120 + x**5 / 720 + x**6 / 5040, lambda x: np.expm1(x) / x
)
dexpm1_ratio = series_or(
    lambda x: 0.5 + x / 3 + x**2 / 8 + x**3 / 30 + x**4 / 144 + x**5 / 840 + x**6 / 5760,
    lambda x: (np.exp(x) - np.expm1(x) / x) / x,
)


def dsinc_textbook(g, out, x):
    return like(g * (x * np.cos(x) - np.sin(x)) / x**2, x)


def turn(p, a):
    c, s = np.cos(a), np.sin(a)
    return np.stack([c * p[:, 0] - s * p[:, 1], s * p[:, 0] + c * p[:, 1]], axis=1)


def turn_rule(sign):
    def rule(g, out, p, a):
        da = (g[:, 1] * out[:, 0] - g[:, 0] * out[:, 1]).sum()
        return like(turn(g, -a), p), like(sign * da, a)

    return rule


def rotate(q, v):
    """v turned by the unit quaternion along q."""
    q = q / np.sqrt((q * q).sum())
    w, u = q[0], q[1:]
    return v + 2 * np.cross(u, np.cross(u, v) + w * v)


def rotate_rule(normalised):
    def rule(g, out, q, v):
        n = np.sqrt((q * q).sum())
        w, u = q[0] / n, q[1:] / n
        t = np.cross(u, v) + w * v
        dt = 2 * np.cross(g, u)
        du = 2 * np.cross(t, g).reshape(-1, 3).sum(0) + np.cross(v, dt).reshape(-1, 3).sum(0)
        dq = np.concatenate([[(dt * v).sum()], du]) / n
        if normalised:
            unit = q / n
            dq = dq - unit * (unit @ dq)
        return like(dq, q), like(g + np.cross(dt, u) + w * dt, v)

    return rule


def bilinear(image, at):
    """Values at (row, column) pairs inside the image."""
    i = np.clip(np.floor(at).astype(int), 0, np.array(image.shape) - 2)
    (y, x), (r, c) = (at - i).T, i.T
    top = image[r, c] * (1 - x) + image[r, c + 1] * x
    return top * (1 - y) + (image[r + 1, c] * (1 - x) + image[r + 1, c + 1] * x) * y


def bilinear_rule(order):
    def rule(g, out, image, at):
        i = np.clip(np.floor(at).astype(int), 0, np.array(image.shape) - 2)
        (y, x), (r, c) = (at - i).T, i.T
        grad = np.zeros_like(image)
        for dr, dc, w in ((0, 0, (1 - y) * (1 - x)), (0, 1, (1 - y) * x), (1, 0, y * (1 - x)), (1, 1, y * x)):
            np.add.at(grad, (r + dr, c + dc), g * w)
        a, b, d, e = image[r, c], image[r, c + 1], image[r + 1, c], image[r + 1, c + 1]
        dy, dx = (d - a) * (1 - x) + (e - b) * x, (b - a) * (1 - y) + (e - d) * y
        return grad, like(g[:, None] * np.stack([(dy, dx)[k] for k in order], axis=1), at)

    return rule


def render(density, colour):
    """Volume rendering along a ray: alpha_i times the light that gets there."""
    tau = 0.3 * density
    through = np.exp(-(np.cumsum(tau) - tau))
    return (through * -np.expm1(-tau)) @ colour


def render_rule(shadows):
    def rule(g, out, density, colour):
        tau = 0.3 * density
        t = np.exp(-(np.cumsum(tau) - tau))
        w, gc = t * -np.expm1(-tau), colour @ g
        behind = np.cumsum((w * gc)[::-1])[::-1] - w * gc
        dtau = t * np.exp(-tau) * gc - shadows * behind
        return like(0.3 * dtau, density), like(np.outer(w, g), colour)

    return rule


def horner(x):
    y = 0 * x
    for c in COEFFS[::-1]:
        y = y * x + float(c)
    return y


def horner_rule(degree):
    def rule(g, out, x):
        d = 0 * x
        for k in range(degree, 0, -1):
            d = d * x + k * float(COEFFS[k])
        return like(g * d, x)

    return rule


def angle(p):
    return np.arctan2(p[:, 1], p[:, 0])


def angle_rule(g, out, p):
    r2 = (p * p).sum(1)
    s = np.where(r2 > 0, g / np.where(r2 > 0, r2, 1), 0.0)
    return like(np.stack([-s * p[:, 1], s * p[:, 0]], axis=1), p)


def chebyshev(x):
    a, b = x, 2 * x * x - 1
    for _ in range(48):
        a, b = b, 2 * x * b - a
    return b


def chebyshev_rule(g, out, x):
    """T_50' = 50 U_49."""
    a, b = 1 + 0 * x, 2 * x
    for _ in range(48):
        a, b = b, 2 * x * b - a
    return like(50 * g * b, x)


def rotation_vector(r):
    """Rodrigues's matrix; smooth through zero."""
    x, y, z = r
    t, o = np.sqrt(x * x + y * y + z * z), 0 * x
    k = np.stack([o, -z, y, z, o, -x, -y, x, o]).reshape(3, 3)
    return np.eye(3, dtype=r.dtype) + sinc(t) * k + 0.5 * sinc(t / 2) ** 2 * (k @ k)


def dsinc_over(t):
    return series_or(lambda x: -1 / 3 + x**2 / 30 - x**4 / 840 + x**6 / 45360, lambda x: dsinc(x) / x)(t)


def rotation_rule(g, out, r):
    t = np.sqrt((r * r).sum())
    basis = np.array(
        [[[0, 0, 0], [0, 0, -1], [0, 1, 0]], [[0, 0, 1], [0, 0, 0], [-1, 0, 0]], [[0, -1, 0], [1, 0, 0], [0, 0, 0]]]
    )
    k = np.tensordot(r, basis, 1)
    a, b = sinc(t), 0.5 * sinc(t / 2) ** 2
    da, db = dsinc_over(t) * r, 0.25 * sinc(t / 2) * dsinc_over(t / 2) * r
    grad = [(g * (da[i] * k + a * e + db[i] * k @ k + b * (e @ k + k @ e))).sum() for i, e in enumerate(basis)]
    return like(grad, r)


CASES = [
    Case(
        "sinc: textbook quotient near zero",
        "wrong",
        sinc,
        dsinc_textbook,
        (1e-7 * (1 + np.abs(X)),),
        "x cos x - sin x is a difference of 1e-7s whose value is 1e-21.",
        ("cancellation",),
    ),
    Case(
        "rotation: angle's gradient reversed",
        "wrong",
        turn,
        turn_rule(-1.0),
        (POINTS, np.array(0.7)),
        "The derivative turns a quarter the other way.",
        ("sign", "factor"),
    ),
    Case(
        "quaternion: normalisation held constant",
        "wrong",
        rotate,
        rotate_rule(False),
        (QUAT, TRIPLES[0]),
        "The gradient is not projected off the quaternion.",
        ("term missing", "elementwise"),
    ),
    Case(
        "bilinear interpolation: row and column slopes exchanged",
        "wrong",
        bilinear,
        bilinear_rule((1, 0)),
        (IMAGE, WHERE),
        "The position's two gradients trade places.",
        ("transposed", "axis", "elsewhere"),
    ),
    Case(
        "volume rendering: no shadows",
        "wrong",
        render,
        render_rule(0.0),
        (DENSITY, COLOUR),
        "Density also dims what lies behind it.",
        ("term missing",),
    ),
    Case(
        "polynomial: leading coefficient forgotten",
        "wrong",
        horner,
        horner_rule(4),
        (X,),
        "The coefficient 1e-6 of x^5 is not differentiated.",
        ("term missing", "one index"),
    ),
    # right
    Case(
        "sinc: zero, near and far",
        "right",
        sinc,
        lambda g, out, x: like(g * dsinc(x), x),
        (np.array([0.0, 1e-9, -1e-5, 0.0099, 0.0101, 1.0, -30.0]),),
        "A series inside, a quotient outside.",
    ),
    Case(
        "expm1 over x: zero, near and far",
        "right",
        expm1_ratio,
        lambda g, out, x: like(g * dexpm1_ratio(x), x),
        (np.array([0.0, 1e-12, -1e-6, 0.3, -40.0, 30.0]),),
        "Slopes from 6e-4 to 3e11.",
    ),
    Case(
        "quaternion: length of 1e-6",
        "right",
        rotate,
        rotate_rule(True),
        (1e-6 * QUAT, TRIPLES[0]),
        "Scale-free in the quaternion: gradients of 1e6, orthogonal to it.",
    ),
    Case(
        "rotation vector: of 1e-9",
        "right",
        rotation_vector,
        rotation_rule,
        (1e-9 * TRIPLES[0, 0],),
        "A square root of squares inside, smooth all the same.",
    ),
    Case(
        "bilinear interpolation: 1e-6 from the grid lines",
        "right",
        bilinear,
        bilinear_rule((0, 1)),
        (IMAGE, np.round(WHERE) + 1e-6),
        "A step of 1e-5 enters another cell; some pixels are never read.",
    ),
    Case(
        "angle: by the branch cut",
        "right",
        angle,
        angle_rule,
        (np.array([[-1.0, 1e-8], [-1.0, -1e-8], [-2.0, 1e-7], [1e-9, 1e-9], [3.0, 4.0]]),),
        "A step crosses the cut, and the value jumps by 2 pi; the slope does not.",
    ),
    Case(
        "chebyshev polynomial of degree fifty",
        "right",
        chebyshev,
        chebyshev_rule,
        (np.array([-1.0, -0.97, 0.0, 0.5, 0.999, 1.0]),),
        "A slope of 2500 at the ends, and curvature of 2e6.",
    ),
    Case(
        "pedestal: added and removed",
        "right",
        lambda x: (x + 1e8) - 1e8,
        lambda g, out, x: g.copy(),
        (X,),
        "The forward rounds its output to steps of 1.5e-8.",
    ),
]
