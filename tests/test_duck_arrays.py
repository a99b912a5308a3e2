"""Values that hold other arrays than NumPy's: rules held to pure NumPy, and dask.array on two workers."""

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce.nn import MLP

from .battery import Case, assert_close, cases, derivations
from .pure import Pure, bare, pure

RNG = np.random.default_rng(0)

# -- rules -----------------------------------------------------------------------------------------------------

# Ops that look at numbers: scipy.special.polygamma converts them, and what is undetermined is refused where it counts.
CONVERTING = {"digamma", "polygamma", "undetermined"}

OPS = [
    case
    for op in list(tg.registry().values())
    if ":" not in op.key and op.samples is not None and op.name not in CONVERTING
    for case in cases(op)
]


def on_pure(case):
    return Case(
        case.op, case.number, tuple(pure(np.asarray(x)) if is_number(x) else x for x in case.inputs), case.params
    )


def is_number(x):
    return isinstance(x, (float, np.ndarray, np.generic)) and np.asarray(x).dtype.kind == "f"


@pytest.mark.parametrize("case", OPS, ids=str)
def test_rules_are_pure_numpy(case):
    """Forward, every derivation and forward mode on arrays that refuse whatever is no NumPy function."""
    twin = on_pure(case)
    moving = [i for i in case.moving if isinstance(twin.inputs[i], Pure)]
    if not moving:
        pytest.skip("no array to differentiate")
    out = twin.op.apply(twin.inputs, twin.options)
    assert_close(bare(out), case.op.apply(case.inputs, case.options), 1e-13)
    cotangent = case.cotangent()
    for name in derivations(case):
        if case.op.derivations[name].assumes:
            continue  # to test an assumption is to look at numbers
        found = swept(twin, moving, name, pure(np.asarray(cotangent)))
        for a, b in zip(found, swept(case, moving, name, cotangent), strict=True):
            assert_close(bare(a), b, 1e-10)

    directions = [np.asarray(case.inputs[i]) * 0.5 + 1.0 for i in moving]
    found = pushed(twin, moving, [pure(t) for t in directions])
    assert_close(bare(found), pushed(case, moving, directions), 1e-10)


def pushed(case, moving, tangents):
    def f(*xs):
        inputs = list(case.inputs)
        for i, x in zip(moving, xs, strict=True):
            inputs[i] = x
        return case.op.apply(tuple(inputs), case.options)

    return tg.jvp(f, [case.inputs[i] for i in moving], tangents)[1]


def swept(case, moving, derivation, cotangent):
    inputs = list(case.inputs)
    for i in moving:
        inputs[i] = tg.Value(inputs[i])
    leaves = [inputs[i] for i in moving]
    out = case.op.apply(tuple(inputs), case.options)
    if not out.requires_grad:
        return []
    out.backward(cotangent, derivation=None if derivation == "rule" else derivation)
    return [np.zeros(x.shape) if x.grad is None else x.grad for x in leaves]


def test_what_is_not_plain_numpy_is_noticed():
    x = pure(np.ones(3))
    for impure in (
        lambda: np.asarray(x),
        lambda: x.__setitem__(0, 1.0),
        lambda: np.add(x, 1.0, out=np.ones(3)),
        lambda: bool(x[0]),
        lambda: float(np.sum(x)),
    ):
        with pytest.raises(TypeError):
            impure()


# -- dask ------------------------------------------------------------------------------------------------------


def network():
    model = MLP([5, 8, 3], rng=0)
    x, y = RNG.normal(size=(40, 5)), RNG.integers(0, 3, size=40)
    return model, x, y


def gradients(model, x, y, **options):
    model.zero_grad()
    loss = tg.softmax_cross_entropy(model(x), y, **options)
    loss.backward()
    return [loss.data, *[p.grad for p in model.parameters()]]


@pytest.fixture(scope="module")
def array():
    return pytest.importorskip("dask.array", reason="the extra dask is not installed")


@pytest.fixture
def lazy(array):
    """Whatever is computed before it is asked for is an error."""
    import dask

    def refuse(*_, **__):
        raise AssertionError("computed before it was asked for")

    return lambda: dask.config.set(scheduler=refuse)


pytestmark = pytest.mark.filterwarnings("error::FutureWarning")  # dask's, where it falls back on converting to NumPy


