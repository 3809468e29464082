"""``vivavoce bundle diff``: in what two bundles differ."""

import argparse

__all__ = ["EXIT_DIFFERENT", "SUMMARY", "configure", "run"]

SUMMARY = "tell in what two bundles differ"

EXIT_DIFFERENT = 1
"""As of diff and cmp."""

_EPILOG = """\
Compared are version and author, words and cut-offs, networks (by hash), settings, verdicts about limits, training,
licences, other files (by hash) and the signature. How the manifests are laid out does not matter.

With --json one object for each entry that differs, without "a" or "b" where that bundle has no such entry, and one at
the end:
  {"event":"difference","section":"bundle|words|networks|settings|limits|training|licences|files|signature",
   "entry","a","b"}
  {"event":"compared","a":DIR,"b":DIR,"same":true|false,"differences":N}

examples:
  vivavoce bundle diff edge/data/bundle build/bundle
  vivavoce bundle diff --json old new

exit code: 0 if they are the same, 1 if they differ, 2 with the reason if one of them cannot be opened
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.commands.bundle_options import add_trust_arguments
    from edge.commands.paths import named_path
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument("a", type=named_path, metavar="A", help="a bundle")
    parser.add_argument("b", type=named_path, metavar="B", help="another one")
    add_trust_arguments(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Compare them."""
    from edge.bundle_diff import ABSENT, differences
    from edge.commands.bundle_options import open_chosen, shown
    from edge.output import out

    output = out(args)
    found = differences(open_chosen(args, args.a), open_chosen(args, args.b))
    for one in found:
        sides = {name: value for name, value in (("a", one.a), ("b", one.b)) if value is not ABSENT}
        values = [shown(sides[name]) if name in sides else "(not there)" for name in ("a", "b")]
        output.event(
            {"event": "difference", "section": one.section, "entry": one.entry, **sides},
            f"{one.section:<9}  {shown(one.entry)}: {values[0]} -> {values[1]}",
        )
    told = {0: "the same", 1: "1 entry differs"}.get(len(found), f"{len(found)} entries differ")
    output.event(
        {"event": "compared", "a": str(args.a), "b": str(args.b), "same": not found, "differences": len(found)},
        f"{args.a} and {args.b}: {told}",
    )
    return EXIT_DIFFERENT if found else 0
