"""``vivavoce doctor``: tell whether this installation is able to work."""

import argparse

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "check the installation; --warm compiles the kernels for this processor"

_EPILOG = """\
Run 'vivavoce doctor --warm' once after each installation or update, as the user who installs. It compiles the
feature kernels for this processor and keeps them, so that every later start takes a fraction of a second and no
more memory than it must: without, the first start compiles them. They are kept in the first of these folders that
can be written to: the one that VIVAVOCE_CACHE_DIR names, the installation itself, and the user's cache. A service
that may write to none of them starts from what --warm left.

It listens for a second to the microphone that the daemon would use. With --config FILE that is the one that the
settings name, and everything else that they name is looked at as well; without, a device that has no microphone is
a note.

With --json one object a check: {"check","state":"ok|note|fault","found","remedy"}

exit code: 0, or 2 if a check found a fault
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.commands.bundle_options import add_trust_arguments
    from edge.commands.paths import named_path
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument("--bundle", type=named_path, metavar="DIR", help="bundle to look at [the one that ships]")
    parser.add_argument("--config", type=named_path, metavar="FILE", help="settings of the daemon to look at")
    parser.add_argument("--warm", action="store_true", help="compile the kernels anew, and keep them")
    add_trust_arguments(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Make every check, and print what was found."""
    from edge.bundle_trust import BundleTrust
    from edge.capture import leave
    from edge.cli import EXIT_FAULT
    from edge.doctor import examine
    from edge.output import out

    output = out(args)
    trust = BundleTrust.from_files(args.public_key, require_signature=args.require_signature)
    code = 0
    for finding in examine(warm=args.warm, bundle=args.bundle, trust=trust, config=args.config):
        record = finding._asdict()
        text = f"{finding.state:<6} {finding.check:<12} {finding.found}"
        output.event(record, f"{text}\n{'':20}-> {finding.remedy}" if finding.remedy else text)
        if finding.state == "fault":
            code = EXIT_FAULT
    return leave(code)
