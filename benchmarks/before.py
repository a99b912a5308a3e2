"""Another commit of this package, importable under a name of its own beside the one in the working tree."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from .model import BEFORE, OURS

_ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def importable(commit: str) -> Iterator[None]:
    """A context in which new processes can import that commit's package as `BEFORE`.

    Raises
    ------
    ValueError
        If git knows no such commit, or it has no package.
    """
    done = subprocess.run(["git", "archive", commit, OURS], cwd=_ROOT, capture_output=True, check=False)
    if done.returncode:
        raise ValueError(f"no package in commit {commit!r}: {done.stderr.decode().strip()}")
    kept = os.environ.get("PYTHONPATH")
    with TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(folder, filter="data")
        Path(folder, OURS).rename(Path(folder, BEFORE))
        os.environ["PYTHONPATH"] = os.pathsep.join([folder, kept] if kept else [folder])
        try:
            yield
        finally:
            if kept is None:
                del os.environ["PYTHONPATH"]
            else:
                os.environ["PYTHONPATH"] = kept
