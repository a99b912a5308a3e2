"""Going on from a checkpoint: bit for bit the run that was not interrupted. Real processes, real signals."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tinygrad_ce as tg
from tinygrad_ce import nn, optim
from tinygrad_ce.checkpoint import load, previous
from tinygrad_ce.data import DataLoader, Dataset, Loader, augment, digits, iris, split, standardise
from tinygrad_ce.nn import MLP
from tinygrad_ce.optim import Adam
from tinygrad_ce.train import Checkpoints, EarlyStopping, fit

# The script is elsewhere, and the package here.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(tg.__file__).parents[1])}

# A network with all that has a state: dropout, a running mean, weights beside the model, a schedule, early stopping.
JOB = """
import sys, time, hashlib, json, signal
import numpy as np
import tinygrad_ce as tg
from tinygrad_ce.data import Loader, iris, split, standardise
from tinygrad_ce.nn import MLP, Module
from tinygrad_ce.optim import Adam
from tinygrad_ce.train import Callback, Checkpoints, EarlyStopping, F1, TopK, fit

class Noisy(Module):
    def __init__(self, seed):
        self.generator = np.random.default_rng(seed)
        self.body = MLP([4, 8, 3], rng=seed)
        self.register_buffer("mean", np.zeros(4))
    def forward(self, x):
        if not self.training:
            return self.body(x - self.mean)
        self.mean = 0.9 * self.mean + 0.1 * np.mean(x, axis=0)
        return self.body((x - self.mean) * (self.generator.random(x.shape) > 0.2))

class Halving:
    def __init__(self, optimiser):
        self.optimiser, self.count = optimiser, 0
    def step(self):
        self.count += 1
        self.optimiser.lr = 0.02 * 0.98 ** self.count
    def state_dict(self):
        return {"count": self.count}
    def load_state_dict(self, state):
        self.count = int(state["count"])

class Slow(Callback):
    def __init__(self, pause):
        self.pause = pause
    def step(self, run):
        if run.step == 1 or run.step % 10 == 0:
            print(run.step, flush=True)
        time.sleep(self.pause)

def job(path, epochs=12, resume=False, pause=0.0, steps=None, callbacks=(), seed=0):
    train, test = standardise(*split(iris()))
    model, loose, noise = Noisy(seed), tg.Value(np.ones(3), label="scale"), np.random.default_rng(seed + 5)
    optimiser = Adam([*model.parameters(), loose], lr=0.02)
    loss = lambda out, y: tg.softmax_cross_entropy(out * loose + 0.01 * noise.normal(size=3), y)
    stop = EarlyStopping("loss", patience=10)
    history = fit(model, Loader(train, 16, seed=seed), loss, optimiser, epochs, validation=test,
        metrics=[F1(), TopK(2)], schedule=Halving(optimiser), callbacks=[stop, Slow(pause), *callbacks], resume=resume,
        checkpoint=Checkpoints(path, steps=steps), generators={"noise": noise})
    state = [*model.state_dict().values(), loose.data, *map(np.asarray, optimiser.state_dict().values())]
    told = [{k: v for k, v in r.items() if k != "seconds"} for r in history.to_dict()["reports"]]
    text = json.dumps([[a.tolist() for a in state], told, stop.best, stop.best_epoch, optimiser.lr])
    return history, hashlib.sha256(text.encode()).hexdigest()

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
    history, digest = job(sys.argv[1], resume=True, pause=0.001, steps=3)
    print("interrupted" if history.interrupted else digest, flush=True)
"""


@pytest.fixture(autouse=True)
def heard():
    """Ctrl-C is heard, though it be ignored where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "job.py"
    path.write_text(JOB)
    return path


@pytest.fixture
def job(script, monkeypatch):
    monkeypatch.syspath_prepend(str(script.parent))
    sys.modules.pop("job", None)
    return __import__("job").job


def test_the_same_seed_is_the_same_run_to_the_bit(job, tmp_path):
    assert job(tmp_path / "a.npz")[1] == job(tmp_path / "b.npz")[1] != job(tmp_path / "c.npz", seed=1)[1]


def test_stopped_after_an_epoch(job, tmp_path):
    whole = job(tmp_path / "a.npz")[1]
    path = tmp_path / "b.npz"
    job(path, callbacks=[Interrupt(epoch=5)])
    history, digest = job(path, resume=True)
    assert digest == whole
    assert [r.epoch for r in history.reports] == list(range(1, 13))
    again, digest = job(path, resume=True)
    assert digest == whole and len(again) == 12


class Interrupt(tg.train.Callback):
    """Ctrl-C, a real one, in an epoch or after a step."""

    def __init__(self, epoch=None, step=None):
        self.epoch, self.at = epoch, step

    def step(self, run):
        if run.step == self.at:
            os.kill(os.getpid(), signal.SIGINT)

    def __call__(self, report):
        if report.epoch == self.epoch:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("step", [1, 7, 8, 9, 50])
