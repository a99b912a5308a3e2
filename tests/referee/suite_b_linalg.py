"""Linear algebra: inverses, determinants, factorisations, spectra, matrix functions."""

import numpy as np

from .b_forms import T, like, rng
from .case import Case

A = rng(901).normal(size=(4, 4)) + 3 * np.eye(4)
V, U = rng(903).normal(size=(2, 4))
SPD = A @ A.T / 4 + np.eye(4)
SKEWED = SPD + 1e-6 * np.triu(rng(904).normal(size=(4, 4)), 1)
X = rng(905).normal(size=(7, 4))
TARGET = rng(906).normal(size=7)
HILBERT = 1 / (np.arange(5)[:, None] + np.arange(5) + 1.0)
SINGULAR = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]])
ROTATED = np.linalg.qr(rng(907).normal(size=(4, 4)))[0]
ILL = ROTATED @ np.diag([1.0, 1e-2, 1e-4, 1e-6]) @ ROTATED[::-1]


def inv_rule(side):
    return lambda g, out, a: like(-side(out) @ g @ side(out), a)


def solve_rule(g, out, a, b):
    db = np.linalg.solve(T(a), g)
    return like(-np.outer(db, out), a), like(db, b)


def adjugate_rule(g, out, a):
    """Cofactors one by one: they exist where the inverse does not."""
    grad = np.empty_like(a)
    for i, j in np.ndindex(*a.shape):
        minor = np.delete(np.delete(a, i, 0), j, 1)
        grad[i, j] = (-1) ** (i + j) * np.linalg.det(minor)
    return like(g * grad, a)


def logdet(a):
    return np.linalg.slogdet(a)[1]


def logdet_rule(side):
    return lambda g, out, a: like(g * side(np.linalg.inv(a)), a)


def cholesky(a):
    return np.linalg.cholesky((a + T(a)) / 2)


def cholesky_rule(diagonal):
    def rule(g, out, a):
        phi = np.tril(T(out) @ g)
        phi = phi - (1 - diagonal) * np.diag(np.diag(phi))
        inv = np.linalg.inv(out)
        s = T(inv) @ phi @ inv
        return like((s + T(s)) / 2, a)

    return rule


def quadratic(x, a):
    return x @ a @ x


def quadratic_rule(both):
    return lambda g, out, x, a: (like(g * (a @ x + x @ a if both else 2 * a @ x), x), like(g * np.outer(x, x), a))


def expm(a):
    """Scaling and squaring of a Taylor series: 2^-6, eighteen terms."""
    term = total = np.eye(len(a), dtype=a.dtype)
    for k in range(1, 19):
        term = term @ a / (64 * k)
        total = total + term
    for _ in range(6):
        total = total @ total
    return total


def expm_commuting_rule(g, out, a):
    return like(T(out) @ g, a)


def expm_block_rule(g, out, a):
    """The adjoint is the Frechet derivative at a^T, read off the exponential of a block matrix."""
    n = len(a)
    block = np.block([[T(a), g], [np.zeros_like(a), T(a)]])
    return like(expm(block)[:n, n:], a)


def cube_rule(g, out, a):
    return like(3 * g @ T(a @ a), a)


def ridge(x, y):
    return np.linalg.solve(x.T @ x + 0.1 * np.eye(x.shape[1], dtype=x.dtype), x.T @ y)


def ridge_rule(residual):
    def rule(g, out, x, y):
        s = np.linalg.solve(x.T @ x + 0.1 * np.eye(x.shape[1]), g)
        r = y - x @ out
        return like(residual * np.outer(r, s) - np.outer(x @ s, out), x), like(x @ s, y)

    return rule


def spectrum(a):
    if a.shape != a.T.shape:
        raise ValueError(f"spectrum needs a square matrix, got {a.shape}")
    return np.linalg.eigvalsh((a + T(a)) / 2)


def spectrum_rule(columns):
    def rule(g, out, a):
        v = np.linalg.eigh((a + T(a)) / 2)[1]
        return like(v * g @ v.T if columns else v.T * g @ v, a)

    return rule


def triangular(l, b):
    return np.linalg.solve(np.tril(l), b)


def triangular_rule(masks):
    def rule(g, out, l, b):
        db = np.linalg.solve(T(np.tril(l)), g)
        dl = -np.outer(db, out)
        return like(np.tril(dl) if masks else dl, l), like(db, b)

    return rule


def power_iteration(a):
    """The largest eigenvalue of a a^T by repeated multiplication, until the vector stands still."""
    m = a @ T(a)
    v = np.ones(len(a), dtype=a.dtype)
    for _ in range(20_000):
        old, v = v, m @ v
        v = v / np.sqrt((v * v).sum())
        if np.abs(v - old).max() < 1e-14:
            break
    return v @ m @ v


