"""docs/numpy.md says which functions of NumPy and SciPy work on Values; `python -m tests.test_coverage` writes it."""

from pathlib import Path

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce.op import Op

PAGE = Path(__file__).parent.parent / "docs" / "numpy.md"
HEAD = """# NumPy on Values

Written by `python -m tests.test_coverage` from the registry (NumPy {numpy}). {differentiable} functions have a
derivative, in reverse and in forward mode, to any order. An op has a rule of its own; a composition
is written in functions that have one. {plain} functions have none and give plain arrays.

Where ndarray has a method of that name, a Value has it too. Rules at kinks are in `conventions.md`. Every row is tested
against differences, to second order and in both modes; `tests/peers` compares the rows with JAX, HIPS autograd and
PyTorch where they are installed (`pip install '.[all,dev-peers]'`).

Some things NumPy does not hand over to the arrays that it is given, so no Value can answer there: `np.array([v, w])`,
`np.r_[v, w]`, `np.c_[v, w]`; a list of Values where one array is wanted (`np.mean([v, w])`); `np.int64(v)`,
`np.vectorize`, `np.nditer`; `np.polynomial` with Values for coefficients; and all of SciPy that is no ufunc. They raise
a TypeError that names `np.stack` and `tg.array`. `float(v)`, and so `math.exp(v)`, gives a plain number, as it does
everywhere in Python: write `np.exp(v)`.
"""


def spelt(function):
    module = (getattr(function, "__module__", None) or "numpy").replace("numpy", "np", 1)
    if isinstance(function, np.ufunc):
        module = "np" if getattr(np, function.__name__, None) is function else "scipy.special"
    return f"{module}.{function.__name__}"


def formula(op):
    return op.derivations[op.default].formula if op.default in op.derivations else ""


def page():
    registry = tg.registry()
    by_name = {spelt(f): (f, handler) for f, handler in registry.numpy.items()}
    rows, plain, ops = [], [], []
    for name, (function, handler) in sorted(by_name.items()):
        if isinstance(handler, Op):
            rows.append((name, "op", formula(handler)))
        elif handler.__module__.endswith(".passthrough") and name not in ("np.frexp", "np.modf", "np.astype"):
            plain.append(name)
        elif function in registry.compositions:
            rows.append((name, "composition", ""))
        else:
            rows.append((name, "op", formula(op) if (op := registry.get(function.__name__)) else ""))
    for name, op in sorted(registry.items()):
        if op not in registry.numpy.values() and ":" not in name:
            ops.append((name, formula(op)))
    refused = [n for n in plain if "writes" in (by_name[n][1].__doc__ or "") or by_name[n][1].__name__ == "refuse"]
    plain = [n for n in plain if n not in refused]
    head = HEAD.format(numpy=np.__version__.rpartition(".")[0], differentiable=len(rows), plain=len(plain))
    table = ["| function | how | gradient |", "|---|---|---|"]
    table += [f"| `{n}` | {how} | {text.replace('|', chr(92) + '|')} |" for n, how, text in rows]
    more = ["| op | gradient |", "|---|---|", *[f"| `{n}` | {t.replace('|', chr(92) + '|')} |" for n, t in ops]]
    return "\n".join(
        [
            head,
            *table,
            "",
            "## Ops that these are written in, and those of this package",
            "",
            *more,
            "",
            "## Without a derivative",
            "",
            ", ".join([f"`{n}`" for n in plain]) + ".",
            "",
            "Refused, because they write into an array: " + ", ".join([f"`{n}`" for n in refused]) + ".",
            "",
            "Every other function raises NotImplementedError: " + ", ".join([f"`{n}`" for n in missing()]) + ".",
            "",
        ]
    )


def missing():
    """Functions that NumPy would hand to us, and that have no rule."""
    found = []
    for module in (np, np.linalg, np.fft):
        for name in dir(module):
            function = getattr(module, name)
            dispatched = isinstance(function, np.ufunc) or hasattr(function, "_implementation")
            if not name.startswith("_") and dispatched and function not in tg.registry().numpy:
                found.append(spelt(function))
    return sorted(set(found))


