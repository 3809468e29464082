"""``vivavoce quantize limits``: write into a bundle what it had to reach, and reached."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.judgement import Judgement

__all__ = ["SUMMARY", "configure", "run", "write_limits"]

SUMMARY = "write into a bundle which limits of its task it meets and misses"

_EPILOG = """\
The verdicts come from 'vivavoce train frame -o FILE', and must be about this very bundle. They go into the manifest,
for devices, and into the model card, for people; networks, cut-offs and everything else stay as they are, and results
files that name the bundle still do. Verdicts that are there are replaced. The bundle is replaced by a whole one or not
at all.

examples:
  vivavoce train frame -o build/limits.json
  vivavoce quantize limits edge/data/bundle --verdicts build/limits.json
"""

_MOST_BYTES = 1 << 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="bundle to write into")
    parser.add_argument(
        "--verdicts", type=Path, required=True, metavar="FILE", help="what 'vivavoce train frame -o' wrote"
    )
    parser.add_argument(
        "--task", type=Path, metavar="FILE", help="task that says how large a bundle may be [that of what ships]"
    )
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Write the verdicts."""
    from edge.output import out

    judgement = write_limits(args.bundle, args.verdicts, task=args.task)
    out(args).event(
        {"event": "limits", "bundle": str(args.bundle), **judgement.to_dict()}, f"{args.bundle}: {judgement.summary()}"
    )
    return 0


def write_limits(bundle: Path, verdicts: Path, *, task: Path | None = None) -> "Judgement":
    """Write verdicts into manifest and card of a bundle.

    Parameters
    ----------
    bundle : pathlib.Path
        A bundle; one that was judged is judged anew.
    verdicts : pathlib.Path
        JSON file of a :class:`edge.judgement.Judgement`.
    task : pathlib.Path, optional
        What says how large a bundle may be; by default the task of what ships.

    Returns
    -------
    Judgement
        As the bundle says now.

    Raises
    ------
    BundleError
        If the bundle cannot be used.
    DataError
        If the verdicts cannot be read, are about another bundle, or make the bundle too large, or it cannot be written;
        it stays as it was.
    """
    import shutil

    from edge.bundle import open_bundle
    from edge.bundle_identity import bundle_hash
    from edge.bundle_manifest import CARD_NAME
    from edge.bundle_writing import write_judgement
    from edge.errors import BundleError, DataError
    from edge.judgement import read_judgement
    from edge.regular_file import read_regular
    from edge.strict_json import Table, load_object
    from quantize.card import card_with_limits
    from quantize.hard_limits import bundle_bytes
    from quantize.replacement import replacing

    remedy = "make it again with 'vivavoce train frame -o FILE'"
    try:
        content = read_regular(verdicts, _MOST_BYTES, what="verdicts", remedy=remedy)
        judgement = read_judgement(
            Table(verdicts, load_object(verdicts, content, remedy=remedy), remedy=remedy, error=DataError)
        )
    except BundleError as error:
        raise DataError(str(error)) from error
    opened, found, most = open_bundle(bundle), bundle_hash(bundle), bundle_bytes(task)
    if found != judgement.bundle_sha256:
        raise DataError(
            f"{verdicts}: bundle_sha256: got {judgement.bundle_sha256[:16]}..., expected {found[:16]}..., which is "
            f"{bundle}; {remedy}, and --bundle {bundle}"
        )
    card = card_with_limits(opened.content(CARD_NAME), judgement) if CARD_NAME in opened.files else None
    # What a link leads to is the bundle, and not the link, by which a device may choose among several.
    with replacing(bundle.resolve()) as folder:
        # Files that the manifest does not list stay, whoever put them there.
        shutil.copytree(bundle, folder, dirs_exist_ok=True, symlinks=True)
        write_judgement(folder, judgement, card)
        size = open_bundle(folder).size
        if size > most:
            raise DataError(f"{bundle}: got a bundle of {size} bytes, expected at most {most}; train smaller networks")
    return judgement
