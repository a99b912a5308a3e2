"""Callbacks, progress, modes and what is said of mistakes."""

import io
import json
import re
import warnings
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import nn
from tinygrad_ce.checkpoint import load
from tinygrad_ce.data import Loader, iris, split, standardise
from tinygrad_ce.nn import MLP, Module
from tinygrad_ce.optim import SGD, Adam
from tinygrad_ce.train import (
    F1,
    Callback,
    Checkpoints,
    EarlyStopping,
    EpochReport,
    GradientStatistics,
    History,
    LivePlot,
    Progress,
    Stepping,
    TopK,
    accuracy,
    evaluate,
    fit,
    predict,
)

TRAIN, TEST = standardise(*split(iris()))


def job(epochs=3, *, model=None, lr=0.05, loader=None, **options):
    model = model or MLP([4, 8, 3], rng=0)
    optimiser = Adam(model.parameters(), lr=lr)
    return model, fit(
        model, Loader(TRAIN) if loader is None else loader, tg.softmax_cross_entropy, optimiser, epochs, **options
    )


def report(epoch, **numbers):
    fields = {"loss": 1.0, "accuracy": None, "validation_loss": None, "validation_accuracy": None, **numbers}
    return EpochReport(epoch, 99, seconds=0.1, **fields)


# -- what is reported ----------------------------------------------------------------------------------------------


def test_metrics_in_reports():
    model, history = job(2, validation=TEST, metrics=[TopK(2), F1()])
    last = history.reports[-1]
    assert set(last.metrics) == set(last.validation_metrics) == {"top2", "f1"}
    judged = evaluate(model, TEST, tg.softmax_cross_entropy, [TopK(2), F1()])
    assert judged["f1"] == last.value("validation_f1")
    assert judged["loss"] == last.validation_loss
    assert history.column("top2") == [r.metrics["top2"] for r in history.reports]
    assert (last.step, last.lr) == (8, 0.05)
    again = History.from_dict(json.loads(json.dumps(history.to_dict())))
    assert again == history
    with pytest.raises(ValueError, match="has no 'f2'; it has loss, accuracy, top2, f1, validation_loss"):
        last.value("f2")
    with pytest.raises(ValueError, match="this is no history"):
        History.from_dict({"reports": [{"epoch": 1}]})


def test_predict():
    model = MLP([4, 8, 3], rng=0)
    assert np.array_equal(predict(model, TEST.inputs, rows=7), model(TEST.inputs).data)
    with pytest.raises(ValueError, match="at least one row"):
        predict(model, np.zeros((0, 4)))


# -- modes ---------------------------------------------------------------------------------------------------------


class Moody(Module):
    """Remembers in which modes it was called."""

    def __init__(self):
        self.inner, self.quiet, self._modes = MLP([4, 3], rng=0), MLP([3, 3], rng=1), set()

    def forward(self, x):
        self._modes.add((self.training, self.inner.training, self.quiet.training))
        return self.quiet(self.inner(x))


def test_modes():
    model = Moody()
    model.quiet.eval()
    job(1, model=model)
    assert model._modes == {(True, True, False)}
    model._modes.clear()
    job(1, model=model, validation=TEST)
    assert model._modes == {(True, True, False), (False, False, False)}
    assert (model.training, model.inner.training, model.quiet.training) == (True, True, False)
    model._modes.clear()
    accuracy(model, TEST)
    evaluate(model, TEST)
    predict(model, TEST.inputs)
    assert model._modes == {(False, False, False)}
    assert (model.training, model.inner.training, model.quiet.training) == (True, True, False)
    model.eval()
    model._modes.clear()
    job(1, model=model)
    assert model._modes == {(True, True, True)}
    assert not model.training and not model.inner.training


def test_an_error_leaves_the_modes_as_they_were():
    model = Moody()
    with pytest.raises(ValueError, match="takes inputs"):
        evaluate(model, [(np.zeros((2, 5)), [0, 1])])
    assert model.training and model.inner.training


# -- early stopping ------------------------------------------------------------------------------------------------


def test_early_stopping_counts_and_compares():
    stop = EarlyStopping("validation_accuracy", patience=2, min_delta=0.01)
    values = [0.5, 0.6, 0.605, 0.6, 0.7]
    answers = [stop(report(i + 1, validation_accuracy=v)) for i, v in enumerate(values)]
    assert answers == [False, False, False, True, False]
    stop = EarlyStopping("loss", patience=1)
    assert [stop(report(i + 1, loss=v)) for i, v in enumerate([2.0, 1.0, 1.0])] == [False, False, True]
    assert EarlyStopping("accuracy", mode="min")(report(1, accuracy=0.5)) is False


