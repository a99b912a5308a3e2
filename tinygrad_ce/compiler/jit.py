"""Numba, imported when it is first needed, and a folder of what it has compiled.

    installed()         whether numba is there, without importing it
    functions(text)     the functions of a text, whose `@njit(…, cache=True)` are compiled, or found on disk
    known(text)         whether they have been compiled before, on this machine
    folder()            where: $TINYGRAD_CE_CACHE, or tinygrad_ce in the user's folder of caches

A text is kept in a file named by its hash, with the versions of Python, NumPy and numba in it; beside it numba keeps
the machine code, for this kind of CPU. Files are written whole under another name and then renamed, so many processes
may share the folder. Whatever is wrong with it (it cannot be written, what lies there is broken), the text is compiled
anew, in memory.
"""

from __future__ import annotations

import linecache
import os
import sys
import tempfile
from contextlib import suppress
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any

import numpy as np

from ..extras import extra

CACHED, UNCACHED = "cache=True", "cache=False"
_KEPT = 512  # texts; the oldest go
_lock = RLock()  # numba compiles one at a time anyway
_loaded: dict[str, dict[str, Any]] = {}


def installed() -> bool:
    """Whether numba is there; it is not imported."""
    return sys.modules["numba"] is not None if "numba" in sys.modules else find_spec("numba") is not None


def require() -> Any:
    """The module numba, or an ImportError that says how to get it."""
    return extra("numba", "numba")


def folder() -> Path:
    """Where compiled functions are kept."""
    asked = os.environ.get("TINYGRAD_CE_CACHE")
    if asked:
        return Path(asked)
    if sys.platform == "darwin":
        caches = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        caches = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "tinygrad_ce"


def file_of(text: str) -> Path:
    """The file that a text is kept in."""
    from importlib.metadata import PackageNotFoundError, version  # slow to import

    try:
        numba = version("numba")
    except PackageNotFoundError:
        numba = ""
    stamp = f"{sys.version}\n{np.__version__}\n{numba}\n{text}"
    return folder() / f"kernels_{sha256(stamp.encode()).hexdigest()[:24]}.py"


def known(text: str) -> bool:
    """Whether a text lies in the folder with machine code beside it."""
    with suppress(OSError, RuntimeError):
        path = file_of(text)
        return path.is_file() and any((path.parent / "__pycache__").glob(f"{path.stem}.*.nbi"))
    return False


def functions(text: str) -> dict[str, Any]:
    """What a text defines, run once in a process.

    Raises
    ------
    ImportError
        If numba is not installed; the message names the extra.
    """
    require()
    with _lock:
        if text not in _loaded:
            _loaded[text] = _kept(text) or _run(text.replace(CACHED, UNCACHED), _told(text))
        return _loaded[text]


def _kept(text: str) -> dict[str, Any] | None:
    """A text's functions by way of the folder; None where that does not work."""
    try:
        path = file_of(text)
        _write(path, text)
        return _run(text, str(path))
    except Exception:  # what is broken there may raise anything; compiled in memory, the text speaks for itself
        with suppress(Exception):
            for old in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
                old.unlink()
        return None


def _write(path: Path, text: str) -> None:
    with suppress(OSError, UnicodeDecodeError):
        if path.read_text(encoding="utf-8") == text:
            return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
    with suppress(OSError):
        _tidy(path.parent)


def _tidy(where: Path) -> None:
    """Without the oldest texts, and their machine code."""
    texts = sorted(where.glob("kernels_*.py"), key=lambda p: p.stat().st_mtime, reverse=True)
    for path in texts[_KEPT:]:
        for old in (path, *(where / "__pycache__").glob(f"{path.stem}.*")):
            with suppress(OSError):
                old.unlink()


def _told(text: str) -> str:
    """A name of a file for what has none, whose lines tracebacks can show."""
    name = f"<numba kernels {sha256(text.encode()).hexdigest()[:12]}>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    return name


def _run(text: str, filename: str) -> dict[str, Any]:
    """A text as a module of its own, which numba finds by its name."""
    name = f"tinygrad_ce_{'kernels_' if filename[0] == '<' else ''}{Path(filename).stem.strip('<>').rpartition(' ')[2]}"
    module = ModuleType(name)
    module.__file__ = filename
    sys.modules[name] = module
    exec(compile(text, filename, "exec", dont_inherit=True), vars(module))
    return vars(module)


__all__ = ["file_of", "folder", "functions", "installed", "known", "require"]
