"""``vivavoce quantize STEP``: from a checkpoint of ``vivavoce train`` to the bundle that devices run."""

import argparse

from edge.cli import add_commands, run_chosen

__all__ = ["STEPS", "SUMMARY", "configure", "run"]

SUMMARY = "turn trained networks into the int8 bundle that devices run (workstation only)"

STEPS = {
    "convert": "quantize.convert",
    "scores": "quantize.scores",
    "parity": "quantize.parity",
    "opcheck": "quantize.opcheck",
    "esphome": "quantize.esphome",
    "pack": "quantize.pack",
    "limits": "quantize.limits",
}
"""Steps by name, in the order in which they are usually run."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the steps."""
    add_commands(parser, STEPS)


def run(args: argparse.Namespace) -> int:
    """Run the chosen step."""
    return run_chosen(args)