def power_rule(g, out, a):
    v = np.linalg.eigh(a @ T(a))[1][:, -1]
    return like(2 * g * np.outer(v, v) @ a, a)


def mahalanobis(x, s):
    return x @ np.linalg.solve(s, x)


def mahalanobis_rule(g, out, x, s):
    w, z = np.linalg.solve(s, x), np.linalg.solve(T(s), x)
    return like(g * (w + z), x), like(-g * np.outer(z, w), s)


CASES = [
    Case(
        "inverse: not transposed",
        "wrong",
        np.linalg.inv,
        inv_rule(lambda m: m),
        (A,),
        "out g out for out^T g out^T.",
        ("transposed",),
    ),
    Case(
        "logdet: nearly symmetric matrix, no transpose",
        "wrong",
        logdet,
        logdet_rule(lambda m: m),
        (SKEWED,),
        "The inverse for its transpose; the matrix is symmetric to a millionth.",
        ("transposed",),
    ),
    Case(
        "cholesky: diagonal not halved",
        "wrong",
        cholesky,
        cholesky_rule(1.0),
        (SPD,),
        "The lower triangle of L^T g must have half its diagonal.",
        ("factor", "one index", "elsewhere"),
    ),
    Case(
        "matrix exponential: as if all commuted",
        "wrong",
        expm,
        expm_commuting_rule,
        (0.3 * A,),
        "exp(A)^T g holds only where A and the direction commute.",
        ("elementwise", "term missing", "elsewhere"),
    ),
    Case(
        "matrix cube: three A squared",
        "wrong",
        lambda a: a @ a @ a,
        cube_rule,
        (A,),
        "The scalar rule: the sum of A^T A^T g, A^T g A^T and g A^T A^T is not three times the last.",
        ("term missing", "elsewhere", "elementwise"),
    ),
    Case(
        "ridge solution: residual path dropped",
        "wrong",
        ridge,
        ridge_rule(0.0),
        (X, TARGET),
        "X enters the right-hand side and one side of the Gram matrix as well.",
        ("term missing",),
    ),
    Case(
        "eigenvalues: rows for vectors",
        "wrong",
        spectrum,
        spectrum_rule(False),
        (SPD,),
        "eigh's vectors are columns.",
        ("transposed",),
    ),
    Case(
        "triangular solve: upper half not masked",
        "wrong",
        triangular,
        triangular_rule(False),
        (A, V),
        "The forward never reads above the diagonal.",
        ("mask",),
    ),
    # elsewhere
    Case(
        "quadratic form: symmetric matrices",
        "elsewhere",
        quadratic,
        quadratic_rule(False),
        (V, SPD),
        "2 A x holds for symmetric A; otherwise it is (A + A^T) x.",
        ("transposed", "term missing", "elsewhere"),
    ),
    # right
    Case(
        "inverse: condition 1e6",
        "right",
        np.linalg.inv,
        inv_rule(T),
        (ILL,),
        "Outputs of 1e6 and gradients of 1e12; ten digits are all that the input allows.",
    ),
    Case(
        "solve: hilbert matrix",
        "right",
        np.linalg.solve,
        solve_rule,
        (HILBERT, np.append(V, 1.0)),
        "Condition 5e5, with a step of 1e-4 far outside the linear regime.",
    ),
    Case(
        "determinant: of a singular matrix",
        "right",
        np.linalg.det,
        adjugate_rule,
        (SINGULAR,),
        "The determinant is zero and its gradient the adjugate; det times the inverse would not do.",
    ),
    Case(
        "cholesky: of the symmetric part",
        "right",
        cholesky,
        cholesky_rule(0.5),
        (SKEWED,),
        "The upper half of the output is zero, whatever its cotangent.",
    ),
    Case(
        "matrix exponential: scaled and squared",
        "right",
        expm,
        expm_block_rule,
        (0.7 * A,),
        "Eighteen terms and six squarings in loops; the rule is another exponential, of twice the size.",
    ),
    Case(
        "eigenvalues: gap of 1e-4",
        "right",
        spectrum,
        spectrum_rule(True),
        (ROTATED @ np.diag([1.0, 1.0001, 2.0, -3.0]) @ ROTATED.T,),
        "Eigenvectors turn within a step of 1e-4.",
    ),
    Case(
        "largest eigenvalue: power iteration",
        "right",
        power_iteration,
        power_rule,
        (A,),
        "As many steps as it takes; the rule knows the limit only.",
    ),
    Case(
        "mahalanobis: matrix not symmetric", "right", mahalanobis, mahalanobis_rule, (V, A), "Both solves are needed."
    ),
]
