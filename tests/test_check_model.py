"""check_model: right networks pass, each planted mistake is said, and nothing is left changed."""

import json

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import nn
from tinygrad_ce.data import Loader, iris, standardise
from tinygrad_ce.nn import MLP, Linear, Module
from tinygrad_ce.optim import SGD, Adam
from tinygrad_ce.train import find_lr, overfit_one_batch

(DATA,) = standardise(iris())
ROWS = np.arange(0, 150, 10)
BATCH = (DATA.inputs[ROWS], DATA.targets[ROWS])


def check(model, batch=BATCH, loss=tg.softmax_cross_entropy, gradients=False, **options):
    return tg.check_model(model, batch, loss, gradients=gradients, **options)


class Net(Module):
    """Two layers, and something between them."""

    def __init__(self, between=tg.tanh, after=lambda x: x, before=lambda x: x):
        rng = np.random.default_rng(0)
        self.first, self.second = Linear(4, 8, rng=rng), Linear(8, 3, rng=rng)
        self.between, self.after, self.before = between, after, before

    def forward(self, x):
        return self.after(self.second(self.between(self.first(self.before(x)))))


def said(report, what):
    found = [c for c in report.concerns if c.check == what]
    assert found, report
    return found[0]


# -- the referee ---------------------------------------------------------------------------------------------------


def test_a_right_network_passes():
    report = tg.check_model(Net(), BATCH, tg.softmax_cross_entropy)
    assert report and report.verdict == "PASS" and not report.concerns, report
    assert [(row.name, row.kind, row.given, row.made, row.parameters) for row in report.layers] == [
        ("first", "Linear", "4×4", "4×8", 40),
        ("second", "Linear", "4×8", "4×3", 27),
        ("", "Net", "4×4", "4×3", 67),
    ]
    assert report.comparison
    assert 0.9 < report.loss < 1.5
    data = json.loads(json.dumps(report.to_dict()))
    assert data["passed"] and len(data["layers"]) == 3
    assert "first" in repr(report) and "<table>" in report._repr_html_()


def test_it_is_saved(tmp_path):
    report = check(Net())
    report.save(tmp_path / "r.html")
    report.save(tmp_path / "r.json")
    assert "check of Net" in (tmp_path / "r.html").read_text()
    assert json.loads((tmp_path / "r.json").read_text())["name"] == "Net()"
    with pytest.raises(ValueError, match="saved as"):
        report.save(tmp_path / "r.txt")


def wrong_op():
    @tg.op
    def lopsided(x):
        return np.tanh(x) * 2.0

    @lopsided.derivation("analytic", formula="")
    def _(g, out, x):
        return g * (1 - out * out)

    return lopsided


def test_a_wrong_derivation_is_found_where_it_is():
    class Activation(Module):
        def forward(self, x):
            return op(x)

    op = wrong_op()
    report = check(Net(between=Activation()), gradients=True)
    assert not report
    verdicts = {row.name: row.verdict for row in report.layers}
    assert verdicts["first"] == verdicts["second"] == "PASS"
    assert verdicts["between"] == verdicts[""] == "FAIL"
    assert said(report, "gradient").message.startswith("between (Activation): ")
    assert "lopsided" in said(report, "derivations").message
    assert "gradcheck of between: FAIL" in repr(report)
    json.dumps(report.to_dict())


def test_a_wrong_gradient_in_a_parameter_of_a_large_layer():
    @tg.op
    def product(x, w):
        return np.matmul(x, w)

    @product.derivation("analytic", formula="")
    def _(g, out, x, w):
        return np.matmul(g, w.T), np.matmul(x.T, g) * 1.001

    class Large(Module):
        def __init__(self):
            self.weight = tg.Value(np.random.default_rng(0).normal(size=(100, 80)) / 10)

        def forward(self, x):
            return product(x, self.weight)

    class Holder(Module):
        def __init__(self):
            self.parts = {"large": Large(), "last": Linear(80, 3, rng=0)}

        def forward(self, x):
            return self.parts["last"](self.parts["large"](x))

    batch = np.random.default_rng(1).normal(size=(6, 100)), np.arange(6) % 3
    report = check(Holder(), batch, gradients=True)
    assert {row.name: row.verdict for row in report.layers}["parts.large"] == "FAIL"
    assert {row.name: row.verdict for row in report.layers}["parts.last"] == "PASS"


