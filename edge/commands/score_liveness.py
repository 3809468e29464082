"""``vivavoce score liveness``: tell whether the loudest moment of a recording was spoken or played."""

import argparse

from edge.commands.sourcing import add_source_arguments

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "judge the loudest second of files, without needing a wake word"

_EPILOG = """\
With --json one object a file:
  {"file","seconds","live_probability","score","decision":"accept|reject|unsure","reasons","quality":{...}}

example:
  vivavoce score liveness --json said.wav played.wav
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    add_source_arguments(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Judge every file."""
    from edge.cli import process_files
    from edge.commands.bundle_options import open_chosen
    from edge.commands.sourcing import open_source, warn_of_flags, warn_of_rate
    from edge.output import out
    from edge.scorers import LivenessScorer

    scorer = LivenessScorer(open_chosen(args, args.bundle), runtime=args.interpreter)
    output = out(args)

    def judge(name: str) -> None:
        source = open_source(args, name)
        warn_of_rate(source)
        found = scorer.score(source)
        verdict, why = found["decision"].upper(), ", ".join(found["reasons"])
        output.event({"file": name, **found}, f"{name}  {verdict:<8} live {found['live_probability']:.2f}  ({why})")
        source.raise_fault()
        warn_of_flags(found["quality"]["flags"], source)

    return process_files(args.files, judge)
