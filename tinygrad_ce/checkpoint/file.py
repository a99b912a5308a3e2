"""save and load."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from ..atomic import replacing, require_writable
from ..extras import extra
from . import npz, tensors
from .contents import Arrays, Checkpoint, Texts, described, understood
from .restoring import Part, Stateful, give, stateful, taken

_PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin")


def save(
    path: str | os.PathLike[str],
    what: Stateful | Mapping[str, Any],
    meta: Mapping[str, Any] | None = None,
    *,
    keep_previous: bool = False,
) -> None:
    """Write states to a file, replacing it only when all is written.

    Parameters
    ----------
    path : str or path-like
        Taken as it is. `.safetensors` is that format (extra `safetensors`), anything else .npz.
    what : Module, optimiser, …; or a mapping
        One thing with a state; a mapping of names to several of them (NumPy's random Generators are such too, alone or
        by name); or a state itself, a mapping of names to arrays.
    meta : mapping, optional
        What `load` gives back beside the state: anything that JSON can write.
    keep_previous : bool
        The file that was there keeps its content under the name that `previous` says.

    Raises
    ------
    TypeError
        If there is no state, or `meta` is not for JSON.
    ValueError
        If an array is not of numbers, a name is no name for an array, or the suffix is that of a pickle.
    ImportError
        For .safetensors without the extra.
    OSError
        If the file cannot be written. Whatever is raised, a file that was there stays as it was.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from tinygrad_ce.nn import Linear
    >>> path, layer = pathlib.Path(tempfile.mkdtemp(), "layer.npz"), Linear(3, 2)
    >>> save(path, layer, meta={"epochs": 5})
    >>> load(path, Linear(3, 2)).meta
    {'epochs': 5}
    """
    format = _format(path)
    arrays, texts = described(_state(what)._replace(meta=dict(meta or {})))
    with replacing(path, keep=previous(path) if keep_previous else None) as file:
        format.write(file, arrays, texts)


def load(path: str | os.PathLike[str], into: Stateful | Mapping[str, Part] | None = None) -> Checkpoint:
    """Read a file that `save` wrote, and give what it holds to `into`: all of it, or none.

    Parameters
    ----------
    path : str or path-like
    into : Module, optimiser, …; or a mapping of part names to them, optional
        One thing takes the file's state, or its part "model" where it has parts; a mapping takes those it names.

    Returns
    -------
    Checkpoint
        (state, meta, parts).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is cut short, damaged, something else, or holds Python objects (which are never loaded), or if
        its states are not those of `into`. The message names the file; everything is as it was.
    ImportError
        For .safetensors without the extra.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from tinygrad_ce.nn import Linear
    >>> path = pathlib.Path(tempfile.mkdtemp(), "notes.npz")
    >>> _ = path.write_text("not a model")
    >>> load(path, Linear(3, 2))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: .../notes.npz is no file of saved parameters: File is not a zip file
    """
    name = os.fspath(path)
    format = _format(path)
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"no file {name} to load") from None
    try:
        checkpoint = _parsed(format, content)
    except ImportError:
        raise
    except Exception as error:
        # Whatever a parser stumbles over in these bytes, it is the file that is at fault.
        reason = str(error).splitlines() or [type(error).__name__]
        raise ValueError(f"{name} is no file of saved parameters: {reason[0]}{_elsewhere(path)}") from error
    if into is not None:
        try:
            _give(checkpoint, into)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return checkpoint


def previous(path: str | os.PathLike[str]) -> Path:
    """Where `save(path, ..., keep_previous=True)` keeps the file before: run.npz → run.previous.npz.

    >>> previous("run.npz").name
    'run.previous.npz'
    """
    return Path(path).with_name(f"{Path(path).stem}.previous{Path(path).suffix}")


def require_savable(path: str | os.PathLike[str]) -> None:
    """Raise now what `save` would raise of a path later: a suffix, an extra, a folder, permissions.

    Raises
    ------
    ValueError, ImportError, OSError
        As `save`.
    """
    if _format(path) is tensors:
        extra("safetensors.numpy", "safetensors")
    require_writable(path)


# -- pieces -------------------------------------------------------------------------------------------------


def _format(path: str | os.PathLike[str]) -> ModuleType:
    suffix = Path(path).suffix.lower()
    if suffix in _PICKLES:
        raise ValueError(
            f"{os.fspath(path)}: {suffix} files are pickles, which can run anything: save .safetensors or .npz, "
            "and read PyTorch's with nn.from_torch"
        )
    return tensors if suffix == ".safetensors" else npz


def _state(what: Any) -> Checkpoint:
    """One thing's state, several things' states, or a state itself."""
    if not isinstance(what, Mapping):
        try:
            return Checkpoint(dict(stateful(what).state_dict()), {})
        except TypeError:
            raise TypeError(f"save() takes a model, an optimiser or a mapping to arrays, not {what!r:.60}") from None
    several = {name: part for name, part in what.items() if _is_part(part)}
    if not several:
        return Checkpoint(dict(what), {})
    if len(several) < len(what):
        other = next(name for name in what if name not in several)
        raise TypeError(f"a mapping is of things with states or of arrays: '{other}' has no state_dict()")
    return taken(several)


def _is_part(thing: Any) -> bool:
    try:
        return thing is not None and not (isinstance(thing, Mapping) and not thing) and bool(stateful(thing))
    except TypeError:
        return False


def _parsed(format: ModuleType, content: bytes) -> Checkpoint:
    arrays: Arrays
    texts: Texts
    arrays, texts = format.parsed(content)
    return understood(arrays, texts)


def _give(checkpoint: Checkpoint, into: Stateful | Mapping[str, Part]) -> None:
    if isinstance(into, Mapping):
        give({name: checkpoint.part(name) for name in into}, into)
        return
    state = checkpoint.part("model") if checkpoint.parts else checkpoint.state
    give({"": state}, {"": into})


def _elsewhere(path: str | os.PathLike[str]) -> str:
    kept = previous(path)
    return f"; the one before it is kept as {kept.name}" if kept.exists() else ""
