"""The manifest of a bundle: its entries, what each may hold, and the versions that there were.

:mod:`edge.bundle` reads a whole bundle, :mod:`edge.bundle_writing` seals one. docs/bundle.md describes the format.
"""

import importlib.metadata
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge.bundle_parts import FileEntry, Licence, LivenessPart, Manifest, VerifierPart, WakePart, Word
from edge.errors import BundleVersionError
from edge.judgement import read_judgement
from edge.regular_file import read_regular
from edge.strict_json import Table, show

__all__ = [
    "CARD_NAME",
    "CHECKSUM_NAME",
    "FORMAT",
    "FORMAT_VERSION",
    "LANGUAGE",
    "MANIFEST_NAME",
    "MAX_FILE_BYTES",
    "MAX_MANIFEST_BYTES",
    "OWN_NAMES",
    "SHA256",
    "SIGNATURE_NAME",
    "VERSION",
    "WEBSITE",
    "parse_manifest",
    "read_bundle_file",
    "verifier_entry",
    "version_order",
]

FORMAT = "vivavoce-bundle"
FORMAT_VERSION = 4
"""The newest version of the manifest that this program reads, and the one that it packs.

Version 2 added ``limits`` for bundles that were judged; version 3 has them in every manifest, null where nobody judged,
and added ``author``, ``website`` and ``trained_languages``; version 4 added ``verifier``.
"""

MANIFEST_NAME = "manifest.json"
CHECKSUM_NAME = f"{MANIFEST_NAME}.sha256"
SIGNATURE_NAME = f"{MANIFEST_NAME}.minisig"
OWN_NAMES = (MANIFEST_NAME, CHECKSUM_NAME, SIGNATURE_NAME)
"""Files of a bundle that no manifest lists, because they are made from it."""
CARD_NAME = "MODEL_CARD.md"
"""The file for people."""

MAX_MANIFEST_BYTES = 1 << 20
MAX_FILE_BYTES = 16 << 20
_MAX_FILES = 64
_MAX_LANGUAGES = 100

# No separator, and no leading dot: a name can only be a file of the bundle's own folder.
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_WORD_ID = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")
VERSION = re.compile(r"\d{1,9}(\.\d{1,9}){0,3}")
"""A version; :func:`version_order` compares two."""
SHA256 = re.compile(r"[0-9a-f]{64}")
"""A hash, as it is written."""
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}")
"""A code of a language, of the shape of BCP 47: ISO 639 and what may follow it."""
WEBSITE = re.compile(r"https?://[A-Za-z0-9\[][!-~]{0,999}")
"""An address, with a host."""

_ADDED: dict[int, dict[str, Any]] = {
    # A bundle that was not judged has no limits to tell of, which is not the same as meeting all of them.
    1: {"limits": None},
    # Nobody asked who made it; a name or language that was made up would be taken for a fact.
    2: {"author": None, "website": None, "trained_languages": []},
    3: {"verifier": None},
}
"""For each older version of the manifest what the next one added, with what it means that an older one lacks it:
entered once, when a bundle is opened, so that nothing behind :func:`parse_manifest` knows of old versions."""


def read_bundle_file(path: Path, limit: int = MAX_FILE_BYTES) -> bytes:
    """Return the content of a file of a bundle, of at most `limit` bytes.

    Raises
    ------
    BundleError
        If it is missing, unreadable, larger, or no regular file.
    """
    return read_regular(path, limit, what="a file of the bundle", remedy="install the bundle again")


def parse_manifest(path: Path, written: dict[str, Any]) -> Manifest:
    """Check every entry of a manifest.

    Parameters
    ----------
    path : Path
        The file, for messages.
    written : dict
        Its content, of any version.

    Raises
    ------
    BundleError
        If an entry is missing, unknown, or of another kind; the message names it by its dotted path.
    BundleVersionError
        If the manifest was made for a newer program.
    """
    top = Table(path, _current(path, written))
    top.take("format")
    top.take("format_version")
    what = "a version such as 1.2.3"
    bundle_version = top.text("bundle_version", VERSION, what)
    minimum = top.text("minimum_vivavoce_version", VERSION, what)
    _check_program(path, minimum)
    author = None if top.null("author") else top.line("author")
    website = None if top.null("website") else top.text("website", WEBSITE, "an address such as https://example.org")
    languages = _languages(top)
    words: list[Word] = []
    for entry in top.tables("words"):
        word = Word(
            entry.text("id", _WORD_ID, "lower-case letters, digits and underscores"),
            entry.text("phrase"),
            entry.number("cutoff", 0.0, 1.0),
        )
        if any(word.id == other.id for other in words):
            raise entry.fault("id", f"{word.id!r} a second time", "every id once")
        entry.end()
        words.append(word)
    frontend = top.mapping("frontend")
    wake = _wake(top.table("wake"))
    verifier = None if top.null("verifier") else _verifier(top.table("verifier"), words)
    liveness = _liveness(top.table("liveness"))
    training = top.mapping("training")
    licences = []
    for entry in top.tables("licences"):
        licences.append(Licence(entry.text("material"), entry.text("licence")))
        entry.end()
    files = _files(top)
    named = [("wake", wake.file), ("liveness", liveness.file)]
    if verifier is not None:
        named.append(("verifier", verifier.file))
    for name, file in named:
        if file not in files:
            raise top.fault(f"{name}.file", repr(file), f"one of: {', '.join(files)}")
    limits = None if top.null("limits") else read_judgement(top.table("limits"))
    top.end()
    return Manifest(
        bundle_version=bundle_version,
        minimum_vivavoce_version=minimum,
        author=author,
        website=website,
        trained_languages=languages,
        words=tuple(words),
        frontend=frontend,
        wake=wake,
        verifier=verifier,
        liveness=liveness,
        training=training,
        licences=tuple(licences),
        files=files,
        limits=limits,
    )