def test_layers_that_draw_and_keep_are_functions_all_the_same():
    class Noisy(Module):
        def __init__(self):
            self.generator = np.random.default_rng(0)
            self.register_buffer("mean", np.zeros(8))
            self.weight = tg.Value(np.ones(8))

        def forward(self, x):
            mean = np.mean(x, axis=0)
            if self.training:
                self.mean = 0.9 * self.mean + 0.1 * tg.stop_gradient(mean).numpy()
            mask = self.generator.random(x.shape) > 0.3
            return (x - mean) * self.weight * mask if self.training else (x - self.mean) * self.weight

    model = Net(between=Noisy())
    model.between.mean = np.full(8, 0.25)
    before, drawn = model.state_dict(), model.between.generator.bit_generator.state
    report = check(model, gradients=True)
    assert report, report
    assert all(np.array_equal(before[name], array) for name, array in model.state_dict().items())
    assert model.between.generator.bit_generator.state == drawn
    assert all(p.grad is None for p in model.parameters())
    assert model.training


def test_indices_tuples_and_shared_weights():
    class Words(Module):
        def __init__(self):
            rng = np.random.default_rng(0)
            self.table = tg.Value(rng.normal(size=(7, 5)))
            self.both, self.tied = Both(), [self.table]

        def forward(self, tokens):
            x, y = self.both(self.table[tokens])
            return np.sum(x * y, axis=1) @ self.tied[0].T

    class Both(Module):
        def forward(self, x):
            return np.sin(x), np.exp(x)

    tokens = np.random.default_rng(1).integers(7, size=(5, 3))
    report = check(Words(), (tokens, tokens[:, 0]), gradients=True)
    assert report, report
    assert {row.name: row.made for row in report.layers}["both"] == "4×3×5, 4×3×5"


# -- mistakes, in sentences ----------------------------------------------------------------------------------------


def test_softmax_twice():
    for after in (tg.softmax, lambda x: tg.softmax(x).reshape(-1, 3), lambda x: np.exp(tg.log_softmax(x))):
        concern = said(check(Net(after=after)), "softmax twice")
        assert (concern.verdict, concern.hint) == ("FAIL", "leave the softmax out of the model")
    binary = lambda out, y: tg.sigmoid_binary_cross_entropy(out[:, 0], (y > 0) * 1.0)
    assert said(check(Net(after=tg.sigmoid), loss=binary), "sigmoid twice").verdict == "FAIL"
    assert not check(Net(), loss=binary).concerns
    assert not check(Net(after=tg.softmax), loss=tg.cross_entropy).concerns


@pytest.mark.parametrize(
    "after",
    [
        lambda z: tg.softmax(z) + 1e-8,
        lambda z: np.clip(tg.softmax(z), 1e-7, 1.0),
        lambda z: np.exp(z) / np.sum(np.exp(z), axis=-1, keepdims=True),
    ],
    ids=["epsilon", "clip", "by hand"],
)
def test_softmax_twice_in_other_clothes(after):
    assert said(check(Net(after=after)), "softmax twice").verdict == "FAIL"


def test_softmax_twice_along_channels():
    class Pixels(Module):
        def __init__(self):
            self.conv = nn.Conv2d(1, 3, 1, rng=0)

        def forward(self, x):
            return nn.functional.softmax(self.conv(x), 1)

    rng = np.random.default_rng(0)
    batch = (rng.normal(size=(4, 1, 3, 3)), rng.integers(0, 3, (4, 3, 3)))
    assert said(check(Pixels(), batch, nn.CrossEntropyLoss()), "softmax twice").verdict == "FAIL"


def test_what_bends_logits_without_harm_is_a_warning():
    report = check(Net(after=tg.log_softmax))
    assert said(report, "log_softmax before softmax").verdict == "WARN" and not report.failures
    assert said(check(Net(after=tg.sigmoid)), "sigmoid before softmax").verdict == "WARN"
    assert not check(Net(after=np.tanh)).concerns


@pytest.mark.parametrize("gradients", [False, True])
def test_nothing_to_learn_is_no_pass(gradients):
    report = tg.check_model(nn.Sequential(nn.Tanh()), BATCH, tg.softmax_cross_entropy, gradients=gradients)
    assert not report and "no parameters" in str(said(report, "parameters"))
    report = tg.check_model(Net().freeze(), BATCH, tg.softmax_cross_entropy, gradients=gradients)
    assert not report and "all 4 parameters are frozen" in str(said(report, "parameters"))
    assert "unfreeze" in repr(report)
    half = Net()
    half.first.freeze()
    assert not check(half).failures


