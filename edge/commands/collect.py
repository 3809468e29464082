"""``vivavoce collect``: a person's wake words, and their replays, recorded on the device itself."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.microphone import Microphone

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "record a person's wake words, and their replays, for training"

_EPILOG = """\
First a person agrees, then says the word ten times; each take is checked at once, and asked for again if it cannot
be used. Then the takes are one WAV file: copy it to a phone or television, play it there, and vivavoce records the
replays. This device plays nothing itself. The same command goes on where it stopped; nothing is ever overwritten.

DIR becomes a folder for 'vivavoce train --data DIR': manifest.csv, live/, replay/; people/ holds consent and sessions.

examples:
  vivavoce collect --list-devices
  vivavoce collect --word "hey house" --out recordings --speaker ann --room kitchen --loudspeaker phone --loudspeaker tv
  vivavoce collect --delete ann --out recordings

Without a terminal, give the answers beforehand: --consent yes (the person's own answer), and --yes with --delete.
It then does not wait for Enter, and listens for each loudspeaker in turn.

exit code: 0; 2 for a fault, told in one line; 130 if it was stopped with Ctrl-C. What was recorded is always kept
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.cli import plain_text
    from edge.commands.recording_options import add_recording_arguments
    from edge.manifest_file import SPLITS

    parser.epilog = _EPILOG
    parser.add_argument("--out", type=_folder, metavar="DIR", help="folder of the recordings; made, or added to")
    add_recording_arguments(
        parser,
        word="'hey house'",
        speaker="id of the person, best a pseudonym",
        wait="do not wait for Enter, and confirm --delete",
    )
    parser.add_argument(
        "--room", type=plain_text, default="", metavar="NAME", help="where this is; another room gets takes of its own"
    )
    parser.add_argument(
        "--device", type=plain_text, default="", metavar="NAME", help="what listens [the name of the microphone]"
    )
    parser.add_argument(
        "--split",
        default="train",
        choices=SPLITS,
        help="what the person's recordings are for; one split a person [%(default)s]",
    )
    other = parser.add_argument_group("instead of recording")
    other.add_argument("--list-devices", action="store_true", help="list the microphones that are there")
    other.add_argument("--delete", type=plain_text, metavar="SPEAKER", help="remove everything of a person from --out")


def _folder(text: str) -> Path:
    """Return the folder that an argument names; the consent quotes it, so it must be text."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise argparse.ArgumentTypeError("got bytes that are not UTF-8, expected the name of a folder") from error
    if not text:
        raise argparse.ArgumentTypeError("got an empty name, expected the name of a folder")
    return Path(text)


def run(args: argparse.Namespace, open_microphone: "Callable[[str | None], Microphone] | None" = None) -> int:
    """List, delete, or hold the dialogue.

    Parameters
    ----------
    args : argparse.Namespace
    open_microphone : callable, optional
        Returns the microphone that has this in its name; :class:`edge.microphone.MicSource` by default.
    """
    from edge.errors import UsageError
    from edge.output import columns, out

    if args.list_devices:
        from edge.microphone import list_devices

        rows = [("*" if d.default else "", d.name, d.native_rate_hz, "Hz") for d in list_devices()]
        out(args).text("\n".join(columns(rows)) if rows else "no input is there; connect a microphone")
        return 0
    if args.out is None:
        raise UsageError("--out: got none, expected the folder of the recordings; add --out DIR")

    from edge.terminal import Terminal

    terminal = Terminal(patient=not args.yes)
    if args.delete is not None:
        from edge.collector import delete

        return delete(args.out, args.delete, terminal, confirmed=args.yes)
    if args.word is None:
        raise UsageError("--word: got none, expected what is to be said; add, for example, --word 'hey house'")

    from edge.collector import Collector
    from edge.microphone import MicSource

    return Collector(args, terminal, MicSource if open_microphone is None else open_microphone).run()
