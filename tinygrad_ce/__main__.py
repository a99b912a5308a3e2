"""python -m tinygrad_ce: the command line (see cli.py)."""

import sys

if __name__ == "__main__":
    try:
        from .cli import main
    except KeyboardInterrupt:  # before there is anything to interrupt
        sys.exit(130)
    sys.exit(main())
