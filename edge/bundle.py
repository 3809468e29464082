"""Bundles: the networks and everything that belongs to them, in one folder, verified before it is used.

A bundle is a folder of plain files::

    manifest.json           versions, words, cut-offs, settings, provenance, licences; sha256 of every file
    manifest.json.sha256    sha256 of the manifest, as ``sha256sum`` writes it
    wake.tflite             the networks, named by the manifest
    liveness.tflite
    MODEL_CARD.md           for people

Every file that the manifest lists is read once; what was hashed is what the interpreter gets, so that
nothing can change in between. A file that the manifest does not list is ignored: nothing reads it, so it can
do nothing, and file managers and tools that sign or install bundles may leave their own files there.

The hashes find damage, not malice: whoever can write the folder can seal it again.

A bundle that was judged by the limits of its task says so in its manifest (``limits``, see :mod:`edge.judgement`) and
in its card. What was judged is named by :func:`bundle_hash`, which is the same before and after; a judgement of
anything else is refused.
"""

import difflib
import hashlib
import importlib.metadata
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import BundleError, BundleVersionError, UsageError
from edge.judgement import Judgement, card_without_limits, read_judgement
from edge.regular_file import read_regular
from edge.strict_json import Table, load_object, show

__all__ = [
    "CARD_NAME",
    "CHECKSUM_NAME",
    "DEFAULT_BUNDLE",
    "FORMAT",
    "FORMAT_VERSION",
    "MANIFEST_NAME",
    "UNJUDGED_VERSION",
    "Bundle",
    "FileEntry",
    "Licence",
    "LivenessPart",
    "WakePart",
    "Word",
    "bundle_hash",
    "find_word",
    "open_bundle",
    "seal",
    "write_judgement",
]

FORMAT = "vivavoce-bundle"
FORMAT_VERSION = 2
"""The newest version of the manifest that this program reads, and the version of one that says what was reached."""
UNJUDGED_VERSION = 1
"""The version of a manifest without ``limits``, which is all that version 2 adds: older programs read it, too."""

MANIFEST_NAME = "manifest.json"
CHECKSUM_NAME = f"{MANIFEST_NAME}.sha256"
CARD_NAME = "MODEL_CARD.md"
"""The file for people."""

DEFAULT_BUNDLE = Path(__file__).resolve().parent / "data" / "bundle"
"""The bundle that ships with the program."""

_MAX_MANIFEST_BYTES = 1 << 20
_MAX_FILE_BYTES = 16 << 20
_MAX_FILES = 64

# No separator, and no leading dot: a name can only be a file of the bundle's own folder.
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_WORD_ID = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")
_VERSION = re.compile(r"\d{1,9}(\.\d{1,9}){0,3}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

_UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    # A bundle that was not judged has no limits to tell of, which is not the same as meeting all of them.
    1: lambda manifest: {**manifest, "limits": None},
}
"""For each older version of the manifest, what turns it into the next one: run once, when a bundle is opened,
so that nothing behind :func:`open_bundle` knows of old versions. Each states why its defaults are right."""


@dataclass(frozen=True, slots=True)
class Word:
    """A wake word."""

    id: str
    """Name in events and options, e.g. ``smart_mirror``."""
    phrase: str
    """What is said, e.g. "smart mirror"."""
    cutoff: float
    """Smoothed score above which the word counts as heard, 0 to 1."""


@dataclass(frozen=True, slots=True)
class WakePart:
    """The wake network, and how it is run."""

    file: str
    """Name of the network's file."""
    stride_frames: int
    """Frames between two runs."""
    context_frames: int
    """Frames that each run is shown."""
    smoothing_steps: int
    """Runs over which the scores are averaged."""
    refractory_ms: int
    """Time after a detection in which nothing is detected, ms."""


@dataclass(frozen=True, slots=True)
class LivenessPart:
    """The liveness network, and what its output means."""

    file: str
    """Name of the network's file."""
    accept_cutoff: float
    """Probability from which on speech counts as live, 0 to 1."""
    reject_cutoff: float
    """Probability below which speech counts as played, 0 to 1; not above the other."""
    cues: dict[str, Any]
    """Settings of :class:`edge.cues.CueSettings`."""
    slope: float
    """Calibration: probability = sigmoid(slope * logit + offset)."""
    offset: float
    """See ``slope``."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of a bundle, as the manifest describes it."""

    sha256: str
    """Hexadecimal, lower case."""
    bytes: int
    """Size."""


