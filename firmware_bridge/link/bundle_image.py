"""Model images: made of a bundle, and read (:mod:`firmware_bridge.link.bundle_format`)."""

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from edge.bundle import Bundle
from edge.bundle_manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, SIGNATURE_NAME, read_bundle_file
from edge.errors import BundleError, BundleVersionError, DataError
from edge.frontend_tables import FrontendSettings
from edge.interpreter import Model, load_model
from firmware_bridge.export.abi import ABI_VERSION, PROBABILITY_BITS, wake_state
from firmware_bridge.export.settings import liveness_logits, word_tables
from firmware_bridge.link.bundle_contract import contract
from firmware_bridge.link.bundle_format import (
    ALIGNMENT,
    FORMAT_VERSION,
    HEADER,
    MAGIC,
    NUMBERS,
    SECTION,
    SECTIONS,
    WORD_ID_BYTES,
)

__all__ = ["ModelImage", "image_bytes", "image_of", "numbers_of", "read_image", "sha256_of"]

_NUMBERS = struct.Struct(f"<{len(NUMBERS)}i")
_NUMBERS_BYTES = 64


@dataclass(frozen=True, slots=True)
class ModelImage:
    """What an image holds."""

    contract: bytes
    """32 bytes; see :mod:`firmware_bridge.link.bundle_contract`."""
    sections: Mapping[str, bytes]
    """By name, as in ``bundle_format.SECTIONS``."""
    abi_version: int = ABI_VERSION


def image_of(bundle: Bundle) -> ModelImage:
    """Return the image of a bundle; whether it is trusted was decided when it was opened.

    Raises
    ------
    BundleError
        If a file of the bundle cannot be read.
    DataError
        If its networks are not int8, or a word has an id that is too long.
    """
    wake, liveness = (
        load_model(bundle.content(part.file), name=part.file, kernels="reference")
        for part in (bundle.wake, bundle.liveness)
    )
    sections = {"settings": _settings(bundle, wake, liveness)}
    sections["manifest"] = read_bundle_file(bundle.path / MANIFEST_NAME, MAX_MANIFEST_BYTES)
    if bundle.signature.state != "unsigned":
        sections["signature"] = read_bundle_file(bundle.path / SIGNATURE_NAME, MAX_MANIFEST_BYTES)
    sections["wake"] = bundle.content(bundle.wake.file)
    sections["liveness"] = bundle.content(bundle.liveness.file)
    return ModelImage(contract(bundle, wake), sections)


def image_bytes(image: ModelImage) -> bytes:
    """Return an image as it travels: the same bytes for the same image."""
    table, body = b"", b""
    begin = _aligned(HEADER.size + SECTION.size * len(image.sections))
    for name, content in image.sections.items():
        table += SECTION.pack(SECTIONS[name], begin + len(body), len(content))
        body += content + bytes(_aligned(len(content)) - len(content))
    head = HEADER.pack(MAGIC, FORMAT_VERSION, len(image.sections), image.abi_version, begin + len(body), image.contract)
    return (head + table).ljust(begin, b"\0") + body


def read_image(name: str, content: bytes) -> ModelImage:
    """Read an image.

    Parameters
    ----------
    name : str
        For messages.
    content : bytes

    Raises
    ------
    BundleVersionError
        If its format is newer than this program.
    BundleError
        If it is none, is damaged, or lacks a network.
    """
    remedy = "make it again with 'vivavoce bridge send BUNDLE --image FILE'"
    if len(content) < HEADER.size or content[: len(MAGIC)] != MAGIC:
        raise BundleError(f"{name}: got {content[:8]!r} at its start, expected a model image ({MAGIC!r}); {remedy}")
    _, version, count, abi_version, size, agreed = HEADER.unpack_from(content)
    if version > FORMAT_VERSION:
        raise BundleVersionError(
            f"{name}: got a model image of format {version}, expected up to {FORMAT_VERSION}; update vivavoce"
        )
    if size != len(content):
        raise BundleError(f"{name}: got {len(content)} bytes, expected {size}; {remedy}")
    if HEADER.size + count * SECTION.size > size:
        raise BundleError(f"{name}: got a table of {count} sections in {size} bytes, expected fewer; {remedy}")
    names = {code: known for known, code in SECTIONS.items()}
    sections: dict[str, bytes] = {}
    for place in range(count):
        code, begin, length = SECTION.unpack_from(content, HEADER.size + place * SECTION.size)
        if begin % ALIGNMENT or begin + length > size:
            raise BundleError(
                f"{name}: section {place}: got {length} bytes at {begin}, expected them within {size} and on a "
                f"boundary of {ALIGNMENT}; {remedy}"
            )
        if code in names:
            sections[names[code]] = content[begin : begin + length]
    for needed in ("settings", "wake", "liveness"):
        if needed not in sections:
            raise BundleError(f"{name}: got no section {needed!r}, expected one; {remedy}")
    return ModelImage(agreed, sections, abi_version)


def numbers_of(image: ModelImage) -> dict[str, int]:
    """Return the numbers with which the settings begin, by name.

    Raises
    ------
    BundleError
        If the section is too short.
    """
    if len(image.sections["settings"]) < _NUMBERS_BYTES:
        raise BundleError(
            f"model image: got settings of {len(image.sections['settings'])} bytes, expected at least "
            f"{_NUMBERS_BYTES}; make it again"
        )
    return dict(zip(NUMBERS, _NUMBERS.unpack_from(image.sections["settings"]), strict=True))


def sha256_of(content: bytes) -> bytes:
    """Return the hash by which an image is offered."""
    return hashlib.sha256(content).digest()


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _settings(bundle: Bundle, wake: Model, liveness: Model) -> bytes:
    tables = word_tables(bundle, wake)
    accept, reject = liveness_logits(bundle, liveness)
    state_bytes, state_zero_point = wake_state(bundle, wake)
    part = bundle.wake
    step_ms = FrontendSettings.from_dict(bundle.frontend).step_ms
    numbers = (
        len(bundle.words),
        part.context_frames,
        part.stride_frames,
        part.smoothing_steps,
        part.refractory_ms // step_ms,
        state_bytes,
        state_zero_point,
        accept,
        reject,
        PROBABILITY_BITS,
    )
    ids = []
    for word in bundle.words:
        encoded = word.id.encode()
        if len(encoded) >= WORD_ID_BYTES:
            raise DataError(
                f"{bundle.path}: words: got the id {word.id!r} of {len(encoded)} bytes, expected fewer than "
                f"{WORD_ID_BYTES} for firmware; give it a shorter one"
            )
        ids.append(encoded.ljust(WORD_ID_BYTES, b"\0"))
    return b"".join(
        (
            _NUMBERS.pack(*numbers).ljust(_NUMBERS_BYTES, b"\0"),
            struct.pack(f"<{len(ids)}Q", *tables.cutoff_sums),
            struct.pack(f"<{len(ids)}Q", *tables.cutoff_rooms),
            struct.pack("<256I", *tables.probabilities),
            *ids,
        )
    )
