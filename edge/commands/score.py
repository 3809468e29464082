"""``vivavoce score``: the numbers behind the decisions, of each stage by itself."""

import argparse

from edge.cli import add_commands, run_chosen

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "show the scores of one stage over recordings: how close was it?"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the stages."""
    add_commands(parser, {"wake": "edge.commands.score_wake", "liveness": "edge.commands.score_liveness"})


def run(args: argparse.Namespace) -> int:
    """Score with the chosen stage."""
    return run_chosen(args)