def _current(path: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Check that this is a manifest, and bring it to the current version."""
    top = Table(path, manifest)
    if (found := top.take("format")) != FORMAT:
        raise top.fault("format", show(found), repr(FORMAT))
    # Looked at before anything else: what a newer version says of its other entries cannot be judged here.
    version = top.integer("format_version", 1, 1 << 31)
    if version > FORMAT_VERSION:
        raise BundleVersionError(
            f"{path}: format_version: got {version}, expected at most {FORMAT_VERSION}; the bundle was "
            "made for a newer program: update vivavoce, or use an older bundle"
        )
    for older in range(version, FORMAT_VERSION):
        for entry in _ADDED[older]:
            if entry in manifest:
                raise top.fault(entry, f"an entry that version {version} does not know", "none of this name")
        manifest = {**manifest, **_ADDED[older]}
    return manifest


def _check_program(path: Path, minimum: str) -> None:
    try:
        ours = importlib.metadata.version("vivavoce")
    except importlib.metadata.PackageNotFoundError:
        return  # run from its sources, which are as new as they are
    found = re.match(VERSION, ours)
    if found is not None and version_order(found[0]) < version_order(minimum):
        raise BundleVersionError(
            f"{path}: minimum_vivavoce_version: got {minimum}, expected at most {ours}; the bundle was "
            "made for a newer program: update vivavoce, or use an older bundle"
        )


def version_order(version: str) -> tuple[int, ...]:
    """Return a version as numbers; 1.2 comes before 1.10, and 1.0 equals 1."""
    parts = [int(part) for part in version.split(".")]
    return (*parts, *[0] * (4 - len(parts)))


def _wake(part: Table) -> WakePart:
    wake = WakePart(
        file=part.text("file"),
        stride_frames=part.integer("stride_frames", 1, 100),
        context_frames=part.integer("context_frames", 1, 1000),
        smoothing_steps=part.integer("smoothing_steps", 1, 100),
        refractory_ms=part.integer("refractory_ms", 0, 60_000),
    )
    part.end()
    return wake


def _verifier(part: Table, words: list[Word]) -> VerifierPart:
    """Read the verifier; its cut-offs become those of the words."""
    alone = {word.id: word.cutoff for word in words}
    table = part.table("words")
    candidates = {}
    for at, word in enumerate(words):
        entry = table.table(word.id)
        candidates[word.id] = entry.number("candidate", 0.0, 1.0)
        words[at] = replace(word, cutoff=entry.number("cutoff", 0.0, 1.0))
        entry.end()
    table.end()
    verifier = VerifierPart(
        file=part.text("file"),
        delay_ms=part.integer("delay_ms", 0, 1000),
        again_ms=part.integer("again_ms", 1, 60_000),
        candidates=candidates,
        alone=alone,
    )
    part.end()
    return verifier


def verifier_entry(manifest: Manifest) -> dict[str, Any] | None:
    """Return what a manifest says of its verifier, as it is written there.

    Parameters
    ----------
    manifest : Manifest
        Or a bundle, as it shipped.

    Returns
    -------
    dict or None
        ``file``, ``delay_ms``, ``again_ms``, and ``words``: for each id ``candidate`` and ``cutoff``; None without one.
    """
    part = manifest.verifier
    if part is None:
        return None
    words = {word.id: {"candidate": part.candidates[word.id], "cutoff": word.cutoff} for word in manifest.words}
    return {"file": part.file, "delay_ms": part.delay_ms, "again_ms": part.again_ms, "words": words}


def _liveness(part: Table) -> LivenessPart:
    calibration = part.table("calibration")
    accept = part.number("accept_cutoff", 0.0, 1.0)
    liveness = LivenessPart(
        file=part.text("file"),
        accept_cutoff=accept,
        reject_cutoff=part.number("reject_cutoff", 0.0, accept),
        cues=part.mapping("cues"),
        slope=calibration.number("slope"),
        offset=calibration.number("offset"),
    )
    calibration.end()
    part.end()
    return liveness


def _files(top: Table) -> dict[str, FileEntry]:
    table = top.table("files")
    files = {}
    names = table.names
    if len(names) > _MAX_FILES:
        raise top.fault("files", f"{len(names)} entries", f"at most {_MAX_FILES}")
    for name in names:
        if not _FILE_NAME.fullmatch(name) or name in OWN_NAMES:
            raise top.fault("files", f"the name {name!r}", "plain names of files in the folder of the bundle")
        entry = table.table(name)
        files[name] = FileEntry(
            entry.text("sha256", SHA256, "64 hexadecimal digits"), entry.integer("bytes", 0, MAX_FILE_BYTES)
        )
        entry.end()
    return files


def _languages(top: Table) -> tuple[str, ...]:
    value = top.take("trained_languages")
    listed = value if isinstance(value, list) and len(value) <= _MAX_LANGUAGES else [None]
    if not all(isinstance(item, str) and LANGUAGE.fullmatch(item) for item in listed):
        raise top.fault("trained_languages", show(value), 'a list of language codes such as "en", or an empty one')
    return tuple(listed)
