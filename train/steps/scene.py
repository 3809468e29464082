"""``vivavoce train scene``: the sample scene that ships with the package."""

import argparse
from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "make a sample scene: a synthesised wake word, as spoken in a room and as played by a TV"

_EPILOG = """\
A program speaks the word; the replay simulator renders it twice, in the same room. Writes 9 s of 16 kHz mono
FLAC, and beside it a JSON file that says what is in it and when. No human speaks in it, and it is no evidence
of how well the gate works. Needs flite or espeak-ng (Debian packages of these names).

examples:
  vivavoce train scene -o edge/data/scene.flac
  vivavoce train scene -o other.flac --word computer --voice espeak-ng:en-gb --seed 7
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="FLAC file to write; the JSON goes beside it",
    )
    parser.add_argument("--word", default="snowboy", metavar="ID", help="wake word to say [%(default)s]")
    parser.add_argument(
        "--voice",
        default="flite:rms",
        metavar="PROGRAM:NAME",
        help="voice of flite or espeak-ng [%(default)s]",
    )
    parser.add_argument("--seed", type=int, default=1, help="draws room, television and noise [%(default)s]")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder with a manifest.csv whose noise may be the background [generated noise]",
    )
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Make and write the scene."""
    from edge.output import columns, out
    from train.corpus import load_manifest
    from train.scene import make_scene, write_scene

    clips = load_manifest(args.data) if args.data is not None else ()
    scene = make_scene(args.word, args.voice, args.seed, clips=clips)
    beside = write_scene(scene, args.out)
    told = scene.description
    rows = [(f"{u['start_s']:.2f} s", f"{u['end_s']:.2f} s", told["phrase"], u["rendered"]) for u in told["utterances"]]
    size = args.out.stat().st_size
    lines = [
        f"{args.out}  {told['seconds']:.1f} s, {size} bytes, {told['label']}; described in {beside}",
        *columns(rows),
    ]
    out(args).event({"event": "scene", "file": str(args.out), "bytes": size, **told}, "\n".join(lines))
    return 0
