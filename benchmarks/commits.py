"""What is compared: a commit's package in a folder of its own, or a file of measurements."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from .apart import ROOT
from .model import OURS, Result

WORKING_TREE = "."


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """A folder with the package of that commit, which is gone when the context ends; "." is the working tree.

    Raises
    ------
    ValueError
        If git knows no such commit, or it has no package.
    """
    if commit == WORKING_TREE:
        yield ROOT
        return
    packed = _git("archive", "--format=tar", resolved(commit), OURS)
    with TemporaryDirectory(prefix=f"{OURS}-{commit.replace('/', '-')}-") as folder:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)


def resolved(commit: str) -> str:
    """Its hash.

    Raises
    ------
    ValueError
        If git knows no such commit.
    """
    return _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}").decode().strip()


def read(path: Path) -> list[Result]:
    """The results in a file that `--json` wrote.

    Raises
    ------
    ValueError
        If it cannot be read, or is no such file.
    """
    try:
        return [Result.from_dict(row) for row in json.loads(path.read_text(encoding="utf-8"))["rows"]]
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{path} is not what `python -m benchmarks --json` writes") from None


def _git(*arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    except FileNotFoundError:
        raise ValueError("commits are compared with git, which is not installed") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise ValueError(said[0] if said else f"there is no commit {arguments[-1].partition('^')[0]!r} here")
    return done.stdout
