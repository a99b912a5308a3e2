"""Right gradients through linear algebra: ill-conditioned, nearly degenerate, by factorisation and by series."""

from __future__ import annotations

import math

import numpy as np

from .case import Case


def rng(seed):
    return np.random.default_rng([7272, seed])


def with_spectrum(seed, values):
    """A symmetric matrix with these eigenvalues."""
    q = np.linalg.qr(rng(seed).normal(size=(len(values), len(values))))[0]
    a = q * np.asarray(values) @ q.T
    return (a + a.T) / 2


def symmetric(a):
    if a.shape[0] != a.shape[1]:
        raise ValueError(f"a square matrix is needed, not {a.shape}")
    return (a + a.T) / 2


def inv_rule(g, out, a):
    return -out.T @ g @ out.T


def solve_rule(g, out, a, b):
    db = np.linalg.solve(a.T, g)
    return -np.outer(db, out), db


def det_rule(g, out, a):
    """The adjugate by minors: exact also for a singular matrix."""
    n = len(a)
    d = np.empty_like(a)
    for i, j in np.ndindex(a.shape):
        minor = np.delete(np.delete(a, i, axis=0), j, axis=1)
        d[i, j] = (-1) ** (i + j) * (np.linalg.det(minor) if n > 1 else 1)
    return g * d


def log_det(a):
    """By Cholesky, of the symmetric part."""
    factor = np.linalg.cholesky(symmetric(a))
    return 2 * np.sum(np.log(np.diagonal(factor)))


def cholesky(a):
    return np.linalg.cholesky(symmetric(a))


def cholesky_rule(g, out, a):
    s = out.T @ np.tril(g)
    s = np.tril(s) - 0.5 * np.diag(np.diagonal(s))
    half = np.linalg.solve(out.T, s)
    d = np.linalg.solve(out.T, half.T).T
    return (d + d.T) / 2


def expm(a):
    """Taylor series to order 20: exact to rounding for norms around one."""
    term = total = np.eye(len(a), dtype=a.dtype)
    for k in range(1, 21):
        term = term @ a / k
        total = total + term
    return total


def expm_rule(g, out, a):
    """The upper right block of the exponential of [[A', G], [0, A']]."""
    n = len(a)
    block = np.concatenate(
        [np.concatenate([a.T, g], axis=1), np.concatenate([np.zeros_like(a), a.T], axis=1)],
    )
    return expm(block)[:n, n:]


def quadratic(x, a):
    return x @ a @ x


def quadratic_rule(g, out, x, a):
    return g * (a @ x + x @ a), g * np.outer(x, x)


def spectral_sum(a):
    """Sum of sin over the eigenvalues of the symmetric part."""
    return np.sum(np.sin(np.linalg.eigvalsh(symmetric(a))))


def spectral_sum_rule(g, out, a):
    w, v = np.linalg.eigh(symmetric(a))
    return g * (v * np.cos(w)) @ v.T


def nuclear(a):
    return np.sum(np.linalg.svd(a, compute_uv=False))


def nuclear_rule(g, out, a):
    u, _, vt = np.linalg.svd(a, full_matrices=False)
    return g * u @ vt


def mahalanobis(x, mu, a):
    """Gaussian log-density, by a solve and a slogdet."""
    d = x - mu
    return -0.5 * (d @ np.linalg.solve(a, d) + np.linalg.slogdet(a)[1] + len(x) * math.log(2 * math.pi))


def mahalanobis_rule(g, out, x, mu, a):
    d = x - mu
    s, t = np.linalg.solve(a, d), np.linalg.solve(a.T, d)
    dx = -0.5 * g * (s + t)
    return dx, -dx, -0.5 * g * (np.linalg.inv(a).T - np.outer(t, s))


def least_squares(a, b):
    return np.linalg.solve(a.T @ a, a.T @ b)


def least_squares_rule(g, out, a, b):
    w = np.linalg.solve(a.T @ a, g)
    r = b - a @ out
    return np.outer(r, w) - np.outer(a @ w, out), a @ w


def distances(x):
    """Pairwise, each pair once."""
    i, j = np.triu_indices(len(x), 1)
    return np.sqrt(np.sum((x[i] - x[j]) ** 2, axis=1))


def distances_rule(g, out, x):
    i, j = np.triu_indices(len(x), 1)
    e = (g / np.where(out > 0, out, 1))[:, None] * (x[i] - x[j])
    d = np.zeros_like(x)
    np.add.at(d, i, e)
    np.add.at(d, j, -e)
    return d


