"""``vivavoce bundle verify``: whether a bundle is whole, signed by whom it should be, and runs."""

import argparse

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "check hashes, signature and manifest of a bundle, and let it run once"

_EPILOG = """\
Checked are the hash of the manifest, its signature if keys are named, every entry of the manifest, size and hash of
every file that it lists, and that its networks load and run. Files that the manifest does not list are named: no hash
and no signature covers them, and the program never reads them.

With --json one object:
  {"event":"verified","bundle","bundle_version","sha256","bytes","files":[NAME,...],"unlisted":[NAME,...],
   "signature":{"state":"unsigned|unchecked|trusted","key_id","comment"},"words":[ID,...]}

examples:
  vivavoce bundle verify
  vivavoce bundle verify /var/lib/vivavoce/bundle --public-key vendor.pub --require-signature

exit code: 0, or 2 with the reason if the bundle must not be used
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.commands.bundle_options import add_trust_arguments
    from edge.commands.paths import named_path
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument("bundle", nargs="?", type=named_path, metavar="BUNDLE", help="[the one that ships]")
    parser.add_argument(
        "--interpreter",
        choices=("litert", "tflite"),
        help="which interpreter runs the networks [the best that is installed]",
    )
    add_trust_arguments(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Check everything."""
    from dataclasses import asdict

    from edge.bundle import unlisted_files
    from edge.bundle_check import check_runs
    from edge.bundle_identity import bundle_hash
    from edge.bundle_manifest import SIGNATURE_NAME
    from edge.commands.bundle_options import open_chosen, shown
    from edge.output import out, warn
    from edge.signature import read_signature, show_key_id

    bundle = open_chosen(args, args.bundle)
    if bundle.signature.state == "unchecked":
        key = show_key_id(read_signature(bundle.path / SIGNATURE_NAME).key_id)
        warn(
            f"claims to be signed by the key {key}, which was not checked; name the key with --public-key FILE",
            file=str(bundle.path),
        )
    check_runs(bundle, args.interpreter)
    unlisted = unlisted_files(bundle)
    if unlisted:
        warn(
            f"also there, listed by no manifest, covered by no hash or signature, and never read: "
            f"{', '.join(map(shown, unlisted))}",
            file=str(bundle.path),
        )
    out(args).event(
        {
            "event": "verified",
            "bundle": str(bundle.path),
            "bundle_version": bundle.bundle_version,
            "sha256": bundle_hash(bundle.path),
            "bytes": bundle.size,
            "files": list(bundle.files),
            "unlisted": unlisted,
            "signature": asdict(bundle.signature),
            "words": [word.id for word in bundle.words],
        },
        f"{bundle.path}: version {bundle.bundle_version} is whole and runs: {len(bundle.files)} files, "
        f"{len(bundle.words)} words, {bundle.size} bytes; {bundle.signature.told()}",
    )
    return 0
