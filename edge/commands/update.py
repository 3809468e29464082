"""``vivavoce update STEP``: give a device a new bundle, see how that stands, confirm it or go back."""

import argparse

from edge.cli import add_commands, run_chosen

__all__ = ["STEPS", "SUMMARY", "configure", "run"]

SUMMARY = "install a new bundle beside the one in use, confirm it, or go back"

STEPS = {
    "install": "edge.commands.update_install",
    "status": "edge.commands.update_status",
    "confirm": "edge.commands.update_confirm",
    "roll-back": "edge.commands.update_roll_back",
}
"""Steps by name."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the steps."""
    add_commands(parser, STEPS)


def run(args: argparse.Namespace) -> int:
    """Run the chosen step."""
    return run_chosen(args)