def test_ctrl_c_in_the_middle_of_an_epoch(job, tmp_path, step):
    whole = job(tmp_path / "a.npz")[1]
    path = tmp_path / "b.npz"
    history, _ = job(path, callbacks=[Interrupt(step=step)])
    assert history.interrupted
    assert len(history) == (step - 1) // 8
    assert load(path).meta["step"] == step
    history, digest = job(path, resume=True)
    assert digest == whole
    assert not history.interrupted
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_killed_at_any_moment(script, job, tmp_path, kill, full):
    whole = job(tmp_path / "whole.npz")[1]
    rng = np.random.default_rng(0)
    path = tmp_path / "run.npz"
    for _ in range(50 if full else 3):
        process = subprocess.Popen([sys.executable, script, path], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        said = process.stdout.readline()
        time.sleep(rng.uniform(0, 0.05 if full else 0.15))
        process.send_signal(kill)
        said += process.communicate(timeout=60)[0]
        if whole in said:
            break
        assert kill == signal.SIGKILL or said.endswith("interrupted\n")
    done = subprocess.run(
        [sys.executable, script, path], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == whole


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_second_ctrl_c_stops_at_once(tmp_path):
    train, _ = standardise(*split(iris()))
    model = MLP([4, 8, 3], rng=0)
    steps = [model.state_dict()]

    def loss(out, y):
        if len(steps) == 6:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            raise AssertionError("it went on")
        return tg.softmax_cross_entropy(out, y)

    class Keep(tg.train.Callback):
        def step(self, run):
            steps.append(model.state_dict())

    path = tmp_path / "run.npz"
    history = fit(model, Loader(train), loss, Adam(model.parameters()), 9, callbacks=[Keep()], checkpoint=path)
    assert history.interrupted
    assert all(np.array_equal(array, steps[-1][name]) for name, array in model.state_dict().items())
    assert load(path).meta["step"] == 4  # that of the last whole epoch


def test_a_damaged_checkpoint_gives_way_to_the_one_before(job, tmp_path):
    whole = job(tmp_path / "a.npz")[1]
    path = tmp_path / "b.npz"
    job(path, epochs=5)
    path.write_bytes(path.read_bytes()[:-50])
    history, digest = job(path, resume=True)
    assert digest != whole  # five epochs were planned at first, and reports say so
    assert len(history) == 12
    path.unlink()
    assert len(job(path, epochs=12, resume=True)[0]) == 12
    path.write_bytes(b"damaged")
    previous(path).write_bytes(b"damaged")
    with pytest.raises(ValueError, match="is no file of saved parameters"):
        job(path, resume=True)


def test_another_runs_checkpoint_is_refused(job, tmp_path):
    path = tmp_path / "a.npz"
    job(path, epochs=2)
    train, _ = standardise(*split(iris()))
    model = MLP([4, 8, 3], rng=0)
    before = model.state_dict()
    with pytest.raises(ValueError, match="its part 'model'"):
        fit(model, Loader(train), tg.softmax_cross_entropy, Adam(model.parameters()), 3, checkpoint=path, resume=True)
    assert all(np.array_equal(before[name], array) for name, array in model.state_dict().items())
    with pytest.raises(ValueError, match="checkpoint=path"):
        fit(model, Loader(train), tg.softmax_cross_entropy, Adam(model.parameters()), 3, resume=True)


def test_early_stopping_goes_on_counting(tmp_path):
    train, test = standardise(*split(iris()))

    def job(path, epochs, resume=False):
        model = MLP([4, 8, 3], rng=0)
        stop = EarlyStopping("validation_loss", patience=4)
        options = {"validation": test, "callbacks": [stop], "checkpoint": Checkpoints(path, best="validation_loss")}
        optimiser = Adam(model.parameters(), lr=0.3)
        return model, fit(model, Loader(train), tg.softmax_cross_entropy, optimiser, epochs, resume=resume, **options)

    whole, told = job(tmp_path / "a.npz", 60)
    assert told.stopped
    job(tmp_path / "b.npz", len(told) - 2)
    resumed, again = job(tmp_path / "b.npz", 60, resume=True)
    assert len(again) == len(told) and again.stopped
    assert all(np.array_equal(resumed.state_dict()[name], array) for name, array in whole.state_dict().items())
    finished, once_more = job(tmp_path / "b.npz", 60, resume=True)
    assert len(once_more) == len(told)
    assert all(np.array_equal(finished.state_dict()[name], array) for name, array in whole.state_dict().items())


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("step", [3, 8, 21])
def test_a_network_of_layers_with_all_that_they_keep(tmp_path, suffix, step):
    """BatchNorm, Dropout, float32, parameter groups, momentum, warm-up, images moved at random, batches made ahead."""
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    data = digits().take(range(128))
    images = Dataset(data.inputs.reshape(-1, 1, 8, 8), data.targets, data.class_names, dtype=np.float32)

    def job(path, resume=False, callbacks=()):
        rng = np.random.default_rng(0)
        new = {"rng": rng, "dtype": np.float32}
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, **new),
            nn.BatchNorm2d(4, dtype=np.float32),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.2, rng=rng),
            nn.Linear(64, 10, **new),
        )
        groups = [{"params": [p for p in model.parameters() if (p.ndim > 1) == wide]} for wide in (True, False)]
        optimiser = optim.SGD([{**groups[0], "weight_decay": 0.01}, groups[1]], lr=0.1, momentum=0.9, nesterov=True)
        schedule = optim.SequentialLR(
            optimiser,
            [optim.LinearLR(optimiser, 0.1, total_iters=5), optim.CosineAnnealingLR(optimiser, 27)],
            milestones=[5],
        )
        history = fit(
            model,
            DataLoader(images, 16, seed=1, transform=[augment.shift, augment.noise], prefetch=2),
            tg.softmax_cross_entropy,
            optimiser,
            4,
            validation=images,
            schedule=tg.train.Stepping(schedule, every="step"),
            callbacks=callbacks,
            clip_norm=1.0,
            checkpoint=path,
            resume=resume,
        )
        state = [*model.state_dict().values(), *map(np.asarray, optimiser.state_dict().values())]
        return history, [array.tobytes() for array in state], [r.numbers() for r in history.reports]

    whole = job(tmp_path / f"a{suffix}")
    stopped = job(tmp_path / f"b{suffix}", callbacks=[Interrupt(step=step)])
    assert stopped[0].interrupted
    resumed = job(tmp_path / f"b{suffix}", resume=True)
    assert resumed[1:] == whole[1:]
