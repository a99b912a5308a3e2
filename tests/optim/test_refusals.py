"""What optimisers refuse: parameters, gradients and states that do not fit, each with a reason."""

from types import SimpleNamespace

import numpy as np
import pytest

from tinygrad_ce.optim import SGD, Adam


def parameter(data, grad=None, label=""):
    return SimpleNamespace(data=data, grad=grad, label=label)


def one_line(error):
    message = str(error.value)
    assert message and "\n" not in message
    return message


class TestParameters:
    def test_none_at_all(self):
        with pytest.raises(ValueError, match="empty"):
            SGD([])

    def test_one_parameter_instead_of_a_list(self):
        with pytest.raises(TypeError, match=r"write \[p\]"):
            SGD(parameter(np.ones(2)))

    def test_the_same_one_twice(self):
        w = parameter(np.ones(2), label="w")
        with pytest.raises(ValueError, match=r"parameter 2 \(w\) is parameter 0 again"):
            SGD([w, parameter(1.0), w])

    @pytest.mark.parametrize("thing", [np.ones(2), 1.0, "w"])
    def test_things_without_data_and_grad(self, thing):
        with pytest.raises(TypeError, match="parameter 1 is a"):
            SGD([parameter(1.0), thing])

    @pytest.mark.parametrize("data", [np.arange(3), np.array([True]), 1, True, None, [1.0], np.array(["a"])])
    def test_data_that_cannot_take_small_steps(self, data):
        with pytest.raises(TypeError, match="parameter 0"):
            SGD([parameter(data)])

    def test_complex_is_refused_with_the_reason(self):
        with pytest.raises(TypeError, match=r"p - lr \* grad would ascend in the imaginary part"):
            Adam([parameter(np.ones(2, complex))])

    def test_results_of_operations(self):
        result = SimpleNamespace(data=1.0, grad=None, parents=(parameter(1.0),), label="h")
        with pytest.raises(ValueError, match=r"parameter 0 \(h\) is the result of an operation"):
            SGD([result])

    def test_a_generator_is_read_once(self):
        params = [parameter(1.0, 1.0), parameter(2.0, 1.0)]
        optimiser = SGD((p for p in params), lr=1.0)
        optimiser.step()
        optimiser.step()
        assert [p.data for p in params] == [-1.0, 0.0]

    def test_zero_grad(self):
        params = [parameter(1.0, 1.0), parameter(np.ones(1), np.ones(1))]
        SGD(params).zero_grad()
        assert [p.grad for p in params] == [None, None]


class TestGradients:
    def test_wrong_shape_names_the_parameter_and_changes_nothing(self):
        params = [
            parameter(np.ones(2, np.float32), np.ones(2)),
            parameter(np.ones((2, 3)), np.ones(3), "bias"),
        ]
        optimiser = Adam(params)
        with pytest.raises(ValueError) as error:
            optimiser.step()
        assert one_line(error) == "parameter 1 (bias) has shape (2, 3), but its gradient has (3,)"
        np.testing.assert_array_equal(params[0].data, 1.0)
        assert optimiser.state_dict()["0.step"] == 0

    def test_wrong_shape_for_a_python_float(self):
        with pytest.raises(ValueError, match=r"parameter 0 has shape \(\), but its gradient has \(1,\)"):
            SGD([parameter(1.0, np.ones(1))]).step()

    @pytest.mark.parametrize("data", [np.ones(2), np.ones(2, np.float32)])
    def test_complex_gradient(self, data):
        with pytest.raises(TypeError, match=r"parameter 0 is float.*gradient is complex128"):
            SGD([parameter(data, np.ones(2, complex))]).step()

    @pytest.mark.parametrize("grad", [1j, np.complex128(1), "1"])
    def test_no_real_number_for_a_python_float(self, grad):
        with pytest.raises(TypeError, match="parameter 0"):
            SGD([parameter(1.0, grad)]).step()

    def test_integers_and_other_precisions_become_the_parameters(self):
        params = [parameter(np.ones(2, np.float32), np.array([1, 2])), parameter(1.0, np.float32(1))]
        SGD(params, lr=1.0).step()
        assert params[0].data.dtype == np.float32 and params[0].data.tolist() == [0.0, -1.0]
        assert params[1].data == 0.0 and type(params[1].data) is float

    def test_a_gradient_with_a_graph_of_its_own_counts_as_its_data(self):
        param = parameter(np.ones(2), SimpleNamespace(data=np.ones(2), grad=None))
        SGD([param], lr=1.0).step()
        np.testing.assert_array_equal(param.data, 0.0)

    @pytest.mark.parametrize("new", [np.ones(3), np.ones(2, np.float32)])
    def test_a_parameter_that_changed_its_kind(self, new):
        param = parameter(np.ones(2), np.ones(2))
        optimiser = SGD([param])
        optimiser.step()
        param.data, param.grad = new, np.ones(2)
        with pytest.raises(ValueError, match=r"parameter 0 was float64.*make a new optimiser"):
            optimiser.step()

    def test_a_python_float_that_became_an_array(self):
        param = parameter(1.0, 1.0)
        optimiser = SGD([param])
        param.data = np.array(1.0)
        with pytest.raises(ValueError, match="parameter 0 was Python float"):
            optimiser.step()


class TestStateDict:
    def test_it_holds_copies(self):
        param = parameter(np.ones(2), np.ones(2))
        optimiser = SGD([param], lr=0.1, momentum=0.9)
        optimiser.step()
        state = optimiser.state_dict()
        state["0.velocity"][:] = 7.0
        optimiser.load_state_dict(state)
        state["0.velocity"][:] = 8.0
        np.testing.assert_array_equal(optimiser.state_dict()["0.velocity"], 7.0)

    @pytest.mark.parametrize(
        ("key", "value", "words"),
        [
            ("0.mean", np.ones(3), r"'0.mean' has shape \(2,\)"),
            ("0.mean", np.array(["a", "b"]), "'0.mean'"),
            ("0.mean", np.ones(2, complex), "complex"),
            ("0.step", -1, "counts steps"),
            ("0.step", 1.5, "counts steps"),
            ("0.step", float("nan"), "counts steps"),
            ("0.step", float("inf"), "counts steps"),
            ("0.step", None, "'0.step'"),
            ("lr", -1.0, "lr"),
            ("lr", np.ones(2), "'lr'"),
            ("1.step", 0, "unknown '1.step'"),
        ],
    )
    def test_a_wrong_entry_changes_nothing(self, key, value, words):
        param = parameter(np.ones(2), np.ones(2))
        optimiser = Adam([param], lr=0.1)
        optimiser.step()
        before = optimiser.state_dict()
        with pytest.raises(ValueError, match=words) as error:
            optimiser.load_state_dict({**before, "0.square": np.full(2, 9.0), key: value})
        one_line(error)
        for name, now in optimiser.state_dict().items():
            np.testing.assert_array_equal(now, before[name])

    def test_another_optimisers_state(self):
        state = SGD([parameter(np.ones(2))], momentum=0.9).state_dict()
        with pytest.raises(ValueError, match=r"missing '0.mean', '0.square'; unknown 'momentum'"):
            Adam([parameter(np.ones(2))]).load_state_dict(state)
