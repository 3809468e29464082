"""``vivavoce bridge export``: a bundle as C code for a microcontroller."""

import argparse
from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "write a bundle as C code, tables and networks for a microcontroller"

_TARGETS = ("c", "esp-idf", "zephyr", "esphome")

_EPILOG = """\
For c, esp-idf and zephyr writes a folder with
  vivavoce_frontend.{h,c}, vivavoce_post.{h,c}   features, and from logits to words: C99, fixed point, no heap
  vivavoce_settings.h, vivavoce_tables.{h,c}     what they compute with, hashes, sizes, measured arenas
  vivavoce_models.h, vivavoce_*_model.c          the networks, on boundaries of 16 bytes
  vivavoce_resolver.h                            their operators, for TensorFlow Lite for Microcontrollers (C++)
  golden/                                        with --golden: what all of it must compute
and the files of the build system. For esphome the models of --pack, checked against the bundle. export.json has the
hash of every file. The same bundle gives the same bytes. Nothing is written over: the folder must be new or empty.

examples:
  vivavoce quantize opcheck --json edge/data/bundle >build/opcheck.json
  vivavoce bridge export edge/data/bundle --target esp-idf --opcheck build/opcheck.json -o components/vivavoce
  vivavoce bridge export edge/data/bundle --target esphome --pack build/models/esphome -o build/esphome

exit code: 0, or 2 with the reason; then nothing was written
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of a bundle")
    parser.add_argument("--target", required=True, metavar="NAME", help=f"one of: {', '.join(_TARGETS)}")
    parser.add_argument(
        "--opcheck", type=Path, metavar="FILE", help="what 'vivavoce quantize opcheck --json BUNDLE' printed"
    )
    parser.add_argument(
        "--golden",
        type=Path,
        action="append",
        default=[],
        metavar="AUDIO",
        help="add golden vectors of this recording; repeat it",
    )
    parser.add_argument("--pack", type=Path, metavar="DIR", help="for esphome: what 'vivavoce quantize esphome' wrote")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="folder to write, new or empty")
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Export it."""
    from edge.bundle import open_bundle
    from edge.errors import UsageError
    from edge.output import out
    from firmware_bridge.export.folder import check_new, write_folder
    from firmware_bridge.export.golden import read_recordings
    from firmware_bridge.export.opcheck import read_opcheck
    from firmware_bridge.export.package import export_c, export_esphome

    if args.target not in _TARGETS:
        raise UsageError(f"--target: got {args.target!r}, expected one of: {', '.join(_TARGETS)}; correct it")
    wanted, unused = ("--opcheck", "--pack") if args.target != "esphome" else ("--pack", "--opcheck")
    given = {"--opcheck": args.opcheck, "--pack": args.pack}
    if given[wanted] is None:
        raise UsageError(f"--target {args.target}: got no {wanted}, expected one; see 'vivavoce bridge export --help'")
    if given[unused] is not None or (args.golden and args.target == "esphome"):
        name = unused if given[unused] is not None else "--golden"
        raise UsageError(f"--target {args.target}: got {name}, expected none for this target; leave it out")
    check_new(args.out)
    bundle = open_bundle(args.bundle)
    if args.target == "esphome":
        made = export_esphome(bundle, args.pack)
    else:
        checked = read_opcheck(args.opcheck, bundle)
        made = export_c(bundle, args.target, checked, read_recordings(args.golden) if args.golden else None)
    write_folder(args.out, made)
    size = sum(map(len, made.values()))
    out(args).event(
        {"event": "export", "target": args.target, "folder": str(args.out), "files": len(made), "bytes": size},
        f"{args.out}: {len(made)} files, {size} bytes, for {args.target}",
    )
    return 0
