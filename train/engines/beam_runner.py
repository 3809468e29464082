"""Whose runner do the options of Beam name? Beam's own stays on this machine."""

import argparse
from collections.abc import Sequence

__all__ = ["is_beams_own"]

_BEAMS_OWN = frozenset({"", "directrunner", "direct", "fnapirunner", "fnapi"})


def is_beams_own(options: Sequence[str]) -> bool:
    """Tell whether options leave the work to Beam's own runner on this machine."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--runner", nargs="?", const="", default="")
    return parser.parse_known_args(options)[0].runner.lower() in _BEAMS_OWN
