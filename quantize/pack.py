"""``vivavoce quantize pack``: from two converted checkpoints to the bundle that devices run."""

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quantize.converted import Converted

__all__ = ["SUMMARY", "configure", "pack", "run"]

SUMMARY = "put the converted networks, cut-offs and provenance into a bundle"

_MINIMUM_PROGRAM = "0.1.0"  # the first that reads any bundle; format_version tells it of manifests that are too new
_PROVISIONAL_CUTOFF = 0.5
_FILES = {"wake": "wake.tflite", "verifier": "verifier.tflite", "liveness": "liveness.tflite"}
_PROVENANCE = ("commit", "seed", "data_hash", "settings", "versions")

_EPILOG = """\
Checkpoints must have been converted ('vivavoce quantize convert'). A bundle in place of a checkpoint gives its network
of that role: so one network can be made again and the other kept, byte for byte; cut-offs are those of --cutoffs.
The bundle is built beside its place, opened and tried, and only then put there: an existing bundle is replaced by a
whole one or not at all. A bundle that is larger than its task allows is not made. What it reaches is not known yet:
'vivavoce train evaluate' measures that, and 'vivavoce quantize limits' writes it into the bundle.

files:
  --cutoffs    {"words": {ID: P, ...},
                "verifier": {ID: {"candidate": P, "cutoff": P}, ...},    with --verifier
                "liveness": {"accept": P, "reject": P, "calibration": {"slope": A, "offset": B}}};
               without it every cut-off is 0.5, and the card says that they are provisional
  --licences   [{"material": NAME, "licence": NAME}, ...]; needed if the records of the checkpoints do not say
               which material was used

examples:
  vivavoce quantize pack --wake build/wake --liveness build/liveness -o build/bundle
  vivavoce quantize pack --wake edge/data/bundle --liveness build/liveness -o build/bundle
  vivavoce quantize pack --wake build/wake --verifier build/verifier --liveness build/liveness -o build/bundle
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument(
        "--wake", type=Path, required=True, metavar="DIR", help="converted checkpoint of the wake network, or a bundle"
    )
    parser.add_argument("--liveness", type=Path, required=True, metavar="DIR", help="that of the liveness network")
    parser.add_argument(
        "--verifier",
        type=Path,
        metavar="DIR",
        help="that of the network that listens again to what the wake network took for a word [none]",
    )
    parser.add_argument("--cutoffs", type=Path, metavar="FILE", help="what 'vivavoce train cutoffs' chose")
    parser.add_argument("--licences", type=Path, metavar="FILE", help="licences of the material")
    parser.add_argument(
        "--results",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="result file for the card; repeat it",
    )
    parser.add_argument(
        "--task", type=Path, metavar="FILE", help="task that says how large a bundle may be [that of what ships]"
    )
    parser.add_argument("--bundle-version", default="0.1.0", metavar="X", help="[%(default)s]")
    parser.add_argument("--author", metavar="NAME", help="who makes the bundle [not said]")
    parser.add_argument("--website", metavar="URL", help="where there is more about it [not said]")
    parser.add_argument(
        "--language",
        action="append",
        default=[],
        metavar="CODE",
        help="language in which its words were said, such as en; repeat it [not said]",
    )
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="BUNDLE", help="folder to write")
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Pack a bundle."""
    from edge.output import out

    report = pack(
        args.wake,
        args.liveness,
        args.out,
        verifier=args.verifier,
        cutoffs=args.cutoffs,
        licences=args.licences,
        results=args.results,
        bundle_version=args.bundle_version,
        author=args.author,
        website=args.website,
        languages=args.language,
        task=args.task,
    )
    out(args).event(
        {"event": "packed", **report},
        f"{args.out}: {len(report['words'])} words, {report['bytes']} bytes, {report['gzip_bytes']} compressed"
        + (
            "; its cut-offs are provisional: choose them with 'vivavoce train cutoffs', and pack again"
            * report["provisional"]
        ),
    )
    return 0


