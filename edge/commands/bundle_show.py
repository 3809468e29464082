"""``vivavoce bundle show``: what a bundle says of itself."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge.bundle import Bundle
    from edge.bundle_parts import Word

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "show words, cut-offs, provenance, limits, licences and signature of a bundle"

_EPILOG = """\
The bundle is verified first, but not run ('vivavoce bundle verify' does that).

Where the bundle has a verifier, a word has three cut-offs: that of the verifier's score, the one of the wake network
from which on the verifier looks, and the one of the wake network on devices without a verifier, such as
microcontrollers.

With --json one object that holds what the manifest says, and:
  {"event":"bundle","bundle","sha256","bytes","unlisted":[NAME,...],
   "signature":{"state":"unsigned|unchecked|trusted","key_id","comment"},...}

examples:
  vivavoce bundle show
  vivavoce bundle show build/bundle --json

exit code: 0, or 2 with the reason if the bundle cannot be opened
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.commands.bundle_options import add_trust_arguments
    from edge.commands.paths import named_path
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument("bundle", nargs="?", type=named_path, metavar="BUNDLE", help="[the one that ships]")
    add_trust_arguments(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Show it."""
    from edge.commands.bundle_options import open_chosen
    from edge.output import out

    bundle = open_chosen(args, args.bundle)
    record = _record(bundle)
    out(args).event(record, "\n".join(_lines(bundle, record)))
    return 0


def _record(bundle: "Bundle") -> dict[str, Any]:
    from dataclasses import asdict

    from edge.bundle import unlisted_files
    from edge.bundle_identity import bundle_hash
    from edge.bundle_manifest import verifier_entry

    alone = bundle.wake_cutoffs
    held = {
        name: getattr(bundle, name)
        for name in (
            "bundle_version",
            "minimum_vivavoce_version",
            "author",
            "website",
            "trained_languages",
            "frontend",
            "training",
        )
    }
    return {
        "event": "bundle",
        "bundle": str(bundle.path),
        "sha256": bundle_hash(bundle.path),
        "bytes": bundle.size,
        **held,
        "words": [{"id": word.id, "phrase": word.phrase, "cutoff": alone[word.id]} for word in bundle.words],
        "wake": asdict(bundle.wake),
        "verifier": verifier_entry(bundle),
        "liveness": asdict(bundle.liveness),
        "licences": [asdict(entry) for entry in bundle.licences],
        "files": {name: asdict(entry) for name, entry in bundle.files.items()},
        "unlisted": unlisted_files(bundle),
        "signature": asdict(bundle.signature),
        "limits": None if bundle.limits is None else bundle.limits.to_dict(),
    }


def _lines(bundle: "Bundle", record: dict[str, Any]) -> list[str]:
    from edge.commands.bundle_options import shown
    from edge.output import columns

    wake, liveness = bundle.wake, bundle.liveness
    facts = [
        ("bundle", str(bundle.path)),
        ("version", f"{bundle.bundle_version}, for vivavoce {bundle.minimum_vivavoce_version} or newer"),
        ("hash", record["sha256"]),
        ("size", f"{bundle.size} bytes"),
        ("author", bundle.author or "not said"),
        ("website", bundle.website or "not said"),
        ("languages", ", ".join(bundle.trained_languages) or "not said"),
        ("signature", bundle.signature.told()),
        ("limits", "not judged" if bundle.limits is None else bundle.limits.summary()),
        (
            "wake",
            f"a run every {wake.stride_frames} frames, scores averaged over {wake.smoothing_steps} runs, nothing for "
            f"{wake.refractory_ms} ms after a detection",
        ),
        ("verifier", _told_of_verifier(bundle)),
        (
            "liveness",
            f"live from {liveness.accept_cutoff:g} on, played below {liveness.reject_cutoff:g}; calibration slope "
            f"{liveness.slope:g}, offset {liveness.offset:g}",
        ),
    ]
    words = [(f"  {word.id}", shown(word.phrase), *_cutoffs(bundle, word)) for word in bundle.words]
    files = [(f"  {name}", entry.bytes, entry.sha256) for name, entry in bundle.files.items()]
    training = [
        (f"  {shown(role)}", *(f"{name} {shown(made[name])}" for name in _PROVENANCE if name in made))
        for role, made in bundle.training.items()
        if isinstance(made, dict)
    ]
    licences = [(f"  {shown(entry.material)}", shown(entry.licence)) for entry in bundle.licences]
    tables: dict[str, Sequence[Sequence[object]]] = {
        "words": words,
        "files": files,
        "training": training,
        "licences of the material": licences,
    }
    lines = columns(facts)
    for title, rows in tables.items():
        lines += [f"{title}:", *columns(rows)]
    if record["unlisted"]:
        lines.append(f"no part of the bundle: {', '.join(map(shown, record['unlisted']))}")
    return lines


def _told_of_verifier(bundle: "Bundle") -> str:
    part = bundle.verifier
    if part is None:
        return "none: the wake network decides alone"
    return (
        f"{part.file}, {bundle.files[part.file].bytes} bytes: looks {part.delay_ms} ms after the wake network, and "
        f"again {part.again_ms} ms later while that hears the word"
    )


def _cutoffs(bundle: "Bundle", word: "Word") -> list[str]:
    if bundle.verifier is None:
        return [f"cut-off {word.cutoff:g}"]
    return [
        f"verifier's cut-off {word.cutoff:g}",
        f"it looks from {bundle.verifier.candidates[word.id]:g} on",
        f"without it: cut-off {bundle.wake_cutoffs[word.id]:g}",
    ]


_PROVENANCE = ("commit", "seed", "data_hash")
