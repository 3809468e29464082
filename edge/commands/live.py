"""``vivavoce live``: see what the gate hears and decides, while it happens."""

import argparse
from typing import TYPE_CHECKING, Final

from edge.raw_formats import RAW_FORMATS
from edge.sample_time import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from edge.live import LiveSource

__all__ = ["SUMMARY", "configure", "run"]

_PORT = 8470
_RAW: Final = "s16le"

SUMMARY = "show in the terminal, or in a browser, what the gate hears and decides, while it happens"

_EPILOG = """\
Say the word, and the gate opens; play your own recording of it from a phone, and it stays shut.

Shown are the level, a spectrogram, the score of every word (the line in it is the cut-off; behind it the newest and
the highest score lately), the needle between loudspeaker and person (the lines in it are the two cut-offs) with what
it stands there by, how the power decays over frequency before what is usual for people and for loudspeakers, and the
last decisions. A terminal of 40 columns gets a smaller picture. q quits.

examples:
  vivavoce live
  vivavoce live --list-devices
  vivavoce live --microphone
  vivavoce live --microphone USB --word "smart mirror"
  vivavoce live kitchen.wav
  vivavoce live --liveness-only
  vivavoce live --keep heard
  vivavoce live kitchen.wav --pace fast --svg picture.svg
  arecord -t raw -f S16_LE -r 48000 -c 2 | vivavoce live - --rate 48000 --channels 2
  vivavoce live --web

exit code: 0; 2 for a fault, told in one line
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.commands.bundle_options import add_fitting_arguments, add_trust_arguments
    from edge.commands.paths import named_path

    parser.epilog = _EPILOG
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="audio files of one rate, one after another; - for raw samples on standard input [a microphone]",
    )
    parser.add_argument(
        "--microphone",
        nargs="?",
        const="",
        metavar="SUBSTRING",
        help="part of the input's name, or its number; without one, choose from a list [the system's default]",
    )
    parser.add_argument("--list-devices", action="store_true", help="list the microphones that are there, and leave")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--wake-only", action="store_true", help="listen for words, and judge nothing")
    only.add_argument(
        "--liveness-only", action="store_true", help="judge whatever is said, after every pause, without a word"
    )
    parser.add_argument(
        "--word", action="append", default=[], metavar="W", help="listen for this word only, by id or phrase; repeat it"
    )
    add_fitting_arguments(parser)
    parser.add_argument(
        "--bundle", type=named_path, metavar="DIR", help="models and cut-offs [the bundle that ships with vivavoce]"
    )
    parser.add_argument(
        "--interpreter",
        choices=("litert", "tflite"),
        help="which interpreter runs the networks [the best that is installed]",
    )
    group = parser.add_argument_group("sound")
    group.add_argument(
        "--pace",
        choices=("real", "fast"),
        help="play files as they were recorded, or as fast as they are looked at [real]",
    )
    group.add_argument("--channel", type=int, metavar="N", help="channel to listen to, from 0 [the mean of all]")
    # Without defaults: whoever gives one where it does not apply is told.
    group.add_argument("--raw", choices=tuple(RAW_FORMATS), help=f"format of raw samples [{_RAW}]")
    group.add_argument("--rate", type=int, metavar="HZ", help=f"rate of raw samples [{SAMPLE_RATE_HZ}]")
    group.add_argument("--channels", type=int, metavar="N", help="interleaved channels of raw samples [1]")
    parser.add_argument(
        "--svg",
        type=named_path,
        metavar="FILE",
        help="draw nothing; write the last picture there, 100 columns of 32 rows: for a page",
    )
    parser.add_argument(
        "--keep",
        type=named_path,
        metavar="DIR",
        help="keep the sound of decisions there, two seconds each; tell whoever is in the room [nothing is kept]",
    )
    page = parser.add_argument_group("browser")
    page.add_argument(
        "--web", action="store_true", help="show it on a page in a browser of this device, and not in the terminal"
    )
    page.add_argument("--port", type=int, metavar="N", help=f"port of the page; 0 finds a free one [{_PORT}]")
    page.add_argument("--open", action="store_true", help="open the page in the browser")
    add_trust_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Show it until the source ends, or somebody quits."""
    import sys

    from edge.errors import AudioError, MissingExtraError, UsageError
    from edge.output import out, report_error

    if args.list_devices:
        from edge.live_demo.picking import device_lines
        from edge.microphone import list_devices

        out(args).text("\n".join(device_lines(list_devices())) or "no input is there; connect a microphone")
        return 0
    if args.word and args.liveness_only:
        raise UsageError("--word: got one with --liveness-only, expected none: no word is listened for; leave one out")
    _refuse_what_does_not_apply(args)
    if args.web and (args.keep is not None or args.svg is not None):
        raise UsageError("--web: got it with --keep or --svg, which are of the demo in the terminal; leave one out")
    if args.web:
        return _show_page(args)
    if args.svg is not None and not args.files:
        raise UsageError("--svg: got no file to listen to, expected one whose end is drawn: add FILE --pace fast")
    if args.svg is not None:
        from edge.live_demo.svg import check_svg

        check_svg(args.svg)
    try:
        source = _source(args)
    except AudioError as error:
        if args.files:
            raise
        raise AudioError(
            f"{error}; or listen to a file (vivavoce live FILE), or to a browser's microphone (vivavoce live --web)"
        ) from error
    if args.svg is None and (sys.stdout is None or not sys.stdout.isatty()):
        raise UsageError(
            "standard output: got no terminal, expected one to draw on; for lines of text run: vivavoce run FILE"
        )
    try:
        from rich.console import Console
    except ImportError as error:
        raise MissingExtraError("the demo in the terminal", "live") from error

    from edge.capture import leave
    from edge.commands.bundle_options import open_fitted
    from edge.live_demo.listener import Listener
    from edge.live_demo.screen import show
    from edge.live_demo.state import Mode

    mode: Mode = "wake" if args.wake_only else "liveness" if args.liveness_only else "both"
    bundle = open_fitted(args, args.bundle)
    listener = Listener(bundle, words=args.word, mode=mode, runtime=args.interpreter)
    console = Console()
    if args.svg is None and console.is_dumb_terminal:
        raise UsageError(
            "TERM: got a terminal that cannot move its cursor, expected one that can, e.g. TERM=xterm; for lines of "
            "text run: vivavoce run FILE"
        )
    if args.keep is not None:
        from edge.live_demo.keeping import Keeper

        listener.keeps_sound = True
        listener.told = Keeper(args.keep, listener.state, bundle.bundle_version).keep
    if args.svg is not None:
        from edge.live_demo.svg import write_svg

        faults = write_svg(source, listener, args.svg)
    else:
        faults = show(source, listener, console)
    for fault in faults:
        report_error(fault)
    return leave(2 if faults else 0)