@pytest.mark.parametrize(
    ("batch", "told"),
    [
        ((*BATCH, BATCH[1]), "a batch has 3 parts, where a pair"),
        (BATCH[0], r"a batch is one array of shape \(15, 4\)"),
        (Loader(DATA), "a batch is DataLoader"),
        ({"x": BATCH[0], "y": BATCH[1]}, "a batch is a mapping of 'x', 'y'"),
        (None, "a batch is None"),
    ],
)
def test_a_batch_is_a_pair(batch, told):
    with pytest.raises(TypeError, match=told):
        tg.check_model(Net(), batch, tg.softmax_cross_entropy)
    with pytest.raises(TypeError, match=told):
        overfit_one_batch(Net(), batch, tg.softmax_cross_entropy)


def test_a_loss_is_a_function():
    for loss, told in ((None, "loss_fn is a function"), (nn.MSE, "loss_fn is the class MSE"), ("mse", "not 'mse'")):
        with pytest.raises(TypeError, match=told):
            tg.check_model(Net(), BATCH, loss)


def test_disconnected_and_dead_parameters():
    model = Net(between=lambda x: tg.relu(x - 100.0))
    model.spare = Linear(2, 2)
    report = check(model)
    assert {c.message for c in report.concerns if c.check == "disconnected parameter"} == {
        "the loss does not depend on spare.weight",
        "the loss does not depend on spare.bias",
    }
    dead = said(report, "dead parameter")
    assert dead.message.startswith("the gradient of first.weight is 0 in all 32 entries")
    detached = check(Net(between=lambda x: tg.Value(x.data)))
    assert said(detached, "disconnected parameter").message == "the loss does not depend on first.weight"
    model = Net()
    model.spare = Linear(2, 2).freeze()
    report = check(model)
    assert not report.concerns and "2 parameters are frozen" in report.notes[0]


def test_dead_units():
    class Relu(Module):
        def forward(self, x):
            return tg.relu(x)

    model = Net(between=Relu())
    model.first.bias.data = np.array([-50.0] * 6 + [0.0] * 2)
    concern = said(check(model), "dead units")
    assert concern.verdict == "WARN"
    assert concern.message.startswith("6 of the 8 units of between (Relu) give 0 for every row")


def test_the_loss_at_the_start():
    model = Net()
    model.second.weight.data = model.second.weight.data * 300
    concern = said(check(model), "loss at the start")
    assert "log 3 = 1.1 is what guessing gives" in concern.message
    assert bool(check(model)) is False  # nothing was refereed
    assert check(model).verdict == "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("batch", "check_", "verdict", "message"),
    [
        ((BATCH[0], BATCH[1] + 1), "targets", "FAIL", "labels count from 1 to 3 where the 3 outputs stand for 0 to 2"),
        ((BATCH[0], BATCH[1] - 1), "targets", "FAIL", "targets[0] is -1, outside 0 to 2: the model has 3 outputs"),
        ((BATCH[0], np.zeros(15, int)), "targets", "WARN", "every row of the batch is of class 0"),
        ((BATCH[0] * 1000, BATCH[1]), "inputs", "WARN", "inputs have mean "),
        ((np.ones((15, 4)), BATCH[1]), "inputs", "WARN", "every row of the inputs is the same"),
        ((np.where(np.arange(4) == 2, np.nan, BATCH[0]), BATCH[1]), "inputs", "FAIL", "inputs[0, 2] is nan (15 of 60"),
        ((np.array([["a"] * 4]), [0]), "inputs", "FAIL", "inputs are <U1, no numbers"),
    ],
)
def test_data(batch, check_, verdict, message):
    concern = said(check(Net(), batch), check_)
    assert concern.verdict == verdict
    assert concern.message.startswith(message)


def test_rows_that_are_mixed():
    for before in (lambda x: x - np.mean(x, axis=0), lambda x: np.reshape(np.transpose(x), x.shape)):
        assert said(check(Net(before=before)), "rows apart").verdict == "FAIL"


def test_gradients_that_vanish():
    layers = MLP([4, *[8] * 12, 3], tg.sigmoid, rng=0)
    concern = said(check(layers), "gradients")
    assert concern.message.startswith("gradients vanish on their way back: those of layers.12.weight")
    model = Net()
    model.first.weight.data = np.full((8, 4), np.nan)
    assert any("first.weight[0, 0] is nan" in c.message or "outputs" in c.message for c in check(model).failures)


