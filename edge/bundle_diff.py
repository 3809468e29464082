"""In what two bundles differ, entry by entry."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

from edge.bundle import Bundle, networks_of
from edge.bundle_manifest import verifier_entry

__all__ = ["ABSENT", "SECTIONS", "Difference", "differences"]

SECTIONS = ("bundle", "words", "networks", "settings", "limits", "training", "licences", "files", "signature")
"""Of what can differ, in the order in which it is told."""


class _Absent:
    """What stands for an entry that one of the two does not have, because null is a value."""

    def __repr__(self) -> str:
        return "-"


ABSENT = _Absent()


class Difference(NamedTuple):
    """One entry that is not the same in both."""

    section: str
    """One of :data:`SECTIONS`."""
    entry: str
    """Its dotted name, e.g. ``alexa.cutoff``."""
    a: object
    """In the first; :data:`ABSENT` if it is not there."""
    b: object
    """In the second."""


def differences(a: Bundle, b: Bundle) -> list[Difference]:
    """Compare two bundles.

    Networks and other files are compared by hash; words, limits and licences by their names, wherever they stand.
    Where the folders are, and how the manifests are laid out, does not matter.

    Parameters
    ----------
    a, b : Bundle

    Returns
    -------
    list of Difference
        Section by section; none if they are the same.
    """
    first, second = _entries(a), _entries(b)
    found = []
    for section in SECTIONS:
        one, other = first[section], second[section]
        # In the order of the first, and what only the second has behind it.
        for entry in {**one, **other}:
            left, right = one.get(entry, ABSENT), other.get(entry, ABSENT)
            if left is ABSENT or right is ABSENT or left != right:
                found.append(Difference(section, entry, left, right))
    return found


def _entries(bundle: Bundle) -> dict[str, dict[str, Any]]:
    networks = networks_of(bundle)
    alone, verifier = bundle.wake_cutoffs, verifier_entry(bundle)
    licences: dict[str, list[str]] = {}
    for entry in bundle.licences:
        licences.setdefault(entry.material, []).append(entry.licence)
    head = ("bundle_version", "minimum_vivavoce_version", "author", "website", "trained_languages")
    return {
        "bundle": {name: getattr(bundle, name) for name in head},
        "words": {
            "order": [word.id for word in bundle.words],
            **_flat({word.id: {"phrase": word.phrase, "cutoff": alone[word.id]} for word in bundle.words}),
        },
        "networks": _flat({role: asdict(bundle.files[file]) for role, file in networks.items()}),
        "settings": _flat(
            {
                "frontend": bundle.frontend,
                "wake": asdict(bundle.wake),
                **({} if verifier is None else {"verifier": verifier}),
                "liveness": asdict(bundle.liveness),
            }
        ),
        "limits": _limits(bundle),
        "training": _flat(bundle.training),
        "licences": {material: sorted(names) for material, names in licences.items()},
        "files": {name: entry.sha256 for name, entry in bundle.files.items() if name not in networks.values()},
        "signature": asdict(bundle.signature),
    }


def _limits(bundle: Bundle) -> dict[str, Any]:
    if bundle.limits is None:
        return {"judged": False}
    judged = bundle.limits
    task = {"task": judged.task, "task_version": judged.task_version, "task_sha256": judged.task_sha256}
    verdicts = {
        verdict.id: {
            **{name: getattr(verdict, name) for name in ("direction", "limit", "measured", "interval", "n", "of")},
            "state": verdict.state,
        }
        for verdict in judged.verdicts
    }
    return {"judged": True, **task, **_flat(verdicts)}


def _flat(table: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return the values of nested tables by their dotted names; lists stay whole."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{name}.")
        else:
            found[name] = value
    return found
