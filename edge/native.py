"""Machine code of the kernels: found, or compiled once; a device runs it without importing numba.

numba is the compiler of the kernels and no part of their run time: its import alone costs more memory than the rest
of the program. What it compiled is kept as an *image*, a file of code that runs wherever it is mapped, one for each
version of the sources and each kind of processor. It is looked for in

1. the folder that ``VIVAVOCE_CACHE_DIR`` names,
2. the folder ``__pycache__`` beside the code, where an installation can leave it (``vivavoce doctor --warm``),
3. the user's cache, ``$XDG_CACHE_HOME/vivavoce``.

Where there is none it is compiled, and kept in the first of them that can be written to. An image is mapped read-only
from its file, so a service may forbid memory that is both written and executed (systemd's
``MemoryDenyWriteExecute``).

``VIVAVOCE_KERNELS`` overrides: ``image`` for images only, ``numba`` for numba's own compiled functions (its cache is
``NUMBA_CACHE_DIR``), on processors for which no image can be made the only way.

File format: the code, a JSON object that describes it, the length of that object (8 bytes, little-endian), and
:data:`MAGIC`.
"""

import ctypes
import functools
import hashlib
import importlib
import json
import logging
import mmap
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from edge.errors import UsageError

__all__ = [
    "ABI",
    "CACHE_VARIABLE",
    "KERNELS_VARIABLE",
    "MAGIC",
    "Kernels",
    "find",
    "image_folders",
    "image_name",
    "kernels",
    "warm",
]

ABI = {"frontend_frames": "hnhqIhiQH", "power_spectra": "ffnnnnffff"}
"""Arguments of each kernel: ``n`` an integer, every other letter a pointer to numbers of that type, as :mod:`struct`
names it. :mod:`edge.kernels.entries` says which argument is what."""

CACHE_VARIABLE = "VIVAVOCE_CACHE_DIR"
"""Environment variable that names the folder for images."""

KERNELS_VARIABLE = "VIVAVOCE_KERNELS"
"""Environment variable that says which form of the kernels is used: ``auto``, ``image`` or ``numba``."""

MAGIC = b"VVKERN01"

_SOURCES = ("frontend_tables.py", "spectrum_tables.py", "kernels/*.py")
"""Files whose text decides what an image does."""

_PROCESSOR = re.compile(r"^(?:flags|Features|CPU (?:implementer|part)|model)\s*:.*$", re.MULTILINE)

_log = logging.getLogger(__name__)

Origin = Literal["image", "numba"]


class Kernels(NamedTuple):
    """The kernels, ready to be called."""

    functions: dict[str, Callable[..., None]]
    """By name; arguments are integers: numbers, and addresses of arrays that the caller keeps alive."""
    origin: Origin
    """In which form they were found."""
    path: Path | None
    """File of the image; none if it could not be kept, or there is none."""
    compiled: bool
    """Whether they had to be compiled now."""


class _UnusableImageError(Exception):
    """A file is no image, or cannot be mapped here; the next one is tried."""


# ----------------------------------------------------------------------------------------- finding


@functools.cache
def kernels() -> Kernels:
    """Return the kernels of this process; found or compiled at the first call.

    Raises
    ------
    UsageError
        If ``VIVAVOCE_KERNELS`` asks for a form that does not exist, or of which there is none.
    """
    wanted = os.environ.get(KERNELS_VARIABLE, "auto")
    if wanted not in ("auto", "image", "numba"):
        raise UsageError(f"{KERNELS_VARIABLE}: got {wanted!r}, expected auto, image or numba; correct or unset it")
    if wanted == "numba":
        return _by_numba()
    found = find()
    if found is not None:
        return found
    if wanted == "image":
        places = ", ".join(str(folder) for folder in image_folders())
        raise UsageError(
            f"{KERNELS_VARIABLE}: got 'image', but no image {image_name()} is in {places}; make it with "
            "'vivavoce doctor --warm', or unset the variable"
        )
    return _compile() or _by_numba()


def warm() -> Kernels:
    """Compile the image anew and keep it, whether there is one or not.

    Returns
    -------
    Kernels
        Their ``path`` is none if no folder can be written to.
    """
    return _compile() or _by_numba()


def image_folders() -> list[Path]:
    """Return the folders in which images are looked for, the first one first."""
    folders = []
    if named := os.environ.get(CACHE_VARIABLE):
        folders.append(Path(named))
    folders.append(Path(__file__).resolve().with_name("__pycache__"))
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if os.path.isabs(home):
        folders.append(Path(home) / "vivavoce")
    return folders


@functools.cache
def image_name() -> str:
    """Return the name of the image of these sources for this processor."""
    sources = hashlib.sha256()
    for pattern in _SOURCES:
        for file in sorted(Path(__file__).parent.glob(pattern)):
            sources.update(file.read_bytes())
    processor = hashlib.sha256(os.uname().machine.encode())
    try:
        # What a processor can do, and which one it is: code may use all of the one and is tuned for the other.
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        told = ""
    for line in sorted(set(_PROCESSOR.findall(told))):
        processor.update(line.encode())
    return f"kernels-{sources.hexdigest()[:16]}-{os.uname().machine}-{processor.hexdigest()[:8]}.image"


