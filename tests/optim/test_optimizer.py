"""The bookkeeping around the pure updates: parameters, groups, state."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_ce.optim import SGD, Adagrad, Adam, AdamW, Lion, RMSprop

OPTIMISERS = [
    lambda params: SGD(params, lr=0.1),
    lambda params: SGD(params, lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.01),
    lambda params: SGD(params, lr=0.1, momentum=0.9, nesterov=True),
    lambda params: Adam(params, lr=0.1, weight_decay=0.01),
    lambda params: AdamW(params, lr=0.1),
    lambda params: Adam(params, lr=0.1, amsgrad=True),
    lambda params: RMSprop(params, lr=0.1, momentum=0.9, centered=True, weight_decay=0.01),
    lambda params: Adagrad(params, lr=0.1, lr_decay=0.1, initial_accumulator_value=0.5),
    lambda params: Lion(params, lr=0.1, weight_decay=0.01),
]


def parameter(data, grad=None, label=""):
    return SimpleNamespace(data=data, grad=grad, label=label)


@pytest.mark.parametrize("make", OPTIMISERS)
class TestEveryOptimiser:
    def test_update_is_pure(self, make):
        rng = np.random.default_rng(0)
        params, grads = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
        optimiser = make([parameter(params)])
        state = {"lr": 0.1, **optimiser.initial_state(params)}
        _, state = optimiser.update(params, grads, state)
        before = [np.array(x) for x in (params, grads, *state.values())]
        for array in (params, grads, *state.values()):
            if isinstance(array, np.ndarray):
                array.flags.writeable = False
        first, after = optimiser.update(params, grads, state)
        again, _ = optimiser.update(params, grads, state)
        np.testing.assert_array_equal(first, again)
        for now, then in zip((params, grads, *state.values()), before, strict=True):
            np.testing.assert_array_equal(now, then)
        arguments = [a for a in (params, grads, *state.values()) if isinstance(a, np.ndarray)]
        results = [first, *(a for a in after.values() if isinstance(a, np.ndarray))]
        assert not any(np.shares_memory(a, b) for a in arguments for b in results)
        assert after.keys() == state.keys() and after["step"] == state["step"] + 1

    def test_update_accepts_any_shape(self, make):
        rng = np.random.default_rng(1)
        params, grads = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3, 4))
        optimiser = make([parameter(params)])
        shaped, _ = optimiser.update(params, grads, {"lr": 0.1, **optimiser.initial_state(params)})
        flat, _ = optimiser.update(
            params.ravel(), grads.ravel(), {"lr": 0.1, **optimiser.initial_state(params.ravel())}
        )
        np.testing.assert_array_equal(shaped.ravel(), flat)

    def test_data_are_new_writeable_contiguous_arrays_of_the_same_dtype(self, make):
        frozen = np.ones(3, dtype=np.float32)
        frozen.flags.writeable = False
        old = [np.asfortranarray(np.ones((3, 4))), frozen, np.ones((2, 2))[:, :1], np.array(2.0)]
        params = [parameter(data, np.ones(data.shape)) for data in old]
        copies = [data.copy() for data in old]
        optimiser = make(params)
        for _ in range(2):
            optimiser.step()
        for param, data, copy in zip(params, old, copies, strict=True):
            assert param.data.dtype == data.dtype and param.data.shape == data.shape
            assert param.data.flags.writeable and param.data.flags.c_contiguous
            assert np.all(param.data < copy)
            np.testing.assert_array_equal(data, copy)

    def test_an_earlier_snapshot_keeps_its_numbers(self, make):
        param = parameter(np.ones(3), np.ones(3))
        optimiser = make([param])
        optimiser.step()
        snapshot = param.data
        numbers = snapshot.copy()
        optimiser.step()
        np.testing.assert_array_equal(snapshot, numbers)

    def test_python_floats_stay_python_floats_and_agree_with_arrays(self, make):
        scalars = [parameter(1.0), parameter(-2.0)]
        array = parameter(np.array([1.0, -2.0]))
        one, other = make(scalars), make([array])
        for _ in range(5):
            for scalar in scalars:
                scalar.grad = 2 * scalar.data
            array.grad = 2 * array.data
            one.step(), other.step()
        assert [type(scalar.data) for scalar in scalars] == [float, float]
        assert [scalar.data for scalar in scalars] == array.data.tolist()

    def test_a_dtype_never_changes_its_neighbour(self, make):
        data = [np.ones(2, np.float32), np.ones(2), 1.0, np.ones(2, np.float16), np.float32(1), np.ones(1)]
        params = [parameter(x, np.ones(np.shape(x))) for x in data]
        optimiser = make(params)
        for _ in range(3):
            optimiser.step()
        dtypes = [getattr(param.data, "dtype", type(param.data)) for param in params]
        assert dtypes == [np.float32, np.float64, float, np.float16, np.float32, np.float64]

    def test_new_data_between_steps_are_taken_up(self, make):
        param, fresh = parameter(np.ones(2), np.ones(2)), parameter(np.ones(2), np.ones(2))
        one, other = make([param]), make([fresh])
        one.step(), other.step()
        param.data = param.data + 1.0  # assigned
        fresh.data += 1.0  # in place
        one.step(), other.step()
        np.testing.assert_array_equal(param.data, fresh.data)

    @given(present=st.lists(st.lists(st.booleans(), min_size=3, max_size=3), max_size=8))
    def test_each_parameter_steps_as_if_alone(self, make, present):
        rng = np.random.default_rng(2)
        starts = [rng.normal(size=(2, 2)), 1.5, rng.normal(size=3)]
        together, alone = [parameter(x) for x in starts], [parameter(x) for x in starts]
        optimiser, optimisers = make(together), [make([param]) for param in alone]
        for mask in present:
            for here, one, wanted in zip(together, alone, mask, strict=True):
                grad = rng.normal(size=np.shape(here.data))
                here.grad = one.grad = (float(grad) if type(here.data) is float else grad) if wanted else None
            optimiser.step()
            for single in optimisers:
                single.step()
        for here, one in zip(together, alone, strict=True):
            np.testing.assert_array_equal(here.data, one.data)
        expected = [single.state_dict() for single in optimisers]
        for key, value in optimiser.state_dict().items():
            index, _, name = key.rpartition(".")
            other = expected[int(index)][f"0.{name}"] if index else expected[0][name]
            np.testing.assert_array_equal(value, other)

    def test_state_round_trips_through_savez(self, make):
        def run(steps, params, optimiser):
            for step in steps:
                for index, param in enumerate(params):
                    idle = step == 2 and index == 1
                    param.grad = None if idle else np.cos(param.data * (step + 1))
                optimiser.step()

        starts = [np.arange(6.0).reshape(2, 3), np.ones(2, np.float32), 0.5]
        through = [parameter(x) for x in starts]
        whole = make(through)
        run(range(8), through, whole)

        halves = [parameter(x) for x in starts]
        first = make(halves)
        first.lr = whole.lr
        run(range(4), halves, first)
        file = io.BytesIO()
        np.savez(file, **first.state_dict())
        file.seek(0)
        second = make(halves)
        with np.load(file, allow_pickle=False) as saved:
            second.load_state_dict(saved)
        run(range(4, 8), halves, second)
        for a, b in zip(through, halves, strict=True):
            np.testing.assert_array_equal(a.data, b.data)
        assert {k: type(v) for k, v in whole.state_dict().items()} == {
            k: type(v) for k, v in second.state_dict().items()
        }

    def test_lr_is_read_and_written(self, make):
        param = parameter(np.ones(2), np.ones(2))
        optimiser = make([param])
        optimiser.step()
        optimiser.lr = 0.0
        assert optimiser.lr == 0.0 == optimiser.state_dict()["lr"]
        before = param.data
        optimiser.step()
        np.testing.assert_array_equal(param.data, before)
        for wrong in (-1.0, float("nan"), float("inf")):
            with pytest.raises(ValueError, match="lr"):
                optimiser.lr = wrong
        assert optimiser.lr == 0.0

    def test_without_gradients_nothing_happens(self, make):
        param = parameter(np.ones(2))
        optimiser = make([param])
        before = optimiser.state_dict()
        optimiser.step()
        assert optimiser.state_dict().keys() == before.keys() and optimiser.state_dict()["0.step"] == 0
        np.testing.assert_array_equal(param.data, 1.0)

    def test_empty_arrays_are_allowed(self, make):
        params = [parameter(np.ones((0, 3)), np.ones((0, 3))), parameter(np.ones(2), np.ones(2))]
        make(params).step()
        assert params[0].data.shape == (0, 3)


def test_repr_counts_parameters_and_numbers():
    optimiser = AdamW([parameter(np.ones((2, 3))), parameter(1.0)], lr=0.5)
    assert repr(optimiser) == (
        "AdamW(2 parameters, 7 numbers; lr=0.5, betas=(0.9, 0.999), eps=1e-08, "
        "weight_decay=0.01, amsgrad=False, maximize=False)"
    )


@pytest.mark.parametrize("make", OPTIMISERS)
def test_a_long_idle_parameter_costs_no_regrouping(make, monkeypatch):
    params = [parameter(np.ones(2), np.ones(2)), parameter(np.ones(2))]
    optimiser = make(params)
    optimiser.step()
    monkeypatch.setattr(optimiser, "_regrouped", None)
    optimiser.step()
    np.testing.assert_array_equal(params[1].data, 1.0)
