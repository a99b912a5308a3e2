"""Gradient checkers, each as a function from a case to whether it accepts the rule.

Every one is called as its documentation says, with the defaults that it ships. The rule of a case is NumPy: it is
handed over as each library has its users do it, and so is the forward. Inputs keep their dtypes. What a checker raises
about a rule counts as "not accepted", whatever it is. Only the first order is asked of the others: a rule in NumPy is
opaque to them, and cannot be differentiated again.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from tests.referee import Case

OURS = "tinygrad_ce"


@dataclass(frozen=True)
class Judgement:
    """What a checker said of a case: None for `accepted` where it gave no answer in time or ran out of memory."""

    accepted: bool | None
    seconds: float
    diagnosis: str = ""
    flagged: bool = False  # it says that memory is shared
    said: str = ""


@dataclass(frozen=True)
class Checker:
    """A checker: `check(case)` is whether it accepts, or a Judgement without its time, and may raise."""

    name: str
    needs: str
    how: str
    check: Callable[[Case], bool | Mapping[str, Any]]

    @property
    def installed(self) -> bool:
        return find_spec(self.needs) is not None


def _ours(case: Case) -> Mapping[str, Any]:
    import tinygrad_ce as tg

    report = tg.gradcheck(case.f, *case.inputs, vjp=case.rule)
    told = report.findings[0].message if report.findings else "; ".join(report.notes)
    return {
        "accepted": bool(report),
        "diagnosis": report.diagnosis,
        "flagged": bool(report.hazards),
        "said": told or report.verdict,
    }


def _floating(case: Case) -> list[int]:
    return [i for i, x in enumerate(case.inputs) if x.dtype.kind == "f"]


def _gradients(case: Case, found: Any) -> Sequence[Any]:
    """A rule's result as a sequence, as long as the inputs where the rule says so."""
    return found if isinstance(found, (tuple, list)) and len(case.inputs) > 1 else (found,)


# -- PyTorch ---------------------------------------------------------------------------------------------------


def _torch(case: Case, fast: bool) -> bool:
    import torch

    def tensor(x: Any) -> Any:
        return torch.as_tensor(x.copy() if min(x.strides, default=0) < 0 else x)  # it has no negative strides

    class Ours(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *tensors: Any) -> Any:
            out = tensor(np.asarray(case.f(*[t.detach().numpy() for t in tensors])))
            ctx.save_for_backward(out, *tensors)
            return out

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            out, *tensors = ctx.saved_tensors
            found = case.rule(*[t.detach().numpy() for t in (g, out, *tensors)])
            return tuple(None if x is None else tensor(np.asarray(x)) for x in _gradients(case, found))

    inputs = tuple(torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in case.inputs)
    return torch.autograd.gradcheck(Ours.apply, inputs, fast_mode=fast)


# -- JAX -------------------------------------------------------------------------------------------------------


def _jax(case: Case) -> bool:
    import jax
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)
    floating = _floating(case)
    out = np.asarray(case.f(*[x.copy() for x in case.inputs]))
    result = jax.ShapeDtypeStruct(out.shape, out.dtype)
    given = [jax.ShapeDtypeStruct(case.inputs[i].shape, case.inputs[i].dtype) for i in floating]

    def filled(arrays: Sequence[Any]) -> list[Any]:
        inputs = [np.array(x) for x in case.inputs]
        for i, x in zip(floating, arrays, strict=True):
            inputs[i] = np.array(x)
        return inputs

    def rule(g: Any, out: Any, *arrays: Any) -> list[Any]:
        found = _gradients(case, case.rule(np.array(g), np.array(out), *filled(arrays)))
        zeros = [np.zeros_like(case.inputs[i]) if found[i] is None else found[i] for i in floating]
        return [np.asarray(x) for x in zeros]

    @jax.custom_vjp
    def f(*arrays: Any) -> Any:
        return jax.pure_callback(lambda *xs: np.asarray(case.f(*filled(xs))), result, *arrays)

    def forward(*arrays: Any) -> Any:
        out = f(*arrays)
        return out, (out, arrays)

    def backward(kept: Any, g: Any) -> Any:
        return tuple(jax.pure_callback(rule, given, g, kept[0], *kept[1]))

    f.defvjp(forward, backward)
    check_grads(f, [jax.numpy.asarray(case.inputs[i]) for i in floating], order=1, modes=["rev"])
    return True


# -- HIPS autograd ---------------------------------------------------------------------------------------------


def _hips(case: Case) -> bool:
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    np.random.seed(0)  # the checker draws its directions from there
    f = primitive(lambda *xs: case.f(*xs))
    f.fun_name = case.name
    floating = _floating(case)

    def rule_for(i: int) -> Callable[..., Any]:
        def vjp(out: Any, *xs: Any) -> Any:
            def back(g: Any) -> Any:
                found = _gradients(case, case.rule(g, out, *xs))[i]
                return np.zeros_like(xs[i]) if found is None else found

            return back

        return vjp

    defvjp(f, *[rule_for(i) for i in floating], argnums=floating)

    def of_floats(*moving: Any) -> Any:
        inputs = list(case.inputs)
        for i, x in zip(floating, moving, strict=True):
            inputs[i] = x
        return f(*inputs)

    check_grads(of_floats, modes=["rev"], order=1)(*[case.inputs[i].copy() for i in floating])
    return True


CHECKERS = (
    Checker(OURS, "tinygrad_ce", "`tg.gradcheck(f, *inputs, vjp=rule)`", _ours),
    Checker(
        "torch.gradcheck",
        "torch",
        "`torch.autograd.gradcheck`, an `autograd.Function` that calls f and the rule",
        lambda case: _torch(case, False),
    ),
    Checker("torch, fast mode", "torch", "the same with `fast_mode=True`", lambda case: _torch(case, True)),
    Checker(
        "jax check_grads",
        "jax",
        '`jax.test_util.check_grads(order=1, modes=["rev"])`, `custom_vjp` with `pure_callback`, x64 enabled',
        _jax,
    ),
    Checker(
        "HIPS check_grads",
        "autograd",
        '`autograd.test_util.check_grads(order=1, modes=["rev"])`, `primitive` and `defvjp`',
        _hips,
    ),
)


def judged(checker: Checker, case: Case) -> dict[str, Any]:
    """One case by one checker, in this process; everything but the time."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            found = checker.check(case)
        except Exception as error:  # how a checker says no is its own affair
            answer = None if isinstance(error, MemoryError) or "allocate memory" in str(error) else False
            return {"accepted": answer, "said": f"{type(error).__name__}: {error!s:.200}"}
    return dict(found) if isinstance(found, Mapping) else {"accepted": bool(found)}
