"""Functions of the package, and of the user, as text that stands alone.

    texts(helpers)      definitions of these objects by these names, and the imports that they need

A function comes along as its own source, with whatever it speaks of: other functions, classes, constants, each under
a name of its own. An op is its kernel. Values do not come along, since none gets there: `isinstance(x, Node)` is
false. What has no text (a closure over a file, a C function of the user's) is left to be put in by the caller.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import math
import operator
import sys
import textwrap
import types
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..derivation import each, whole
from ..node import Node, plain
from ..op import Op
from .graph import Pull
from .program import Program

_PACKAGE = __name__.partition(".")[0]
_MODULES = {np: "np", math: "math", operator: "operator"}


class Untold(Exception):
    """There is no text for something."""


class Texts:
    """Definitions, each once and before it is used."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.imports: set[str] = set()
        self.names: dict[int, str] = {}
        self._held: list[Any] = []  # so that no id is used twice
        self._taken: set[str] = {"np", "math", "operator", "make", *dir(builtins)}

    def name(self, thing: Any, wanted: str) -> str:
        """What a thing is called in the text; defines it first."""
        if id(thing) in self.names:
            return self.names[id(thing)]
        if isinstance(thing, types.ModuleType):
            return self._module(thing)
        short = _expression(thing)
        if short is not None:
            self.imports |= {f"import {m}" for m in ("math", "operator") if short.startswith(f"{m}.")}
            return short
        name = self._fresh(wanted.strip("<>") if wanted.strip("_<>").isidentifier() else "helper")
        self.names[id(thing)] = name
        self._held.append(thing)
        self._define(thing, name)
        return name

    def _fresh(self, wanted: str) -> str:
        name, n = wanted, 2
        while name in self._taken:
            name, n = f"{wanted}_{n}", n + 1
        self._taken.add(name)
        return name

    def _module(self, module: types.ModuleType) -> str:
        if module in _MODULES:
            if module is not np:
                self.imports.add(f"import {module.__name__}")
            return _MODULES[module]
        if module.__name__.partition(".")[0] == _PACKAGE:
            raise Untold(f"module {module.__name__}")
        self.imports.add(f"import {module.__name__}")
        return module.__name__

    def _define(self, thing: Any, name: str) -> None:
        if thing is Node:
            self.lines += [f"class {name}:", '    """A node of a graph: none comes here."""', "", ""]
        elif thing is plain:
            self.lines += [f"def {name}(x):", "    return x", "", ""]
        elif isinstance(thing, Op):
            defaults = {k: v for k, v in thing.defaults.items() if v is not inspect.Parameter.empty}
            self.imports.add("import functools")
            kernel = self.name(thing.kernel, f"{thing.name}_kernel")
            given = "".join(f", {k}={_literal(v)}" for k, v in defaults.items())
            apply = f"{name}.apply = lambda inputs, params: {kernel}(*inputs, **params)"
            self.lines += [f"{name} = functools.partial({kernel}{given})", apply, "", ""]
        elif isinstance(thing, Pull):
            self._rule(thing, name)
        elif isinstance(thing, Program):
            self.lines += thing.definition(name, self.name)
        elif isinstance(thing, np.ufunc) or (isinstance(thing, type) and thing.__module__.startswith("numpy")):
            module = _scipy(thing) if isinstance(thing, np.ufunc) else thing.__module__
            self.imports.add(f"from {module} import {thing.__name__} as {name}")
        elif isinstance(thing, np.errstate):
            self.lines += [f"{name} = np.errstate(all='ignore')", ""]  # what it is set to, it does not say
        elif hasattr(thing, "cache_info"):
            self.imports.add("import functools")
            self.lines += [f"{name} = functools.cache({self.name(thing.__wrapped__, name + '_inner')})", "", ""]
        elif (getattr(thing, "__module__", None) or "").partition(".")[0] in (*sys.stdlib_module_names, "numpy"):
            self.imports.add(f"from {thing.__module__} import {thing.__name__} as {name}")
        elif isinstance(thing, types.FunctionType):
            self._function(thing, name)
        elif isinstance(thing, type):
            self._class(thing, name)
        else:
            self.lines += [f"{name} = {_literal(thing, self)}", ""]

    def _rule(self, pull: Pull, name: str) -> None:
        """One gradient of a derivation, without the form that derivations are kept in."""
        rule = pull.derivation.rule
        qualified, cells = rule.__qualname__, inspect.getclosurevars(rule).nonlocals
        if qualified.startswith(each.__name__):
            self.lines += [f"{name} = {self.name(cells['vjps'][pull.position], name + '_rule')}", "", ""]
        elif qualified.startswith(whole.__name__):
            vjp = self.name(cells["vjp"], name + "_rule")
            self.lines += [f"def {name}(*arguments, **options):", f"    gradients = {vjp}(*arguments, **options)"]
            one = f"gradients[{pull.position}] if isinstance(gradients, (tuple, list)) else gradients"
            self.lines += [f"    return {one}", "", ""]
        else:
            position = pull.position
            one = f"{self.name(rule, name + '_rule')}(g, out, inputs, params, ({position},))[{position}]"
            self.lines += [f"def {name}(g, out, *inputs, **params):", f"    return {one}", "", ""]

    def _function(self, f: types.FunctionType, name: str) -> None:
        wrapped = getattr(f, "__wrapped__", None)
        if wrapped is not None and f.__code__.co_name == "inner":  # an errstate on a function
            cells = inspect.getclosurevars(f).nonlocals
            states = [x for x in cells.values() if isinstance(x, np.errstate)]
            if states:
                self.lines += [
                    f"{name} = {self.name(states[0], 'silent')}({self.name(wrapped, name + '_inner')})",
                    "",
                    "",
                ]
                return
        tree = _bare(_tree_of(f))
        if isinstance(tree, ast.FunctionDef):
            tree.decorator_list = []
        nonlocals = dict(zip(f.__code__.co_freevars, f.__closure__ or (), strict=True))
        becomes = {n: self.name(c.cell_contents, n) for n, c in nonlocals.items() if c.cell_contents is not f}
        tree = self._opened(tree, f.__globals__)
        becomes |= self._globals(f.__globals__, [n for n in _names(tree) if n not in becomes])
        self._write(_Renamed(becomes).visit(tree), name)

    def _class(self, kind: type, name: str) -> None:
        if kind.__module__ == "builtins":
            raise Untold(kind.__name__)
        source = textwrap.dedent(inspect.getsource(kind))
        tree = _bare(ast.parse(source).body[0])
        table = vars(inspect.getmodule(kind))
        becomes = self._globals(table, [n for n in _names(tree) if n != kind.__name__])
        becomes[kind.__name__] = name
        self._write(_Renamed(becomes).visit(tree), name)

    def _opened(self, tree: Any, table: Mapping[str, Any]) -> Any:
        """With `op.decomposition`, and functions of the package's modules, as functions of their own."""
        for node in ast.walk(tree):
            for field, old in ast.iter_fields(node):
                if isinstance(old, ast.Attribute) and isinstance(old.value, ast.Name):
                    op = table.get(old.value.id)
                    if isinstance(op, types.ModuleType) and op.__name__.startswith(f"{_PACKAGE}."):
                        setattr(node, field, ast.Name(self.name(getattr(op, old.attr), old.attr), ast.Load()))
                    elif isinstance(op, Op) and old.attr in ("decomposition", "kernel"):
                        name = self.name(getattr(op, old.attr), f"{op.name}_{old.attr}")
                        setattr(node, field, ast.Name(name, ast.Load()))
                    elif isinstance(op, Op) and old.attr != "apply":
                        raise Untold(f"{op.name}.{old.attr}")
        return tree

    def _globals(self, table: Mapping[str, Any], names: Any) -> dict[str, str]:
        return {n: self.name(table[n], n) for n in names if n in table}

    def _write(self, tree: Any, name: str) -> None:
        if isinstance(tree, ast.Lambda):
            self.lines += [f"{name} = {ast.unparse(tree)}", "", ""]
            return
        tree.name = name
        self.lines += [*ast.unparse(ast.fix_missing_locations(tree)).splitlines(), "", ""]