def test_early_stopping_gives_the_best_back():
    states = {}

    def remember(told):
        states[told.epoch] = model.state_dict()

    model = MLP([4, 8, 3], rng=0)
    stop = EarlyStopping(patience=3)
    optimiser = Adam(model.parameters(), lr=0.3)
    history = fit(
        model,
        Loader(TRAIN),
        tg.softmax_cross_entropy,
        optimiser,
        60,
        validation=TEST,
        callbacks=[remember, stop],
    )
    assert history.stopped and len(history) == stop.best_epoch + 3
    assert stop.best == min(history.validation_loss) == history.validation_loss[stop.best_epoch - 1]
    assert all(np.array_equal(array, states[stop.best_epoch][name]) for name, array in model.state_dict().items())


@pytest.mark.parametrize(
    "make",
    [
        lambda: EarlyStopping(patience=0),
        lambda: EarlyStopping(min_delta=-1),
        lambda: EarlyStopping(mode="best"),
        lambda: Checkpoints("a.npz", every=0),
        lambda: Checkpoints("a.npz", steps=True),
        lambda: Stepping(SGD([tg.Value(1.0)], lr=1.0), every="year"),
        lambda: Stepping(SGD([tg.Value(1.0)], lr=1.0), every="step", watch="loss"),
        lambda: GradientStatistics(0),
        lambda: LivePlot("curves.png"),
        lambda: LivePlot(),
    ],
)
def test_options_that_make_no_sense(make):
    with pytest.raises(ValueError, match=r"\w"):
        make()


def test_watching_what_is_not_reported():
    with pytest.raises(ValueError, match="has no 'validation_loss'; it has loss, accuracy"):
        job(2, callbacks=[EarlyStopping()])


# -- others --------------------------------------------------------------------------------------------------------


def test_checkpoints_of_the_best(tmp_path):
    saver = Checkpoints(tmp_path / "run.npz", best="validation_loss", every=2, meta={"name": "iris"})
    model, history = job(7, validation=TEST, lr=0.3, checkpoint=saver)
    best = int(np.argmin(history.validation_loss)) + 1
    assert load(saver.best_path).meta == {"name": "iris", "step": 4 * best, "epochs": best}
    assert load(saver.path).meta["epochs"] == 7
    other = MLP([4, 8, 3], rng=1)
    load(saver.best_path, other)
    assert evaluate(other, TEST, tg.softmax_cross_entropy)["loss"] == min(history.validation_loss)
    load(saver.path, other)
    assert np.array_equal(other.layers[0].weight.data, model.layers[0].weight.data)


class Halving:
    """A schedule like those of optim."""

    def __init__(self, optimiser):
        self.optimiser, self.told = optimiser, []

    def step(self, *value):
        self.told.append(value)
        self.optimiser.lr *= 0.5


@pytest.mark.parametrize(("every", "steps"), [("epoch", 3), ("step", 12)])
def test_schedules(every, steps):
    model = MLP([4, 3], rng=0)
    optimiser = SGD(model.parameters(), lr=1.0)
    schedule = Halving(optimiser)
    given = schedule if every == "epoch" else Stepping(schedule, every=every)
    fit(model, Loader(TRAIN), tg.softmax_cross_entropy, optimiser, 3, schedule=given)
    assert len(schedule.told) == steps
    assert optimiser.lr == 0.5**steps


def test_a_schedule_that_wants_a_number():
    model = MLP([4, 3], rng=0)
    optimiser = SGD(model.parameters(), lr=1.0)
    schedule = Halving(optimiser)
    history = fit(
        model, Loader(TRAIN), tg.softmax_cross_entropy, optimiser, 2, schedule=Stepping(schedule, watch="loss")
    )
    assert schedule.told == [(loss,) for loss in history.loss]


def test_gradient_statistics():
    statistics = GradientStatistics(every=2)
    job(2, callbacks=[statistics])
    assert {row["step"] for row in statistics.rows} == {2, 4, 6, 8}
    assert {row["parameter"] for row in statistics.rows} == {
        f"layers.{i}.{p}" for i in (0, 1) for p in ("weight", "bias")
    }
    assert all(row["gradient"] > 0 and 0 < row["ratio"] < 10 for row in statistics.rows)
    assert repr(statistics).startswith("gradients after 8 steps:\n  layers.0.weight  gradient ")
    assert repr(GradientStatistics()) == "no gradients seen"


