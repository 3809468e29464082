"""Options of the steps that make studies, and what they are made of; imports nothing heavy."""

import argparse
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.errors import UsageError
from train.engines.choice import engine_from
from train.options import add_shared_options, check_folders
from train.study_file import PLAN_FILE, Plan, read_plan

__all__ = ["add_study_options", "check_study_options", "learner_of", "plan_of"]


def add_study_options(parser: argparse.ArgumentParser, *, plan: bool = True) -> None:
    """Add the network, ``--data`` and its like, ``--out``, ``--results``, and ``--study`` if there is a plan."""
    parser.add_argument("network", choices=("wake", "liveness"), help="which network")
    add_shared_options(parser, rendered="examples")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="where trainings are kept")
    parser.add_argument("--results", type=Path, metavar="DIR", help="where to write the results, if not to --out")
    if plan:
        parser.add_argument(
            "--study",
            type=Path,
            default=PLAN_FILE,
            metavar="FILE",
            help="what is tried, and the budget of a training, in TOML [train/studies.toml]",
        )
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="another budget than that of --study, e.g. --set epochs=2; repeat it",
        )


def check_study_options(args: argparse.Namespace, **least: int) -> None:
    """Check, before anything is rendered, numbers against the least that they may be, and the folders.

    Raises
    ------
    UsageError
        If one is too small, or a folder cannot be one.
    """
    for name, number in least.items():
        value = getattr(args, name)
        if value is not None and value < number:
            raise UsageError(f"--{name}: got {value}, expected {number} or more; give more")
    check_folders(args, "out", "results", "cache")


def plan_of(args: argparse.Namespace) -> Plan[Any]:
    """Return the plan of ``--study`` for the network that was chosen.

    Raises
    ------
    UsageError
        If it cannot be read, or it or ``--set`` names what is no setting.
    """
    from train.study_learners import LEARNERS

    return read_plan(args.study, args.network, LEARNERS[args.network].settings, budget=_given(args.set))


def learner_of(args: argparse.Namespace, dev: Any, *, checkpoints: bool = False, **more: Any) -> Any:
    """Return the learner of the network that was chosen, its dev set rendered; `more` is for this learner alone.

    Raises
    ------
    DataError
        If the data cannot be used.
    """
    from train.study_learners import LEARNERS

    return LEARNERS[args.network](
        args.data,
        args.cache,
        dev,
        rendering_seed=args.seed,
        engine=engine_from(args),
        checkpoints=checkpoints,
        **more,
    )


def _given(entries: Sequence[str]) -> dict[str, Any]:
    """Return the settings of ``--set``, by dotted name: a value is written as in TOML, text with or without quotes."""
    values: dict[str, Any] = {}
    for entry in entries:
        name, equals, text = entry.partition("=")
        if not name or not equals:
            raise UsageError(f"--set: got {entry[:60]!r}, expected NAME=VALUE, e.g. epochs=2")
        try:
            values[name] = tomllib.loads(f"value = {text}")["value"]
        except (ValueError, KeyError):
            values[name] = text
    return values
