"""Two commits beside each other: what became faster, what slower, and what is as it was.

python benchmarks/compare.py OLD NEW                    two commits; "." is the working tree
python benchmarks/compare.py OLD NEW --only training    rows whose name contains it
python benchmarks/compare.py old.json new.json          two files that `python -m benchmarks --json` wrote

comparing.py says how.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType


def _ended(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, whose modules are a package's
    from benchmarks.comparing import main

    signal.signal(signal.SIGTERM, _ended)  # folders and processes are cleared away, as at Ctrl-C
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
