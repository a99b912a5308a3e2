"""What the measurements were made on: without it a time says nothing, and a ratio little."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def machine(threads: int, peers: Iterable[str]) -> dict[str, Any]:
    """CPU, threads, load, and the versions of Python, NumPy, its BLAS and the peers (None: not installed)."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": threads,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "blas": _blas(),
        "peers": {peer: _version(peer) for peer in peers},
    }


def described(facts: dict[str, Any]) -> str:
    """The same in a sentence or two."""
    peers = ", ".join(f"{name} {found or 'not installed'}" for name, found in facts["peers"].items())
    load = "" if facts["load"] is None else f", load {facts['load']} at the start"
    return (
        f"{facts['cpu']}, {facts['cores']} cores ({facts['system']}){load}; threads for everyone: {facts['threads']}. "
        f"Python {facts['python']}, NumPy {facts['numpy']} ({facts['blas']}); {peers}."
    )


def _cpu() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def _blas() -> str:
    import numpy as np

    found: Any = np.show_config(mode="dicts")
    blas = found["Build Dependencies"]["blas"]
    return f"{blas['name']} {blas['version']}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
