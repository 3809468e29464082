"""``vivavoce update STEP``: give a device a new bundle, see how that stands, confirm it or go back."""

import argparse
import logging

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


class _Warnings(logging.Handler):
    """Tells each thing once: several parts of a step look at the same files."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self._told = set[str]()

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        from edge.output import warn

        message = record.getMessage()
        if message not in self._told:
            self._told.add(message)
            warn(message)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the steps."""
    add_commands(parser, STEPS)


def run(args: argparse.Namespace) -> int:
    """Run the chosen step; what the slots tell of damage is told on stderr."""
    handler, logger = _Warnings(logging.WARNING), logging.getLogger("edge")
    logger.addHandler(handler)
    try:
        return run_chosen(args)
    finally:
        logger.removeHandler(handler)
