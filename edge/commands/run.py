"""``vivavoce run``: from recordings to decisions."""

import argparse

from edge.commands.sourcing import add_model_argument, add_source_arguments
from edge.events import Decision, End, Event, Wake

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "listen to files or a pipe, and decide for every wake word whether a person spoke it"

_EPILOG = """\
Events, one JSON object a line with --json:
  {"event":"wake","file","word","score","start_s","end_s"}
  {"event":"decision","file","word","decision":"accept|reject|unsure","live_probability","reasons","end_s",
   "decided_s"}
  {"event":"end","file","seconds","quality"}

A decision is "unsure" where the audio does not carry the evidence (reasons: silent, too_short, clipped,
noisy, band_limited) or the probability lies between the two cut-offs (near_cutoff). The end's quality holds
the flags that are true of the sound as a whole; each is also told in words on stderr.

examples:
  vivavoce run kitchen.wav
  vivavoce run --json --word "smart mirror" *.flac
  arecord -t raw -f S16_LE -r 48000 -c 2 | vivavoce run - --rate 48000 --channels 2
  vivavoce run --model okay_nabu.json hall.wav

exit code: 0, or 2 if a file could not be used to its end (the others still are)
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.commands.bundle_options import add_fitting_arguments
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    add_source_arguments(parser)
    add_model_argument(parser)
    parser.add_argument(
        "--word",
        action="append",
        metavar="W",
        help="listen for this word only, by id or phrase; repeat for several",
    )
    add_fitting_arguments(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run the gate over every file."""
    from edge.cli import process_files
    from edge.commands.bundle_options import open_fitted
    from edge.commands.sourcing import open_models, open_source, warn_of_flags, warn_of_rate
    from edge.output import out
    from edge.pipeline import Pipeline

    bundle = open_fitted(args, args.bundle)
    pipeline = Pipeline(bundle, words=args.word, models=open_models(args), runtime=args.interpreter)
    output = out(args)

    def listen(name: str) -> None:
        source = open_source(args, name)
        warn_of_rate(source)
        if len(args.files) > 1:
            output.text(name)
        flags: tuple[str, ...] = ()
        for event in pipeline.run(source):
            record = event.to_dict()
            output.event({"event": record.pop("event"), "file": name, **record}, _readable(event))
            if isinstance(event, End):
                flags = event.quality
        # A damaged file is told of in one line; how its readable part sounds is in the output.
        source.raise_fault()
        warn_of_flags(flags, source)

    return process_files(args.files, listen)


def _readable(event: Event) -> str:
    record = event.to_dict()
    if isinstance(event, Wake):
        return f"{record['end_s']:9.2f} s  {event.word:<14} heard    score {event.score:.2f}"
    if isinstance(event, Decision):
        verdict, why = event.decision.upper(), ", ".join(event.reasons)
        return f"{record['decided_s']:9.2f} s  {event.word:<14} {verdict:<8} live {event.live_probability:.2f}  ({why})"
    why = f"  ({', '.join(event.quality)})" if event.quality else ""
    return f"{record['seconds']:9.2f} s  end{why}"
