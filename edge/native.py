"""Machine code of the kernels: found, or compiled once; a device runs it without importing numba.

numba is the compiler of the kernels and no part of their run time: its import alone costs more memory than the rest
of the program. What it compiled is kept as an *image* (:mod:`edge.kernel_image`), a file of code that runs wherever it
is mapped, one for each version of the sources and each kind of processor. It is looked for in

1. the folder that ``VIVAVOCE_CACHE_DIR`` names,
2. the folder ``__pycache__`` beside the code, where an installation can leave it (``vivavoce doctor --warm``),
3. the user's cache, ``$XDG_CACHE_HOME/vivavoce``.

Where there is none it is compiled, and kept in the first of them that can be written to. An image is mapped read-only
from its file, so a service may forbid memory that is both written and executed (systemd's
``MemoryDenyWriteExecute``).

``VIVAVOCE_KERNELS`` overrides: ``image`` for images only; ``numba`` for numba's own compiled functions, which are the
only ones on processors for which no image can be made, and which numba then keeps in its own cache
(``NUMBA_CACHE_DIR``).
"""

import contextlib
import ctypes
import functools
import hashlib
import importlib
import logging
import mmap
import os
import re
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Literal, NamedTuple

import numpy as np

from edge.errors import KernelError, UsageError
from edge.files import write_whole
from edge.kernel_form import KERNELS_VARIABLE, wanted_form
from edge.kernel_image import UnusableImageError, pack, unpack

__all__ = [
    "ABI",
    "CACHE_VARIABLE",
    "Kernels",
    "Origin",
    "find",
    "image_folders",
    "image_name",
    "kernels",
    "warm",
]

ABI = {"frontend_frames": "hnhqIhiQH", "power_spectra": "ffnnnnffff", "wake_step": "Hbbhiqhib"}
"""Arguments of each kernel: ``n`` an integer, every other letter a pointer to numbers of that type, as :mod:`struct`
names it. :mod:`edge.kernels.entries` says which argument is what."""

CACHE_VARIABLE = "VIVAVOCE_CACHE_DIR"
"""Environment variable that names the folder for images."""

_BESIDE = Path(__file__).resolve().with_name("__pycache__")

_SOURCES = ("frontend_tables.py", "spectrum_tables.py", "wake_tables.py", "kernel_image.py", "kernels/*.py")
"""Files whose text decides what an image does."""

# What a processor is, and which of its abilities a compiler may use for numbers. Other words of these lines depend on
# the kernel of the system, whose update should not cost the image.
_PROCESSOR = re.compile(r"^(?:model|CPU implementer|CPU part)\s*:.*$", re.MULTILINE)
_ABILITIES = re.compile(r"^(?:flags|Features)\s*:(.*)$", re.MULTILINE)
_NUMERIC = re.compile(
    r"(?:s?sse|avx|amx|fma|f16c|bmi|abm|lzcnt|popcnt|movbe|adx|gfni|tbm|xop|fp|asimd|sve|sme|i8mm|bf16|fcma)[a-z0-9_]*"
)

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


# ----------------------------------------------------------------------------------------- finding


def kernels() -> Kernels:
    """Return the kernels of this process; found or compiled at the first call.

    Raises
    ------
    UsageError
        If ``VIVAVOCE_KERNELS`` asks for a form that does not exist, or of which there is none.
    KernelError
        If there are none, and they cannot be compiled.
    """
    with _lock:  # whoever comes second waits for the first, and does not compile again
        return _kernels()


_lock = threading.Lock()


@functools.cache
def _kernels() -> Kernels:
    form = wanted_form()
    if form == "numba":
        return _by_numba()
    found = find()
    if found is not None:
        return found
    if form == "image":
        places = ", ".join(str(folder) for folder in image_folders())
        raise UsageError(
            f"{KERNELS_VARIABLE}: got 'image', but no image {image_name() or ''} is in {places}; make it with "
            "'vivavoce doctor --warm', or unset the variable"
        )
    return warm()


def warm() -> Kernels:
    """Compile the image anew and keep it, whether there is one or not.

    Returns
    -------
    Kernels
        Their ``path`` is none if no folder can be written to.

    Raises
    ------
    KernelError
        If they cannot be compiled.
    """
    return _compile() or _by_numba()


def image_folders() -> list[Path]:
    """Return the folders in which images are looked for, the first one first."""
    folders = []
    if named := os.environ.get(CACHE_VARIABLE):
        folders.append(Path(named).expanduser())
    folders.append(_BESIDE)
    # Relative folders are to be ignored (XDG Base Directory Specification).
    for home in (os.environ.get("XDG_CACHE_HOME", ""), os.path.expanduser("~/.cache")):
        if os.path.isabs(home):
            folders.append(Path(home) / "vivavoce")
            break
    return folders


@functools.cache
def image_name() -> str | None:
    """Return the name of the image of these sources for this processor.

    None where the sources or the processor are not known (an installation without sources; no ``/proc``): there an
    image is neither looked for nor kept, as it could be that of another version or processor.
    """
    files = sorted(file for pattern in _SOURCES for file in Path(__file__).parent.glob(pattern))
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    abilities = {word for line in _ABILITIES.findall(told) for word in line.split() if _NUMERIC.fullmatch(word)}
    if not files or not abilities:
        return None
    sources, processor = hashlib.sha256(), hashlib.sha256()
    for file in files:
        sources.update(file.read_bytes())
    for line in (*sorted(set(_PROCESSOR.findall(told))), *sorted(abilities)):
        processor.update(f"{line}\n".encode())
    return f"kernels-{sources.hexdigest()[:16]}-{os.uname().machine}-{processor.hexdigest()[:8]}.image"