def _refuse_what_does_not_apply(args: argparse.Namespace) -> None:
    """Tell of options that would change nothing as the others are.

    Raises
    ------
    UsageError
        If there is one.
    """
    from edge.errors import UsageError

    if args.open and not args.web:
        raise UsageError("--open: got it without --web, expected both: there is no page to open; add --web")
    if args.port is not None and not args.web:
        raise UsageError("--port: got it without --web, expected both: there is no page to serve; add --web")
    for name in ("raw", "rate", "channels"):
        if getattr(args, name) is not None and "-" not in args.files:
            listened = f"the file {args.files[0]!r}, which says so itself" if args.files else "a microphone"
            raise UsageError(
                f"--{name}: got it with {listened}, expected raw samples on standard input (-); leave it out"
            )
    if args.pace is not None and (not args.files or "-" in args.files):
        raise UsageError(
            "--pace: got it without a file, expected one: other sound comes when it comes; leave it out, or add FILE"
        )


def _show_page(args: argparse.Namespace) -> int:
    """Show it in a browser until somebody interrupts, or the source failed and nobody looks.

    Raises
    ------
    UsageError
        If the port cannot be used, or the source is not there.
    """
    from edge.errors import MissingExtraError, UsageError, VivavoceError
    from edge.output import out, report_error

    port = _PORT if args.port is None else args.port
    if not 0 <= port <= 65_535:
        raise UsageError(f"--port: got {port}, expected 0 to 65535")
    try:
        from edge.live_web.show import show
    except ImportError as error:
        raise MissingExtraError("the demo in a browser", "web") from error

    from edge.capture import leave
    from edge.commands.bundle_options import open_fitted
    from edge.live_demo.listener import Listener
    from edge.live_demo.state import Mode

    source, note = None, ""
    try:
        source = _source(args)
    except VivavoceError as error:
        if args.files or args.microphone is not None:
            raise
        # The browser may have the microphone that this device has not.
        note = f"{error}; or choose the microphone of the browser on the page"

    def ready(address: str) -> None:
        import webbrowser

        if note:
            out(args).text(f"this device hears nothing: {note}")
        out(args).text(f"open {address} in a browser of this device; Ctrl-C ends it")
        if args.open:
            webbrowser.open(address)

    mode: Mode = "wake" if args.wake_only else "liveness" if args.liveness_only else "both"
    bundle = open_fitted(args, args.bundle)
    listener = Listener(bundle, words=args.word, mode=mode, runtime=args.interpreter)
    faults = show(listener, bundle, source, port=port, note=note, ready=ready, failed=report_error)
    return leave(2 if faults else 0)


