"""Options of a dialogue in which a person is recorded, and what loudspeakers play of it."""

import argparse

from edge.cli import plain_text

__all__ = ["add_recording_arguments"]


def add_recording_arguments(parser: argparse._ActionsContainer, *, word: str, speaker: str, wait: str) -> None:
    """Add the options: what is said and how often, by whom, into what, and played by what.

    Parameters
    ----------
    parser : argparse.ArgumentParser or argument group
    word : str
        An example of a phrase, in quotes, and what else is to be said of it.
    speaker : str
        Help of ``--speaker``; the default is told behind it.
    wait : str
        Help of ``--yes``.
    """
    parser.add_argument("--word", type=plain_text, metavar="PHRASE", help=f"what to say, for example {word}")
    parser.add_argument("--takes", type=int, default=10, metavar="N", help="how often the word is said [%(default)s]")
    parser.add_argument("--speaker", type=plain_text, default="speaker1", metavar="ID", help=f"{speaker} [%(default)s]")
    parser.add_argument(
        "--microphone", type=plain_text, metavar="SUBSTRING", help="part of the input's name [the system's default]"
    )
    parser.add_argument(
        "--loudspeaker",
        type=plain_text,
        action="append",
        default=[],
        metavar="NAME",
        help="record the replays of this one; repeat for several, in turn [asks]",
    )
    parser.add_argument("--consent", choices=("yes", "no"), help="the person's answer, where no terminal can ask")
    parser.add_argument("--yes", action="store_true", help=wait)
