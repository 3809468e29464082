"""``vivavoce quantize scores``: what a network says and decides of every clip, for a comparison across environments."""

import argparse
from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "score the clips of a manifest with one network in one interpreter, into a file"

_EPILOG = """\
Needs the device set alone, so that each interpreter can be had in an environment of its own; the files are compared by
'vivavoce quantize parity --scores'. A row holds a clip, the decision and the scores: of a wake network the highest
score of each word, and the words that were detected; of a liveness network its logit, and accept, unsure or reject.
A bundle has its own cut-offs; those of a checkpoint are told by --cutoffs, or one half.

example:
  vivavoce quantize scores build/models/wake --form float --data ../shared/data -o float.scores
  vivavoce quantize scores build/models/wake --data ../shared/data -o int8.scores
  VIVAVOCE_INTERPRETER=tflite .venv-tflite/bin/vivavoce quantize scores build/models/wake --data ../shared/data -o
  old.scores
  vivavoce quantize parity --scores float.scores int8.scores old.scores
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.epilog = _EPILOG
    parser.add_argument("networks", type=Path, metavar="CHECKPOINT|BUNDLE", help="what holds the network")
    parser.add_argument("--role", default="wake", metavar="ROLE", help="wake or liveness, of a bundle [%(default)s]")
    parser.add_argument("--form", default="int8", metavar="FORM", help="int8, or float of a checkpoint [%(default)s]")
    parser.add_argument("--cutoffs", type=Path, metavar="FILE", help="cut-offs that 'vivavoce train cutoffs' chose")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with a manifest.csv")
    parser.add_argument("--split", default="dev", metavar="SPLIT", help="train, dev or test [%(default)s]")
    parser.add_argument("--limit", type=int, metavar="N", help="so many clips, evenly over the split [all]")
    parser.add_argument("--interpreter", metavar="NAME", help="litert or tflite [the preferred one]")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="score file to write")


def run(args: argparse.Namespace) -> int:
    """Score the clips."""
    import sys

    import numpy as np

    from edge.errors import UsageError
    from quantize.recordings import chosen_clips, progress, read_samples
    from quantize.score_table import ScoreTable, write_table
    from quantize.scoring import scorer_of

    for option, value, known in (("--form", args.form, ("int8", "float")), ("--role", args.role, ("wake", "liveness"))):
        if value not in known:
            raise UsageError(f"{option}: got {value!r}, expected {' or '.join(known)}; correct it")
    scorer = scorer_of(args.networks, role=args.role, form=args.form, cutoffs=args.cutoffs, runtime=args.interpreter)
    clips = chosen_clips(args.data, args.split, limit=args.limit)
    found = [scorer.score(read_samples(args.data / clip)) for clip in progress(clips)]
    write_table(
        args.out,
        ScoreTable(
            {**scorer.about, "form": args.form, "split": args.split},
            scorer.columns,
            tuple(clips),
            tuple(decision for decision, _ in found),
            np.array([scores for _, scores in found]),
        ),
    )
    sys.stderr.write(f"{len(clips)} clips in {args.out}\n")
    return 0