def test_the_page_is_current():
    pytest.importorskip("scipy")
    import tinygrad_ce.special  # noqa: F401

    fresh, written = page(), PAGE.read_text(encoding="utf-8")
    if f"(NumPy {np.__version__.rpartition('.')[0]})" not in written:
        pytest.skip("the page was written for another version of NumPy")
    assert fresh == written, "docs/numpy.md is not current: run python -m tests.test_coverage"


def test_what_is_missing_is_known():
    known = "busday_count busday_offset datetime_as_string is_busday isnat packbits unpackbits savez_compressed"
    assert {n.removeprefix("np.").rpartition(".")[2] for n in missing()} <= set(known.split())


# What a researcher writes, by name: all of it works on Values.
DIFFERENTIABLE = """
    sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh exp exp2 expm1 log log2 log10 log1p sqrt
    cbrt square reciprocal power float_power hypot arctan2 logaddexp logaddexp2 fmax fmin maximum minimum sign fabs
    absolute floor ceil rint trunc fix round mod remainder fmod divmod modf sinc nan_to_num deg2rad rad2deg degrees
    radians real_if_close heaviside ldexp copysign add subtract multiply divide true_divide floor_divide negative
    positive clip where i0 sum mean prod max min amax amin ptp var std cumsum cumprod nansum nanmean nanprod nanmax
    nanmin nanvar nanstd nancumsum nancumprod average median nanmedian quantile nanquantile percentile nanpercentile
    trapezoid diff ediff1d gradient linalg.norm dot vdot inner outer matmul tensordot einsum kron cross trace diagonal
    diag diagflat tril triu linalg.inv linalg.pinv linalg.solve linalg.det linalg.slogdet linalg.cholesky linalg.eigh
    linalg.eigvalsh linalg.eig linalg.eigvals linalg.svd linalg.qr linalg.lstsq linalg.matrix_power linalg.multi_dot
    linalg.tensorinv linalg.tensorsolve linalg.cond reshape ravel transpose permute_dims moveaxis rollaxis swapaxes
    squeeze expand_dims atleast_1d atleast_2d atleast_3d broadcast_to broadcast_arrays concatenate concat stack vstack
    hstack dstack column_stack block append insert delete split array_split hsplit vsplit dsplit unstack tile repeat
    roll rot90 flip fliplr flipud pad sort partition take take_along_axis choose select piecewise compress extract
    meshgrid full_like copy real imag conj conjugate angle unwrap fft.fft fft.ifft fft.rfft fft.irfft fft.fft2
    fft.ifft2 fft.fftn fft.ifftn fft.rfft2 fft.irfft2 fft.rfftn fft.irfftn fft.hfft fft.ihfft fft.fftshift
    fft.ifftshift lib.stride_tricks.sliding_window_view convolve correlate interp polyval polyadd polysub polymul
    polydiv polyder polyint polyfit poly roots vander cov corrcoef linspace logspace geomspace bincount
"""
PLAIN = """
    argmax argmin argsort argpartition isnan isfinite isinf equal not_equal less less_equal greater greater_equal
    searchsorted digitize count_nonzero nonzero flatnonzero argwhere shape ndim size signbit isclose allclose
    array_equal all any unique lexsort iscomplexobj isrealobj zeros_like ones_like empty_like result_type
    logical_and logical_or logical_not histogram nanargmax nanargmin linalg.matrix_rank
"""


def named(path):
    found = np
    for part in path.split("."):
        found = getattr(found, part, None)
    return found


@pytest.mark.parametrize("path", [*DIFFERENTIABLE.split(), *PLAIN.split()])
def test_what_a_researcher_writes_is_there(path):
    function = named(path)
    if function is None:
        pytest.skip(f"NumPy {np.__version__} has no {path}")
    assert tg.registry().handler(function) is not None
    if hasattr(np.ndarray, path) and path not in ("sort", "partition"):  # which write, as methods
        assert callable(getattr(tg.Value([1.0, 2.0]), path, None)) or path in ("real", "imag", "shape", "ndim", "size")


if __name__ == "__main__":
    import tinygrad_ce.special

    PAGE.write_text(page(), encoding="utf-8")
