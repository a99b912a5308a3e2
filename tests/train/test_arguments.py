"""What users give to fit, evaluate and find_lr by mistake ends in a sentence, before anything is learnt."""

import os

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import nn
from tinygrad_ce.data import Dataset, Loader
from tinygrad_ce.optim import SGD, Adam
from tinygrad_ce.train import (
    F1,
    Checkpoints,
    EarlyStopping,
    LivePlot,
    evaluate,
    find_lr,
    fit,
    overfit_one_batch,
    predict,
)

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 4)), RNG.integers(0, 3, 12)
BATCHES = [(X, Y)]
LOSS = tg.softmax_cross_entropy


def model():
    return nn.MLP([4, 8, 3], rng=0)


def trained(loader=BATCHES, loss=LOSS, *, net=None, optimiser=None, epochs=1, **options):
    net = model() if net is None else net
    before = [p.data for p in net.parameters()] if isinstance(net, nn.Module) else []
    try:
        return fit(net, loader, loss, optimiser or Adam(net.parameters()), epochs, **options)
    except Exception:
        assert all(p.data is data for p, data in zip(net.parameters(), before, strict=True))
        raise


NO_BATCHES = [
    (X, r"is an array of shape \(12, 4\), without targets: make batches with DataLoader"),
    ((X, Y), r"is one pair of arrays, .*give \[\(inputs, targets\)\]"),
    (None, "and None does not"),
    (7, "and 7 does not"),
    ({"inputs": X}, "does not: make batches"),
    (Loader, "is the class DataLoader"),
    ([(X, Y, Y)], "batch 1 of .* has 3 parts, where a pair"),
    ([(X,)], "batch 1 of .* has 1 part, where"),
    ([X], r"batch 1 of .* is one array of shape \(12, 4\)"),
    ([{"x": X}], "batch 1 of .* is a mapping of 'x'"),
    (["ab"], "batch 1 of .* is 'ab', where"),
]


@pytest.mark.parametrize(("loader", "told"), NO_BATCHES)
def test_a_loader_gives_pairs(loader, told):
    with pytest.raises(TypeError, match=told):
        trained(loader)
    with pytest.raises(TypeError, match=told):
        find_lr(model(), loader, LOSS, SGD(model().parameters(), lr=0.1))
    with pytest.raises(TypeError, match=told):
        evaluate(model(), loader, LOSS)


@pytest.mark.parametrize(("validation", "told"), [n for n in NO_BATCHES if n[0] is not None])
def test_so_does_validation(validation, told):
    net = model()
    with pytest.raises(TypeError, match=told):
        fit(net, BATCHES, LOSS, Adam(net.parameters()), 1, validation=validation)


def test_rows_are_no_batches():
    data = Dataset(X, Y, ("a", "b", "c"))
    with pytest.raises(TypeError, match=r"gives single rows: make batches of it, DataLoader\(dataset\)"):
        trained(data)
    assert len(trained(Loader(data), validation=data)) == 1


def test_lists_are_pairs_too_and_a_loader_may_be_a_tuple_of_pairs():
    assert len(trained([[X, Y]])) == len(trained(((X, Y), (X, Y)))) == 1


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        (None, r"loss_fn is a function \(outputs, targets\) ↦ loss, .*, not None"),
        (nn.CrossEntropyLoss, "loss_fn is the class CrossEntropyLoss: give an object of it"),
        ("mse", "not 'mse'"),
        (0.5, "not 0.5"),
    ],
)
def test_a_loss_is_a_function(loss, told):
    with pytest.raises(TypeError, match=told):
        trained(loss=loss)
    with pytest.raises(TypeError, match=told):
        find_lr(model(), BATCHES, loss, SGD(model().parameters(), lr=0.1))
    with pytest.raises(TypeError, match=told):
        overfit_one_batch(model(), BATCHES[0], loss)
    if loss is not None:
        with pytest.raises(TypeError, match=told):
            evaluate(model(), BATCHES, loss)