def test_shapes_that_do_not_fit():
    model = Net()
    model.second = Linear(9, 3)
    with pytest.raises(ValueError, match=r"second: Linear\(9 → 3\) takes inputs of shape \(\.\.\., 9\), not \(15, 8\)"):
        check(model)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((lambda x: x, BATCH, tg.softmax_cross_entropy), TypeError, "takes a Module"),
        ((Net(), (np.zeros((0, 4)), np.zeros(0, int)), tg.softmax_cross_entropy), ValueError, "at least one row"),
        ((Net(), BATCH, lambda out, y: 1.0), TypeError, "the loss is one number"),
        ((Net(), BATCH, lambda out, y: out), TypeError, "the loss is one number"),
    ],
)
def test_what_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        tg.check_model(*arguments)


# -- find_lr, overfit_one_batch ------------------------------------------------------------------------------------


def untouched(model, optimiser, work):
    before, state, grads = model.state_dict(), optimiser.state_dict(), [p.grad for p in model.parameters()]
    result = work()
    assert all(np.array_equal(before[name], array) for name, array in model.state_dict().items())
    assert str(optimiser.state_dict()) == str(state)
    assert [p.grad for p in model.parameters()] == grads
    assert model.training
    return result


@pytest.mark.parametrize("make", [SGD, Adam])
def test_the_suggested_rate_learns(make):
    model = MLP([4, 16, 3], rng=0)
    optimiser = make(model.parameters(), lr=1.0)
    batches = [BATCH]
    found = untouched(model, optimiser, lambda: find_lr(model, batches, tg.softmax_cross_entropy, optimiser))
    assert found and 1e-4 < found.suggestion < 2
    assert len(found.rates) == len(found.losses) == len(found.smoothed)
    optimiser.lr = found.suggestion
    history = tg.train.fit(model, batches, tg.softmax_cross_entropy, optimiser, 60)
    assert history.loss[-1] < 0.6 * history.loss[0]
    assert "suggestion" in repr(found) and "<svg" in found._repr_html_()
    json.dumps(found.to_dict())


def test_find_lr_says_where_nothing_is_to_be_found(tmp_path):
    model = MLP([4, 3], rng=0)
    optimiser = SGD(model.parameters(), lr=0.1)
    flat = find_lr(model, [BATCH], lambda out, y: (out * 0.0).sum() + 1.0, optimiser)
    assert not flat and flat.suggestion is None and "never fell" in repr(flat)
    flat.save(tmp_path / "curve.svg")
    assert (tmp_path / "curve.svg").read_text().startswith("<svg")
    for options in ({"start": 1.0, "end": 0.1}, {"steps": 3}, {"start": 0.0}):
        with pytest.raises(ValueError, match="not"):
            find_lr(model, [BATCH], tg.softmax_cross_entropy, optimiser, **options)
    with pytest.raises(ValueError, match="no batch"):
        find_lr(model, [], tg.softmax_cross_entropy, optimiser)


def test_learning_by_heart():
    model = MLP([4, 16, 3], rng=0)
    optimiser = Adam(model.parameters(), lr=0.01)
    found = untouched(model, optimiser, lambda: overfit_one_batch(model, BATCH, tg.softmax_cross_entropy, optimiser))
    assert found and found.accuracy == 1.0 and found.losses[-1] <= 0.05 * found.losses[0]
    assert "learnt by heart in" in repr(found) and "<svg" in found._repr_html_()
    hopeless = Net(between=lambda x: tg.Value(np.ones(x.shape)))
    found = overfit_one_batch(hopeless, BATCH, tg.softmax_cross_entropy, steps=50)
    assert (not found and "not learnt in 50 steps" in found.message) or "did not fall" in found.message
    uphill = overfit_one_batch(model, BATCH, lambda out, y: -tg.softmax_cross_entropy(out, y) + 9.0, steps=20)
    assert not uphill
    wild = overfit_one_batch(model, BATCH, tg.softmax_cross_entropy, SGD(model.parameters(), lr=1e200), steps=20)
    assert "try a smaller learning rate" in wild.message
    json.dumps(wild.to_dict())
    with pytest.raises(TypeError, match="give an optimiser"):
        overfit_one_batch(lambda x: x, BATCH, tg.softmax_cross_entropy)
