"""Files that are either the old one or the whole new one, whatever happens in between."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: str | os.PathLike[str], *, keep: str | os.PathLike[str] | None = None) -> Iterator[BinaryIO]:
    """A file to write; it becomes `path` when the block ends, and leaves no trace when the block fails.

    It is written under another name in the same folder, brought to the disk, and renamed: who reads `path`,
    even after a crash, finds what was there before or all of what is there now. Links are followed, and an
    existing file's permissions kept. What a killed process left unfinished is cleared away by the next.

    Parameters
    ----------
    path : str or path-like
    keep : str or path-like, optional
        A name in the same folder for the file that was there before. At no moment is `path` missing.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "note.txt")
    >>> with replacing(path) as file:
    ...     _ = file.write(b"all of it")
    ...     path.exists()
    False
    >>> path.read_bytes()
    b'all of it'
    """
    target = _target(path)
    _clear(target)
    temporary = _beside(target)
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
            if keep is not None:
                _set_aside(target, target.with_name(Path(keep).name))
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.filename in (None, str(temporary)):
            raise _named(error, path) from None
        raise
    _settle(target.parent)


def require_writable(path: str | os.PathLike[str]) -> None:
    """Raise what `replacing` would raise of this path, before there is anything to write.

    Raises
    ------
    OSError
    """
    target = _target(path)
    temporary = _beside(target)
    try:
        with open(temporary, "xb"):
            pass
        temporary.unlink()
    except OSError as error:
        raise _named(error, path) from None


def _target(path: str | os.PathLike[str]) -> Path:
    """Where a path leads, if a file can be there."""
    target = Path(path).resolve()
    if not target.parent.is_dir():
        raise FileNotFoundError(f"cannot write {os.fspath(path)}: there is no folder {target.parent}")
    if target.is_dir():
        raise IsADirectoryError(f"cannot write {os.fspath(path)}: it is a folder")
    if target.exists() and not target.is_file():  # a device or a pipe, which a rename would do away with
        raise OSError(f"cannot write {os.fspath(path)}: it is no ordinary file")
    return target


def _named(error: OSError, path: str | os.PathLike[str]) -> OSError:
    """An error of the temporary file as one of the file that was to be written."""
    told = f"cannot write {os.fspath(path)}: {error.strerror or error}"
    made = type(error)(told)
    made.errno = error.errno
    return made


def _beside(target: Path) -> Path:
    """A name of this process's own in the target's folder."""
    return target.with_name(f".{target.name[:64]}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def _set_aside(target: Path, kept: Path) -> None:
    """Give the target's content the name `kept` too, in one step; the target stays."""
    second = _beside(target)
    try:
        os.link(target, second)
    except OSError:  # a file system without hard links
        shutil.copy2(target, second)
    try:
        os.replace(second, kept)
    except BaseException:
        with suppress(OSError):
            second.unlink()
        raise


def _clear(target: Path) -> None:
    """Remove what processes that are no more have left beside the target."""
    prefix = f".{target.name[:64]}."
    for name in os.listdir(target.parent):
        if name.startswith(prefix) and name.endswith(".tmp"):
            process = name[len(prefix) :].partition("-")[0]
            if process.isdecimal() and not _runs(int(process)):
                with suppress(OSError):
                    target.with_name(name).unlink()


def _runs(process: int) -> bool:
    if os.name != "posix":  # elsewhere to ask is to kill
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _settle(folder: Path) -> None:
    """Bring the renaming itself to the disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