def test_models_and_optimisers():
    for net, told in ((nn.MLP, "model is the class MLP"), (None, "model is a Module, or a function.*None")):
        for call in (
            lambda net=net: fit(net, BATCHES, LOSS, Adam(model().parameters()), 1),
            lambda net=net: find_lr(net, BATCHES, LOSS, Adam(model().parameters())),
            lambda net=net: overfit_one_batch(net, BATCHES[0], LOSS),
            lambda net=net: evaluate(net, BATCHES),
            lambda net=net: predict(net, X),
        ):
            with pytest.raises(TypeError, match=told):
                call()
    for optimiser, told in ((Adam, "the optimiser is the class Adam"), ("adam", "not 'adam'")):
        with pytest.raises(TypeError, match=told):
            trained(optimiser=optimiser)
    with pytest.raises(TypeError, match="not None"):
        fit(model(), BATCHES, LOSS, None, 1)


def test_one_callback_or_metric_alone():
    stop = EarlyStopping("loss")
    history = trained(callbacks=stop, metrics=F1(), epochs=2)
    assert stop.best == min(history.loss) and "f1" in history.reports[0].metrics
    assert len(trained(callbacks=lambda report: True, epochs=5)) == 1
    assert "f1" in evaluate(model(), BATCHES, metrics=F1())
    for callbacks, told in (
        (EarlyStopping, "not the class EarlyStopping"),
        ([EarlyStopping], r"such as EarlyStopping\(\), not the class EarlyStopping"),
        ([None], "not None"),
        ("stop", "not 'stop'"),
        (3, "not 3"),
    ):
        with pytest.raises(TypeError, match=told):
            trained(callbacks=callbacks)


def test_batches_without_a_row_are_refused():
    empty = (X[:0], Y[:0])
    for loader, place in (([empty], "batch 1 of epoch 1"), ([(X, Y), empty], "batch 2 of epoch 1")):
        net = model()
        with pytest.raises(ValueError, match=f"{place} has no row: leave empty batches out"):
            fit(net, loader, LOSS, Adam(net.parameters()), 1)
    with pytest.raises(ValueError, match="has no batch"):
        trained([])
    with pytest.raises(ValueError, match="no row in them"):
        evaluate(model(), [empty], LOSS)


# -- files that cannot be written ----------------------------------------------------------------------------------


def unwritable(folder):
    (folder / "file").write_text("")
    (folder / "dir.npz").mkdir()
    yield folder / "nowhere" / "run.npz", "there is no folder"
    yield folder / "dir.npz", "it is a folder"
    yield folder / "file" / "run.npz", "there is no folder"
    yield "/dev/null", "no ordinary file"
    yield "/proc/run.npz", "cannot write /proc/run.npz: "
    if os.geteuid():
        (folder / "locked").mkdir(mode=0o500)
        yield folder / "locked" / "run.npz", "Permission denied"


def test_a_checkpoint_that_cannot_be_written_is_said_before_the_first_epoch(tmp_path):
    for path, told in unwritable(tmp_path):
        for checkpoint in (path, Checkpoints(path)):
            reports = []
            with pytest.raises(OSError, match=told) as caught:
                trained(checkpoint=checkpoint, callbacks=reports.append)
            assert not reports and ".tmp" not in str(caught.value) and str(path) in str(caught.value)
        with pytest.raises(OSError, match=told):
            trained(callbacks=[Checkpoints(path)])
    with pytest.raises(ValueError, match="are pickles"):
        trained(checkpoint=tmp_path / "run.pt")
    with pytest.raises(OSError, match="there is no folder"):
        trained(callbacks=[LivePlot(tmp_path / "nowhere" / "curves.svg")])
    assert sorted(os.listdir(tmp_path)) == sorted(["file", "dir.npz", *["locked"] * bool(os.geteuid())])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full disk to write to")
def test_a_full_disk_is_told_under_the_files_own_name(tmp_path):
    from tinygrad_ce.atomic import replacing

    with pytest.raises(OSError, match=r"cannot write .*run\.npz: No space left on device") as caught:  # noqa: SIM117
        with replacing(tmp_path / "run.npz"), open("/dev/full", "wb", buffering=0) as full:
            try:
                full.write(b"x")
            except OSError as error:
                error.filename = None
                raise
    assert ".tmp" not in str(caught.value) and not os.listdir(tmp_path)