def find() -> Kernels | None:
    """Return the kernels of an image that is there already; None if there is none that can be used."""
    for folder in image_folders():
        path = folder / image_name()
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            return Kernels(_load(descriptor), "image", path, compiled=False)
        except (_UnusableImageError, OSError) as error:
            _log.warning("%s: not used (%s); remove it, or make it again with 'vivavoce doctor --warm'", path, error)
        finally:
            os.close(descriptor)
    return None


# ----------------------------------------------------------------------------------------- loading


def _load(descriptor: int) -> dict[str, Callable[..., None]]:
    """Map an image and return its functions.

    Raises
    ------
    _UnusableImageError, OSError
        If it is damaged, belongs to somebody who is not trusted, or lies where nothing may be executed.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise _UnusableImageError("not a file")
    # What is in it will be executed: only what this user, or the administrator, wrote is.
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _UnusableImageError("others may write to it")
    with open(descriptor, "rb", closefd=False) as file:
        content = file.read()
    head = _described(content)
    try:
        mapped = mmap.mmap(descriptor, len(content), flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC)
    except PermissionError:  # a file system that is mounted noexec
        return _load_from_memory(content, head)
    return _functions(mapped, head)


def _load_from_memory(content: bytes, head: dict[str, Any]) -> dict[str, Callable[..., None]]:
    """Map an image that is in no file: the same way, from a file that has no name."""
    with open(os.memfd_create("vivavoce-kernels"), "w+b") as file:
        file.write(content)
        file.flush()
        prot = mmap.PROT_READ | mmap.PROT_EXEC
        return _functions(mmap.mmap(file.fileno(), len(content), flags=mmap.MAP_PRIVATE, prot=prot), head)


def _described(content: bytes) -> dict[str, Any]:
    """Check an image and return its description."""
    try:
        if content[-8:] != MAGIC:
            raise ValueError("its end is missing")
        size = int.from_bytes(content[-16:-8], "little")
        head = json.loads(content[-16 - size : -16])
        code = content[: head["bytes"]]
        if hashlib.sha256(code).hexdigest() != head["sha256"]:
            raise ValueError("its hash differs")
        if head["abi"] != ABI or not all(0 <= head["kernels"][name] < len(code) for name in ABI):
            raise ValueError("its kernels are others")
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise _UnusableImageError(f"damaged: {error}") from error
    return dict(head)


def _functions(mapped: mmap.mmap, head: dict[str, Any]) -> dict[str, Callable[..., None]]:
    base = int(np.frombuffer(mapped, np.uint8).ctypes.data)
    _MAPPED.append(mapped)
    return {name: _callable(base + head["kernels"][name], codes) for name, codes in ABI.items()}


_MAPPED: list[mmap.mmap] = []
"""Never unmapped: a function may be held by anyone."""


def _callable(address: int, codes: str) -> Callable[..., None]:
    """Make a C function callable; the interpreter's lock is released while it runs."""
    arguments = [ctypes.c_int64 if code == "n" else ctypes.c_void_p for code in codes]
    return ctypes.CFUNCTYPE(None, *arguments)(address)


# --------------------------------------------------------------------------------------- compiling


def _compile() -> Kernels | None:
    """Compile an image, keep it and load it; None where none can be made."""
    from edge.kernels.elf_object import UnfitObjectError

    compiler = importlib.import_module("edge.kernels.compiler")
    try:
        code, places, versions = compiler.compile_image(ABI)
    except UnfitObjectError as error:
        _log.info("no image of the kernels can be made here (%s); numba compiles them at every start", error)
        return None
    head = {
        "abi": ABI,
        "bytes": len(code),
        "kernels": places,
        "sha256": hashlib.sha256(code).hexdigest(),
        "versions": versions,
    }
    text = json.dumps(head).encode()
    content = code + text + len(text).to_bytes(8, "little") + MAGIC
    for path in _kept(content):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return Kernels(_load(descriptor), "image", path, compiled=True)
        finally:
            os.close(descriptor)
    try:
        return Kernels(_load_from_memory(content, head), "image", None, compiled=True)
    except OSError as error:
        _log.info("the image of the kernels cannot be mapped here (%s)", error)
        return None


def _kept(content: bytes) -> Iterator[Path]:
    """Write an image into the first folder that takes it; yield its path."""
    for folder in image_folders():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".kernels-", delete=False) as file:
                file.write(content)
            os.chmod(file.name, 0o644)
            os.replace(file.name, folder / image_name())  # whole or not at all, whoever reads meanwhile
        except OSError:
            continue
        yield folder / image_name()
        return


def _by_numba() -> Kernels:
    entries = importlib.import_module("edge.kernels.entries")
    addresses = entries.compiled_addresses(ABI)
    functions = {name: _callable(addresses[name], codes) for name, codes in ABI.items()}
    return Kernels(functions, "numba", None, compiled=True)
