"""The file format of an image: code of the kernels, and where in it each kernel begins.

====================  =====================================================================================
first 64 bytes        :data:`MAGIC`, then zeros: a file that only ends like an image is none
code                  executed from where it is mapped; offsets count from the start of the file
JSON object           ``abi``, ``kernels`` (offset of each), ``versions`` (of the compilers, and the processor)
8 bytes               length of the JSON object, little-endian
32 bytes              SHA-256 of all that comes before
====================  =====================================================================================

The hash finds damage. That nobody else may write the file is for :mod:`edge.native` to check.
"""

import hashlib
import json
from collections.abc import Mapping

from edge.json_reading import parse_json

__all__ = ["HEAD", "MAGIC", "UnusableImageError", "pack", "unpack"]

MAGIC = b"\x7fVVKERN2"
HEAD = MAGIC.ljust(64, b"\0")
"""What a file begins with; 64 bytes keep the code behind it aligned."""

_HASH_BYTES = 32
_LENGTH_BYTES = 8


class UnusableImageError(Exception):
    """A file is no image, or cannot be run here. It is passed over, and another one looked for or made."""


def pack(code: bytes, kernels: Mapping[str, int], abi: Mapping[str, str], versions: Mapping[str, str]) -> bytes:
    """Return the content of a file.

    Parameters
    ----------
    code : bytes
        Begins with :data:`HEAD`.
    kernels : mapping of str to int
        Where in the code each kernel begins.
    abi : mapping of str to str
        Arguments of each kernel.
    versions : mapping of str to str
        What it was made with; for people.
    """
    assert code.startswith(HEAD)
    text = json.dumps({"abi": dict(abi), "kernels": dict(kernels), "versions": dict(versions)}).encode()
    content = code + text + len(text).to_bytes(_LENGTH_BYTES, "little")
    return content + hashlib.sha256(content).digest()


def unpack(content: bytes, abi: Mapping[str, str]) -> dict[str, int]:
    """Check the content of a file, and return where each kernel begins.

    Raises
    ------
    UnusableImageError
        If it is damaged, or holds other kernels.
    """
    signed, found = content[:-_HASH_BYTES], content[-_HASH_BYTES:]
    if not signed.startswith(HEAD) or hashlib.sha256(signed).digest() != found:
        raise UnusableImageError("damaged: its hash differs")
    try:
        size = int.from_bytes(signed[-_LENGTH_BYTES:], "little")
        code_bytes = len(signed) - _LENGTH_BYTES - size
        described = parse_json(signed[code_bytes:-_LENGTH_BYTES])
        kernels = {name: int(described["kernels"][name]) for name in abi}
        if described["abi"] != dict(abi) or not all(len(HEAD) <= at < code_bytes for at in kernels.values()):
            raise ValueError("its kernels are others")
    except (ValueError, KeyError, TypeError) as error:
        raise UnusableImageError(f"damaged: {error}") from error
    return kernels