def find() -> Kernels | None:
    """Return the kernels of an image that is there already; None if there is none that can be used."""
    name = image_name()
    for folder in image_folders() if name else ():
        path = folder / str(name)
        try:
            return _from_file(path, compiled=False)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue  # nothing of ours is in there
        except (UnusableImageError, OSError) as error:
            _log.warning("%s: not used (%s); make it again with 'vivavoce doctor --warm'", path, error)
    return None


# ----------------------------------------------------------------------------------------- loading


def _from_file(path: Path, *, compiled: bool) -> Kernels:
    """Map an image and return its kernels.

    Raises
    ------
    UnusableImageError, OSError
        If it cannot be opened, is damaged, or could have been written by somebody who is not trusted.
    """
    # Without following a link, which could lead anywhere, and without waiting for the other end of a pipe.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        _refuse_untrusted(os.fstat(descriptor), _trusted_owners())
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read()
        places = unpack(content, ABI)
        try:
            functions = _mapped(descriptor, len(content), places)
        except PermissionError:  # a file system that is mounted noexec
            functions = _from_memory(content)
    finally:
        os.close(descriptor)
    return Kernels(functions, "image", path, compiled)


def _trusted_owners() -> set[int]:
    """Return the users who could change the program anyway: what they left may be executed."""
    return {0, os.geteuid(), os.stat(__file__).st_uid}


def _refuse_untrusted(status: os.stat_result, owners: set[int]) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnusableImageError("not a file")
    if status.st_uid not in owners:
        raise UnusableImageError(f"it belongs to the user {status.st_uid}")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UnusableImageError("others may write to it")


def _from_memory(content: bytes) -> dict[str, Callable[..., None]]:
    """Map an image that is in no file: the same way, from a file that has no name."""
    with open(os.memfd_create("vivavoce-kernels"), "w+b") as file:
        file.write(content)
        file.flush()
        return _mapped(file.fileno(), len(content), unpack(content, ABI))


def _mapped(descriptor: int, size: int, places: dict[str, int]) -> dict[str, Callable[..., None]]:
    mapped = mmap.mmap(descriptor, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC)
    _MAPPED.append(mapped)
    base = int(np.frombuffer(mapped, np.uint8).ctypes.data)
    return {name: _callable(base + places[name], codes) for name, codes in ABI.items()}


_MAPPED: list[mmap.mmap] = []
"""Never unmapped: a function may be held by anyone."""


def _callable(address: int, codes: str) -> Callable[..., None]:
    """Make a C function callable; the interpreter's lock is released while it runs."""
    arguments = [ctypes.c_int64 if code == "n" else ctypes.c_void_p for code in codes]
    return ctypes.CFUNCTYPE(None, *arguments)(address)


# --------------------------------------------------------------------------------------- compiling


def _compile() -> Kernels | None:
    """Compile an image, keep it and load it; None where none can be made or mapped.

    Raises
    ------
    KernelError
        If nothing can be compiled at all.
    """
    compiler = _compiling("edge.kernels.compiler")
    try:
        code, places, versions = compiler.compile_image(ABI)
    except compiler.UnfitObjectError as error:
        _log.warning("no image of the kernels can be made here (%s): every start needs numba", error)
        return None
    except OSError as error:
        raise _not_compiled(error) from error
    content = pack(code, places, ABI, versions)
    for path in _kept(content):
        try:
            return _from_file(path, compiled=True)
        except (UnusableImageError, OSError) as error:
            # Such as a file system that knows no owners: what is there now will be passed over the next time, too.
            _log.info("%s: not used (%s)", path, error)
            path.unlink(missing_ok=True)
    try:
        return Kernels(_from_memory(content), "image", None, compiled=True)
    except (OSError, AttributeError) as error:  # not every system has files without names
        _log.warning("the image of the kernels cannot be mapped here (%s): every start needs numba", error)
        return None


def _kept(content: bytes) -> Iterator[Path]:
    """Write an image into one folder after the other, until the caller is content; yield its path."""
    name = image_name()
    for folder in image_folders() if name else ():
        path = folder / str(name)
        try:
            write_whole(path, lambda file: file.write(content))
        except OSError:
            continue
        with contextlib.suppress(OSError):
            path.chmod(0o644)  # the service that will run it is another user than the one that installs
            if folder == _BESIDE:
                _remove_old(path)
        yield path


def _remove_old(kept: Path) -> None:
    """Remove what earlier versions of this installation left for the same processor."""
    processor = kept.name.rpartition("-")[2]
    for path in kept.parent.glob(f"kernels-*-{processor}"):
        if path != kept:
            path.unlink(missing_ok=True)


def _by_numba() -> Kernels:
    entries = _compiling("edge.kernels.entries")
    try:
        addresses = entries.compiled_addresses(ABI)
    except (OSError, RuntimeError, AttributeError) as error:
        raise _not_compiled(error) from error
    functions = {name: _callable(addresses[name], codes) for name, codes in ABI.items()}
    return Kernels(functions, "numba", None, compiled=True)


def _compiling(module: str) -> ModuleType:
    """Import a module that imports numba."""
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        raise KernelError("NUMBA_DISABLE_JIT: got 1, expected a compiler that may compile; unset it")
    try:
        return importlib.import_module(module)
    except (ImportError, OSError, RuntimeError) as error:
        raise _not_compiled(error) from error


def _not_compiled(error: Exception) -> KernelError:
    return KernelError(
        f"the kernels are not compiled yet, and cannot be compiled here ({type(error).__name__}: {error}); run "
        "'vivavoce doctor --warm' once, as the user who installs, where numba works and memory may be executed"
    )
