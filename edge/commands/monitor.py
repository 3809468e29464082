"""``vivavoce monitor STEP``: whether what the daemon hears has changed, for its owner."""

import argparse

from edge.cli import add_commands, run_chosen

__all__ = ["STEPS", "SUMMARY", "configure", "run"]

SUMMARY = "a page about what the daemon heard and whether it changes; begin anew after a change"

STEPS = {
    "report": "edge.commands.monitor_report",
    "reset": "edge.commands.monitor_reset",
}
"""Steps by name."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the steps."""
    add_commands(parser, STEPS)


def run(args: argparse.Namespace) -> int:
    """Run the chosen step."""
    return run_chosen(args)
