"""Writing the parts of a bundle that are made from its other files: manifest, checksum, judgement."""

import os
from pathlib import Path
from typing import Any

from edge.bundle_identity import (
    bundle_hash,
    checksum_line,
    file_entry,
    is_judged,
    judged,
    manifest_text,
    unjudged,
)
from edge.bundle_manifest import (
    CARD_NAME,
    CHECKSUM_NAME,
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    OWN_NAMES,
    SIGNATURE_NAME,
    read_bundle_file,
)
from edge.errors import BundleError
from edge.judgement import Judgement, card_without_limits
from edge.strict_json import load_object

__all__ = ["seal", "write_judgement"]


def seal(folder: str | os.PathLike[str]) -> None:
    """Enter size and hash of every file in a folder into its manifest, and write the hash of the manifest.

    Whether the manifest makes sense is not looked at; :func:`open_bundle` does that. What it says of limits is removed,
    from the card as well: it was said of what was sealed before. So is a signature, unless nothing changed.

    Parameters
    ----------
    folder : path
        Holds manifest.json; its entry ``files`` is replaced.

    Raises
    ------
    BundleError
        If the manifest or a file cannot be read, or the manifest is not a JSON object.
    """
    folder = Path(folder)
    path = folder / MANIFEST_NAME
    manifest = load_object(path, read_bundle_file(path, MAX_MANIFEST_BYTES))
    entries = {}
    for file in sorted(folder.iterdir()):
        if file.name not in OWN_NAMES:
            content = read_bundle_file(file)
            if file.name == CARD_NAME and is_judged(manifest):
                content = card_without_limits(content)
                file.write_bytes(content)
            entries[file.name] = file_entry(content)
    _write_manifest(folder, {**unjudged(manifest), "files": entries})


def write_judgement(folder: str | os.PathLike[str], judgement: Judgement, card: bytes | None) -> None:
    """Write what was reached into the manifest of a bundle, and a card that says the same.

    Nothing is replaced in one step: work on a copy. A signature is removed, because it was made of another manifest.

    Parameters
    ----------
    folder : path
        A bundle that opens.
    judgement : Judgement
        About this very bundle.
    card : bytes or None
        The new card; None if the bundle has none.

    Raises
    ------
    BundleError
        If the bundle would not be recognised as the one that was judged.
    """
    folder = Path(folder)
    path = folder / MANIFEST_NAME
    manifest = load_object(path, read_bundle_file(path, MAX_MANIFEST_BYTES))
    files = dict(manifest["files"])
    if card is not None:
        files[CARD_NAME] = file_entry(card)
        (folder / CARD_NAME).write_bytes(card)
    _write_manifest(folder, judged(manifest | {"files": files}, judgement.to_dict()))
    if (found := bundle_hash(folder)) != judgement.bundle_sha256:
        raise BundleError(
            f"{folder}: got a bundle that is {found[:16]}..., expected {judgement.bundle_sha256[:16]}..., which was "
            "judged; judge this bundle, and if it is the same one seal it first: its manifest was laid out by hand"
        )


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    content, path = manifest_text(manifest), folder / MANIFEST_NAME
    if content != path.read_bytes():
        # It would be one more thing that is wrong, of a bundle that is not.
        (folder / SIGNATURE_NAME).unlink(missing_ok=True)
    path.write_bytes(content)
    (folder / CHECKSUM_NAME).write_bytes(checksum_line(content))
