"""Wake-word models that were made for ESPHome: a ``micro`` manifest, and its .tflite beside it.

The manifest is the JSON of ESPHome's component ``micro_wake_word``, version 1 or 2. What the model needs to run must
be there; what only describes it may be missing, and entries that are not known are ignored, because other
programs write their own beside them.

References
----------
.. [1] ESPHome, ``esphome/components/micro_wake_word/__init__.py``: the entries of both versions, and what version 1
   leaves unsaid (behaviour only).
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from edge.bundle_parts import Word
from edge.errors import BundleVersionError
from edge.regular_file import read_regular
from edge.strict_json import Table, load_object, show

__all__ = ["MANIFEST_VERSION", "EsphomeModel", "open_esphome_model"]

MANIFEST_VERSION = 2
"""The newest version of the manifest that is read."""

_MAX_MANIFEST_BYTES = 1 << 20
_MAX_MODEL_BYTES = 16 << 20
_NAME = "name the .json that came with the model"
_REMEDY = f"correct it, or {_NAME}"

# Version 1 was for one kind of network, and its manifest does not say these.
_V1_STEP_MS = 20
_V1_ARENA_BYTES = 45_672
_V1_LANGUAGES = ("en",)

_MAX_STEP_MS = 30  # ESPHome's limit: with a longer step some samples would be in no window
_MAX_WINDOW_RUNS = 10_000


@dataclass(frozen=True, slots=True)
class EsphomeModel:
    """A wake-word model for ESPHome: what its manifest says, in the terms of version 2, and the network."""

    path: Path
    """The manifest."""
    word: Word
    """Its phrase, the id that is made from it ("Okay Nabu" is ``okay_nabu``), and its cut-off."""
    file: Path
    """The network."""
    step_ms: int
    """Distance of two feature frames, ms."""
    window_runs: int
    """Runs of the network over which the probability is averaged."""
    arena_bytes: int | None
    """Memory that the network needs on a microcontroller, bytes; not needed here."""
    author: str
    """Who made it; may be empty."""
    languages: tuple[str, ...]
    """Languages in which its words were said, e.g. ``en``."""
    content: bytes = field(repr=False)
    """The bytes of the network."""


def open_esphome_model(path: str | os.PathLike[str]) -> EsphomeModel:
    """Read a manifest for ESPHome, and the network that it names.

    Parameters
    ----------
    path : path
        The manifest, ``something.json``.

    Returns
    -------
    EsphomeModel

    Raises
    ------
    BundleVersionError
        If the manifest is of a newer version.
    BundleError
        If it cannot be read, is no manifest of a wake word, or names no network in its own folder.
    """
    path = Path(path)
    content = read_regular(path, _MAX_MANIFEST_BYTES, what="a manifest", remedy=_NAME)
    top = Table(path, load_object(path, content, remedy=_REMEDY), remedy=_REMEDY)
    if (kind := top.take("type")) != "micro":
        raise top.fault("type", show(kind), '"micro"')
    # Looked at before anything else: what a newer version says of its other entries cannot be judged here.
    version = top.integer("version", 1, 1 << 31)
    if version > MANIFEST_VERSION:
        raise BundleVersionError(
            f"{path}: version: got {version}, expected at most {MANIFEST_VERSION}; the manifest was made for a newer "
            "ESPHome: update vivavoce, or use an older model"
        )
    phrase = top.text("wake_word", what="the phrase that is said")
    if phrase.casefold() == "vad":
        raise top.fault("wake_word", f"{phrase!r}, a detector of voice activity", "the phrase that is said")
    ident = _id(phrase)
    if not ident:
        raise top.fault("wake_word", show(phrase), "a phrase with letters or digits")
    file = _file(top)
    micro = top.table("micro")
    cutoff = micro.number("probability_cutoff", 0.0, 1.0)
    languages: tuple[str, ...] = ()
    arena: int | None = None
    if version == 1:
        window = micro.integer("sliding_window_average_size", 1, _MAX_WINDOW_RUNS)
        step, arena, languages = _V1_STEP_MS, _V1_ARENA_BYTES, _V1_LANGUAGES
    else:
        window = micro.integer("sliding_window_size", 1, _MAX_WINDOW_RUNS)
        step = micro.integer("feature_step_size", 1, _MAX_STEP_MS)
        if "tensor_arena_size" in micro.names:
            arena = micro.integer("tensor_arena_size", 0, 1 << 31)
        if "trained_languages" in top.names:
            languages = _texts(top, "trained_languages")
    author = ", ".join(_texts(top, "author")) if "author" in top.names else ""
    network = read_regular(
        file, _MAX_MODEL_BYTES, what=f"the model of {path.name}", remedy="get it from where the manifest came from"
    )
    return EsphomeModel(path, Word(ident, phrase, cutoff), file, step, window, arena, author, languages, network)


def _id(phrase: str) -> str:
    """Return the phrase in small letters, with one underscore for whatever stands between words."""
    return "_".join(re.findall(r"[^\W_]+", phrase.casefold()))


def _file(top: Table) -> Path:
    """Return the path of the network, which must lie in the folder of the manifest or below."""
    name = top.text("model", what="the name of a file")
    # As it is written: where a link of that name leads is the choice of who made the folder.
    parts = PurePosixPath(name).parts
    is_name = "\0" not in name and name == name.encode(errors="replace").decode()
    if not is_name or name.startswith("/") or ".." in parts:
        raise top.fault("model", show(name), "a file in the folder of the manifest")
    return top.path.parent.joinpath(*parts)


def _texts(top: Table, key: str) -> tuple[str, ...]:
    """Take one text or a list of texts, any of which may be empty."""
    value = top.take(key)
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
        raise top.fault(key, show(value), "text")
    return tuple(listed)
