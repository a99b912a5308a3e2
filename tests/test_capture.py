"""capture: the instructions of a function give what the function gives, on data that it has not seen."""

import threading
from typing import Any

import numpy as np
import pytest

import tinygrad_ce as tg
from tests.battery import COMPLEX, FLOATING, Case, calls, cases
from tinygrad_ce.capture import LONGDOUBLE, NotCaptured, capture
from tinygrad_ce.op import captures

ALL = [case for op in tg.registry().values() if op.key == op.name for case in cases(op)]


def masked(case: Case) -> bool:
    """Whether it indexes with a mask, whose result has a shape that depends on data."""
    return "key" in case.params and any(np.asarray(x).dtype.kind == "b" for x in case.inputs)


def of_arrays(case: Case) -> tuple[Any, list[Any]]:
    """The op as a function of all its arrays, indices and masks among them; and these arrays."""
    places = [i for i, x in enumerate(case.inputs) if x is not None]

    def f(*arrays: Any) -> Any:
        inputs = list(case.inputs)
        for i, x in zip(places, arrays, strict=True):
            inputs[i] = x
        return case.op.apply(tuple(inputs), case.options)

    return f, [case.inputs[i] for i in places]


@pytest.mark.parametrize("values", [True, False], ids=["values", "arrays"])
@pytest.mark.parametrize("case", [c for c in ALL if not masked(c)], ids=str)
def test_every_op_runs_again_bit_for_bit(case, values):
    f, arrays = of_arrays(case)
    program = capture(f, *arrays, values=values)
    with np.errstate(all="ignore"):
        expected = case.op.apply(case.inputs, case.options)
    found = program(*arrays)
    assert type(found) is type(expected) or np.ndim(found) == 0
    assert np.asarray(found).dtype == np.asarray(expected).dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("case", [c for c in ALL if not masked(c)], ids=str)
def test_every_op_opened_is_the_same_function(case):
    f, arrays = of_arrays(case)
    program = capture(f, *arrays, opened=True)
    assert all(getattr(step.op, "decomposition", None) is None for step in program.instructions)
    with np.errstate(all="ignore"):
        expected = case.op.apply(case.inputs, case.options)
    np.testing.assert_allclose(program(*arrays), expected, rtol=1e-9, atol=1e-12)
    if case.op.name in FLOATING | COMPLEX:
        return
    wide = np.asarray(program.run(arrays, LONGDOUBLE)).astype(float)
    np.testing.assert_allclose(wide, expected, rtol=1e-9, atol=1e-12)


# NumPy functions whose rules look at numbers, or want several results of one instruction.
LOOKING = {
    *("average", "geomspace", "lstsq", "polydiv", "polyfit", "polymul", "roots", "slogdet", "trim_zeros"),
    *("median", "nanmedian", "nanpercentile", "nanquantile", "pad", "percentile", "quantile"),
}


@pytest.mark.parametrize("values", [True, False], ids=["values", "arrays"])
@pytest.mark.parametrize("call", calls(), ids=str)
def test_functions_written_in_others_run_on_data_they_have_not_seen(call, values):
    f = lambda *arrays: call.op.apply(arrays, {})
    others = [x * 1.125 for x in call.inputs]
    with np.errstate(all="ignore"):
        expected = f(*others)
        try:
            program = capture(f, *call.inputs, values=values)
        except NotCaptured:
            assert call.op.function.__name__ in LOOKING
            return
        found = program(*others)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


