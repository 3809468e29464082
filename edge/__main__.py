"""``python -m edge`` and the console script ``vivavoce``."""

import sys

from edge.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