class _Renamed(ast.NodeTransformer):
    """Names of other things, as they are called in the text; arguments and local variables stay."""

    def __init__(self, becomes: Mapping[str, str]) -> None:
        self.becomes = becomes

    def visit_Name(self, node: ast.Name) -> Any:
        text = self.becomes.get(node.id, node.id)
        if text == node.id:
            return node
        return ast.parse(text, mode="eval").body if "." in text else ast.Name(text, node.ctx)


class _Bare(ast.NodeTransformer):
    """Without annotations of functions."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        node.returns = None
        for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg):
            if a is not None:
                a.annotation = None
        self.generic_visit(node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if node.value is None:
            node.annotation = ast.Name("object", ast.Load())
            return node
        if isinstance(node.annotation, ast.Name) and node.annotation.id == "object":
            return node
        node.annotation = ast.Name("object", ast.Load())
        return node


def _bare(tree: Any) -> Any:
    return ast.fix_missing_locations(_Bare().visit(tree))


def _tree_of(f: types.FunctionType) -> Any:
    """The syntax tree of a function or lambda, alone."""
    try:
        lines, start = inspect.findsource(f)
    except (OSError, TypeError) as error:
        raise Untold(f"{f.__name__} has no source") from error
    if f.__name__ != "<lambda>":
        return ast.parse(textwrap.dedent("".join(inspect.getblock(lines[start:])))).body[0]
    whole_file = ast.parse("".join(lines))
    found = [
        node
        for node in ast.walk(whole_file)
        if isinstance(node, ast.Lambda)
        and node.lineno == f.__code__.co_firstlineno
        and [a.arg for a in node.args.args] == list(f.__code__.co_varnames[: f.__code__.co_argcount])
    ]
    exact = [n for n in found if _code_of(n).co_code == f.__code__.co_code] if len(found) > 1 else found
    if len(exact) != 1:
        raise Untold("a lambda among others on its line")
    return exact[0]


def _code_of(node: ast.Lambda) -> types.CodeType:
    outer = compile(ast.Expression(node), "<lambda>", "eval")
    return next(c for c in outer.co_consts if isinstance(c, types.CodeType))


def _names(tree: Any) -> list[str]:
    """Names that a syntax tree speaks of and does not bind itself."""
    bound = {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
    bound |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    return list(dict.fromkeys(n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id not in bound))


def _scipy(ufunc: np.ufunc) -> str:
    """The module of SciPy that a ufunc is from."""
    for module in ("scipy.special", "scipy.special._ufuncs"):
        if getattr(sys.modules.get(module), ufunc.__name__, None) is ufunc:
            return module
    raise Untold(f"ufunc {ufunc.__name__}")


def _expression(thing: Any) -> str | None:
    """A thing that has a short text of its own."""
    name = getattr(thing, "__name__", "")
    if name and getattr(np, name, None) is thing:
        return f"np.{name}"
    if name and getattr(builtins, name, None) is thing:
        return str(name)
    for module in (math, operator):
        if name and getattr(module, name, None) is thing and isinstance(thing, types.BuiltinFunctionType):
            return f"{module.__name__}.{name}"
    if thing is None or type(thing) in (bool, int, str) or thing is Ellipsis:
        return repr(thing)
    return None


def _literal(thing: Any, texts: Texts | None = None) -> str:
    if isinstance(thing, float):
        return repr(thing) if math.isfinite(thing) else f"float('{thing}')"
    if isinstance(thing, (tuple, list, frozenset, set)):
        parts = [_literal(x, texts) for x in thing]
        if isinstance(thing, (frozenset, set)):
            return f"frozenset([{', '.join(parts)}])"
        return f"[{', '.join(parts)}]" if isinstance(thing, list) else f"({', '.join(parts)}{',' * (len(parts) == 1)})"
    if isinstance(thing, dict):
        return f"{{{', '.join(f'{_literal(k, texts)}: {_literal(x, texts)}' for k, x in thing.items())}}}"
    if isinstance(thing, np.generic) and thing.dtype.kind in "fiub":
        number = _literal(thing.item())
        return f"bool({number})" if thing.dtype.kind == "b" else f"np.{type(thing).__name__}({number})"
    if isinstance(thing, np.dtype):
        return f"np.dtype({thing.str!r})"
    if thing is type(None):
        return "type(None)"
    short = _expression(thing)
    if short is not None:
        return short
    if texts is not None and callable(thing):
        return texts.name(thing, getattr(thing, "__name__", "helper"))
    raise Untold(f"{thing!r:.40}")


def texts(helpers: Mapping[str, Any]) -> tuple[list[str], list[str], dict[str, Any]]:
    """Definitions of these objects by these names, the imports they need, and those that have no text."""
    made, untold = Texts(), {}
    for name in helpers:
        made._taken.add(name)
    for name, thing in helpers.items():
        before = (list(made.lines), set(made.imports), dict(made.names), set(made._taken))
        try:
            made._taken.discard(name)
            found = made.name(thing, name)
            if found != name:
                made.lines += [f"{name} = {found}", "", ""]
        except (Untold, OSError, SyntaxError, ValueError, KeyError, RecursionError):
            made.lines, made.imports, made.names, made._taken = before
            untold[name] = thing
    return made.lines, sorted(made.imports), untold
