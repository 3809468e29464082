"""Read the object file that a compiler makes, and lay its code out so that it runs wherever it is put.

A linker's work for the simplest case: functions and read-only constants that refer only to each other. All of that
is relative to the place of the reference, so it can be settled once, and the result can be mapped from a file at any
address and executed unchanged. Anything else (a function of a library, a variable) is refused.

References
----------
.. [1] Tool Interface Standard, "Executable and Linking Format", version 1.2, 1995.
.. [2] "System V Application Binary Interface, AMD64 Architecture Processor Supplement", section 4.4.
.. [3] Arm, "ELF for the Arm 64-bit Architecture", IHI 0056, section 5.7.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

__all__ = ["UnfitObjectError", "lay_out"]

PAGE = 4096
"""The unit in which 64-bit Arm code counts distances; the result must be put at a multiple of it."""

_X86_64, _AARCH64 = 62, 183
_SYMTAB, _RELA, _NOBITS = 2, 4, 8
_WRITE, _ALLOC, _EXECUTE = 1, 2, 4
_UNDEFINED, _COMMON = 0, 0xFFF2


class UnfitObjectError(Exception):
    """The object file needs something that a mapped image cannot give it: a new compiler, and no fault of users."""


class _Section(NamedTuple):
    name: str
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    align: int


class _Symbol(NamedTuple):
    name: str
    section: int
    value: int


def lay_out(elf: bytes, wanted: Iterable[str], head: bytes = b"") -> tuple[bytes, dict[str, int]]:
    """Lay an object file out.

    Parameters
    ----------
    elf : bytes
        A relocatable 64-bit little-endian ELF file for x86-64 or aarch64.
    wanted : iterable of str
        Functions that will be called.
    head : bytes
        What the result begins with.

    Returns
    -------
    bytes
        Head, code and constants.
    dict of str to int
        Where in it each wanted function begins.

    Raises
    ------
    UnfitObjectError
        If it is another kind of file, refers to something outside, has variables, or lacks a function.
    """
    if elf[:6] != b"\x7fELF\x02\x01":
        raise UnfitObjectError("not a 64-bit little-endian ELF file")
    (machine,) = struct.unpack_from("<H", elf, 18)
    if machine not in (_X86_64, _AARCH64):
        raise UnfitObjectError(f"ELF machine {machine}: only x86-64 and aarch64 are known")
    sections = list(_sections(elf))
    image = bytearray(head)
    places: dict[int, int] = {}
    # Code first: it is what alignment matters for.
    for index, section in sorted(enumerate(sections), key=lambda item: not item[1].flags & _EXECUTE):
        if not section.flags & _ALLOC or not section.size or section.name.startswith(".eh_frame"):
            continue
        if section.flags & _WRITE or section.kind == _NOBITS:
            raise UnfitObjectError(f"section {section.name}, {section.size} bytes: an image holds no variables")
        image += bytes(-len(image) % max(section.align, 1))
        places[index] = len(image)
        image += elf[section.offset : section.offset + section.size]
    symbols = next((list(_symbols(elf, sections, s)) for s in sections if s.kind == _SYMTAB), [])
    for relocations in sections:
        if relocations.kind == _RELA and relocations.info in places:
            for at, kind, symbol, addend in _relocations(elf, relocations):
                target = symbols[symbol]
                if target.section not in places:
                    outside = target.section in (_UNDEFINED, _COMMON)
                    raise UnfitObjectError(f"{target.name}: {'not in the object' if outside else 'not laid out'}")
                place = places[relocations.info] + at
                value = places[target.section] + target.value + addend
                (_settle_x86_64 if machine == _X86_64 else _settle_aarch64)(image, kind, place, value)
    by_name = {symbol.name: places[symbol.section] + symbol.value for symbol in symbols if symbol.section in places}
    missing = sorted(set(wanted) - by_name.keys())
    if missing:
        raise UnfitObjectError(f"functions missing: {', '.join(missing)}")
    return bytes(image), {name: by_name[name] for name in wanted}


def _sections(elf: bytes) -> Iterator[_Section]:
    (table,) = struct.unpack_from("<Q", elf, 40)
    size, count, names = struct.unpack_from("<HHH", elf, 58)
    heads = [struct.unpack_from("<IIQQQQIIQQ", elf, table + i * size) for i in range(count)]
    for name, kind, flags, _, offset, length, link, info, align, _ in heads:
        yield _Section(_text(elf, heads[names][4] + name), kind, flags, offset, length, link, info, align)


def _symbols(elf: bytes, sections: list[_Section], table: _Section) -> Iterator[_Symbol]:
    strings = sections[table.link].offset
    for at in range(table.offset, table.offset + table.size, 24):
        name, _, _, section, value, _ = struct.unpack_from("<IBBHQQ", elf, at)
        yield _Symbol(_text(elf, strings + name), section, value)


def _relocations(elf: bytes, table: _Section) -> Iterator[tuple[int, int, int, int]]:
    for at in range(table.offset, table.offset + table.size, 24):
        offset, info, addend = struct.unpack_from("<QQq", elf, at)
        yield offset, info & 0xFFFFFFFF, info >> 32, addend


def _text(elf: bytes, at: int) -> str:
    return elf[at : elf.index(b"\0", at)].decode()


def _settle_x86_64(image: bytearray, kind: int, place: int, value: int) -> None:
    if kind not in (2, 4):  # R_X86_64_PC32, R_X86_64_PLT32
        raise UnfitObjectError(f"x86-64 relocation {kind} is not relative")
    struct.pack_into("<i", image, place, value - place)


# Loads and stores of 1 to 16 bytes count the low twelve bits of an address in their own size.
_LOW12_SHIFTS = {277: 0, 278: 0, 284: 1, 285: 2, 286: 3, 299: 4}


def _settle_aarch64(image: bytearray, kind: int, place: int, value: int) -> None:
    if kind in (260, 261):  # R_AARCH64_PREL64, R_AARCH64_PREL32
        struct.pack_into("<q" if kind == 260 else "<i", image, place, value - place)
        return
    (word,) = struct.unpack_from("<I", image, place)
    if kind in (274, 275):  # R_AARCH64_ADR_PREL_LO21, R_AARCH64_ADR_PREL_PG_HI21
        distance = value - place if kind == 274 else value // PAGE - place // PAGE
        word |= (distance & 3) << 29 | (distance >> 2 & 0x7FFFF) << 5
    elif kind in _LOW12_SHIFTS:  # R_AARCH64_ADD_ABS_LO12_NC, R_AARCH64_LDST*_ABS_LO12_NC
        word |= ((value & (PAGE - 1)) >> _LOW12_SHIFTS[kind]) << 10
    elif kind in (282, 283):  # R_AARCH64_JUMP26, R_AARCH64_CALL26
        word |= (value - place) >> 2 & 0x3FFFFFF
    else:
        raise UnfitObjectError(f"aarch64 relocation {kind} is not relative")
    struct.pack_into("<I", image, place, word)
