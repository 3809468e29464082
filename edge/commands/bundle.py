"""``vivavoce bundle STEP``: look at bundles, compare them, sign them, and check who signed them."""

import argparse

from edge.cli import add_commands, run_chosen

__all__ = ["STEPS", "SUMMARY", "configure", "run"]

SUMMARY = "verify, show, compare and sign bundles"

STEPS = {
    "verify": "edge.commands.bundle_verify",
    "show": "edge.commands.bundle_show",
    "diff": "edge.commands.bundle_diff",
    "sign": "edge.commands.bundle_sign",
    "keygen": "edge.commands.bundle_keygen",
}
"""Steps by name."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the steps."""
    add_commands(parser, STEPS)


def run(args: argparse.Namespace) -> int:
    """Run the chosen step."""
    return run_chosen(args)
