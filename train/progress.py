"""How far a long walk over files has come, on stderr; silent where stderr is no terminal."""

import sys
import time
from collections.abc import Collection, Iterator
from typing import TypeVar

__all__ = ["with_progress"]

_EVERY_S = 0.2
T = TypeVar("T")


def with_progress(items: Collection[T], what: str) -> Iterator[T]:
    """Yield the items, and keep a line ``what: 12 of 340`` up to date.

    Parameters
    ----------
    items : collection
    what : str
        What is done, e.g. ``"reading"``.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    told = 0.0
    try:
        for number, item in enumerate(items):
            now = time.monotonic()
            if now - told > _EVERY_S:
                sys.stderr.write(f"\r{what}: {number} of {len(items)}\x1b[K")
                sys.stderr.flush()
                told = now
            yield item
    finally:
        # A fault or a summary begins on a clean line.
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
