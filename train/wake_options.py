"""Options of steps that train a wake network, or for one: what is rendered, and who teaches; imports nothing heavy."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import UsageError
from train.training_options import given_settings, read_settings

if TYPE_CHECKING:
    from train.wake_settings import WakeSettings

__all__ = ["add_scene_options", "add_teacher_options", "check_teachers", "given_wake"]


def add_scene_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what is rendered, beside ``--settings``."""
    parser.add_argument(
        "--synth", metavar="NAMES", help="synthesisers that speak, too; '' for recordings alone [espeak-ng,flite]"
    )
    parser.add_argument(
        "--without", action="append", metavar="WORD", help="leave out a word of the corpus, by its id; repeat it"
    )
    parser.add_argument("--variety", choices=("wide", "narrow"), help="how much the scenes vary [wide]")
    parser.add_argument("--scenes", type=float, metavar="SHARE", help="share of the full set of scenes")


def add_teacher_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--teacher``, ``--speech-teacher`` and ``--untaught``."""
    parser.add_argument(
        "--teacher",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="checkpoint that teaches, too, with the same words; repeat it: the mean of several teaches",
    )
    parser.add_argument(
        "--speech-teacher",
        type=Path,
        metavar="DIR",
        help="teacher that knows speech, written by 'vivavoce train teacher'",
    )
    parser.add_argument(
        "--untaught",
        action="store_true",
        help="train without teachers that the record of --settings names and that are not given",
    )


def check_teachers(args: argparse.Namespace) -> None:
    """Check that who taught the network whose record is ``--settings`` is given, too, or done without on purpose.

    Raises
    ------
    UsageError
        If a record names teachers, and there are neither others in their place nor ``--untaught``.
    """
    record = {} if args.settings is None or args.untaught else read_settings(args.settings)
    settings = record.get("settings")
    if not isinstance(settings, dict):
        return
    missing = [
        (option, _hashes(settings[name]))
        for name, option, given in (
            ("teachers", "--teacher", args.teacher),
            ("speech_teacher", "--speech-teacher", args.speech_teacher),
        )
        if settings.get(name) and not given
    ]
    if missing:
        told = " and ".join(f"{option} ({hashes})" for option, hashes in missing)
        raise UsageError(
            f"{args.settings}: got the record of a network that was taught, expected {told}, too: a record does not "
            "hold teachers; give them, or --untaught to do without"
        )


def given_wake(args: argparse.Namespace, *names: str) -> "WakeSettings":
    """Return the settings of ``--settings``, with options in place of its own.

    Parameters
    ----------
    args : argparse.Namespace
        With the options of :func:`add_scene_options`.
    names : str
        More options that are settings.

    Raises
    ------
    UsageError, DataError
        If the file cannot be read or holds no settings of a wake network, or an option is out of its limits.
    """
    from train.recorded_settings import recorded_wake
    from train.wake_settings import WakeSettings
    from train.wake_variety import VARIETIES

    found = given_settings(args, "scenes", *names, recorded=recorded_wake)
    if args.without is not None:
        found["without"] = args.without
    if args.synth is not None:
        found["synth"] = [name for name in args.synth.split(",") if name]
    if args.variety is not None:
        found["variety"] = VARIETIES[args.variety].to_dict()
    return WakeSettings.from_dict(found, str(args.settings or "options"))


def _hashes(named: Any) -> str:
    """Return the beginnings of the hashes by which a record names teachers."""
    entries = [one for one in (named if isinstance(named, list) else [named]) if isinstance(one, dict)]
    hashes = [str(one.get("sha256", one.get("classifier")))[:12] for one in entries]
    return "sha256 " + ", ".join(f"{one}..." for one in hashes) if hashes else "unnamed"
