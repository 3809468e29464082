"""``vivavoce score liveness``: was the loudest moment of a recording spoken or played?"""

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
    from edge.cli import add_output_arguments

    parser.epilog = _EPILOG
    add_source_arguments(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Judge every file."""
    from edge.bundle import open_bundle
    from edge.cli import out, process_files, warn
    from edge.commands.sourcing import open_source, warn_of_rate
    from edge.pipeline import score_liveness
    from edge.quality import FLAGS

    bundle = open_bundle(args.bundle)
    output = out(args)

    def judge(name: str) -> None:
        source = open_source(args, name)
        warn_of_rate(source)
        found = score_liveness(bundle, source, runtime=args.interpreter)
        for flag in found["quality"]["flags"]:
            warn(f"{flag}: {FLAGS[flag]}", file=name)
        why = ", ".join(found["reasons"])
        output.event(
            {"file": name, **found}, f"{name}  {found['decision'].upper():<8} live {found['live_probability']:.2f}  ({why})"
        )

    return process_files(args.files, judge)
