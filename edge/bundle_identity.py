"""By what a bundle is known: the bytes of its manifest, and the hash by which results files name it.

What a bundle is told about itself after it was measured is left out of that hash: it comes from results files, which
are about the bundle by this very hash.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from edge.bundle_manifest import CARD_NAME, FORMAT_VERSION, MANIFEST_NAME, MAX_MANIFEST_BYTES, read_bundle_file
from edge.judgement import card_without_limits
from edge.strict_json import load_object

__all__ = [
    "bundle_hash",
    "checksum_line",
    "file_entry",
    "hash_without_limits",
    "is_judged",
    "judged",
    "manifest_text",
    "unjudged",
]

_FIRST_JUDGED, _FIRST_UNJUDGED = 2, 1
"""The version that was written where there are limits, and the one in place of it where there are none."""
_LIMITS_ALWAYS = 3
"""From this version on every manifest has the entry, null where nobody judged."""


def bundle_hash(folder: str | os.PathLike[str]) -> str:
    """Return the sha256 that names a bundle in result files: of its manifest, which names the hashes of all its files.

    What the manifest and the card say of limits is left out. Of a bundle without it, this is the hash of the file
    ``manifest.json``.

    Raises
    ------
    BundleError
        If the manifest or the card cannot be read, or the manifest is not a JSON object.
    """
    folder = Path(folder)
    content = read_bundle_file(folder / MANIFEST_NAME, MAX_MANIFEST_BYTES)
    manifest = load_object(folder / MANIFEST_NAME, content)
    if not is_judged(manifest):
        return hashlib.sha256(content).hexdigest()
    files = manifest.get("files")
    has_card = isinstance(files, dict) and CARD_NAME in files
    return hash_without_limits(manifest, read_bundle_file(folder / CARD_NAME) if has_card else None)


def hash_without_limits(manifest: dict[str, Any], card: bytes | None) -> str:
    """Return the sha256 of the manifest that a bundle had before it was judged.

    Parameters
    ----------
    manifest : dict
        As it is written now.
    card : bytes or None
        The model card as it is now; None if the bundle has none.
    """
    plain = unjudged(manifest)
    if card is not None:
        plain = plain | {"files": plain["files"] | {CARD_NAME: file_entry(card_without_limits(card))}}
    return hashlib.sha256(manifest_text(plain)).hexdigest()


def is_judged(manifest: dict[str, Any]) -> bool:
    """Tell whether a manifest says what was reached, in a way that this program writes: not so a newer one."""
    version = manifest.get("format_version")
    if version == _FIRST_JUDGED:
        return "limits" in manifest
    known = isinstance(version, int) and _LIMITS_ALWAYS <= version <= FORMAT_VERSION
    return known and manifest.get("limits") is not None


def unjudged(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest without what it says of limits; another one as it is."""
    if not is_judged(manifest):
        return manifest
    if manifest["format_version"] >= _LIMITS_ALWAYS:
        return manifest | {"limits": None}
    return {key: value for key, value in manifest.items() if key != "limits"} | {"format_version": _FIRST_UNJUDGED}


def judged(manifest: dict[str, Any], limits: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest that says what was reached, of a version that has room for it; the long list last."""
    version = max(manifest["format_version"], _FIRST_JUDGED)
    return unjudged(manifest) | {"format_version": version, "limits": limits}


def manifest_text(manifest: dict[str, Any]) -> bytes:
    """Return a manifest as it is written."""
    return (json.dumps(manifest, indent=2, allow_nan=False) + "\n").encode()


def checksum_line(manifest: bytes) -> bytes:
    """Return what ``sha256sum manifest.json`` prints."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST_NAME}\n".encode()


def file_entry(content: bytes) -> dict[str, Any]:
    """Return what a manifest says of a file."""
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
