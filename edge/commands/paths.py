"""Paths that are named in a call."""

import argparse
from pathlib import Path

__all__ = ["named_path"]


def named_path(text: str) -> Path:
    """Return the path that an argument names; an empty one names none, and would mean this folder."""
    if not text:
        raise argparse.ArgumentTypeError("got an empty name, expected a path")
    return Path(text)
