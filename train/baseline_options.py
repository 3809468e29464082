"""Options of the steps that fit baselines, and what of them is refused at once; imports nothing heavy."""

import argparse
from collections.abc import Sequence

from edge.errors import UsageError
from train.options import check_folders

__all__ = ["add_baseline_options", "check_baseline_options"]

_LEAST_CLIPS = 20


def add_baseline_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--live-refused``, ``--components`` and ``--set-clips``."""
    from train.task import load_task

    parser.add_argument(
        "--live-refused",
        type=float,
        default=load_task().measure("live_refused").limit,
        metavar="SHARE",
        help="live users below the cut-off on dev [%(default)s]",
    )
    parser.add_argument(
        "--components", type=int, default=64, metavar="N", help="Gaussians a class of lfcc-gmm [%(default)s]"
    )
    parser.add_argument("--set-clips", type=int, metavar="N", help="only the first N clips of the frozen set [all]")


def check_baseline_options(args: argparse.Namespace, *, counts: Sequence[str], folders: Sequence[str]) -> None:
    """Check what was asked for.

    Parameters
    ----------
    args : argparse.Namespace
    counts : sequence of str
        Names of the arguments that count clips.
    folders : sequence of str
        Names of those that are folders to write to; a value of None is none.

    Raises
    ------
    UsageError
        If a count is too small, a share is none, or a folder is a file.
    """
    for option in (*counts, "set_clips"):
        number = getattr(args, option)
        if number is not None and number < _LEAST_CLIPS:
            raise UsageError(f"--{option.replace('_', '-')} is {number}, expected at least {_LEAST_CLIPS}; give more")
    if not 0.0 <= args.live_refused < 1.0:
        raise UsageError(f"--live-refused is {args.live_refused}, expected a share from 0 to below 1")
    if args.components < 1:
        raise UsageError(f"--components is {args.components}, expected at least 1")
    check_folders(args, *folders)
