"""Options that the training steps share, so that they mean the same everywhere; imports nothing heavy."""

import argparse
from pathlib import Path

from train.engines.choice import ENGINES

__all__ = ["add_shared_options", "add_split_options"]


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
        "--seed", type=int, default=1, metavar="N", help="of all random draws; the same draws the same [%(default)s]"
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


def _ledger() -> Path:
    """Return the ledger of this checkout, whatever the working directory; outside a checkout the one that is there."""
    name, root = Path("results/test_ledger.json"), Path(__file__).resolve().parents[1]
    return root / name if (root / "setup.cfg").is_file() else name
