"""``vivavoce bridge STEP``: what firmware needs, from the bundle that devices run."""

import argparse

from edge.cli import add_commands, run_chosen

__all__ = ["STEPS", "SUMMARY", "configure", "run"]

SUMMARY = "export a bundle for firmware, send it to a device, or simulate one"

STEPS = {
    "export": "firmware_bridge.commands.bridge_export",
    "simulate": "firmware_bridge.commands.bridge_simulate",
    "send": "firmware_bridge.commands.bridge_send",
}
"""Steps by name."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the steps."""
    add_commands(parser, STEPS)


def run(args: argparse.Namespace) -> int:
    """Run the chosen step."""
    return run_chosen(args)
