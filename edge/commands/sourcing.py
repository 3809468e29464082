"""Options that say where the sound comes from, shared by the commands that listen to files."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edge.commands.paths import named_path
from edge.errors import AudioError, UsageError
from edge.raw_formats import RAW_FORMATS
from edge.sample_time import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from edge.esphome import EsphomeModel
    from edge.sources import AudioSource

__all__ = [
    "ReadablePart",
    "add_model_argument",
    "add_source_arguments",
    "open_models",
    "open_source",
    "warn_of_flags",
    "warn_of_rate",
]

_STDIN = "-"


def add_source_arguments(parser: argparse.ArgumentParser, *, networks: bool = True) -> None:
    """Add the options.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    networks : bool
        Whether the command runs networks.
    """
    from edge.commands.bundle_options import add_trust_arguments

    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="audio file of any rate and channels; - for raw samples on standard input",
    )
    parser.add_argument(
        "--bundle",
        type=named_path,
        metavar="DIR",
        help="models and cut-offs [the bundle that ships with vivavoce]",
    )
    if networks:
        parser.add_argument(
            "--interpreter",
            choices=("litert", "tflite"),
            help="which interpreter runs the networks [the best that is installed]",
        )
    group = parser.add_argument_group("sound")
    group.add_argument("--channel", type=int, metavar="N", help="channel to listen to, from 0 [the mean of all]")
    group.add_argument(
        "--block",
        type=int,
        metavar="SAMPLES",
        help="samples that are taken at a time; changes no result [some 30 ms]",
    )
    group.add_argument(
        "--raw",
        default="s16le",
        choices=tuple(RAW_FORMATS),
        help="format of raw samples [%(default)s]",
    )
    group.add_argument(
        "--rate", type=int, default=SAMPLE_RATE_HZ, metavar="HZ", help="rate of raw samples [%(default)s]"
    )
    group.add_argument(
        "--channels",
        type=int,
        default=1,
        metavar="N",
        help="interleaved channels of raw samples [%(default)s]",
    )
    add_trust_arguments(parser)


def add_model_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option that names models for ESPHome."""
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        type=named_path,
        metavar="JSON",
        help="listen with this model for ESPHome (its manifest, the .tflite beside it) in place of the bundle's words; "
        "repeat for several",
    )


def open_models(args: argparse.Namespace) -> "list[EsphomeModel]":
    """Open the models for ESPHome that the call names.

    Raises
    ------
    BundleError
        If one of them cannot be used.
    """
    from edge.esphome import open_esphome_model

    return [open_esphome_model(path) for path in args.model]


def open_source(args: argparse.Namespace, name: str) -> "ReadablePart":
    """Open one of the files, or raw samples on standard input.

    Raises
    ------
    AudioError, UsageError
        If it cannot be opened as asked.
    """
    import sys

    from edge.sources import DEFAULT_BLOCK, FileSource, PipeSource

    block = DEFAULT_BLOCK if args.block is None else args.block
    if name != _STDIN:
        return ReadablePart(FileSource(name, block=block, channel=args.channel))
    if sys.stdin is None:
        raise UsageError("-: standard input is closed, expected raw samples; pipe them in")
    if sys.stdin.isatty():
        raise UsageError(
            "-: got a terminal, expected raw samples on standard input; pipe them in, for example: "
            f"arecord -t raw -f S16_LE -r {SAMPLE_RATE_HZ} | vivavoce run -"
        )
    return ReadablePart(
        PipeSource(
            sys.stdin.buffer,
            rate_hz=args.rate,
            sample_format=args.raw,
            channels=args.channels,
            channel=args.channel,
            block=block,
        )
    )


class ReadablePart:
    """A source that ends where it cannot be read any further, and keeps the fault for later.

    What could be read is processed to its end, as if nothing else had been promised; then
    :meth:`raise_fault` tells of the rest.

    Parameters
    ----------
    source : AudioSource
    """

    def __init__(self, source: "AudioSource") -> None:
        self.name = source.name
        self.native_rate_hz = source.native_rate_hz
        self._source = source
        self._fault: AudioError | None = None

    def blocks(self) -> "Iterator[npt.NDArray[np.int16]]":
        """Yield the blocks of the source; see :class:`edge.sources.AudioSource`.

        Raises
        ------
        AudioError
            If there is nothing that can be read.
        """
        self._fault = None
        n = 0
        try:
            for block in self._source.blocks():
                n += block.size
                yield block
        except AudioError as error:
            if not n:
                raise
            self._fault = error

    def raise_fault(self) -> None:
        """Raise the fault that ended the source early, if one did.

        Raises
        ------
        AudioError
        """
        if self._fault is not None:
            raise self._fault


def warn_of_rate(source: "AudioSource") -> None:
    """Say it if the source cannot hold what liveness is judged by."""
    from edge.output import warn

    if source.native_rate_hz < SAMPLE_RATE_HZ:
        warn(
            f"recorded at {source.native_rate_hz} Hz: nothing above {source.native_rate_hz / 2000:g} kHz, "
            "where playback shows best; liveness may be unsure: record at 16 kHz or more",
            file=source.name,
        )


def warn_of_flags(flags: "tuple[str, ...] | list[str]", source: "AudioSource") -> None:
    """Say what is doubtful about the sound, one line a flag."""
    from edge.output import warn
    from edge.quality import FLAGS

    for flag in flags:
        # What the rate already explains was said when the source was opened.
        if flag != "band_limited" or source.native_rate_hz >= SAMPLE_RATE_HZ:
            warn(f"{flag}: {FLAGS[flag]}", file=source.name)
