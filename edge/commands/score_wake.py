"""``vivavoce score wake``: how much each word was heard in a recording."""

import argparse

from edge.commands.sourcing import add_model_argument, add_source_arguments

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "score every word of the bundle, or of models for ESPHome, over files"

_EPILOG = """\
With --json one object a file:
  {"file","seconds","words":{"alexa":{"max_score","detections":[{"end_s","score"}]},...},
   "quality":["noisy",...]}

example:
  vivavoce score wake --json take*.wav
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    add_source_arguments(parser)
    add_model_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Score every file."""
    from edge.cli import process_files
    from edge.commands.bundle_options import open_chosen
    from edge.commands.sourcing import open_models, open_source, warn_of_flags, warn_of_rate
    from edge.output import columns, out
    from edge.scorers import WakeScorer

    scorer = WakeScorer(open_chosen(args, args.bundle), models=open_models(args), runtime=args.interpreter)
    output = out(args)

    def score(name: str) -> None:
        source = open_source(args, name)
        warn_of_rate(source)
        found = scorer.score(source)
        rows = [("word", "max", "detected")]
        for word, entry in found["words"].items():
            moments = " ".join(f"{hit['end_s']:.2f} s" for hit in entry["detections"])
            rows.append((word, f"{entry['max_score']:.3f}", moments or "-"))
        heading = f"{name}  {found['seconds']:.2f} s"
        output.event({"file": name, **found}, "\n".join((heading, *columns(rows))))
        source.raise_fault()
        warn_of_flags(found.get("quality", ()), source)

    return process_files(args.files, score)