def rbf(x, y, log_gamma):
    s = np.sum((x[:, None] - y) ** 2, axis=2)
    return np.exp(-np.exp(log_gamma) * s)


def rbf_rule(g, out, x, y, log_gamma):
    d = x[:, None] - y
    s = np.sum(d * d, axis=2)
    k = g * np.exp(log_gamma - np.exp(log_gamma) * s)  # gamma times the kernel
    w = -2 * k[..., None] * d
    return np.sum(w, axis=1), -np.sum(w, axis=0), -np.sum(k * s)


def rayleigh(x, a):
    return x @ a @ x / (x @ x)


def rayleigh_rule(g, out, x, a):
    n = x @ x
    return g * (a @ x + x @ a - 2 * out * x) / n, g * np.outer(x, x) / n


def sylvester(a, b, c):
    """X with AX + XB = C, by a Kronecker product."""
    n, m = len(a), len(b)
    left = np.einsum("ik,jl->ijkl", a, np.eye(m, dtype=a.dtype)) + np.einsum("ik,lj->ijkl", np.eye(n, dtype=a.dtype), b)
    return np.linalg.solve(left.reshape(n * m, n * m), c.reshape(n * m)).reshape(n, m)


def sylvester_rule(g, out, a, b, c):
    s = sylvester(a.T, b.T, g)
    return -s @ out.T, -out.T @ s, s


def rotation(axis_angle, v):
    """Rodrigues' formula."""
    t2 = np.sum(axis_angle**2)
    t = np.sqrt(t2)
    w = axis_angle
    return v * np.cos(t) + np.cross(w, v) * np.sin(t) / t + w * np.sum(w * v) * (1 - np.cos(t)) / t2


def rotation_rule(g, out, w, v):
    t2 = np.sum(w**2)
    t = np.sqrt(t2)
    s, c = np.sin(t), np.cos(t)
    k = 2 * np.sin(t / 2) ** 2 / t2
    wv, gw, gv = np.sum(w * v), np.sum(g * w), np.sum(g * v)
    triple = np.sum(g * np.cross(w, v))
    dk = (s - 2 * k * t) / t2  # d k / d t, with k = (1 - cos t) / t^2
    dt = -gv * s + triple * (c * t - s) / t2 + gw * wv * dk
    dw = dt * w / t + np.cross(v, g) * s / t + k * (g * wv + v * gw)
    dv = g * c - np.cross(w, g) * s / t + k * w * gw
    return dw, dv


def quaternion_rotate(q, v):
    """By the normalised quaternion (w, x, y, z)."""
    n = q / np.sqrt(np.sum(q * q))
    u = n[1:]
    t = 2 * np.cross(u, v)
    return v + n[0] * t + np.cross(u, t)


def quaternion_rotate_rule(g, out, q, v):
    length = np.sqrt(np.sum(q * q))
    n = q / length
    u = n[1:]
    t = 2 * np.cross(u, v)
    dt = n[0] * g + np.cross(g, u)
    du = np.cross(t, g) + 2 * np.cross(v, dt)
    dn = np.concatenate([np.sum(g * t)[None], du])
    return (dn - n * np.sum(n * dn)) / length, g + 2 * np.cross(dt, u)


HILBERT = 1 / (np.arange(5)[:, None] + np.arange(5) + 1)

