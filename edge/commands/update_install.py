"""``vivavoce update install``: fetch a bundle, verify it, and let it wait for its trial."""

import argparse
from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "fetch a bundle, verify it, and put it into the slot that is not used"

_EPILOG = """\
The source is the folder of a bundle, an archive (.tar, .tar.gz, .tar.xz, .tar.bz2, .zip), or the https address of one.
The bundle must be signed by a key that --public-key names, must run, and must not be older than the highest version
that was ever confirmed on this device. It waits as the candidate: a daemon that uses these slots sees it within a
second, tries it on what it hears, switches to it, and confirms it or goes back. What is in use is untouched until then.
A download that was broken off is gone on with by the next call.

With --json one object:
  {"event":"slots","slots","bundle","bundle_version","sha256","whole","generation","active","previous","candidate",
   "probation","boots","a":{"version","sha256"}|null,"b":...,"refused":[{"version","sha256","reason"},...],
   "minimum":{"version","sha256"}|null}
where bundle, bundle_version and sha256 are those of the bundle in use.

examples:
  vivavoce update install https://example.org/bundle-1.3.0.tar.gz --public-key /etc/vivavoce/vendor.pub
  vivavoce update install build/bundle --slots /tmp/slots --allow-unsigned --now

exit code: 0, or 2 with the reason; then the bundle in use is as it was
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.commands.update_options import add_slots_argument
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument("source", metavar="PATH|URL", help="folder or archive of a bundle, or https address of one")
    add_slots_argument(parser)
    parser.add_argument(
        "--public-key",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="trust the key in this file (minisign's format); repeat it",
    )
    parser.add_argument("--allow-unsigned", action="store_true", help="take a bundle that nobody signed, too")
    parser.add_argument(
        "--allow-downgrade", action="store_true", help="take a bundle that is older than one that was confirmed here"
    )
    parser.add_argument("--retry", action="store_true", help="take a bundle that failed here before")
    parser.add_argument(
        "--now", action="store_true", help="switch to it without a trial; it is on probation, and has to be confirmed"
    )
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Install it."""
    from edge.commands.update_options import shown_slots, status_record
    from edge.download import FetchSettings
    from edge.errors import UsageError
    from edge.output import out
    from edge.slots import Slots
    from edge.update import install, update_trust

    if not args.source:
        raise UsageError("PATH|URL: got an empty name, expected a bundle; name it")
    trust = update_trust(tuple(args.public_key), allow_unsigned=args.allow_unsigned)
    slots = Slots(args.slots, trust=trust)
    state = install(args.source, slots, FetchSettings(), allow_downgrade=args.allow_downgrade, retry=args.retry)
    if args.now and state.candidate:
        state = slots.accept_trial()
    bundle = slots.open_active()
    out(args).event(status_record(slots, state, bundle), shown_slots(slots, state, bundle))
    return 0