@dataclass(frozen=True, slots=True)
class Licence:
    """Under which licence some material was used to make the networks."""

    material: str
    """What was used, e.g. the name of a corpus."""
    licence: str
    """Name of the licence, as its owner gives it."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle: complete, consistent, and equal to what was sealed."""

    path: Path
    """The folder."""
    bundle_version: str
    """Version of the bundle itself."""
    minimum_vivavoce_version: str
    """The oldest program that can use it."""
    words: tuple[Word, ...]
    """In the order of the wake network's outputs."""
    frontend: dict[str, Any]
    """Settings of :class:`edge.frontend_tables.FrontendSettings`."""
    wake: WakePart
    """The first stage."""
    liveness: LivenessPart
    """The second stage."""
    training: dict[str, Any]
    """For each network how it came to be: commit, seed, hash of the data, settings."""
    licences: tuple[Licence, ...]
    """Of everything that the networks were trained on."""
    files: Mapping[str, FileEntry]
    """By name."""
    contents: Mapping[str, bytes]
    """The verified bytes of each file, by name."""
    limits: Judgement | None = None
    """What it had to reach, and reached; None if it was not judged."""

    def __repr__(self) -> str:
        """Return a short form; the contents are long."""
        return f"Bundle({str(self.path)!r}, {self.bundle_version}, words {[word.id for word in self.words]})"

    @property
    def size(self) -> int:
        """Return how large it is, manifest and checksum included, bytes."""
        own = (self.path / name for name in (MANIFEST_NAME, CHECKSUM_NAME))
        return sum(file.stat().st_size for file in own) + sum(entry.bytes for entry in self.files.values())

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


