"""``vivavoce score``: what each network says of a recording, without the gate."""

import argparse
from typing import Any

from edge.cli import add_commands, run_chosen

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "print the scores of one network for whole files"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add ``wake`` and ``liveness``."""
    add_commands(parser, {"wake": "edge.commands.score_wake", "liveness": "edge.commands.score_liveness"})


def run(args: argparse.Namespace) -> int:
    """Run the chosen one."""
    code: Any = run_chosen(args)
    return int(code or 0)