def test_gradient_statistics_are_the_numbers():
    seen = []

    class Own(Callback):
        def step(self, run):
            gradient = run.learnt["layers.0.weight"].grad
            moved = run.learnt["layers.0.weight"].data - run.before["layers.0.weight"]
            seen.append((np.sqrt(np.mean(gradient**2)), np.abs(moved).max()))

    statistics = GradientStatistics(every=1)
    job(1, callbacks=[statistics, Own()])
    rows = [row for row in statistics.rows if row["parameter"] == "layers.0.weight"]
    np.testing.assert_allclose([row["gradient"] for row in rows], [g for g, _ in seen])
    assert seen[0][1] == pytest.approx(0.05, rel=1e-3)  # Adam's first step


def test_gradient_norms_and_dead_relus_by_epoch():
    first = []

    class Own(Callback):
        def step(self, run):
            grads = [run.learnt[f"layers.0.{p}"].grad for p in ("weight", "bias")]
            first.append(np.sqrt(sum(np.sum(g**2) for g in grads)))

    def with_dead_units(model, number):
        bias = model.parameters()[number]
        bias.data = bias.data - np.array([100.0, 100, 0, 0, 0, 0, 0, 0])
        return model

    model = with_dead_units(MLP([4, 8, 3], rng=0), 1)
    _, history = job(2, model=model, callbacks=[GradientStatistics(every=1), Own()], validation=TEST)
    norms = [report.gradient_norms for report in history.reports]
    np.testing.assert_allclose([n["layers.0"] for n in norms], [np.mean(first[:4]), np.mean(first[4:])])
    assert [report.dead_relus for report in history.reports] == [{"before layers.1": 0.25}] * 2
    assert History.from_dict(json.loads(json.dumps(history.to_dict()))) == history
    # Seldom looked at, an epoch has its last step's; layers of their own are named, and nothing is left on them.
    layers = nn.Sequential(nn.Linear(4, 8, rng=0), nn.ReLU(), nn.Linear(8, 3, rng=1))
    first.clear()
    _, history = job(1, model=with_dead_units(layers, 1), callbacks=GradientStatistics())
    assert set(history.reports[0].gradient_norms) == {"0", "2"}
    assert history.reports[0].dead_relus == {"1": 0.25}
    assert not any(m.__dict__["_hooks"].before or m.__dict__["_hooks"].after for m in layers.modules())
    images = nn.Sequential(nn.Conv2d(1, 4, 3, rng=0), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3, rng=0))
    images[0].bias.data = np.array([-100.0, 0.5, 0.5, 0.5])
    rng = np.random.default_rng(0)
    loader = [(rng.normal(size=(6, 1, 4, 4)), rng.integers(0, 3, 6))]
    _, history = job(1, model=images, loader=loader, callbacks=GradientStatistics())
    assert history.reports[0].dead_relus == {"1": 0.25}


def test_the_curves_show_them():
    pytest.importorskip("matplotlib")
    _, history = job(3, callbacks=GradientStatistics())
    drawn = tg.draw.curves(history, what=["gradient norms", "dead relus"])
    assert [axes.get_ylabel() for axes in drawn] == ["gradient norm", "dead relus (%)"]
    assert [line.get_label() for line in drawn[0].lines] == ["layers.0", "layers.1"]
    assert len(drawn[0].lines[0].get_ydata()) == 3
    _, history = job(1)
    with pytest.raises(ValueError, match=r"the history has no gradient norms; .*GradientStatistics"):
        tg.draw.curves(history, what="gradient norms")


def test_clipping():
    norms = []

    class Own(Callback):
        def step(self, run):
            norms.append(np.sqrt(sum(np.sum(p.grad**2) for p in run.learnt.values())))

    pytest.importorskip("tinygrad_ce.optim.clip")
    job(1, callbacks=[Own()], clip_norm=0.01)
    assert max(norms) <= 0.01 * (1 + 1e-9)
    with pytest.raises(ValueError, match="clip_norm is a number above 0"):
        job(1, clip_norm=0.0)


# -- progress ------------------------------------------------------------------------------------------------------