def test_an_index_computed_from_indices_stays_one():
    program = capture(lambda x, i: x[i // 2 + 1], np.zeros(5), np.array([0, 3]))
    assert program(np.arange(5.0), np.array([6, 2])).tolist() == [4.0, 2.0]


def backward_inside(x):
    w = tg.Value(x.data)
    (np.exp(w) * np.maximum(w, 0.0)).sum().backward()
    return w.grad


FUNCTIONS = {
    "masks": lambda x: np.where((x > 0) & (x < 1), np.exp(x), -x),
    "comparison of sums": lambda x: np.where(x.sum() > 0, x, x * x),
    "argmax": lambda x: np.take_along_axis(x, np.expand_dims(np.argmax(x, axis=-1), -1), axis=-1),
    "sorted": lambda x: np.take_along_axis(x, np.argsort(x, axis=-1), axis=-1),
    "max": lambda x: x - tg.stop_gradient(np.max(x, axis=-1, keepdims=True)),
    "norm of what is held": lambda x: x / np.sqrt((tg.stop_gradient(x) ** 2).sum()),
    "isfinite": lambda x: np.where(np.isfinite(np.log(x)), 1.0, x),
    "indexing": lambda x: x[..., ::-1] + x[:1] * x[0, 1],
    "operators": lambda x: (-x + 2 - x / 3) ** 2 % 5 // 2 + abs(x) + (1 - x) + (2**x) @ np.ones(x.shape[-1]).T[:, None],
    "methods": lambda x: (
        x.relu().reshape(-1).sum() + x.T.mean(axis=0).tanh().max() + x.astype(np.float32).sigmoid().min()
    ),
    "grad inside": lambda x: tg.grad(lambda v: (np.tanh(v) ** 2 * np.where(v > 0, 1.0, 3.0)).sum())(x),
    "backward inside": backward_inside,
    "hvp inside": lambda x: tg.hvp(lambda v: (v**3).sum(), (x,), (np.ones(x.shape),))[0],
    "shortcut": lambda x: tg.cross_entropy(tg.softmax(x), np.zeros(len(x), dtype=int), validate=False),
    "constant": lambda x: np.ones(3),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("opened", [False, True])
def test_nothing_that_depends_on_the_inputs_is_frozen(name, opened):
    f = FUNCTIONS[name]
    program = capture(f, np.ones((2, 3)), opened=opened)
    rng = np.random.default_rng(0)
    for _ in range(5):
        x = rng.normal(size=(2, 3))
        with np.errstate(all="ignore"):
            out = f(tg.Value(x))
        expected = out.data if isinstance(out, tg.Value) else out
        np.testing.assert_allclose(program(x), expected, rtol=1e-12 if opened else 0.0)


def test_labels_are_inputs():
    def f(z, labels):
        return tg.softmax_cross_entropy(
            z, labels, weight=np.array([1.0, 2.0, 0.5]), ignore_index=-1, label_smoothing=0.1
        )

    z = np.random.default_rng(1).normal(size=(4, 3))
    for opened in (False, True):
        program = capture(f, np.zeros((4, 3)), np.zeros(4, dtype=int), opened=opened)
        for labels in (np.array([0, 1, 2, -1]), np.array([2, 2, -1, 0])):
            np.testing.assert_allclose(program(z, labels), f(z, labels), rtol=1e-13)


def test_numbers_stay_numbers():
    program = capture(lambda x: x * x + tg.tanh(x) / 2, 1.0)
    assert type(program(3.0)) is float
    assert program(3.0) == 9.0 + np.tanh(3.0) / 2


def test_a_composite_is_one_instruction_unless_it_is_opened():
    def names(**options):
        return [
            step.name for step in capture(lambda z: tg.log_softmax(tg.softmax(z)), np.zeros(3), **options).instructions
        ]

    assert names() == ["softmax", "log_softmax"]
    assert names(opened=[tg.softmax]) == ["max", "stop_gradient", "subtract", "exp", "sum", "divide", "log_softmax"]
    assert "log_softmax" not in names(opened=True)


def test_containers_go_in_and_come_out():
    program = capture(
        lambda p, x: {"sum": p["w"] @ x + p["b"][0], "all": [x, None]}, {"w": np.ones((2, 3)), "b": [1.0]}, np.ones(3)
    )
    out = program({"w": np.eye(2, 3), "b": [0.5]}, np.array([1.0, 2.0, 3.0]))
    assert out["sum"].tolist() == [1.5, 2.5]
    assert out["all"][0].tolist() == [1.0, 2.0, 3.0]
    assert out["all"][1] is None
    with pytest.raises(TypeError, match="captured with arguments dict of 2, run with"):
        program({"w": np.eye(2, 3)}, np.ones(3))


def test_constants_are_taken_as_they_are_at_the_time():
    mask = np.ones(3)

    def f(x):
        first = x * mask
        mask[0] = 5.0
        return first + x * mask

    assert capture(f, np.zeros(3))(np.ones(3)).tolist() == [6.0, 2.0, 2.0]


def test_functions_that_are_no_ops_are_recorded_on_arrays():
    program = capture(lambda x: np.cumsum(x, axis=0) + np.add.reduce(x) + np.round(x), np.zeros(3), values=False)
    assert program(np.array([1.0, 2.0, 3.5])).tolist() == [8.5, 11.5, 17.0]


REFUSED = {
    "if": (lambda x: x if x.sum() > 0 else -x, "np.where"),
    "and": (lambda x: (x > 0) and (x < 1), "&"),
    "float": (lambda x: float(x.sum()), "shape \\(\\)"),
    "int": (lambda x: int(x.sum()), "shape \\(\\)"),
    "item": (lambda x: x.sum().item(), "shape \\(\\)"),
    "range": (lambda x: list(range(x.sum().data)), "shape \\(\\)"),
    "tolist": (lambda x: x.tolist(), "np.stack"),
    "numpy": (lambda x: x.numpy(), "leave out the conversion"),
    "asarray": (lambda x: np.asarray(x.data), "leave out the conversion"),
    "index": (lambda x: np.eye(3)[x > 0], r"tg.Value\(array\)"),
    "max of list": (lambda x: max(x.data), "np.where"),
    "assignment": (lambda x: x.data.__setitem__(0, 1.0), "np.where, np.concatenate or np.stack"),
    "in place": (lambda x: x.data.__iadd__(1.0), "x = x \\+ v"),
    "into a buffer": (lambda x: np.add(x.data, 1.0, out=np.empty(3)), "x = x \\+ v"),
    "element of a buffer": (lambda x: np.zeros(3).__setitem__(0, x.data[0]), "shape \\(\\)|np.stack"),
    "rows of a buffer": (lambda x: np.zeros((2, 3)).__setitem__(0, x.data), "np.stack"),
    "add.at": (lambda x: np.add.at(np.zeros(3), [0, 1, 2], x.data), "x = x \\+ v"),
    "sort": (lambda x: x.data.sort(), "pure functions"),
    "mask": (lambda x: x[x > 0], "np.where\\(mask"),
    "nonzero": (lambda x: np.where(x > 0), "np.where\\(mask"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_captured_says_so_and_what_to_write_instead(name):
    f, advice = REFUSED[name]
    with pytest.raises(NotCaptured, match=advice):
        capture(f, np.ones(3))
    assert not captures


def test_a_traced_value_does_not_outlive_its_capture():
    kept = []
    capture(lambda x: kept.append(x) or x, np.ones(3))
    with pytest.raises(NotCaptured, match="after its capture was over"):
        np.exp(kept[0])


def test_captures_nest():
    def outer(x):
        return capture(lambda y: y * x, np.ones(3))(x + 1.0)

    program = capture(outer, np.ones(3), values=False)
    assert program(np.array([1.0, 2.0, 3.0])).tolist() == [2.0, 6.0, 12.0]


def test_other_threads_are_unaffected():
    started, finished, found = threading.Event(), threading.Event(), []

    def slow(x):
        started.set()
        assert finished.wait(10)
        return np.exp(x)

    thread = threading.Thread(target=lambda: found.append(capture(slow, np.ones(2))))
    thread.start()
    assert started.wait(10)
    x = tg.Value([1.0, -1.0])
    x.relu().sum().backward()
    finished.set()
    thread.join()
    assert x.grad.tolist() == [1.0, 0.0]
    assert [step.name for step in found[0].instructions] == ["exp"]


def test_longdouble_keeps_digits_that_float64_has_not():
    if np.finfo(np.longdouble).eps == np.finfo(np.float64).eps:
        pytest.skip("longdouble is float64 here")
    program = capture(lambda x: np.log(np.sum(np.exp(x))), np.zeros(2), opened=True)
    x = np.array([0.0, -40.0])
    assert program(x) == 0.0
    assert abs(float(program.run((x,), LONGDOUBLE)) / np.log1p(np.exp(-40.0)) - 1) < 0.1
