"""Options that say where the sound comes from, shared by the commands that listen to files."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.sources import AudioSource

__all__ = ["add_source_arguments", "open_source", "warn_of_rate"]


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="audio file of any rate and channels; - for raw samples on stdin")
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="models and cut-offs [the bundle that ships with vivavoce]")
    parser.add_argument(
        "--interpreter", choices=("litert", "tflite"), help="which interpreter runs the networks [the best that is installed]"
    )
    group = parser.add_argument_group("sound")
    group.add_argument("--channel", type=int, metavar="N", help="channel to listen to, from 0 [the mean of all]")
    group.add_argument("--block", type=int, default=1024, metavar="SAMPLES", help="samples in a block; changes no event [%(default)s]")
    group.add_argument(
        "--raw", default="s16le", metavar="FORMAT", help="format of raw samples: u8, s16le, s24le, s32le, f32le [%(default)s]"
    )
    group.add_argument("--rate", type=int, default=16_000, metavar="HZ", help="rate of raw samples [%(default)s]")
    group.add_argument("--channels", type=int, default=1, metavar="N", help="interleaved channels of raw samples [%(default)s]")


def open_source(args: argparse.Namespace, name: str) -> "AudioSource":
    """Open one of the files, or raw samples on stdin.

    Raises
    ------
    AudioError, UsageError
        If it cannot be opened as asked.
    """
    import sys

    from edge.sources import FileSource, PipeSource

    if name == "-":
        return PipeSource(
            sys.stdin.buffer,
            rate_hz=args.rate,
            sample_format=args.raw,
            channels=args.channels,
            channel=args.channel,
            block=args.block,
        )
    return FileSource(name, block=args.block, channel=args.channel)


def warn_of_rate(source: "AudioSource") -> None:
    """Say it if the source cannot hold what liveness is judged by."""
    from edge.cli import warn
    from edge.events import SAMPLE_RATE_HZ

    if source.native_rate_hz < SAMPLE_RATE_HZ:
        warn(
            f"recorded at {source.native_rate_hz} Hz: nothing above {source.native_rate_hz / 2000:g} kHz, where playback shows best; "
            "liveness may be unsure, record at 16 kHz or more",
            file=source.name,
        )
