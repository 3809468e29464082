"""``vivavoce calibrate``: teach the gate a home, from a few takes and replays; its steps show and undo."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from edge.cli import add_commands, run_chosen

if TYPE_CHECKING:
    from edge.bundle import Bundle
    from edge.calibration import Calibration
    from edge.calibration_entries import WordCutoff
    from edge.calibration_making import Judge, Judged
    from edge.calibration_words import Offer
    from edge.microphone import Microphone
    from edge.terminal import Terminal

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

Takes of a word of the bundle also say how well it is heard here. Where it is missed, a lower cut-off is worked
out, and what it costs in false accepts is told before anybody is asked whether to take it. It costs no more than
--most-false-accepts, and is never higher than the bundle's, unless --may-raise is given. Cut-offs of other words that
the file holds already stay.

The gain is for those who recorded takes: let everybody who lives there do so. Whether a person spoke the takes, or a
television, cannot be heard for sure: see that nobody plays them.

examples:
  vivavoce calibrate --word alexa --out home.json
  vivavoce calibrate --live takes/*.wav --replay phone/*.wav tv/*.wav --out home.json
  vivavoce calibrate --live takes/*.wav --replay tv/*.wav --word alexa --cutoff yes --out home.json
  vivavoce run --calibration home.json kitchen.wav
  vivavoce calibrate show home.json

exit code: 0; 2 if nothing was written, told in one line; 130 if it was stopped with Ctrl-C
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options and the steps."""
    from edge.commands.bundle_options import add_trust_arguments
    from edge.commands.paths import named_path
    from edge.commands.recording_options import add_recording_arguments
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument("--out", type=named_path, metavar="FILE", help="where the calibration is written")
    files = parser.add_argument_group("recordings that are there")
    files.add_argument("--live", nargs="+", default=[], metavar="FILE", help="takes of people, one take a file")
    files.add_argument("--replay", nargs="+", default=[], metavar="FILE", help="takes that a loudspeaker played")
    files.add_argument("--channel", type=int, metavar="N", help="channel to listen to, from 0 [the mean of all]")
    words = parser.add_argument_group("the cut-off of the word")
    words.add_argument(
        "--cutoff",
        choices=("yes", "no"),
        help="whether to take what is worked out [asks; no without a terminal]",
    )
    words.add_argument(
        "--most-false-accepts",
        type=float,
        metavar="X",
        help="so many may be added in an hour of others' speech [1.0]",
    )
    words.add_argument(
        "--may-raise", action="store_true", help="raise it where every take is heard far above it [never]"
    )
    talk = parser.add_argument_group("recordings that are made now")
    add_recording_arguments(
        talk,
        word="what to say, for example 'smart mirror'; beside --live what was said",
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
    import math

    from edge.errors import UsageError

    if args._chosen:
        return run_chosen(args)
    if args.out is None:
        raise UsageError("--out: got none, expected where the calibration is written; add --out FILE")
    if bool(args.live) != bool(args.replay):
        there, missing = ("--live", "--replay") if args.live else ("--replay", "--live")
        raise UsageError(f"{missing}: got none beside {there}, expected recordings of both; add {missing} FILES")
    if args.most_false_accepts is not None and not 0 <= args.most_false_accepts < math.inf:
        raise UsageError(
            f"--most-false-accepts: got {args.most_false_accepts:g}, expected a number from 0, in an hour of speech; "
            "leave it out for 1"
        )
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

    terminal = _terminal(args)
    bundle = open_chosen(args, args.bundle)
    calibrator = Calibrator(args, terminal, MicSource if open_microphone is None else open_microphone, bundle)
    code = calibrator.run()
    if calibrator.calibration is None:
        return code
    return _finish(args, bundle, calibrator.calibration, calibrator.offer, terminal)


def _from_files(args: argparse.Namespace) -> int:
    import os

    from edge.bundle_parts import find_word
    from edge.calibration import check_place
    from edge.calibration_making import Judge, make_calibration
    from edge.calibration_prior import prior_for
    from edge.calibration_words import WordListener, offer, wishes_of
    from edge.commands.bundle_options import open_chosen
    from edge.errors import UsageError
    from edge.sources import FileSource

    same = sorted({os.path.realpath(name) for name in args.live} & {os.path.realpath(name) for name in args.replay})
    if same:
        raise UsageError(f"--replay: got {same[0]}, which is given with --live, too; expected it in one of the two")
    check_place(args.out)
    bundle = open_chosen(args, args.bundle)
    word = None if args.word is None else find_word(bundle.words, args.word, f"the bundle {bundle.path}")
    prior = prior_for(bundle)
    judge = Judge(bundle, args.interpreter)
    live, replay = (_judged(args, names, judge) for names in (args.live, args.replay))
    made = None
    if word is not None:
        listener = WordListener(bundle, args.interpreter)
        takes = [name for name, one in live.items() if not one.flags]
        scores = [listener.hear(FileSource(name, channel=args.channel).blocks(), name) for name in takes]
        made = offer(bundle, word, scores, prior.words, wishes_of(args))
    calibration = make_calibration(bundle, prior, list(live.values()), list(replay.values()))
    return _finish(args, bundle, calibration, made, _terminal(args))


def _terminal(args: argparse.Namespace) -> "Terminal":
    """Return where people are spoken to: not standard output, where that is for a program."""
    import sys

    from edge.terminal import Terminal

    return Terminal(writer=sys.stderr if args.json else None, patient=not args.yes)


def _judged(args: argparse.Namespace, names: list[str], judge: "Judge") -> "dict[str, Judged]":
    """Judge files, by name; a file that is given twice counts once, and one that proves nothing is told of."""
    import os

    from edge.output import warn
    from edge.sources import FileSource

    found = {}
    once = {os.path.realpath(name): name for name in names}
    for name in once.values():
        source = FileSource(name, channel=args.channel)
        one = judge.judge(source.blocks(), source.native_rate_hz)
        if one.flags:
            warn(f"left out: the gate gives no answer to it ({', '.join(one.flags)})", file=name)
        found[name] = one
    return found


def _finish(
    args: argparse.Namespace, bundle: "Bundle", calibration: "Calibration", made: "Offer | None", terminal: "Terminal"
) -> int:
    """Write a calibration, with the cut-off of the word if that is wanted, say what it says; return the exit code.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    import json
    from dataclasses import replace

    from edge.calibration import calibration_text, words_of, write_calibration
    from edge.calibration_making import lines_of
    from edge.output import out

    words = words_of(args.out, bundle)
    former = None if made is None else words.get(made.word.id)
    if made is not None and made.cutoff is not None and _wanted(args, made, former, terminal):
        words[made.word.id] = made.cutoff
    elif made is not None and made.cutoff is None:
        if former is None:
            terminal.say(f"The cut-off of '{made.word.phrase}' stays: {made.why}.")
        elif made.judged:
            # What other takes moved holds no longer than until there are new ones, which do not ask for it.
            del words[made.word.id]
            terminal.say(
                f"The cut-off of '{made.word.phrase}' is {made.word.cutoff:.4g} again, as it shipped, and no longer "
                f"{former.cutoff:.4g}: by the bundle's own {made.why}."
            )
        else:
            terminal.say(
                f"The cut-off of '{made.word.phrase}' stays {former.cutoff:.4g}, as it was calibrated before: "
                f"{made.why}."
            )
        if made.further:
            terminal.say(f"  {made.further}")
    calibration = replace(calibration, words=words)
    write_calibration(args.out, calibration, bundle)
    record = {"event": "calibrated", "file": str(args.out), **json.loads(calibration_text(calibration))}
    lines = [f"{args.out}: written", *lines_of(calibration, bundle)]
    out(args).event(record, "\n  ".join(lines))
    return 0


def _wanted(args: argparse.Namespace, made: "Offer", former: "WordCutoff | None", terminal: "Terminal") -> bool:
    """Say what a cut-off buys and costs, and get an answer."""
    from edge.calibration_words import lines_of_word
    from edge.collector import is_yes

    assert made.cutoff is not None
    terminal.say("What the takes say of the word:")
    for line in lines_of_word(made.word.id, made.cutoff, made.word.cutoff):
        terminal.say(f"  {line}")
    if made.further:
        terminal.say(f"  {made.further}")
    stays = "It stays as it was"
    if former is not None:
        stays += f", {former.cutoff:.4g} from the calibration before"
        terminal.say(
            f"  Now it is {former.cutoff:.4g}, from the calibration before; 'before' above is the bundle's own."
        )
    if args.cutoff is None and not terminal.interactive:
        why = "--yes asks nothing" if args.yes else "there is no terminal to ask on"
        terminal.say(f"{stays}: {why}. To take it, add --cutoff yes.")
        return False
    try:
        answer = args.cutoff or terminal.ask("Take this cut-off? Type yes or no:")
    except KeyboardInterrupt:
        # Whoever leaves here leaves this question: all else was worked out, and is kept.
        answer = "no"
    if not is_yes(answer):
        terminal.say(f"{stays}.")
    return is_yes(answer)
