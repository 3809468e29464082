"""``vivavoce bundle keygen``: make the keys that bundles are signed and checked with."""

import argparse
from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "make a pair of keys: a secret one that signs, a public one for devices"

_EPILOG = """\
Two files in the format of minisign: PREFIX.key signs and belongs to nobody but you; keep a copy where it is safe, and
keep it off devices. PREFIX.pub goes to the devices. Files that are there are never overwritten. Needs the extra:
pip install 'vivavoce[signed]'

examples:
  vivavoce bundle keygen --out ~/keys/vendor
  vivavoce bundle keygen --out /run/ci/key --no-password

exit code: 0, or 2 with the reason; then no file was made
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.commands.bundle_options import add_password_argument
    from edge.commands.paths import named_path
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument(
        "--out",
        "-o",
        type=named_path,
        required=True,
        metavar="PREFIX",
        help="of the files, without .key and .pub",
    )
    parser.add_argument(
        "--no-password", action="store_true", help="do not encrypt the secret key; who can read the file can sign"
    )
    add_password_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Make the keys."""
    from edge.commands.bundle_options import ask_password
    from edge.errors import UsageError
    from edge.output import out
    from edge.signature import ed25519
    from edge.signature_keys import make_key, write_key_pair

    if args.no_password and args.password_file is not None:
        raise UsageError("--no-password: got a --password-file as well, expected one of the two; leave one out")
    ed25519()  # Before anybody is asked for a password.
    secret, public = (Path(f"{args.out}{ending}") for ending in (".key", ".pub"))
    key = make_key()
    write_key_pair(secret, public, key, None if args.no_password else ask_password(args, twice=True)())
    out(args).event(
        {"event": "keys", "key_id": key.public.shown, "secret_key": str(secret), "public_key": str(public)},
        f"key {key.public.shown}: {secret} signs, keep it to yourself; {public} is for devices",
    )
    return 0