CASES = [
    Case(
        "inverse, condition 1e6",
        "right",
        lambda a: np.linalg.inv(a),
        inv_rule,
        (with_spectrum(0, [1e-3, 0.1, 1.0, 1e3]) + 1e-4 * rng(1).normal(size=(4, 4)),),
        "gradients of 1e6 that keep ten digits",
    ),
    Case(
        "solve with a 5x5 Hilbert matrix",
        "right",
        lambda a, b: np.linalg.solve(a, b),
        solve_rule,
        (HILBERT, rng(2).normal(size=5)),
        "condition 5e5: a step of 1e-5 is as large as the smallest eigenvalue",
    ),
    Case(
        "solve, condition 1e8",
        "right",
        lambda a, b: np.linalg.solve(a, b),
        solve_rule,
        (with_spectrum(3, [1e-8, 0.5, 1.0]), rng(4).normal(size=3)),
        "eight digits are the most that anyone can have",
    ),
    Case(
        "det of a singular matrix",
        "right",
        lambda a: np.linalg.det(a),
        det_rule,
        (np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]),),
        "f is 0 and the adjugate is not",
    ),
    Case(
        "slogdet, determinant negative and 1e-12",
        "right",
        lambda a: np.linalg.slogdet(a)[1],
        lambda g, out, a: g * np.linalg.inv(a).T,
        (1e-3 * rng(5).normal(size=(4, 4)) * np.array([[-1.0], [1.0], [1.0], [1.0]]),),
        "entries of 1e-3, gradients of 1e3",
    ),
    Case(
        "log-determinant by Cholesky",
        "right",
        log_det,
        lambda g, out, a: g * np.linalg.inv(symmetric(a)),
        (with_spectrum(6, [1e-5, 0.3, 2.0, 40.0]),),
        "an absolute step leaves the positive definite matrices",
    ),
    Case(
        "Cholesky factor",
        "right",
        cholesky,
        cholesky_rule,
        (with_spectrum(7, [0.05, 0.7, 3.0, 9.0]),),
        "half of the diagonal, and only the lower triangle of g counts",
    ),
    Case(
        "matrix exponential of non-commuting parts",
        "right",
        expm,
        expm_rule,
        (0.5 * rng(8).normal(size=(3, 3)),),
        "the adjoint is an integral, computed as a block",
    ),
    Case(
        "quadratic form, not symmetric",
        "right",
        quadratic,
        quadratic_rule,
        (rng(9).normal(size=4), rng(10).normal(size=(4, 4))),
        "(A + A')x and nothing simpler",
    ),
    Case(
        "sum of sin of eigenvalues, two of them 1e-7 apart",
        "right",
        spectral_sum,
        spectral_sum_rule,
        (with_spectrum(11, [1.0, 1.0 + 1e-7, 2.5, -0.7]),),
        "eigenvectors are ill-conditioned, the function is not",
    ),
    Case(
        "nuclear norm with a singular value of 1e-5",
        "right",
        nuclear,
        nuclear_rule,
        (
            np.linalg.qr(rng(12).normal(size=(4, 3)))[0]
            * np.array([3.0, 1.0, 1e-5])
            @ with_spectrum(13, [1.0, 1.0, -1.0]),
        ),
        "kinked where a singular value is 0, which is 1e-5 away",
    ),
    Case(
        "Gaussian log-density with its covariance",
        "right",
        mahalanobis,
        mahalanobis_rule,
        (rng(14).normal(size=3), rng(15).normal(size=3), with_spectrum(16, [1e-4, 1.0, 5.0])),
        "a large term in x and a covariance moved off symmetry",
    ),
    Case(
        "least squares by normal equations",
        "right",
        least_squares,
        least_squares_rule,
        (rng(17).normal(size=(6, 3)), rng(18).normal(size=6)),
        "two terms in the matrix's gradient",
    ),
    Case(
        "pairwise distances, two points 1e-6 apart",
        "right",
        distances,
        distances_rule,
        (np.concatenate([rng(19).normal(size=(3, 2)), rng(19).normal(size=(3, 2))[:1] + 1e-6]),),
        "kinked where points meet",
    ),
    Case(
        "RBF kernel with a learned width",
        "right",
        rbf,
        rbf_rule,
        (rng(20).normal(size=(3, 2)), rng(21).normal(size=(4, 2)), np.array(1.5)),
        "kernel values down to 1e-30",
    ),
    Case(
        "Rayleigh quotient near an eigenvector",
        "right",
        rayleigh,
        rayleigh_rule,
        (np.linalg.eigh(with_spectrum(22, [1.0, 2.0, 7.0]))[1][:, 2] + 1e-5, with_spectrum(22, [1.0, 2.0, 7.0])),
        "terms of 14 cancel to gradients of 1e-5",
    ),
    Case(
        "Sylvester equation",
        "right",
        sylvester,
        sylvester_rule,
        (rng(23).normal(size=(3, 3)) + 4 * np.eye(3), rng(24).normal(size=(2, 2)), rng(25).normal(size=(3, 2))),
        "a solve in nine unknowns",
    ),
    Case(
        "rotation by an axis-angle vector",
        "right",
        rotation,
        rotation_rule,
        (np.array([0.3, -0.8, 0.5]), rng(26).normal(size=3)),
        "Rodrigues' formula with all its terms",
    ),
    Case(
        "rotation by a quaternion that is not of unit length",
        "right",
        quaternion_rotate,
        quaternion_rotate_rule,
        (np.array([3.0, 0.1, -2.0, 0.7]), rng(27).normal(size=3)),
        "the gradient has no part along the quaternion",
    ),
]
