"""Signatures of files, in the format of minisign, which makes and checks them as well.

A signature file has four lines::

    untrusted comment: anything
    base64 of: algorithm (2 bytes), id of the key (8), Ed25519 signature (64) of the file
    trusted comment: signed, too
    base64 of: Ed25519 signature (64) of the first signature and the trusted comment

The algorithm is ``ED``, of which the BLAKE2b-512 of the file is signed, or the older ``Ed``, of which the file itself
is. Both are read, ``ED`` is written.

The curve is that of the library cryptography (extra ``signed``), which is imported where a signature is made or
checked and not before.

References
----------
.. [1] F. Denis, "Minisign", https://jedisct1.github.io/minisign/, section "Signature format".
.. [2] RFC 8032, Edwards-Curve Digital Signature Algorithm (EdDSA), 2017.
"""

import base64
import binascii
import hashlib
import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from edge.errors import MissingExtraError, SignatureError
from edge.regular_file import read_regular
from edge.strict_json import is_line

__all__ = [
    "KEY_ID_BYTES",
    "TRUSTED",
    "UNTRUSTED",
    "PublicKey",
    "SecretKey",
    "Signature",
    "decode_line",
    "ed25519",
    "read_lines",
    "read_signature",
    "show_key_id",
    "sign",
    "verify",
]

KEY_ID_BYTES = 8
UNTRUSTED = "untrusted comment: "
TRUSTED = "trusted comment: "
_PLAIN, _HASHED = b"Ed", b"ED"
_SIGNATURE_BYTES = 64
_MAX_BYTES = 16 << 10  # two comments of a few hundred characters, with much to spare


def ed25519() -> ModuleType:
    """Return the module of cryptography that holds the curve.

    Raises
    ------
    MissingExtraError
        If the library is not installed.
    """
    try:
        return importlib.import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
    except ImportError as error:
        raise MissingExtraError("what checks and makes signatures (cryptography)", "signed") from error


def show_key_id(key_id: bytes) -> str:
    """Return the id of a key as minisign prints it: 16 hexadecimal digits, the last byte first."""
    return key_id[::-1].hex().upper()


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that signatures are checked with."""

    key_id: bytes
    """Chosen at random when the pair was made; names the key, and proves nothing."""
    key: bytes
    """The point of the curve, 32 bytes."""

    @property
    def shown(self) -> str:
        """Return the id as people read it."""
        return show_key_id(self.key_id)


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A key that signs. Its text form does not show it."""

    key_id: bytes
    """As of the public key."""
    seed: bytes
    """From which the pair is made, 32 bytes."""

    def __repr__(self) -> str:
        """Return the id alone."""
        return f"SecretKey({show_key_id(self.key_id)})"

    @property
    def public(self) -> PublicKey:
        """Return the other half.

        Raises
        ------
        MissingExtraError
            If cryptography is not installed.
        """
        private = ed25519().Ed25519PrivateKey.from_private_bytes(self.seed)
        return PublicKey(self.key_id, private.public_key().public_bytes_raw())


@dataclass(frozen=True, slots=True)
class Signature:
    """What a signature file says. That it can be read does not mean that it is right: see :func:`verify`."""

    key_id: bytes
    """By which key it claims to be."""
    hashed: bool
    """Whether the hash of the file was signed (``ED``), or the file (``Ed``)."""
    signature: bytes
    """Of the file, 64 bytes."""
    comment: str
    """The trusted comment."""
    comment_signature: bytes
    """Of signature and trusted comment, 64 bytes."""


def read_lines(path: Path, what: str, remedy: str) -> list[str]:
    """Return the lines of a small text file.

    Raises
    ------
    SignatureError
        If it cannot be read, is too large, or no text.
    BundleError
        If it is missing, or no file.
    """
    content = read_regular(path, _MAX_BYTES, what=what, remedy=remedy)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise SignatureError(f"{path}: got bytes that are no text, expected {what}; {remedy}") from error
    # Not splitlines, which has ideas of its own about what ends a line.
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def decode_line(line: str, size: int) -> bytes | None:
    """Return the bytes that a line of base64 stands for; None if it is no base64 of `size` bytes."""
    try:
        found = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if len(found) == size else None


