"""Schedules: against PyTorch, against their closed forms, saved, and refused."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from tinygrad_ce import optim
from tinygrad_ce.optim import SGD, Adam, Optimizer

CASES = {
    "step": ("StepLR", {"step_size": 7, "gamma": 0.3}),
    "multistep": ("MultiStepLR", {"milestones": [30, 5, 11, 11], "gamma": 0.5}),
    "exponential": ("ExponentialLR", {"gamma": 0.95}),
    "warm-up": ("LinearLR", {}),
    "long warm-up": ("LinearLR", {"start_factor": 0.01, "end_factor": 0.5, "total_iters": 20}),
    "cosine": ("CosineAnnealingLR", {"T_max": 13}),
    "cosine to a floor": ("CosineAnnealingLR", {"T_max": 40, "eta_min": 0.02}),
    "restarts": ("CosineAnnealingWarmRestarts", {"T_0": 9}),
    "longer restarts": ("CosineAnnealingWarmRestarts", {"T_0": 5, "T_mult": 2, "eta_min": 1e-3}),
    "lambda": ("LambdaLR", {"lr_lambda": lambda t: 1 / (1 + t)}),
    "lambdas": ("LambdaLR", {"lr_lambda": [lambda t: 0.9**t, lambda t: math.sqrt(t)]}),
    "one cycle": ("OneCycleLR", {"max_lr": 0.7, "total_steps": 61}),
    "linear cycle": ("OneCycleLR", {"max_lr": [0.7, 0.1], "total_steps": 61, "anneal_strategy": "linear"}),
    "three phases": ("OneCycleLR", {"max_lr": 0.7, "epochs": 61, "steps_per_epoch": 1, "three_phase": True}),
    "odd cycle": (
        "OneCycleLR",
        {"max_lr": 0.7, "total_steps": 61, "pct_start": 0.11, "div_factor": 3.0, "final_div_factor": 7.0},
    ),
    "still momentum": ("OneCycleLR", {"max_lr": 0.7, "total_steps": 61, "cycle_momentum": False}),
}


def parameter():
    return SimpleNamespace(data=np.ones(2), grad=None, requires_grad=True)


def ours(make=SGD, **options):
    return make([{"params": [parameter()]}, {"params": [parameter()], "lr": 0.03}], lr=0.1, **options)


def momenta(optimizer):
    return [group["betas"][0] if "betas" in group else group.get("momentum") for group in optimizer.param_groups]


def rates(optimizer):
    return [group["lr"] for group in optimizer.param_groups]


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="compares with PyTorch")


def theirs(torch, make="SGD", **options):
    tensors = [torch.ones(2, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    groups = [{"params": tensors[:1]}, {"params": tensors[1:], "lr": 0.03}]
    return getattr(torch.optim, make)(groups, lr=0.1, **options)


def follow(mine, torchs, a, b, steps=60, metric=None):
    """Step both and hold rates and momenta together."""
    for t in range(steps):
        np.testing.assert_allclose(rates(mine), rates(torchs), rtol=1e-11, atol=1e-16, err_msg=f"after {t} steps")
        np.testing.assert_allclose(momenta(mine), momenta(torchs), rtol=1e-12)
        torchs.step()
        arguments = () if metric is None else (metric(t),)
        a.step(*arguments), b.step(*arguments)


@pytest.mark.parametrize("case", CASES)
def test_against_torch(case, torch):
    name, options = CASES[case]
    mine, torchs = ours(momentum=0.9), theirs(torch, momentum=0.9)
    a = getattr(optim, name)(mine, **options)
    b = getattr(torch.optim.lr_scheduler, name)(torchs, **options)
    for t in range(60):
        assert a.at(t) == rates(mine) == a.get_last_lr()
        assert a.last_epoch == t
        follow(mine, torchs, a, b, 1)


def test_one_cycle_moves_the_first_beta(torch):
    mine, torchs = ours(Adam), theirs(torch, "Adam")
    options = {"max_lr": 0.3, "total_steps": 40, "base_momentum": 0.8}
    follow(mine, torchs, optim.OneCycleLR(mine, **options), torch.optim.lr_scheduler.OneCycleLR(torchs, **options), 40)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"patience": 2, "factor": 0.5, "cooldown": 3, "min_lr": 0.02},
        {"mode": "max", "patience": 1, "threshold_mode": "abs", "threshold": 0.01, "min_lr": [0.01, 0.0]},
        {"mode": "max", "patience": 0, "factor": 0.9, "eps": 5e-3},
    ],
)
def test_plateau_against_torch(options, torch):
    mine, torchs = ours(momentum=0.9), theirs(torch, momentum=0.9)
    rng = np.random.default_rng(0)
    measures = np.maximum(0.5, 2 - 0.1 * np.arange(60)) + 0.05 * rng.normal(size=60)
    measures[17] = np.nan
    a = optim.ReduceLROnPlateau(mine, **options)
    b = torch.optim.lr_scheduler.ReduceLROnPlateau(torchs, **options)
    follow(mine, torchs, a, b, metric=lambda t: measures[t])
    assert a.num_bad_epochs == b.num_bad_epochs and a.best == b.best and a.last_epoch == b.last_epoch


PAIRS = {
    "warm-up, cosine": [("LinearLR", {"total_iters": 8}), ("CosineAnnealingLR", {"T_max": 20, "eta_min": 0.01})],
    "warm-up, steps": [("LinearLR", {"start_factor": 0.1}), ("StepLR", {"step_size": 4, "gamma": 0.5})],
    "steps, exponential": [("MultiStepLR", {"milestones": [3, 9]}), ("ExponentialLR", {"gamma": 0.97})],
    "cosine, exponential": [("CosineAnnealingLR", {"T_max": 7}), ("ExponentialLR", {"gamma": 0.9})],
}


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("how", ["chained", "side by side", "sequential"])
def test_two_schedules_against_torch(pair, how, torch):
    mine, torchs = ours(momentum=0.9), theirs(torch, momentum=0.9)
    both = [
        [getattr(module, name)(optimiser, **options) for name, options in PAIRS[pair]]
        for module, optimiser in ((optim, mine), (torch.optim.lr_scheduler, torchs))
    ]
    if how == "sequential":
        a = optim.SequentialLR(mine, both[0], milestones=[8])
        b = torch.optim.lr_scheduler.SequentialLR(torchs, both[1], milestones=[8])
    elif how == "chained":
        a, b = optim.ChainedScheduler(both[0]), torch.optim.lr_scheduler.ChainedScheduler(both[1])
    else:
        a, b = (SimpleNamespace(step=lambda parts=parts: [part.step() for part in parts]) for parts in both)
    follow(mine, torchs, a, b, 30)


def test_a_cycle_after_a_warm_up(torch):
    mine, torchs = ours(momentum=0.9), theirs(torch, momentum=0.9)
    made = []
    for module, optimiser in ((optim, mine), (torch.optim.lr_scheduler, torchs)):
        parts = [module.OneCycleLR(optimiser, 0.5, total_steps=30), module.ExponentialLR(optimiser, 0.9)]
        made.append(module.SequentialLR(optimiser, parts, milestones=[20]))
    follow(mine, torchs, *made, 40)


def test_a_rate_set_by_hand_is_kept_and_scaled(torch):
    mine, torchs = ours(momentum=0.9), theirs(torch, momentum=0.9)
    a, b = optim.StepLR(mine, 4, 0.5), torch.optim.lr_scheduler.StepLR(torchs, 4, 0.5)
    follow(mine, torchs, a, b, 6)
    for optimiser in (mine, torchs):
        optimiser.param_groups[0]["lr"] = 0.3
    follow(mine, torchs, a, b, 10)


# -- without torch -------------------------------------------------------------------------------------------------


def build(kind):
    optimizer = ours(momentum=0.9)
    if kind in CASES:
        name, options = CASES[kind]
        return optimizer, getattr(optim, name)(optimizer, **options)
    if kind == "plateau":
        return optimizer, optim.ReduceLROnPlateau(optimizer, patience=1, factor=0.5, cooldown=1)
    parts = [optim.LinearLR(optimizer), optim.CosineAnnealingLR(optimizer, 11, 0.01)]
    parts.append(optim.ExponentialLR(optimizer, 0.9))
    if kind == "chained":
        return optimizer, optim.ChainedScheduler(parts)
    if kind == "nested":
        parts = [optim.ChainedScheduler(parts[:2]), optim.OneCycleLR(optimizer, 0.5, 20)]
        return optimizer, optim.SequentialLR(optimizer, parts, [7])
    return optimizer, optim.SequentialLR(optimizer, parts, [6, 12])


KINDS = [*CASES, "plateau", "chained", "sequential", "nested"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ["schedule last", "optimiser last", "made after"])
def test_saved_and_continued_to_the_bit(kind, order):
    def run(optimizer, schedule, steps):
        seen = []
        for t in steps:
            schedule.step(*([math.cos(t)] if kind == "plateau" else []))
            seen.append((rates(optimizer), momenta(optimizer)))
        return seen

    whole = build(kind)
    if kind == "chained":
        whole[0].param_groups[0]["lr"] *= 0.7
    run(*whole, range(5))
    saved, state = whole[0].state_dict(), whole[1].state_dict()
    assert all(isinstance(number, int | float) for value in state.values() for number in np.atleast_1d(value).tolist())
    again = build(kind)
    if order == "optimiser last":
        again[1].load_state_dict(state)
    again[0].load_state_dict(saved)
    if order == "made after":
        for group in again[0].param_groups:
            group.pop("initial_lr", None)
    if order != "optimiser last":
        again[1].load_state_dict({key: np.asarray(value) for key, value in state.items()})
    assert (rates(again[0]), momenta(again[0])) == (rates(whole[0]), momenta(whole[0]))
    assert run(*again, range(5, 15)) == run(*whole, range(5, 15))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "plateau"])
def test_at_is_what_stepping_gives_and_changes_nothing(kind):
    optimizer, schedule = build(kind)
    expected = [schedule.at(t) for t in range(20)]
    before = schedule.state_dict()
    assert before == build(kind)[1].state_dict()
    for t in range(19):
        np.testing.assert_allclose(rates(optimizer), expected[t], rtol=1e-13)
        schedule.step()


def test_a_thousand_steps_without_drift():
    optimizer = ours()
    schedule = optim.ExponentialLR(optimizer, 0.999)
    for _ in range(1000):
        schedule.step()
    assert rates(optimizer) == [0.1 * 0.999**1000, 0.03 * 0.999**1000]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda o: optim.StepLR(o, 0), "step_size is an integer of at least 1, not 0"),
        (lambda o: optim.StepLR(o, 2.5), "step_size"),
        (lambda o: optim.StepLR(o, 2, -0.1), "gamma is at least 0"),
        (lambda o: optim.ExponentialLR(o, float("nan")), "gamma is a finite number"),
        (lambda o: optim.MultiStepLR(o, [0]), "milestone"),
        (lambda o: optim.LinearLR(o, total_iters=0), "total_iters"),
        (lambda o: optim.CosineAnnealingLR(o, 0), "T_max"),
        (lambda o: optim.LambdaLR(o, [abs]), "1 functions for 2 parameter groups"),
        (lambda o: optim.LambdaLR(o, lambda t: float("inf")), "the factor of step 0 is a finite number"),
        (lambda o: optim.OneCycleLR(o, 0.1), "give it"),
        (lambda o: optim.OneCycleLR(o, [0.1], 10), "1 values for 2"),
        (lambda o: optim.OneCycleLR(o, 0.1, 10, pct_start=2), "pct_start"),
        (lambda o: optim.OneCycleLR(o, 0.1, 10, anneal_strategy="sine"), "'cos' or 'linear'"),
        (lambda o: optim.ReduceLROnPlateau(o, mode="mean"), "'min' or 'max'"),
        (lambda o: optim.ReduceLROnPlateau(o, factor=1.0), "below 1"),
        (lambda o: optim.SequentialLR(o, [], []), "milestones rise"),
        (lambda o: optim.SequentialLR(o, [optim.StepLR(o, 1)] * 2, []), "one fewer than the 2 schedules"),
        (lambda o: optim.SequentialLR(o, [optim.StepLR(o, 1)] * 3, [5, 5]), "milestones rise"),
        (lambda o: optim.SequentialLR(ours(), [optim.StepLR(o, 1)], []), "another optimiser"),
        (lambda o: optim.SequentialLR(o, [optim.ReduceLROnPlateau(o)], []), "cannot join a ReduceLROnPlateau"),
        (lambda o: optim.ChainedScheduler([]), "at least one"),
        (lambda o: optim.StepLR(parameter(), 1), "made for an optimiser"),
    ],
)
def test_refused(make, words):
    with pytest.raises((ValueError, TypeError), match=words) as error:
        make(ours(momentum=0.9))
    assert "\n" not in str(error.value)


def test_momentum_to_cycle():
    with pytest.raises(ValueError, match="Adagrad has no momentum to cycle"):
        optim.OneCycleLR(ours(optim.Adagrad), 0.1, 10)


def test_a_cycle_that_is_over():
    schedule = optim.OneCycleLR(ours(momentum=0.9), 0.1, 3)
    for _ in range(3):
        schedule.step()
    with pytest.raises(ValueError, match="the cycle has 3 steps: step 4 is beyond it"):
        schedule.step()


def test_a_group_added_too_late():
    optimizer = ours()
    schedule = optim.StepLR(optimizer, 1)
    optimizer.add_param_group({"params": [parameter()]})
    with pytest.raises(ValueError, match="had 2 parameter groups when this StepLR was made and has 3"):
        schedule.step()


@pytest.mark.parametrize(
    ("key", "value"),
    [("last_epoch", 1.5), ("last_epoch", "x"), ("base_lrs", [0.1]), ("base_lrs", 0.1), ("last_lr", None), ("more", 1)],
)
def test_a_wrong_state_changes_nothing(key, value):
    optimizer = ours()
    schedule = optim.StepLR(optimizer, 2, 0.5)
    schedule.step()
    before = schedule.state_dict()
    with pytest.raises(ValueError, match=key):
        schedule.load_state_dict({**before, "last_lr": [7.0, 7.0], key: value})
    assert schedule.state_dict() == before


def test_a_schedule_is_a_closed_form():
    class Inverse(optim.Schedule):
        def at(self, step):
            return [base / (1 + step) for base in self.base_lrs]

    optimizer: Optimizer = ours()
    schedule = Inverse(optimizer)
    schedule.step()
    assert rates(optimizer) == [0.05, 0.015]
    assert repr(schedule) == "Inverse(after 1 steps: lr=0.05 | 0.015)"
