"""``vivavoce bundle sign``: vouch for a bundle."""

import argparse
from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "sign a bundle with a secret key, so that devices can tell whom it is from"

_EPILOG = """\
The bundle is verified, and its manifest signed, which holds the hashes of all its other files: manifest.json.minisig,
in the format of minisign. A signature that is there is replaced; nothing else changes. Sign last: 'vivavoce quantize
limits' and everything else that changes a bundle removes its signature. Needs the extra: pip install 'vivavoce[signed]'

examples:
  vivavoce bundle keygen --out ~/keys/vendor
  vivavoce bundle sign build/bundle --secret-key ~/keys/vendor.key
  minisign -V -p vendor.pub -m build/bundle/manifest.json

exit code: 0, or 2 with the reason; then the bundle is as it was
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.commands.bundle_options import add_password_argument
    from edge.commands.paths import named_path
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument("bundle", type=named_path, metavar="BUNDLE", help="bundle to sign")
    parser.add_argument(
        "--secret-key", type=Path, required=True, metavar="FILE", help="of 'vivavoce bundle keygen' or 'minisign -G'"
    )
    parser.add_argument(
        "--comment", metavar="TEXT", help="one line that is signed as well [when, and the version of the bundle]"
    )
    add_password_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Sign it."""
    import time

    from edge.bundle import open_bundle
    from edge.bundle_manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, SIGNATURE_NAME, read_bundle_file
    from edge.bundle_trust import BundleTrust
    from edge.commands.bundle_options import ask_password
    from edge.errors import DataError
    from edge.files import write_whole
    from edge.output import out
    from edge.signature import sign
    from edge.signature_keys import read_secret_key

    manifest = read_bundle_file(args.bundle / MANIFEST_NAME, MAX_MANIFEST_BYTES)
    bundle = open_bundle(args.bundle)
    key = read_secret_key(args.secret_key, ask_password(args))
    comment = args.comment
    if comment is None:
        stamp = f"timestamp:{int(time.time())}\tfile:{MANIFEST_NAME}\thashed"  # as minisign has it
        comment = f"{stamp}\tvivavoce bundle {bundle.bundle_version}"
    content = sign(manifest, key, comment)
    path = bundle.path / SIGNATURE_NAME
    try:
        write_whole(path, lambda file: file.write(content), durable=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}); check its folder") from error
    # As a device will do it; what was signed is what lies there.
    signed = open_bundle(args.bundle, trust=BundleTrust((key.public,), require_signature=True))
    out(args).event(
        {
            "event": "signed",
            "bundle": str(bundle.path),
            "bundle_version": bundle.bundle_version,
            "key_id": signed.signature.key_id,
            "comment": signed.signature.comment,
            "signature": str(path),
        },
        f"{path}: signed by the key {signed.signature.key_id} ({signed.signature.comment})",
    )
    return 0
