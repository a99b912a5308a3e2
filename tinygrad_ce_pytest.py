"""The pytest plugin of tinygrad_ce: a marker, a fixture, and ops as test items.

It stands beside the package, so that pytest loads this file and nothing else until a test asks for a check.

The marked function is the forward; its arguments come from fixtures, `parametrize` or `inputs=`:

    @pytest.mark.gradcheck(vjp=lambda g, out, x: g / (1 + np.exp(-x)), inputs=[np.linspace(-3, 3, 7)])
    def test_softplus(x):
        return np.log1p(np.exp(x))

Arrays, lists and floats are what it is differentiated in; what else it takes (an axis, a name) is passed on as it is,
to `vjp` too where that has an argument of the name. Without `vjp=`, the gradient that the engine makes is checked. A
function that returns `f, *inputs` has that checked instead. The marker takes what `tinygrad_ce.gradcheck` takes.

The fixture checks in the middle of a test, and returns the report:

    def test_layer(gradcheck):
        gradcheck(layer, x, w, vjp=layer_vjp)

The ops that modules register become test items, one for each op, derivation and sample, with a line in a conftest.py

    tinygrad_ce_ops = ["mypackage.ops"]        modules, "module:op", or ops

or in pytest's ini file: `gradcheck_ops = mypackage.ops`. They belong to that file: they run with `pytest` alone, with
the folder that it lies in, or by its name: `pytest tests/conftest.py -k swish`.

A failure is the check's report. A project that has registered a marker `gradcheck` of its own keeps it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tinygrad_ce.check.gradreport import GradReport
    from tinygrad_ce.check.opcases import OpCase

MARK, OPS, INI = "gradcheck", "tinygrad_ce_ops", "gradcheck_ops"
_active = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(INI, "modules whose tinygrad_ce ops are checked, each derivation at each sample", type="args")


def pytest_configure(config: pytest.Config) -> None:
    theirs = any(line.replace("(", ":").partition(":")[0].strip() == MARK for line in config.getini("markers"))
    config.stash[_active] = not theirs
    if not theirs:
        config.addinivalue_line(
            "markers",
            f"{MARK}(vjp=, inputs=, order=, ...): the function is a forward whose gradient is checked (tinygrad_ce)",
        )
    if config.args_source is not config.ArgsSource.ARGS:  # what names ops may lie outside of what is collected
        roots = [Path(config.invocation_params.dir, arg) for arg in config.args]
        for path in _sources(config):
            if not any(path.is_relative_to(root) for root in roots):
                config.args.append(str(path))


# -- the check ---------------------------------------------------------------------------------------------------


def _held_to(report: GradReport) -> GradReport:
    """The report of a gradient that passed; a failure that says nothing but the report."""
    if not report:
        pytest.fail(repr(report), pytrace=False)
    return report


@pytest.fixture(scope="session")
def gradcheck() -> Callable[..., GradReport]:
    """tinygrad_ce.gradcheck(f, *inputs, vjp=, order=, ...), which fails the test with its report, or returns it."""

    def check(f: Callable[..., Any], *inputs: Any, **options: Any) -> GradReport:
        from tinygrad_ce import gradcheck

        return _held_to(gradcheck(f, *inputs, **options))

    return check


# -- the marker --------------------------------------------------------------------------------------------------


def _options(node: Any) -> dict[str, Any] | None:
    """What the markers of a test say, the nearest last; None where it has none."""
    if not node.config.stash.get(_active, False):
        return None
    marks = list(node.iter_markers(MARK))
    if any(mark.args for mark in marks):
        raise pytest.UsageError(f"{node.nodeid}: @pytest.mark.{MARK} takes keywords: vjp=, inputs=, order=, ...")
    return {k: v for mark in reversed(marks) for k, v in mark.kwargs.items()} if marks else None


def _named(options: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """`inputs=` by argument: it is a mapping, a sequence in the arguments' order, or one array."""
    inputs = options.get("inputs")
    if inputs is None or isinstance(inputs, Mapping):
        return dict(inputs or {})
    return dict(zip(names, inputs if isinstance(inputs, (list, tuple)) else [inputs], strict=False))


