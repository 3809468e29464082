"""Bundles: the networks and everything that belongs to them, in one folder, verified before it is used.

A bundle is a folder of plain files::

    manifest.json           versions, words, cut-offs, settings, provenance, licences; sha256 of every file
    manifest.json.sha256    sha256 of the manifest, as ``sha256sum`` writes it
    manifest.json.minisig   signature of the manifest, in the format of minisign; may be missing
    wake.tflite             the networks, named by the manifest
    liveness.tflite
    MODEL_CARD.md           for people

Every file that the manifest lists is read once; what was hashed is what the interpreter gets, so that
nothing can change in between. A file that the manifest does not list is ignored: nothing reads it, so it can
do nothing, and file managers and tools that install bundles may leave their own files there.

The hashes find damage, not malice: whoever can write the folder can seal it again. A signature of the manifest, which
holds the hashes of all other files, tells who made it, to a device that was told whom to trust
(:mod:`edge.bundle_trust`).

A bundle that was judged by the limits of its task says so in its manifest (``limits``, see :mod:`edge.judgement`) and
in its card. What was judged is named by :func:`edge.bundle_identity.bundle_hash`, which is the same before and after; a
judgement of anything else is refused.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from edge.bundle_identity import checksum_line, hash_without_limits
from edge.bundle_manifest import (
    CARD_NAME,
    CHECKSUM_NAME,
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    OWN_NAMES,
    SIGNATURE_NAME,
    parse_manifest,
    read_bundle_file,
)
from edge.bundle_parts import FileEntry, Manifest, Word, find_word
from edge.bundle_trust import ANYBODY, BundleTrust, SignatureState, check_signature
from edge.errors import BundleError
from edge.strict_json import load_object

__all__ = ["DEFAULT_BUNDLE", "Bundle", "networks_of", "open_bundle", "unlisted_files", "without_verifier"]

DEFAULT_BUNDLE = Path(__file__).resolve().parent / "data" / "bundle"
"""The bundle that ships with the program."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Bundle(Manifest):
    """An opened bundle: complete, consistent, and equal to what was sealed."""

    path: Path
    """The folder."""
    contents: Mapping[str, bytes]
    """The verified bytes of each file, by name."""
    signature: SignatureState
    """Who vouches for it."""

    def __repr__(self) -> str:
        """Return a short form; the contents are long."""
        return f"Bundle({str(self.path)!r}, {self.bundle_version}, words {[word.id for word in self.words]})"

    @property
    def size(self) -> int:
        """Return how large it is, bytes: what the manifest lists, itself, its checksum, and its signature if any."""
        own = [self.path / name for name in (MANIFEST_NAME, CHECKSUM_NAME)]
        if self.signature.state != "unsigned":
            own.append(self.path / SIGNATURE_NAME)
        return sum(file.stat().st_size for file in own) + sum(entry.bytes for entry in self.files.values())

    @property
    def wake_cutoffs(self) -> dict[str, float]:
        """Return the cut-offs of the wake network where it decides alone, by the ids of the words, in their order."""
        alone = {} if self.verifier is None else self.verifier.alone
        return {word.id: alone.get(word.id, word.cutoff) for word in self.words}

    def content(self, name: str) -> bytes:
        """Return the verified bytes of one file.

        Raises
        ------
        BundleError
            If the bundle has no such file.
        """
        if name not in self.contents:
            raise BundleError(f"{self.path}: got a request for {name!r}, expected one of: {', '.join(self.contents)}")
        return self.contents[name]

    def word(self, name: str) -> Word:
        """Find a word by its id or phrase; see :func:`find_word`."""
        return find_word(self.words, name, f"the bundle {self.path}")


