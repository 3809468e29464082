"""``vivavoce train import``: a corpus as it is published becomes rows of a manifest, and 16 kHz mono files."""

import argparse
import os
from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "bring a published corpus or own recordings into a data folder"

_EPILOG = """\
Writes OUT/NAME/... and OUT/manifest.csv; rows of other names stay. Audio becomes 16 kHz mono FLAC. SOURCE is only read.
The same command goes on where it was interrupted, and gives the same bytes. The manifest is written last, in one step,
and only if every recording can be read, or with --leave-out-unusable. What has gone from SOURCE since an earlier import
loses its row; its audio in OUT/NAME is counted, and removed with --prune.

examples:
  vivavoce train import tree recordings --licence CC0-1.0 --wake "smart mirror" --out DATA
  vivavoce train import asvspoof2019-pa ASVspoof2019/PA --only dev --out DATA
  vivavoce train import manifest OTHER_DATA --name ours --out DATA
  vivavoce train import manifest OTHER_DATA --name ours --out DATA --prune
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.cli import plain_text
    from edge.manifest_file import SPLITS
    from edge.output import add_output_arguments, columns
    from train.importers.kinds import KINDS, layout

    rows = [(f"  {kind}", layout(kind).SUMMARY) for kind in KINDS]
    parser.epilog = "\n".join(["kinds:", *columns(rows), "", _EPILOG])
    parser.add_argument("kind", choices=tuple(KINDS), metavar="KIND", help="layout of SOURCE, one of those below")
    parser.add_argument("source", type=Path, metavar="SOURCE", help="folder of the corpus, unpacked")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="data folder to write into")
    parser.add_argument("--name", type=plain_text, metavar="NAME", help="sub-folder of the data folder [the KIND]")
    parser.add_argument(
        "--licence",
        type=plain_text,
        metavar="TEXT",
        help="under which it may train a model [as the publisher states, where known]",
    )
    parser.add_argument(
        "--wake",
        type=plain_text,
        action="append",
        default=[],
        metavar="PHRASE",
        help="phrase that is a wake word; several times",
    )
    parser.add_argument("--only", action="append", default=[], choices=SPLITS, help="import this split; several times")
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="of splits that the publisher did not make [%(default)s]"
    )
    parser.add_argument(
        "--link", action="store_true", help="link to files that are 16 kHz mono already, and convert only the others"
    )
    parser.add_argument(
        "--leave-out-unusable", action="store_true", help="import the others where recordings cannot be read"
    )
    parser.add_argument(
        "--prune",
        action="store_true",
        help="remove the audio in DIR/NAME that this import does not put there",
    )
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Import the corpus."""
    from edge.cli import EXIT_FAULT
    from edge.errors import DataError, UsageError
    from edge.output import columns, out, report_error, warn
    from train.corpus import data_hash
    from train.fault import first_of_each_kind
    from train.importers.found import Options
    from train.importers.kinds import layout
    from train.importers.run import import_recordings, totals

    module = layout(args.kind)
    licence = args.licence if args.licence is not None else module.LICENCE
    if licence is None or not licence.strip():
        raise UsageError(
            f"got no licence for {args.kind}, expected --licence TEXT: it is not known under which one this corpus may "
            "train a model; look it up where you got it"
        )
    if args.kind == "manifest" and (args.licence is not None or args.wake):
        raise UsageError("got --licence or --wake for a manifest, expected none: its rows say both; correct them there")
    if args.prune and args.only:
        raise UsageError(
            "got --prune and --only, expected one of them: what --only leaves out is still in SOURCE; leave --only out"
        )
    if not os.path.isdir(args.source):
        raise DataError(f"{args.source}: no such folder, expected an unpacked corpus; check the path")
    options = Options(licence, tuple(args.wake), args.seed, tuple(args.only))
    found = module.find(args.source, options)
    missed = [phrase for phrase in args.wake if phrase not in {recording.label for recording in found.recordings}]
    if missed and found.recordings:
        raise UsageError(f"--wake is {missed[0]!r}, expected a phrase that a recording has as its label; correct it")
    name = args.name or args.kind
    imported = import_recordings(
        found,
        args.source,
        args.out,
        name,
        link=args.link,
        leave_out_unusable=args.leave_out_unusable,
        prune=args.prune,
    )
    for fault in first_of_each_kind(imported.unusable, 5, more="mend these first"):
        report_error(fault.message)
    if not imported.rows:
        report_error(
            f"{args.out}: the manifest was not written, because {len(imported.unusable)} of {len(found.recordings)} "
            "recordings cannot be used; mend them and give the same command again, or give --leave-out-unusable"
        )
        return EXIT_FAULT
    for doubt in found.doubts:
        warn(doubt)
    if imported.left:
        remedy = "give it again without --only to have them back" if args.only else "--prune removes them"
        warn(
            f"{args.out / name}: {imported.left} recordings of an earlier import are not in this one; they have no "
            f"row, and their audio stays: {remedy}"
        )
    for fault in first_of_each_kind(imported.doubts, 1, more="'vivavoce train check' lists them"):
        warn(fault.message)
    seconds = sum(float(row["seconds"]) for row in imported.rows)
    counts = totals(imported.rows)
    dropped = dict(found.dropped)
    if imported.unusable:
        dropped["cannot be read"] = len(imported.unusable)
    lines = [
        f"{args.out / name}: {len(imported.rows)} clips, {seconds / 3600:.2f} h",
        *columns([(f"  {column}", value, n) for column, by_value in counts.items() for value, n in by_value.items()]),
        *(f"  dropped {n}: {reason}" for reason, n in dropped.items()),
        *([f"  pruned {imported.pruned}"] if imported.pruned else []),
    ]
    out(args).event(
        {
            "event": "import",
            "kind": args.kind,
            "folder": str(args.out),
            "name": name,
            "clips": len(imported.rows),
            "resumed": imported.resumed,
            "seconds": round(seconds, 3),
            **counts,
            "dropped": dropped,
            "left": imported.left,
            "pruned": imported.pruned,
            "manifest_sha256": data_hash(args.out),
        },
        "\n".join(lines),
    )
    return 0