def read_signature(path: Path) -> Signature:
    """Read a signature file.

    Raises
    ------
    SignatureError
        If it is none.
    BundleError
        If it is missing, unreadable, or no file.
    """
    what, remedy = "a signature as minisign writes it", "sign it again with 'vivavoce bundle sign'"
    lines = read_lines(path, what, remedy)

    def fault(got: str, expected: str) -> SignatureError:
        return SignatureError(f"{path}: got {got}, expected {expected}; {remedy}")

    if len(lines) != 4:
        raise fault(f"{len(lines)} lines", f"4, {what}")
    first, given, trusted, last = lines
    for n, (line, start) in {1: (first, UNTRUSTED), 3: (trusted, TRUSTED)}.items():
        if not line.startswith(start):
            raise fault(f"another line {n}", f"one that begins with {start.strip()!r}")
    signed = decode_line(given, 2 + KEY_ID_BYTES + _SIGNATURE_BYTES)
    if signed is None or signed[:2] not in (_PLAIN, _HASHED):
        raise fault("another line 2", "an Ed25519 signature in base64")
    comment_signature = decode_line(last, _SIGNATURE_BYTES)
    if comment_signature is None:
        raise fault("another line 4", "an Ed25519 signature in base64")
    comment = trusted.removeprefix(TRUSTED)
    # Minisign separates its entries with tabs.
    if comment and not is_line(comment.replace("\t", " ")):
        raise fault("a trusted comment that no terminal should print", "text on one line, at most 1000 characters")
    split = 2 + KEY_ID_BYTES
    return Signature(signed[2:split], signed[:2] == _HASHED, signed[split:], comment, comment_signature)


def verify(path: Path, content: bytes, signature: Signature, keys: tuple[PublicKey, ...]) -> PublicKey:
    """Check a signature.

    Parameters
    ----------
    path : Path
        The file that was signed, for messages.
    content : bytes
        What it holds.
    signature : Signature
        As it was read.
    keys : tuple of PublicKey
        The keys that are trusted.

    Returns
    -------
    PublicKey
        The one that it is by.

    Raises
    ------
    SignatureError
        If it is by another key, the file is not what was signed, or the comment is not.
    MissingExtraError
        If cryptography is not installed.
    """
    curve = ed25519()
    by_it = [key for key in keys if key.key_id == signature.key_id]
    if not by_it:
        trusted = ", ".join(key.shown for key in keys) or "none"
        raise SignatureError(
            f"{path}: got a signature by the key {show_key_id(signature.key_id)}, expected one by a trusted key "
            f"({trusted}); trust that key if you know whose it is, or get the bundle from somebody whom you trust"
        )
    message = hashlib.blake2b(content).digest() if signature.hashed else content
    for key in by_it:
        if _is_by(curve, key, signature.signature, message):
            signed_comment = signature.signature + signature.comment.encode()
            if not _is_by(curve, key, signature.comment_signature, signed_comment):
                raise SignatureError(
                    f"{path}: got a trusted comment that was altered, expected what the key {key.shown} signed; "
                    "get the bundle again"
                )
            return key
    raise SignatureError(
        f"{path}: got content that the key {by_it[0].shown} did not sign, expected what its signature was made of; "
        "the file or the signature was altered: get the bundle again"
    )


def _is_by(curve: ModuleType, key: PublicKey, signature: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        curve.Ed25519PublicKey.from_public_bytes(key.key).verify(signature, message)
    except (InvalidSignature, ValueError):  # the latter where the key is no point of the curve
        return False
    return True


def sign(content: bytes, key: SecretKey, comment: str) -> bytes:
    """Return the signature file of some content.

    Parameters
    ----------
    content : bytes
        What is signed.
    key : SecretKey
        By whom.
    comment : str
        The trusted comment: one line, which is signed as well.

    Raises
    ------
    SignatureError
        If the comment is not one line of text.
    MissingExtraError
        If cryptography is not installed.
    """
    if not is_line(comment.replace("\t", " ")):
        raise SignatureError(
            f"comment: got {len(comment)} characters, expected one line of text of at most 1000; shorten it"
        )
    private = ed25519().Ed25519PrivateKey.from_private_bytes(key.seed)
    signature: bytes = private.sign(hashlib.blake2b(content).digest())
    last: bytes = private.sign(signature + comment.encode())
    lines = (
        f"{UNTRUSTED}signature from vivavoce, key {show_key_id(key.key_id)}",
        base64.b64encode(_HASHED + key.key_id + signature).decode(),
        f"{TRUSTED}{comment}",
        base64.b64encode(last).decode(),
    )
    return ("\n".join(lines) + "\n").encode()