@pytest.mark.parametrize("spelling", ["indices", "one-hot"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    "options", [{}, {"weight": np.array([1.0, 2.0, 0.5])}, {"label_smoothing": 0.1}, {"ignore_index": 1}], ids=str
)
def test_softmax_cross_entropy_of_chunks_lazily(array, lazy, spelling, reduction, options):
    z, y = RNG.normal(size=(12, 3)), RNG.integers(0, 3, size=12)
    if spelling == "one-hot":
        y, options = np.eye(3)[y], {k: v for k, v in options.items() if k != "ignore_index"}
    shape = (12,) if reduction == "none" else ()
    with lazy():
        scores = tg.Value(array.from_array(z, chunks=(5, -1)))
        targets = array.from_array(y, chunks=(5, *[-1] * (y.ndim - 1)))
        loss = tg.softmax_cross_entropy(scores, targets, reduction=reduction, **options)
        loss.backward(np.ones(shape))
    plain = tg.Value(z)
    expected = tg.softmax_cross_entropy(plain, y, reduction=reduction, **options)
    expected.backward(np.ones(shape))
    assert_close(loss.data.compute(), expected.data, 1e-14)
    assert_close(scores.grad.compute(), plain.grad, 1e-14)


@pytest.mark.parametrize("loss", [tg.softmax_cross_entropy, tg.cross_entropy], ids=lambda op: op.name)
@pytest.mark.parametrize("lazily", ["targets", "weight"])
@pytest.mark.parametrize("options", [{}, {"reduction": "none"}, {"label_smoothing": 0.1}], ids=str)
def test_losses_of_plain_scores_and_lazy_targets_or_weights(array, lazy, loss, lazily, options):
    p = RNG.dirichlet(np.ones(3), size=12)
    given = {"targets": RNG.integers(0, 3, size=12), "weight": np.array([1.0, 2.0, 0.5])}
    plain = tg.Value(p)
    expected = loss(plain, **given, **options)
    expected.backward(np.ones(expected.shape))
    with lazy():
        given[lazily] = array.from_array(given[lazily], chunks=2)
        scores = tg.Value(p)
        out = loss(scores, **given, **options)
        (g,) = tg.vjp(lambda z: loss(z, **given, **options), p)[1](np.ones(expected.shape))
    assert_close(out.data.compute(), expected.data, 1e-14)
    assert_close(g.compute() if hasattr(g, "compute") else g, plain.grad, 1e-14)


@pytest.mark.parametrize("key", [slice(1, 4), (slice(None), 0), [0, 0, 3], np.array([True, False] * 3)], ids=str)
def test_indexing_of_chunks_lazily(array, lazy, key):
    x = RNG.normal(size=(6, 2))
    with lazy():
        v = tg.Value(array.from_array(x, chunks=(2, -1)))
        np.sum(v[key] ** 2).backward()
    plain = tg.Value(x)
    np.sum(plain[key] ** 2).backward()
    assert_close(v.grad.compute(), plain.grad, 1e-15)


def test_transforms_of_chunks_lazily(array, lazy):
    model, x, y = network()
    w = RNG.normal(size=(5, 3))
    chunks, labels = array.from_array(x, chunks=(7, -1)), array.from_array(y, chunks=7)
    on = lambda x, y: lambda w: tg.softmax_cross_entropy(x @ w, y)
    with lazy():
        found = [
            tg.grad(on(chunks, labels))(w),
            tg.jvp(on(chunks, labels), (w,), (w,))[1],
            tg.hvp(on(chunks, labels), (w,), (w,))[0],
            tg.value_and_grad(lambda p: on(chunks, labels)(p["w"]))({"w": w})[1]["w"],
        ]
    expected = [tg.grad(on(x, y))(w), tg.jvp(on(x, y), (w,), (w,))[1], tg.hvp(on(x, y), (w,), (w,))[0]]
    for a, b in zip(found, [*expected, expected[0]], strict=True):
        assert_close(a.compute(), b, 1e-13)


def test_an_mlp_on_two_workers(array, lazy):
    """Loss and gradients of a chunked batch, evaluated by dask.distributed, are NumPy's."""
    distributed = pytest.importorskip("distributed")
    import dask

    model, x, y = network()
    with lazy():
        found = gradients(model, array.from_array(x, chunks=(10, -1)), array.from_array(y, chunks=10))
        z = tg.Value(array.from_array(x[:, :3], chunks=(10, -1)))
        tg.softmax_cross_entropy(z, array.from_array(y, chunks=10)).backward()
    assert all(isinstance(g, array.Array) for g in found)
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        assert len(client.scheduler_info()["workers"]) == 2
        *computed, dz = dask.compute(*found, z.grad)
    for a, b in zip(computed, gradients(model, x, y), strict=True):
        assert_close(a, b, 1e-13)
    plain = tg.Value(x[:, :3])
    tg.softmax_cross_entropy(plain, y).backward()
    assert_close(dz, plain.grad, 1e-14)


def test_an_xarray_holds_a_value_and_not_the_other_way_round():
    xarray = pytest.importorskip("xarray", reason="needs xarray (dev-peers)")
    labelled = xarray.DataArray([1.0, 2.0, 4.0], dims="x")
    for f in (
        lambda v: (v * labelled).data,
        lambda v: (labelled * v).data,
        lambda v: np.multiply(v, labelled).data,
        lambda v: (v * (labelled * v) / v).data,
        lambda v: np.sum(labelled * v).data,
    ):
        assert tg.grad(lambda v, f=f: np.sum(f(v)))(3.0) == 7.0