def _arguments(f: Callable[..., Any]) -> list[str]:
    return [name for name in inspect.signature(f).parameters if name != "self"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    options = _options(metafunc.definition)
    given = _named(options, _arguments(metafunc.function)) if options else {}
    if given:
        hidden: Any = getattr(pytest, "HIDDEN_PARAM", "inputs")
        metafunc.parametrize(list(given), [list(given.values())], ids=[hidden])


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    options = _options(pyfuncitem)
    if options is None:
        return None
    f: Callable[..., Any] = pyfuncitem.obj
    arguments = {name: pyfuncitem.funcargs[name] for name in _arguments(f) if name in pyfuncitem.funcargs}
    inputs = _named(options, arguments)
    options.pop("inputs", None)
    from tinygrad_ce import gradcheck

    out = f(**arguments)
    if out is None:
        pytest.fail(
            f"{pyfuncitem.name} returned None: a function marked {MARK} is the forward itself and returns its result, "
            f"or returns (f, *inputs)",
            pytrace=False,
        )
    if isinstance(out, tuple) and out and callable(out[0]):
        _held_to(gradcheck(out[0], *out[1:], **options))
        return True
    moving = {k: v for k, v in arguments.items() if k in inputs or _is_input(v)}
    if not moving:
        pytest.fail(
            f"{pyfuncitem.name} has nothing to differentiate: arrays or floats, from fixtures, parametrize or "
            f"{MARK}(inputs=[...])",
            pytrace=False,
        )
    held = {k: v for k, v in arguments.items() if k not in moving}
    options.setdefault("name", pyfuncitem.name)
    if options.get("vjp") is not None:
        options["vjp"] = _with(options["vjp"], held)
    _held_to(gradcheck(_of(f, list(moving), held), *moving.values(), **options))
    return True


def pytest_runtest_setup(item: pytest.Item) -> None:
    if _options(item) is not None and (not isinstance(item, pytest.Function) or _in_unittest(item)):
        pytest.fail(f"@pytest.mark.{MARK} marks functions and methods that pytest itself calls", pytrace=False)


def _in_unittest(item: pytest.Function) -> bool:
    from unittest import TestCase

    return item.cls is not None and issubclass(item.cls, TestCase)


def _is_input(x: Any) -> bool:
    return type(x) is float or isinstance(x, list) or hasattr(x, "dtype")


def _of(f: Callable[..., Any], names: list[str], held: Mapping[str, Any]) -> Callable[..., Any]:
    """f as a function of its inputs alone."""
    signature = inspect.signature(f)
    if list(signature.parameters) == names:
        return f

    def forward(*xs: Any) -> Any:
        return f(**dict(zip(names, xs, strict=True)), **held)

    forward.__signature__ = signature.replace(parameters=[signature.parameters[n] for n in names])  # type: ignore[attr-defined]
    return forward


def _with(vjp: Callable[..., Any], held: Mapping[str, Any]) -> Callable[..., Any]:
    """A rule that is told what it asks for of what the forward was told."""
    try:
        known = {k: v for k, v in held.items() if k in inspect.signature(vjp).parameters}
    except (TypeError, ValueError):
        return vjp
    return partial(vjp, **known) if known else vjp


# -- ops as items ------------------------------------------------------------------------------------------------


def _sources(config: pytest.Config) -> dict[Path, list[Any]]:
    """The files that name ops, with what they name."""
    found: dict[Path, list[Any]] = {}
    named = config.getini(INI)
    if named:
        if config.inipath is None:
            raise pytest.UsageError(f"{INI} belongs in an ini file, which its test items are named after")
        found[config.inipath] = list(named)
    for plugin in config.pluginmanager.get_plugins():
        file = getattr(plugin, "__file__", None)
        if file and Path(file).name == "conftest.py" and getattr(plugin, OPS, None):
            names = getattr(plugin, OPS)
            found[Path(file)] = list(names) if isinstance(names, (list, tuple, set)) else [names]
    return found


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> OpsFile | None:
    if file_path.name != "conftest.py" and file_path != parent.config.inipath:
        return None
    named = _sources(parent.config).get(file_path)
    return OpsFile.from_parent(parent, path=file_path, named=named) if named else None


class OpsFile(pytest.File):
    """A file that names modules of ops."""

    def __init__(self, *, named: list[Any], **rest: Any) -> None:
        super().__init__(**rest)
        self.named = named

    def collect(self) -> Iterator[OpItem]:
        from tinygrad_ce.check.opcases import cases, ops_named

        try:
            ops = ops_named(self.named)
        except (ImportError, LookupError, TypeError) as error:
            raise self.CollectError(f"{self.path.name} names ops to check: {error}") from error
        for op in ops:
            for case in cases(op):
                yield OpItem.from_parent(self, name=str(case), case=case)


class OpItem(pytest.Item):
    """One op, by one derivation, at one sample."""

    def __init__(self, *, case: OpCase, **rest: Any) -> None:
        super().__init__(**rest)
        self.case = case

    def runtest(self) -> None:
        if self.case.problem:
            pytest.fail(self.case.problem, pytrace=False)
        report = self.case.check()
        if report is None:
            pytest.skip("no input of this sample has a gradient")
        if report.verdict == "INCONCLUSIVE":
            pytest.skip(repr(report))
        _held_to(report)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name