def test_nothing_is_printed_unless_asked(capsys):
    job(2, validation=TEST)
    assert capsys.readouterr() == ("", "")


def test_plain_lines(capsys):
    job(50, validation=TEST, progress=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 26
    numbers = r"loss \d\.\d{4}  accuracy \d+\.\d\d %"
    line = rf"epoch +\d+/50  {numbers}   validation: {numbers}  \d+\.\d s"
    assert all(re.fullmatch(line, text) for text in lines)


def test_plain_lines_end_with_the_last_epoch():
    out = io.StringIO()
    job(99, callbacks=[Progress(out), lambda told: told.epoch == 7])
    assert [int(line.split("/")[0][5:]) for line in out.getvalue().splitlines()] == [1, 5, 7]


def test_a_bar_on_a_terminal():
    pytest.importorskip("rich")

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    out = Terminal()
    job(3, callbacks=[Progress(out)])
    assert "epoch 3/3  loss" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())


def test_live_plot(tmp_path):
    for name in ("curves.svg", "curves.html"):
        job(2, validation=TEST, callbacks=[LivePlot(tmp_path / name)])
    picture = ET.parse(tmp_path / "curves.svg").getroot()
    assert len(picture.findall(".//{http://www.w3.org/2000/svg}svg")) == 2
    page = (tmp_path / "curves.html").read_text()
    assert page.count("<svg") == 2 and "http-equiv" not in page
    assert "<svg" in History([report(1)])._repr_html_()


def test_in_a_notebook(monkeypatch):
    ipython = pytest.importorskip("IPython")
    shown = []

    class Handle:
        def update(self, text):
            shown.append(text.data)

    monkeypatch.setattr(ipython, "get_ipython", lambda: type("Shell", (), {"kernel": 1})())
    monkeypatch.setattr("IPython.display.display", lambda text, display_id: shown.append(text.data) or Handle())
    job(2, validation=TEST, progress=True, callbacks=[LivePlot()])
    assert any("<table>" in text and "validation_loss" in text for text in shown)
    assert any("<svg" in text for text in shown)


# -- mistakes ------------------------------------------------------------------------------------------------------


class Bent(Module):
    """Two layers that do not fit, the second one written by hand."""

    def __init__(self):
        self.first, self.second = MLP([4, 8], rng=0), Weight((7, 3))

    def forward(self, x):
        return self.second(self.first(x))


class Weight(Module):
    def __init__(self, shape):
        self.w = tg.Value(np.ones(shape))

    def forward(self, x):
        return x @ self.w


def test_layers_that_do_not_fit():
    with pytest.raises(ValueError, match=r"^in second: Weight\(\), given shape \(32, 8\): .*\(7, 3\)"):
        job(model=Bent())
    model = MLP([4, 8, 3], rng=0)
    model.layers[1] = MLP([5, 3], rng=0).layers[0]
    with pytest.raises(
        ValueError, match=r"^layers\.1: Linear\(5 → 3\) takes inputs of shape \(\.\.\., 5\), not \(32, 8\)"
    ):
        job(model=model)


def test_nan_in_the_data_is_found():
    inputs = np.array(TRAIN.inputs)
    inputs[40, 2] = np.nan
    batches = [(inputs[i : i + 16], TRAIN.targets[i : i + 16]) for i in range(0, 96, 16)]
    with pytest.raises(FloatingPointError, match=r"the loss is nan in epoch 1, batch 3: inputs\[8, 2\] is nan: clean"):
        job(loader=batches)


def test_labels_that_count_from_one():
    batches = [(TRAIN.inputs, TRAIN.targets + 1)]
    with pytest.raises(ValueError, match=r"count from 1.*targets - 1"):
        job(loader=batches)


def test_words_are_no_inputs():
    with pytest.raises((ValueError, TypeError), match=r"inputs are <U1, no numbers: encode them first"):
        job(loader=[(np.array([["a"] * 4]), np.array([0]))])


@pytest.mark.parametrize("loader", [[], iter([])])
def test_an_empty_loader(loader):
    with pytest.raises(ValueError, match="epoch 1 has no batch"):
        job(loader=loader)


def test_a_rate_of_ten():
    with pytest.warns(RuntimeWarning, match=r"the loss was .* at first and .*: the learning rate 10 is probably too"):
        job(1, lr=10.0, loader=Loader(TRAIN, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        job(2)