def pack(
    wake: Path,
    liveness: Path,
    destination: Path,
    *,
    verifier: Path | None = None,
    cutoffs: Path | None = None,
    licences: Path | None = None,
    results: Sequence[Path] = (),
    bundle_version: str = "0.1.0",
    author: str | None = None,
    website: str | None = None,
    languages: Sequence[str] = (),
    task: Path | None = None,
) -> dict[str, Any]:
    """Make a bundle, verify it, and put it in its place.

    Parameters
    ----------
    wake, liveness : pathlib.Path
        Converted checkpoints, or bundles of which the network of that role is taken.
    destination : pathlib.Path
        Folder to write. An older bundle there is replaced; anything else is left alone.
    verifier : pathlib.Path, optional
        Converted checkpoint of the network that listens again, or a bundle that has one; none by default.
    cutoffs, licences : pathlib.Path, optional
        JSON files as ``--help`` describes them.
    results : sequence of pathlib.Path, optional
        JSON files whose figures go into the model card.
    bundle_version : str
        Version of the bundle.
    author, website : str, optional
        Who makes the bundle, and where there is more about it (http or https).
    languages : sequence of str
        Codes of the languages in which its words were said, e.g. ``en``.
    task : pathlib.Path, optional
        What says how large a bundle may be; by default the task of what ships.

    Returns
    -------
    dict
        ``bundle``, ``bundle_version``, ``words``, ``provisional``, ``bytes``, ``gzip_bytes``.

    Raises
    ------
    DataError
        If a checkpoint is incomplete, a file does not fit it, the bundle would be too large, or the
        destination holds something else or cannot be written.
    BundleError, ModelAbiError
        If what was built cannot be used.
    """
    import gzip

    from edge.bundle import open_bundle
    from edge.bundle_manifest import CARD_NAME, FORMAT, FORMAT_VERSION, MANIFEST_NAME
    from edge.bundle_writing import seal
    from edge.errors import DataError
    from edge.pipeline import Pipeline
    from quantize.card import model_card
    from quantize.checkpoint import read_json
    from quantize.converted import read_converted
    from quantize.hard_limits import bundle_bytes
    from quantize.replacement import replacing

    most = bundle_bytes(task)
    parts = {"wake": read_converted(wake, "wake"), "liveness": read_converted(liveness, "liveness")}
    if verifier is not None:
        parts["verifier"] = read_converted(verifier, "verifier")
    heard, spec = parts["wake"].spec, parts["liveness"].spec
    ids = [word["id"] for word in heard["words"]]
    chosen = _cutoffs(cutoffs, ids, verified=verifier is not None)
    if cutoffs is not None:
        _check_networks(cutoffs, parts)
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "bundle_version": bundle_version,
        "minimum_vivavoce_version": _MINIMUM_PROGRAM,
        "author": author,
        "website": website,
        "trained_languages": list(languages),
        "words": [{"id": w["id"], "phrase": w["phrase"], "cutoff": chosen["words"][w["id"]]} for w in heard["words"]],
        "frontend": heard["frontend"],
        "wake": {
            "file": _FILES["wake"],
            **{name: heard[name] for name in ("stride_frames", "context_frames", "smoothing_steps", "refractory_ms")},
        },
        "verifier": _verifier(parts["verifier"], ids, chosen["verifier"]) if "verifier" in parts else None,
        "liveness": {
            "file": _FILES["liveness"],
            "accept_cutoff": chosen["liveness"]["accept"],
            "reject_cutoff": chosen["liveness"]["reject"],
            "cues": spec["cues"],
            "calibration": chosen["liveness"]["calibration"],
        },
        "training": {
            role: {name: part.record[name] for name in _PROVENANCE if name in part.record}
            for role, part in parts.items()
        },
        "licences": _licences(licences, parts),
        "files": {},
        "limits": None,
    }
    card = model_card(
        manifest=manifest,
        conversions={role: part.conversion for role, part in parts.items()},
        provisional=cutoffs is None,
        results=[(path.stem, read_json(path)) for path in results],
    )
    with replacing(destination) as folder:
        for role, part in parts.items():
            (folder / _FILES[role]).write_bytes(part.content)
        (folder / CARD_NAME).write_text(card, encoding="utf-8")
        (folder / MANIFEST_NAME).write_text(json.dumps(manifest), encoding="utf-8")
        seal(folder)
        contents = [file.read_bytes() for file in folder.iterdir()]
        size = sum(map(len, contents))
        if size > most:
            raise DataError(
                f"{destination}: got a bundle of {size} bytes, expected at most {most}; train smaller networks"
            )
        # Nothing but a bundle that opens and runs may take the place of one that did.
        Pipeline(open_bundle(folder))
    return {
        "bundle": str(destination),
        "bundle_version": bundle_version,
        "words": [word["id"] for word in heard["words"]],
        "provisional": cutoffs is None,
        "bytes": size,
        "gzip_bytes": sum(len(gzip.compress(content, 9, mtime=0)) for content in contents),
    }