def open_bundle(path: str | os.PathLike[str] | None = None, *, trust: BundleTrust = ANYBODY) -> Bundle:
    """Open a bundle and verify all of it.

    Parameters
    ----------
    path : path, optional
        The folder; by default the bundle that ships with the program.
    trust : BundleTrust, optional
        Whose signature is trusted, and whether there must be one; by default every bundle opens that is whole.

    Returns
    -------
    Bundle

    Raises
    ------
    BundleError
        If the folder or a file is missing, has another size or hash than the manifest says, or the manifest
        has an entry too many, too few, or of another kind; the message names it by its dotted path.
    BundleVersionError
        If the bundle was made for a newer program.
    SignatureError
        If keys are trusted and it is signed by another one or altered since, or there is no signature and must be one.
    MissingExtraError
        If keys are trusted, and what checks signatures is not installed.
    """
    folder = DEFAULT_BUNDLE if path is None else Path(path)
    if not os.path.isdir(folder):  # and not Path.is_dir, which raises where a parent may not be entered
        got = "a file" if os.path.exists(folder) else "nothing"
        remedy = "install the program again" if path is None else "give the folder that holds its manifest.json"
        raise BundleError(f"{folder}: got {got}, expected the folder of a bundle; {remedy}")
    manifest = read_bundle_file(folder / MANIFEST_NAME, MAX_MANIFEST_BYTES)
    checksum = read_bundle_file(folder / CHECKSUM_NAME, MAX_MANIFEST_BYTES)
    expected = checksum_line(manifest)
    if checksum != expected:
        got = checksum[:64].decode("ascii", "replace")
        raise BundleError(
            f"{folder / CHECKSUM_NAME}: got {got!r}, expected {expected[:64].decode()!r}, the sha256 of "
            f"{MANIFEST_NAME}; one of the two is damaged: install the bundle again"
        )
    # Before any of it is believed.
    signature = check_signature(folder, manifest, trust)
    path, written = folder / MANIFEST_NAME, load_object(folder / MANIFEST_NAME, manifest)
    parsed = parse_manifest(path, written)
    contents = {name: _verified(folder / name, entry) for name, entry in parsed.files.items()}
    if parsed.limits is not None:
        found = hash_without_limits(written, contents.get(CARD_NAME))
        if found != parsed.limits.bundle_sha256:
            raise BundleError(
                f"{path}: limits.bundle_sha256: got {parsed.limits.bundle_sha256}, expected {found}: the bundle is not "
                "the one that was judged; use another bundle, or make this one again with 'vivavoce quantize pack'"
            )
    said = {field.name: getattr(parsed, field.name) for field in fields(parsed)}
    return Bundle(path=folder, contents=contents, signature=signature, **said)


def networks_of(bundle: Bundle) -> dict[str, str]:
    """Return the files of the networks of a bundle by role, in the order of hearing: wake, verifier, liveness."""
    parts = {"wake": bundle.wake, "verifier": bundle.verifier, "liveness": bundle.liveness}
    return {role: part.file for role, part in parts.items() if part is not None}


def without_verifier(bundle: Bundle) -> Bundle:
    """Return a bundle whose wake network decides alone, by the cut-offs for that: as on a device without a verifier."""
    if bundle.verifier is None:
        return bundle
    alone = bundle.wake_cutoffs
    words = tuple(replace(word, cutoff=alone[word.id], moved=0.0) for word in bundle.words)
    return replace(bundle, verifier=None, words=words)


def unlisted_files(bundle: Bundle) -> list[str]:
    """Return the names of what lies in the folder of a bundle and is no part of it: nothing vouches for it.

    Raises
    ------
    BundleError
        If the folder cannot be listed, which opening a bundle does not need.
    """
    try:
        names = os.listdir(bundle.path)
    except OSError as error:
        raise BundleError(
            f"{bundle.path}: cannot be listed ({error.strerror}), expected a folder; check its permissions"
        ) from error
    return sorted(name for name in names if name not in (*OWN_NAMES, *bundle.files))


def _verified(path: Path, entry: FileEntry) -> bytes:
    content = read_bundle_file(path)
    found = hashlib.sha256(content).hexdigest()
    if (len(content), found) != (entry.bytes, entry.sha256):
        raise BundleError(
            f"{path}: got {len(content)} bytes with sha256 {found[:16]}..., expected {entry.bytes} bytes "
            f"with {entry.sha256[:16]}...; the file is damaged: install the bundle again"
        )
    return content