def _source(args: argparse.Namespace) -> "LiveSource":
    """Make the source that the call names.

    Raises
    ------
    AudioError, UsageError
        If it cannot be used as asked, or there is no such microphone.
    """
    from edge.errors import UsageError

    channel = -1 if args.channel is None else args.channel
    if args.channel is not None and args.channel < 0:
        raise UsageError(f"--channel: got {args.channel}, expected a number from 0; the mean of all is without it")
    if args.files and args.microphone is not None:
        raise UsageError(f"--microphone: got one, and the file {args.files[0]!r}, expected one of the two")
    if "-" in args.files:
        if len(args.files) > 1:
            raise UsageError("-: got other files, too, expected standard input alone; leave one of the two out")
        return _pipe(args, channel)
    if args.files:
        from edge.live_sources import file

        if "" in args.files:
            raise UsageError("FILE: got an empty name, expected that of an audio file")
        return file.make(file.Settings(paths=tuple(args.files), pace=args.pace or "real", channel=channel))

    from edge.live_sources import microphone
    from edge.microphone import choose_device, list_devices

    if args.microphone == "":
        from edge.live_demo.picking import pick_device
        from edge.terminal import Terminal

        wanted: str | int = pick_device(list_devices(), Terminal())
    else:
        wanted = args.microphone or ""
    made = microphone.make(microphone.Settings(device=wanted, channel=channel))
    # The source itself would wait for it to be connected: a person who looks on wants to know.
    choose_device(list_devices(), None if wanted == "" else wanted)
    return made


def _pipe(args: argparse.Namespace, channel: int) -> "LiveSource":
    import sys

    from edge.errors import UsageError
    from edge.live_sources import pipe

    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        raise UsageError(
            "-: got a terminal or nothing, expected raw samples on standard input; pipe them in, for example: "
            f"arecord -t raw -f S16_LE -r {SAMPLE_RATE_HZ} | vivavoce live -"
        )
    rate_hz = SAMPLE_RATE_HZ if args.rate is None else args.rate
    channels = 1 if args.channels is None else args.channels
    return pipe.make(pipe.Settings(rate_hz=rate_hz, format=args.raw or _RAW, channels=channels, channel=channel))
