"""Read tables of a FlatBuffers file, field by field.

A device reads a handful of fields of one file per start. The package ``flatbuffers`` would be one more to install where
the interpreter is tflite-runtime, checks no offset, and needs code generated from the schema of TensorFlow Lite, which
costs more memory than the kernels that this is for.

References
----------
.. [1] "FlatBuffer Internals", https://flatbuffers.dev/internals/.
"""

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Table", "root"]


class Table:
    """A table of a file; fields are named by their number in the schema, from 0.

    Every method raises :class:`ValueError` where the file is damaged: an offset that leads outside.
    """

    def __init__(self, content: bytes, at: int) -> None:
        self._content = content
        self._at = at
        (back,) = self._read("<i", at)
        self._fields = at - back
        (self._size,) = self._read("<H", self._fields)

    def number(self, field: int, kind: str, default: int = 0) -> int:
        """Return a number; `kind` is its type as :mod:`struct` names it."""
        at = self._find(field)
        return default if at is None else int(self._read(f"<{kind}", at)[0])

    def table(self, field: int) -> "Table | None":
        """Return a table, or None if there is none."""
        at = self._find(field)
        return None if at is None else Table(self._content, at + self._read("<I", at)[0])

    def numbers(self, field: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return a vector of numbers, ``(n,) dtype``, as a view of the file; empty if there is none."""
        at, count = self._vector(field)
        return np.frombuffer(self._content, np.dtype(dtype).newbyteorder("<"), count, at)

    def tables(self, field: int) -> "list[Table]":
        """Return a vector of tables; empty if there is none."""
        at, count = self._vector(field)
        offsets = np.frombuffer(self._content, "<u4", count, at)
        return [Table(self._content, at + 4 * i + int(offset)) for i, offset in enumerate(offsets)]

    def _find(self, field: int) -> int | None:
        entry = 4 + 2 * field
        if entry + 2 > self._size:
            return None
        (offset,) = self._read("<H", self._fields + entry)
        return self._at + offset if offset else None

    def _vector(self, field: int) -> tuple[int, int]:
        at = self._find(field)
        if at is None:
            return 0, 0
        at += self._read("<I", at)[0]
        return at + 4, self._read("<I", at)[0]

    def _read(self, kind: str, at: int) -> tuple[Any, ...]:
        if not 0 <= at <= len(self._content) - struct.calcsize(kind):
            raise ValueError(f"offset {at} of {len(self._content)} bytes")
        return struct.unpack_from(kind, self._content, at)


def root(content: bytes, identifier: bytes) -> Table:
    """Return the table that a file of such an identifier begins with.

    Raises
    ------
    ValueError
        If it is another file, or a damaged one.
    """
    if content[4:8] != identifier:
        raise ValueError(f"got {content[4:8]!r}, expected {identifier!r}")
    return Table(content, int.from_bytes(content[:4], "little"))