def _verifier(part: "Converted", words: list[str], chosen: dict[str, Any]) -> dict[str, Any]:
    """Return what the manifest says of the verifier."""
    from edge.errors import DataError

    known = [word["id"] for word in part.spec["words"]]
    if known != words:
        raise DataError(
            f"{part.origin}: got a verifier for {', '.join(known)}, expected one for {', '.join(words)} in this order, "
            "as the wake network; train it for these"
        )
    return {
        "file": _FILES["verifier"],
        "delay_ms": part.spec["delay_ms"],
        "again_ms": part.spec["again_ms"],
        "words": chosen,
    }


def _cutoffs(path: Path | None, words: list[str], *, verified: bool) -> dict[str, Any]:
    """Return the cut-offs of a file, or provisional ones."""
    from edge.errors import DataError
    from quantize.checkpoint import read_json

    if path is None:
        provisional = {"candidate": _PROVISIONAL_CUTOFF, "cutoff": _PROVISIONAL_CUTOFF}
        return {
            "words": dict.fromkeys(words, _PROVISIONAL_CUTOFF),
            "verifier": dict.fromkeys(words, provisional),
            "liveness": {
                "accept": _PROVISIONAL_CUTOFF,
                "reject": _PROVISIONAL_CUTOFF,
                "calibration": {"slope": 1.0, "offset": 0.0},
            },
        }
    chosen = read_json(path)

    def entry(table: object, name: str, dotted: str) -> Any:
        if not isinstance(table, dict) or name not in table:
            raise DataError(f"{path}: {dotted}: got no such entry, expected one; choose the cut-offs again")
        return table[name]

    for_words = entry(chosen, "words", "words")
    for word in words:
        entry(for_words, word, f"words.{word}")
    if set(for_words) != set(words):
        raise DataError(
            f"{path}: words: got {', '.join(for_words)}, expected {', '.join(words)} as in the checkpoint; "
            "choose the cut-offs again"
        )
    of_verifier: dict[str, dict[str, Any]] = {}
    if verified:
        table = entry(chosen, "verifier", "verifier")
        for word in words:
            row = entry(table, word, f"verifier.{word}")
            of_verifier[word] = {name: entry(row, name, f"verifier.{word}.{name}") for name in ("candidate", "cutoff")}
    liveness = entry(chosen, "liveness", "liveness")
    calibration = entry(liveness, "calibration", "liveness.calibration")
    # Whether the values are numbers in their ranges is judged when the finished bundle is opened.
    return {
        "words": for_words,
        "verifier": of_verifier,
        "liveness": {
            "accept": entry(liveness, "accept", "liveness.accept"),
            "reject": entry(liveness, "reject", "liveness.reject"),
            "calibration": {
                name: entry(calibration, name, f"liveness.calibration.{name}") for name in ("slope", "offset")
            },
        },
    }


def _check_networks(path: Path, parts: "dict[str, Converted]") -> None:
    """Check that cut-offs were chosen with these networks, if they say with which: those of others mean nothing."""
    from edge.errors import DataError
    from quantize.checkpoint import read_json

    told = read_json(path).get("networks", {})
    for role, part in parts.items():
        said = told.get(role) if isinstance(told, dict) else None
        if said not in (None, hashlib.sha256(part.content).hexdigest()):
            raise DataError(
                f"{path}: networks.{role}: got cut-offs of another network (sha256 {str(said)[:16]}), expected that of "
                f"{Path(part.origin).parent}; choose the cut-offs again, or remove this entry to take them all the same"
            )


def _licences(path: Path | None, parts: "dict[str, Converted]") -> list[dict[str, str]]:
    """Return what the networks were trained on and under which licences, each pair once."""
    from edge.errors import DataError

    if path is None:
        where = " and ".join(part.origin for part in parts.values())
        listed = [entry for part in parts.values() for entry in part.record.get("licences", [])]
    else:
        where = str(path)
        try:
            listed = json.loads(path.read_bytes())
        except OSError as error:
            raise DataError(
                f"{path}: cannot be read ({error.strerror}), expected a JSON file; check the path"
            ) from error
        except ValueError as error:
            raise DataError(f"{path}: got text that is not JSON ({error}); correct it") from error
    pairs = []
    for entry in listed if isinstance(listed, list) else [None]:
        if not isinstance(entry, dict) or set(entry) != {"material", "licence"}:
            raise DataError(f"{where}: licences: got {entry!r}, expected entries 'material' and 'licence'; correct it")
        if entry not in pairs:
            pairs.append(entry)
    if not pairs:
        raise DataError(
            f"{where}: licences: got none, expected those of the data that the networks were trained on; "
            "give --licences FILE"
        )
    return pairs
