"""Options that the training steps share, so that they mean the same everywhere; imports nothing heavy."""

import argparse
from pathlib import Path

from edge.errors import UsageError
from train.engines.choice import ENGINES

__all__ = ["add_shared_options", "add_split_options", "check_clips", "check_files", "check_folders"]

_MOST_SEED = 2**31 - 1
"""Steps count on from the seed, and some libraries take no more than 32 bits."""


def add_shared_options(parser: argparse.ArgumentParser, *, rendered: str) -> None:
    """Add ``--data``, ``--cache``, ``--seed``, and what :func:`train.engines.choice.engine_from` reads.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    rendered : str
        What the step renders, in the plural: ``"scenes"`` or ``"clips"``.
    """
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with a manifest.csv")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("build/cache"),
        metavar="DIR",
        help=f"rendered {rendered} and rooms, made once [%(default)s]",
    )
    parser.add_argument(
        "--seed", type=_seed, default=1, metavar="N", help="of all random draws; the same draws the same [%(default)s]"
    )
    parser.add_argument("--workers", type=int, metavar="N", help=f"processes that render {rendered} [all processors]")
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default="local",
        help=f"who renders {rendered}: processes of this machine, or Apache Beam (the extra `scale`); "
        "either leaves the same files [%(default)s]",
    )
    parser.add_argument(
        "--beam-options",
        metavar="WORDS",
        help="options of Beam in one argument, e.g. '--beam-options=--runner=FlinkRunner --flink_master=HOST:8081' "
        "[a Beam pipeline on this machine]",
    )


def add_split_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--split`` and ``--ledger``."""
    parser.add_argument("--split", choices=("dev", "test"), default="dev", help="what to measure on [%(default)s]")
    parser.add_argument(
        "--ledger",
        type=Path,
        default=_ledger(),
        metavar="FILE",
        help="where openings of the test split are counted [results/test_ledger.json of this checkout]",
    )


def check_folders(args: argparse.Namespace, *options: str) -> None:
    """Check, before hours of work, that what is to be written to can be a folder.

    Parameters
    ----------
    args : argparse.Namespace
    options : str
        Names of arguments that are folders; a value of None is none.

    Raises
    ------
    UsageError
        If a folder, or one above it, is something else.
    """
    for option in options:
        folder = getattr(args, option)
        if folder is not None:
            _check_folder(f"--{option} {folder}", folder)


def check_files(args: argparse.Namespace, *options: str) -> None:
    """Check, before hours of work, that what is to be written can be a file, as :func:`check_folders` does.

    Raises
    ------
    UsageError
        If it is a folder, or there is something else where its folder is to be.
    """
    for option in options:
        path = getattr(args, option)
        if path is None:
            continue
        _check_folder(f"--{option} {path}", path.parent)
        if path.is_dir():
            raise UsageError(f"--{option} {path} is a folder, expected the name of a file; give one within it")


def check_clips(args: argparse.Namespace, *options: str) -> None:
    """Check numbers of clips of which half are live.

    Raises
    ------
    UsageError
        If one is odd, or none is left for a class.
    """
    for option in options:
        number = getattr(args, option)
        if number is not None and (number < 2 or number % 2):
            name = option.replace("_", "-")
            raise UsageError(
                f"--{name} is {number}, expected an even number from 2, half of them live; give another one"
            )


def _check_folder(given: str, folder: Path) -> None:
    for there in (folder, *folder.parents):
        try:
            found = there.exists() or there.is_symlink()
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{given}: is no name of a folder ({getattr(error, 'strerror', error)}); give another name"
            ) from error
        if found:
            if not there.is_dir():
                raise UsageError(f"{given}: {there} is a file, expected a folder; give another name")
            break


def _seed(text: str) -> int:
    """Return a seed, as argparse's ``type``."""
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number <= _MOST_SEED:
        raise argparse.ArgumentTypeError(f"got {text[:40]!r}, expected a whole number from 0 to {_MOST_SEED}")
    return number


def _ledger() -> Path:
    """Return the ledger of this checkout, whatever the working directory; outside a checkout the one that is there."""
    name, root = Path("results/test_ledger.json"), Path(__file__).resolve().parents[1]
    return root / name if (root / "setup.cfg").is_file() else name
