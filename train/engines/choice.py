"""Which engine makes the shards, and how it is set up; imports nothing heavy."""

import argparse
import importlib.util
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.errors import MissingExtraError, UsageError
from train.engines import local
from train.engines.beam_runner import is_beams_own
from train.engines.rounds import make_all
from train.engines.work import Lost, Make, Watch

__all__ = ["ENGINES", "Engine", "engine_from"]

ENGINES = ("local", "beam")


@dataclass(frozen=True, slots=True)
class Engine:
    """Who makes shards.

    Parameters
    ----------
    name : str
        One of :data:`ENGINES`.
    workers : int, optional
        Processes on this machine; as many as there are processors by default. A Beam runner other than Beam's own
        on this machine takes what its options say.
    beam_options : tuple of str
        Arguments for Beam's ``PipelineOptions``.
    """

    name: str = "local"
    workers: int | None = None
    beam_options: tuple[str, ...] = ()

    def make(self, make: Make, indices: Sequence[int], folder: Path, watch: Watch) -> None:
        """Make shards.

        Parameters
        ----------
        make : callable
            Picklable; makes the shard of a number, and leaves one that is there alone.
        indices : sequence of int
        folder : Path
            Where the shards go; for Beam a folder that every worker sees under the same path.
        watch : Watch

        Raises
        ------
        DataError
            If workers die whatever is tried.
        UsageError
            If Beam cannot act on its options.
        Exception
            What a worker raised.
        """
        count = min(self.workers if self.workers is not None else os.cpu_count() or 1, len(indices))
        if self.name == "local" and count <= 1:
            local.make_here(make, indices, watch)
            return

        def run_round(left: Sequence[int], one_at_a_time: bool) -> list[Lost]:
            workers = 1 if one_at_a_time else min(count, len(left))
            if self.name == "local":
                return local.run_round(make, left, workers, watch)
            from train.engines import beam

            return beam.run_round(make, left, workers, self.beam_options, folder, watch)

        make_all(run_round, indices)


def engine_from(args: argparse.Namespace) -> Engine:
    """Return the engine that the options of :func:`train.options.add_shared_options` name.

    Raises
    ------
    UsageError
        If they contradict each other.
    MissingExtraError
        If Beam was asked for and is not installed.
    """
    if args.workers is not None and args.workers < 1:
        raise UsageError(f"--workers is {args.workers}, expected 1 or more")
    if args.engine == "local" and args.beam_options is not None:
        raise UsageError("--beam-options belong to --engine beam, and the engine is local; add it or leave them out")
    if args.engine == "beam" and importlib.util.find_spec("apache_beam") is None:
        raise MissingExtraError("Apache Beam", "scale")
    try:
        options = tuple(shlex.split(args.beam_options or ""))
    except ValueError as error:
        raise UsageError(
            f"--beam-options: got {args.beam_options!r} ({error}), expected words as in a shell"
        ) from error
    if not is_beams_own(options):
        for name, path in (("--data", args.data), ("--cache", args.cache)):
            if not path.is_absolute():
                raise UsageError(
                    f"{name} is {path}, expected an absolute path: other machines see it under no other name"
                )
    return Engine(args.engine, args.workers, options)
