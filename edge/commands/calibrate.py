"""``vivavoce calibrate``: teach the gate a home, from a few takes and replays; its steps show and undo."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from edge.cli import add_commands, run_chosen

if TYPE_CHECKING:
    from edge.bundle import Bundle
    from edge.calibration import Calibration
    from edge.calibration_making import Judge, Judged
    from edge.microphone import Microphone

__all__ = ["STEPS", "SUMMARY", "configure", "run"]

SUMMARY = "fit the gate to a home, from a few takes of its people and replays by its loudspeakers"

STEPS = {
    "show": "edge.commands.calibrate_show",
    "undo": "edge.commands.calibrate_undo",
}
"""Steps by name."""

_EPILOG = """\
Somebody says the word ten times, near and far, and a phone and a television play it back; five minutes. The gate is
moved as far as so few takes prove something. What is expected before and after is told with 90 % intervals. Nothing is
written where replays cannot be told from people. What stood in the file before is kept: see 'vivavoce calibrate undo'.
Sound is kept only with --keep. Who has recordings gives them in place of the dialogue, one take a file.

The gain is for those who recorded takes: let everybody who lives there do so. Whether a person spoke the takes, or a
television, cannot be heard for sure: see that nobody plays them.

examples:
  vivavoce calibrate --word alexa --out home.json
  vivavoce calibrate --live takes/*.wav --replay phone/*.wav tv/*.wav --out home.json
  vivavoce run --calibration home.json kitchen.wav
  vivavoce calibrate show home.json

exit code: 0; 2 if nothing was written, told in one line; 130 if it was stopped with Ctrl-C
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options and the steps."""
    from edge.commands.bundle_options import add_trust_arguments
    from edge.commands.recording_options import add_recording_arguments
    from edge.commands.sourcing import named_path
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument("--out", type=named_path, metavar="FILE", help="where the calibration is written")
    files = parser.add_argument_group("recordings that are there")
    files.add_argument("--live", nargs="+", default=[], metavar="FILE", help="takes of people, one take a file")
    files.add_argument("--replay", nargs="+", default=[], metavar="FILE", help="takes that a loudspeaker played")
    files.add_argument("--channel", type=int, metavar="N", help="channel to listen to, from 0 [the mean of all]")
    talk = parser.add_argument_group("recordings that are made now")
    add_recording_arguments(
        talk,
        word="what to say, for example 'smart mirror'",
        speaker="id of the person, with --keep",
        wait="do not wait for Enter",
    )
    talk.add_argument(
        "--keep", type=named_path, metavar="DIR", help="keep the recordings, as 'vivavoce collect' does [deletes them]"
    )
    parser.add_argument(
        "--bundle", type=named_path, metavar="DIR", help="models and cut-offs [the bundle that ships with vivavoce]"
    )
    parser.add_argument(
        "--interpreter",
        choices=("litert", "tflite"),
        help="which interpreter runs the networks [the best that is installed]",
    )
    add_trust_arguments(parser)
    add_output_arguments(parser)
    add_commands(parser, STEPS)


def run(args: argparse.Namespace, open_microphone: "Callable[[str | None], Microphone] | None" = None) -> int:
    """Run the chosen step, or calibrate.

    Parameters
    ----------
    args : argparse.Namespace
    open_microphone : callable, optional
        Returns the microphone that has this in its name; :class:`edge.microphone.MicSource` by default.
    """
    from edge.errors import UsageError

    if args._chosen:
        return run_chosen(args)
    if args.out is None:
        raise UsageError("--out: got none, expected where the calibration is written; add --out FILE")
    if bool(args.live) != bool(args.replay):
        there, missing = ("--live", "--replay") if args.live else ("--replay", "--live")
        raise UsageError(f"{missing}: got none beside {there}, expected recordings of both; add {missing} FILES")
    if args.live and args.word is not None:
        raise UsageError("--word: got one beside --live, expected one of the two: a dialogue, or recordings")
    if not args.live and args.word is None:
        raise UsageError(
            "--word: got none, expected what is to be said; add --word PHRASE, or recordings: "
            "--live FILES --replay FILES"
        )
    if args.live:
        return _from_files(args)

    from edge.calibrator import Calibrator
    from edge.commands.bundle_options import open_chosen
    from edge.microphone import MicSource
    from edge.terminal import Terminal

    terminal = Terminal(patient=not args.yes)
    bundle = open_chosen(args, args.bundle)
    calibrator = Calibrator(args, terminal, MicSource if open_microphone is None else open_microphone, bundle)
    code = calibrator.run()
    return code if calibrator.calibration is None else _finish(args, bundle, calibrator.calibration)


def _from_files(args: argparse.Namespace) -> int:
    import os

    from edge.calibration_making import Judge, make_calibration
    from edge.calibration_prior import prior_for
    from edge.commands.bundle_options import open_chosen
    from edge.errors import UsageError

    same = sorted({os.path.realpath(name) for name in args.live} & {os.path.realpath(name) for name in args.replay})
    if same:
        raise UsageError(f"--replay: got {same[0]}, which is given with --live, too; expected it in one of the two")
    bundle = open_chosen(args, args.bundle)
    prior = prior_for(bundle)
    judge = Judge(bundle, args.interpreter)
    live, replay = (_judged(args, names, judge) for names in (args.live, args.replay))
    return _finish(args, bundle, make_calibration(bundle, prior, live, replay))


def _judged(args: argparse.Namespace, names: list[str], judge: "Judge") -> "list[Judged]":
    """Judge files; a file that is given twice counts once, and one that proves nothing is told of."""
    import os

    from edge.output import warn
    from edge.sources import FileSource

    found = []
    once = {os.path.realpath(name): name for name in names}
    for name in once.values():
        source = FileSource(name, channel=args.channel)
        one = judge.judge(source.blocks(), source.native_rate_hz)
        if one.flags:
            warn(f"left out: the gate gives no answer to it ({', '.join(one.flags)})", file=name)
        found.append(one)
    return found


def _finish(args: argparse.Namespace, bundle: "Bundle", calibration: "Calibration") -> int:
    """Write a calibration, say what it says, and return the exit code.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    import json

    from edge.calibration import calibration_text, write_calibration
    from edge.calibration_making import lines_of
    from edge.output import out

    write_calibration(args.out, calibration, bundle)
    record = {"event": "calibrated", "file": str(args.out), **json.loads(calibration_text(calibration))}
    lines = [f"{args.out}: written", *lines_of(calibration, bundle)]
    out(args).event(record, "\n  ".join(lines))
    return 0