def find_word(words: Sequence[Word], name: str, place: str) -> Word:
    """Find a word by its id or phrase; case does not matter.

    Parameters
    ----------
    words : sequence of Word
        The words to choose from.
    name : str
        Id or phrase.
    place : str
        Where the words come from, for the message.

    Raises
    ------
    UsageError
        If there is no such word.
    """
    wanted = name.strip().casefold()
    for word in words:
        if wanted in (word.id.casefold(), word.phrase.casefold()):
            return word
    there = [word.id for word in words]
    near = difflib.get_close_matches(wanted.replace(" ", "_"), there, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"choose a word of {place}"
    raise UsageError(f"word: got {name!r}, expected one of {', '.join(there)}; {remedy}")


def open_bundle(path: str | os.PathLike[str] | None = None) -> Bundle:
    """Open a bundle and verify all of it.

    Parameters
    ----------
    path : path, optional
        The folder; by default the bundle that ships with the program.

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
    """
    folder = DEFAULT_BUNDLE if path is None else Path(path)
    if not os.path.isdir(folder):  # and not Path.is_dir, which raises where a parent may not be entered
        got = "a file" if os.path.exists(folder) else "nothing"
        remedy = "install the program again" if path is None else "give the folder that holds its manifest.json"
        raise BundleError(f"{folder}: got {got}, expected the folder of a bundle; {remedy}")
    manifest = _read(folder / MANIFEST_NAME, _MAX_MANIFEST_BYTES)
    checksum = _read(folder / CHECKSUM_NAME, _MAX_MANIFEST_BYTES)
    expected = _checksum_line(manifest)
    if checksum != expected:
        got = checksum[:64].decode("ascii", "replace")
        raise BundleError(
            f"{folder / CHECKSUM_NAME}: got {got!r}, expected {expected[:64].decode()!r}, the sha256 of "
            f"{MANIFEST_NAME}; one of the two is damaged: install the bundle again"
        )
    return _parse(folder, load_object(folder / MANIFEST_NAME, manifest))


def seal(folder: str | os.PathLike[str]) -> None:
    """Enter size and hash of every file in a folder into its manifest, and write the hash of the manifest.

    Whether the manifest makes sense is not looked at; :func:`open_bundle` does that. What it says of limits is removed,
    from the card as well: it was said of what was sealed before.

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
    manifest = load_object(path, _read(path, _MAX_MANIFEST_BYTES))
    entries = {}
    for file in sorted(folder.iterdir()):
        if file.name not in (MANIFEST_NAME, CHECKSUM_NAME):
            content = _read(file, _MAX_FILE_BYTES)
            if file.name == CARD_NAME and _is_judged(manifest):
                content = card_without_limits(content)
                file.write_bytes(content)
            entries[file.name] = _entry(content)
    _write_manifest(folder, {**_unjudged(manifest), "files": entries})


def bundle_hash(folder: str | os.PathLike[str]) -> str:
    """Return the sha256 that names a bundle in result files: of its manifest, which names the hashes of all its files.

    What the manifest and the card say of limits is left out: it comes from result files, which are about the bundle by
    this very hash. Of a bundle without it, this is the hash of the file ``manifest.json``.

    Raises
    ------
    BundleError
        If the manifest or the card cannot be read, or the manifest is not a JSON object.
    """
    folder = Path(folder)
    content = _read(folder / MANIFEST_NAME, _MAX_MANIFEST_BYTES)
    manifest = load_object(folder / MANIFEST_NAME, content)
    if not _is_judged(manifest):
        return hashlib.sha256(content).hexdigest()
    files = manifest.get("files")
    has_card = isinstance(files, dict) and CARD_NAME in files
    return _hash_without_limits(manifest, _read(folder / CARD_NAME, _MAX_FILE_BYTES) if has_card else None)


def write_judgement(folder: str | os.PathLike[str], judgement: Judgement, card: bytes | None) -> None:
    """Write what was reached into the manifest of a bundle, and a card that says the same.

    Nothing is replaced in one step: work on a copy.

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
    manifest = load_object(path, _read(path, _MAX_MANIFEST_BYTES))
    files = dict(manifest["files"])
    if card is not None:
        files[CARD_NAME] = _entry(card)
        (folder / CARD_NAME).write_bytes(card)
    # The long list last, for who reads the file.
    judged = {"format_version": FORMAT_VERSION, "files": files, "limits": judgement.to_dict()}
    _write_manifest(folder, _unjudged(manifest) | judged)
    if (found := bundle_hash(folder)) != judgement.bundle_sha256:
        raise BundleError(
            f"{folder}: got a bundle that is {found[:16]}..., expected {judgement.bundle_sha256[:16]}..., which was "
            "judged; judge this bundle, and if it is the same one seal it first: its manifest was laid out by hand"
        )


def _entry(content: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    content = _text(manifest)
    (folder / MANIFEST_NAME).write_bytes(content)
    (folder / CHECKSUM_NAME).write_bytes(_checksum_line(content))


def _text(manifest: dict[str, Any]) -> bytes:
    """Return a manifest as it is written."""
    return (json.dumps(manifest, indent=2, allow_nan=False) + "\n").encode()


def _is_judged(manifest: dict[str, Any]) -> bool:
    """Tell whether a manifest says what was reached, in the way that this program writes it: not so a newer one."""
    return "limits" in manifest and manifest.get("format_version") == FORMAT_VERSION


def _unjudged(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest without what it says of limits; another one as it is."""
    if not _is_judged(manifest):
        return manifest
    return {key: value for key, value in manifest.items() if key != "limits"} | {"format_version": UNJUDGED_VERSION}


def _hash_without_limits(manifest: dict[str, Any], card: bytes | None) -> str:
    """Return the hash of the manifest that a bundle had before it was judged."""
    plain = _unjudged(manifest)
    if card is not None:
        plain = plain | {"files": plain["files"] | {CARD_NAME: _entry(card_without_limits(card))}}
    return hashlib.sha256(_text(plain)).hexdigest()


def _checksum_line(manifest: bytes) -> bytes:
    """Return what ``sha256sum manifest.json`` prints."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST_NAME}\n".encode()


# ------------------------------------------------------------------------------------------ reading


def _read(path: Path, limit: int) -> bytes:
    """Return the content of a file of a bundle, of at most `limit` bytes."""
    return read_regular(path, limit, what="a file of the bundle", remedy="install the bundle again")


# ------------------------------------------------------------------------------------------ meaning


def _parse(folder: Path, written: dict[str, Any]) -> Bundle:
    top = Table(folder / MANIFEST_NAME, _current(folder, written))
    top.take("format")
    top.take("format_version")
    what = "a version such as 1.2.3"
    bundle_version = top.text("bundle_version", _VERSION, what)
    minimum = top.text("minimum_vivavoce_version", _VERSION, what)
    _check_program(folder, minimum)
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
    liveness = _liveness(top.table("liveness"))
    training = top.mapping("training")
    licences = []
    for entry in top.tables("licences"):
        licences.append(Licence(entry.text("material"), entry.text("licence")))
        entry.end()
    files = _files(top)
    for name, file in (("wake", wake.file), ("liveness", liveness.file)):
        if file not in files:
            raise top.fault(f"{name}.file", repr(file), f"one of: {', '.join(files)}")
    limits = None if top.null("limits") else read_judgement(top.table("limits"))
    top.end()
    contents = {name: _verified(folder / name, entry) for name, entry in files.items()}
    if limits is not None:
        found = _hash_without_limits(written, contents.get(CARD_NAME))
        if found != limits.bundle_sha256:
            raise top.fault(
                "limits.bundle_sha256", limits.bundle_sha256, f"{found}: the bundle is not the one that was judged"
            )
    return Bundle(
        path=folder,
        bundle_version=bundle_version,
        minimum_vivavoce_version=minimum,
        words=tuple(words),
        frontend=frontend,
        wake=wake,
        liveness=liveness,
        training=training,
        licences=tuple(licences),
        files=files,
        contents=contents,
        limits=limits,
    )


def _current(folder: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Check that this is a manifest, and bring it to the current version."""
    top = Table(folder / MANIFEST_NAME, manifest)
    if (found := top.take("format")) != FORMAT:
        raise top.fault("format", show(found), repr(FORMAT))
    # Looked at before anything else: what a newer version says of its other entries cannot be judged here.
    version = top.integer("format_version", 1, 1 << 31)
    if version > FORMAT_VERSION:
        raise BundleVersionError(
            f"{folder}: format_version: got {version}, expected at most {FORMAT_VERSION}; the bundle was "
            "made for a newer program: update vivavoce, or use an older bundle"
        )
    if version == UNJUDGED_VERSION and "limits" in manifest:
        raise top.fault("limits", f"an entry that version {version} does not know", "none of this name")
    while version < FORMAT_VERSION:
        manifest = _UPGRADES[version](manifest)
        version += 1
    return manifest


def _check_program(folder: Path, minimum: str) -> None:
    try:
        ours = importlib.metadata.version("vivavoce")
    except importlib.metadata.PackageNotFoundError:
        return  # run from its sources, which are as new as they are
    found = re.match(_VERSION, ours)
    if found is not None and _order(found[0]) < _order(minimum):
        raise BundleVersionError(
            f"{folder}: minimum_vivavoce_version: got {minimum}, expected at most {ours}; the bundle was "
            "made for a newer program: update vivavoce, or use an older bundle"
        )


def _order(version: str) -> tuple[int, ...]:
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
        if not _FILE_NAME.fullmatch(name) or name in (MANIFEST_NAME, CHECKSUM_NAME):
            raise top.fault("files", f"the name {name!r}", "plain names of files in the folder of the bundle")
        entry = table.table(name)
        files[name] = FileEntry(
            entry.text("sha256", _SHA256, "64 hexadecimal digits"), entry.integer("bytes", 0, _MAX_FILE_BYTES)
        )
        entry.end()
    return files


def _verified(path: Path, entry: FileEntry) -> bytes:
    content = _read(path, _MAX_FILE_BYTES)
    found = hashlib.sha256(content).hexdigest()
    if (len(content), found) != (entry.bytes, entry.sha256):
        raise BundleError(
            f"{path}: got {len(content)} bytes with sha256 {found[:16]}..., expected {entry.bytes} bytes "
            f"with {entry.sha256[:16]}...; the file is damaged: install the bundle again"
        )
    return content
