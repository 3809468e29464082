"""Keys in files, in the format of minisign: made, written and read.

Both files have two lines, a comment and base64::

    public    "Ed", id of the key (8 bytes), key (32)
    secret    "Ed", "Sc" or two zero bytes, "B2", salt (32), operations (8), memory (8), and then 104 bytes:
              id of the key (8), seed (32), public key (32), checksum (32)

Where it says "Sc" the 104 bytes are combined (XOR) with as many that scrypt makes of a password and the salt, and the
checksum is the BLAKE2b-256 of "Ed", id, seed and public key, which tells a wrong password. With two zero bytes they
are as they are, and minisign leaves the checksum empty.

References
----------
.. [1] F. Denis, "Minisign", https://jedisct1.github.io/minisign/, sections "Public key format", "Secret key format".
.. [2] RFC 7914, The scrypt Password-Based Key Derivation Function, 2016. What libsodium (``pickparams`` of
   crypto_pwhash_scryptsalsa208sha256) makes of operations and memory is in :func:`_cost`.
"""

import base64
import contextlib
import hashlib
import hmac
import math
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from edge.errors import DataError, SignatureError
from edge.signature import (
    KEY_ID_BYTES,
    UNTRUSTED,
    PublicKey,
    SecretKey,
    decode_line,
    read_lines,
)

__all__ = ["make_key", "read_public_key", "read_secret_key", "write_key_pair"]

_ALGORITHM, _SCRYPT, _NO_PASSWORD, _BLAKE2B = b"Ed", b"Sc", b"\0\0", b"B2"
_KEY_BYTES = 32
_SALT_BYTES = 32
_CHECKSUM_BYTES = 32
_HEAD_BYTES = 6 + _SALT_BYTES + 16
_SECRET_BYTES = KEY_ID_BYTES + 2 * _KEY_BYTES + _CHECKSUM_BYTES

_SCRYPT_R = 8
# 2**17 blocks of 1 KiB, which OWASP's Password Storage Cheat Sheet names for p = 1: 128 MiB, half a second.
_OPERATIONS, _MEMORY = 1 << 22, 1 << 27
_MOST_WORK = 1 << 20
"""Of N times p, which minisign itself takes (with 1 GiB); a file that asks for more is refused."""

_PUBLIC_REMEDY = "give the .pub file that was made with the key"
_SECRET_REMEDY = "give the .key file that 'vivavoce bundle keygen' or 'minisign -G' made"


def make_key() -> SecretKey:
    """Return a new key, from the random numbers of the system."""
    return SecretKey(secrets.token_bytes(KEY_ID_BYTES), secrets.token_bytes(_KEY_BYTES))


def read_public_key(path: Path) -> PublicKey:
    """Read a public key.

    Raises
    ------
    SignatureError
        If it is none.
    BundleError
        If the file is missing, unreadable, or no file.
    """
    content = _content(path, "a public key of minisign", _PUBLIC_REMEDY, 2 + KEY_ID_BYTES + _KEY_BYTES)
    if content[:2] != _ALGORITHM:
        raise SignatureError(f"{path}: got a key of another kind, expected Ed25519; {_PUBLIC_REMEDY}")
    return PublicKey(content[2 : 2 + KEY_ID_BYTES], content[2 + KEY_ID_BYTES :])


def read_secret_key(path: Path, password: Callable[[], str]) -> SecretKey:
    """Read a secret key.

    Parameters
    ----------
    path : Path
        Only its owner may be able to read it.
    password : callable
        Asked where the file is protected by one.

    Raises
    ------
    SignatureError
        If it is none, somebody else may read it, or the password is wrong.
    BundleError
        If the file is missing, unreadable, or no file.
    MissingExtraError
        If cryptography is not installed.
    """
    content = _content(path, "a secret key of minisign", _SECRET_REMEDY, _HEAD_BYTES + _SECRET_BYTES)
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SignatureError(
            f"{path}: got a secret key that others may read, expected one for its owner alone; run: chmod 600 {path} "
            "(and make a new key if somebody may have read it)"
        )
    if content[:2] != _ALGORITHM or content[2:4] not in (_SCRYPT, _NO_PASSWORD) or content[4:6] != _BLAKE2B:
        raise SignatureError(
            f"{path}: got a key of another kind, expected Ed25519 with scrypt or none; {_SECRET_REMEDY}"
        )
    held = content[_HEAD_BYTES:]
    if encrypted := content[2:4] == _SCRYPT:
        salt = content[6 : 6 + _SALT_BYTES]
        operations, memory = (
            int.from_bytes(content[at : at + 8], "little") for at in (_HEAD_BYTES - 16, _HEAD_BYTES - 8)
        )
        if math.prod(_cost(operations, memory)) > _MOST_WORK:
            raise SignatureError(
                f"{path}: got a password that costs more to try than minisign's, expected less; {_SECRET_REMEDY}"
            )
        held = _combined(held, password(), salt, operations, memory)
    key_id, seed = held[:KEY_ID_BYTES], held[KEY_ID_BYTES : KEY_ID_BYTES + _KEY_BYTES]
    public, checksum = held[-_CHECKSUM_BYTES - _KEY_BYTES : -_CHECKSUM_BYTES], held[-_CHECKSUM_BYTES:]
    key = SecretKey(key_id, seed)
    if encrypted and not hmac.compare_digest(checksum, _checksum(key_id, seed, public)):
        raise SignatureError(f"{path}: got a wrong password, expected that of the key; try again")
    if key.public.key != public:
        raise SignatureError(
            f"{path}: got halves that do not belong together, expected a key as it was made; {_SECRET_REMEDY}"
        )
    return key


