"""Is a .tflite file whole? tflite-runtime follows every offset of it without a look, and a cut file ends the process.

A .tflite file is a FlatBuffers file: tables that point to each other. The file itself does not say what a field is, so
that the schema of TensorFlow Lite is here, as far as an interpreter follows it. LiteRT makes such a check of its own.

References
----------
.. [1] "FlatBuffer Internals", https://flatbuffers.dev/internals/.
.. [2] TensorFlow Lite, ``tensorflow/compiler/mlir/lite/schema/schema.fbs``: the numbers of the fields.
"""

import struct

__all__ = ["check_whole"]

_IDENTIFIER = b"TFL3"
_UINT8, _UINT16, _UINT32, _INT32 = (struct.Struct(kind) for kind in ("<B", "<H", "<I", "<i"))

_Kind = str | int | tuple[str]
"""What a field points to: a table by its name, a vector of tables in a tuple, a vector of numbers by their bytes."""

_STRING: _Kind = "string"
_BYTES, _SHORTS, _INTS, _LONGS = 1, 2, 4, 8

_SCHEMA: dict[str, dict[int, _Kind]] = {
    "model": {
        1: ("operator code",), 2: ("subgraph",), 3: _STRING, 4: ("buffer",), 5: _INTS, 6: ("metadata",),
        7: ("signature",),
    },
    "operator code": {1: _STRING},
    "subgraph": {0: ("tensor",), 1: _INTS, 2: _INTS, 3: ("operator",), 4: _STRING},
    "tensor": {0: _INTS, 3: _STRING, 4: "quantisation", 6: "sparsity", 7: _INTS, 9: ("variant",)},
    "variant": {0: _INTS},
    "quantisation": {0: _INTS, 1: _INTS, 2: _INTS, 3: _LONGS, 5: "custom quantisation"},
    "custom quantisation": {0: _BYTES},
    "sparsity": {0: _INTS, 1: _INTS, 2: ("dimension",)},
    "dimension": {3: "sparse indices", 5: "sparse indices"},
    "sparse indices": {0: _BYTES},
    "operator": {1: _INTS, 2: _INTS, 4: "options", 5: _BYTES, 7: _BYTES, 8: _INTS},
    "options": {},
    "options with a shape": {0: _INTS},
    "buffer": {0: _BYTES},
    "metadata": {0: _STRING},
    "signature": {0: ("named tensor",), 1: ("named tensor",), 2: _STRING},
    "named tensor": {0: _STRING},
}  # fmt: skip
"""Of each table the fields that point somewhere, by number. Numbers that are fields themselves lie in their table."""

_OPTIONS_TYPE = 3
_WITH_A_SHAPE = (17, 30)
"""Options of RESHAPE and SQUEEZE; those of other operators that run here hold numbers only."""


def check_whole(content: bytes) -> None:
    """Check that everything in a .tflite file that an interpreter follows lies within it.

    Parameters
    ----------
    content : bytes
        What should be one. Alignment is not looked at, nor what numbers mean, which interpreters check.

    Raises
    ------
    ValueError
        If something lies outside: the file is cut off, damaged, or another one.
    """
    if content[4:8] != _IDENTIFIER:
        raise ValueError(f"it does not begin as one: got {content[4:8]!r} at byte 4, expected {_IDENTIFIER!r}")
    _Walk(content).through()


class _Walk:
    """A walk through all tables; each is looked at once, however many point to it.

    So is each list: a vector of tables, or where the fields of a table lie. What a file holds lies side by side, so
    that all its lists together are no longer than it. Where they are longer they lie across each other, and reading
    each to its end could take as long as somebody likes.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._seen: set[tuple[str, int]] = set()
        self._left: list[tuple[str, int]] = []
        self._vectors: set[tuple[str, int]] = set()
        """Vectors of tables, by what these are."""
        self._layouts: dict[int, tuple[int, tuple[int, ...]]] = {}
        """By where it lies (tables share them): how long a table is, and where in it each field lies."""
        self._room = len(content)
        """Bytes that lists which were not looked at yet can have."""

    def through(self) -> None:
        self._left.append(("model", self._target("model", 0)))
        while self._left:
            one = self._left.pop()
            if one not in self._seen:
                self._seen.add(one)
                self._table(*one)

    def _table(self, name: str, at: int) -> None:
        inline, fields = self._layout(name, at - self._number(name, _INT32, at))
        self._within(name, at, inline)
        for number, kind in _SCHEMA[name].items():
            if number >= len(fields) or not fields[number]:
                continue
            if kind == "options" and self._has_shape(fields, at):
                kind = "options with a shape"
            self._field(name, at + fields[number], kind)

    def _layout(self, name: str, at: int) -> tuple[int, tuple[int, ...]]:
        """Read how long a table is, and where its fields lie in it."""
        if at not in self._layouts:
            size, inline = self._number(name, _UINT16, at), self._number(name, _UINT16, at + 2)
            self._within(name, at, size)
            self._take(name, at, size)
            fields = struct.unpack_from(f"<{max(0, size // 2 - 2)}H", self._content, at + 4)
            if size < 4 or inline < 4 or max(fields, default=0) >= inline:
                raise ValueError(f"{name}: a field of the layout at byte {at} lies outside; the file is damaged")
            self._layouts[at] = inline, fields
        return self._layouts[at]

    def _take(self, name: str, at: int, size: int) -> None:
        """Count a list that is looked at for the first time."""
        self._room -= size
        if self._room < 0:
            raise ValueError(f"{name}: the list at byte {at} lies across others; the file is damaged")

    def _has_shape(self, fields: tuple[int, ...], at: int) -> bool:
        return bool(fields[_OPTIONS_TYPE]) and self._content[at + fields[_OPTIONS_TYPE]] in _WITH_A_SHAPE

    def _field(self, name: str, at: int, kind: _Kind) -> None:
        """Check what a field points to, or put it on the list."""
        to = self._target(name, at)
        if isinstance(kind, tuple):
            if (kind[0], to) in self._vectors:
                return
            self._vectors.add((kind[0], to))
            count = self._vector(kind[0], to, 4)
            self._take(kind[0], to, 4 * count)
            self._left += ((kind[0], self._target(kind[0], to + 4 + 4 * i)) for i in range(count))
        elif isinstance(kind, int):
            self._vector(name, to, kind)
        elif kind == _STRING:
            # Readers in C rely on the zero behind the last character.
            end = to + 4 + self._vector(name, to, 1)
            if self._number(name, _UINT8, end):
                raise ValueError(f"{name}: its text ends without a zero at byte {end}; the file is damaged")
        else:
            self._left.append((kind, to))

    def _target(self, name: str, at: int) -> int:
        return at + self._number(name, _UINT32, at)

    def _vector(self, name: str, at: int, size: int) -> int:
        count = self._number(name, _UINT32, at)
        self._within(name, at + 4, count * size)
        return count

    def _number(self, name: str, kind: struct.Struct, at: int) -> int:
        self._within(name, at, kind.size)
        return int(kind.unpack_from(self._content, at)[0])

    def _within(self, name: str, at: int, size: int) -> None:
        if at < 0 or at + size > len(self._content):
            where = f"{at}" if size <= 1 else f"{at} to {at + size - 1}"
            raise ValueError(
                f"{name}: lies at byte {where}, and the file ends at byte {len(self._content)}: cut off, or damaged"
            )