def write_key_pair(secret: Path, public: Path, key: SecretKey, password: str | None) -> None:
    """Write a key into two new files; the secret one can be read by its owner alone.

    Parameters
    ----------
    secret, public : Path
        Neither may be there: a key that is lost cannot be made again.
    key : SecretKey
    password : str or None
        Protects the secret file; None for none.

    Raises
    ------
    DataError
        If a file is there already, or cannot be written; then neither is written.
    MissingExtraError
        If cryptography is not installed.
    """
    open_half = key.public
    plain = key.key_id + key.seed + open_half.key
    if password is None:
        head = _ALGORITHM + _NO_PASSWORD + _BLAKE2B + bytes(_SALT_BYTES + 16)
        held = plain + bytes(_CHECKSUM_BYTES)
    else:
        salt = secrets.token_bytes(_SALT_BYTES)
        head = (
            _ALGORITHM + _SCRYPT + _BLAKE2B + salt + _OPERATIONS.to_bytes(8, "little") + _MEMORY.to_bytes(8, "little")
        )
        checked = plain + _checksum(key.key_id, key.seed, open_half.key)
        held = _combined(checked, password, salt, _OPERATIONS, _MEMORY)
    kind = "secret key" if password is None else "encrypted secret key"
    _write_new(secret, _text(f"vivavoce {kind}", head + held), 0o600)
    try:
        _write_new(
            public, _text(f"minisign public key {open_half.shown}", _ALGORITHM + key.key_id + open_half.key), 0o644
        )
    except DataError:
        secret.unlink()
        raise


def _content(path: Path, what: str, remedy: str, size: int) -> bytes:
    lines = read_lines(path, what, remedy)
    content = decode_line(lines[1], size) if len(lines) == 2 and lines[0].startswith(UNTRUSTED) else None
    if content is None:
        raise SignatureError(f"{path}: got something else, expected {what}; {remedy}")
    return content


def _text(comment: str, content: bytes) -> bytes:
    return f"{UNTRUSTED}{comment}\n{base64.b64encode(content).decode()}\n".encode()


def _write_new(path: Path, content: bytes, mode: int) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # Unlike a rename, a link takes no other file's place.
        os.link(part, path)
    except FileExistsError as error:
        raise DataError(f"{path}: got a file that is there already, expected none; choose another name") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}); choose another folder") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _checksum(key_id: bytes, seed: bytes, public: bytes) -> bytes:
    return hashlib.blake2b(_ALGORITHM + key_id + seed + public, digest_size=_CHECKSUM_BYTES).digest()


def _combined(held: bytes, password: str, salt: bytes, operations: int, memory: int) -> bytes:
    """Return the secret bytes encrypted, or decrypted."""
    n, p = _cost(operations, memory)
    word = password.encode(errors="surrogateescape")  # as the terminal gave it
    room = 128 * _SCRYPT_R * (n + p + 2)
    stream = hashlib.scrypt(word, salt=salt, n=n, r=_SCRYPT_R, p=p, maxmem=room, dklen=len(held))
    return bytes(a ^ b for a, b in zip(held, stream, strict=True))


def _cost(operations: int, memory: int) -> tuple[int, int]:
    """Return scrypt's N and p for limits as libsodium takes them, with r = 8."""
    operations = max(operations, 1 << 15)
    if operations < memory // 32:
        p, most = 1, operations // (_SCRYPT_R * 4)
    else:
        p, most = 0, memory // (_SCRYPT_R * 128)
    log_n = next(k for k in range(1, 64) if 1 << k > most // 2)
    return 1 << log_n, p or max(1, min(operations // 4 >> log_n, 0x3FFFFFFF) // _SCRYPT_R)
