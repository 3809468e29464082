"""Compiling the simulated device with the C compiler of this machine, once for each version of code and bundle."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from importlib.resources import files
from pathlib import Path

from edge.bundle import Bundle
from edge.errors import DataError, UsageError
from edge.interpreter import load_model
from edge.native import CACHE_VARIABLE, image_folders
from firmware_bridge.export.settings import settings_header, tables_header, tables_source

__all__ = ["build_device", "find_compiler", "sources"]

_FOLDERS = ("c", "c_link", "c_slots", "c_device")
_COMPILERS = ("cc", "gcc", "clang")
_FLAGS = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Werror")
_LIMIT_S = 300


def find_compiler() -> str:
    """Return the path of a C compiler: ``$CC``, or the first of cc, gcc and clang.

    Raises
    ------
    UsageError
        If there is none.
    """
    named = os.environ.get("CC")
    for name in (named,) if named else _COMPILERS:
        found = shutil.which(name)
        if found is not None:
            return found
    got = f"CC={named}, which is no program" if named else f"none of {', '.join(_COMPILERS)}"
    raise UsageError(
        f"the simulated device: got {got}, expected a C compiler; install one (Debian: apt-get install gcc libc6-dev), "
        "or name it: CC=/path/of/cc"
    )


def sources(bundle: Bundle) -> dict[str, bytes]:
    """Return all that is compiled, by name: the code, and settings and tables of a bundle.

    Raises
    ------
    DataError
        If the bundle cannot be exported; see :mod:`firmware_bridge.export.settings`.
    """
    wake, liveness = (
        load_model(bundle.content(part.file), name=part.file, kernels="reference")
        for part in (bundle.wake, bundle.liveness)
    )
    # No network runs in it: it needs no arena.
    arenas = {bundle.wake.file: 0, bundle.liveness.file: 0}
    made = {
        "vivavoce_settings.h": settings_header(bundle, wake, liveness, arenas).encode(),
        "vivavoce_tables.h": tables_header(bundle).encode(),
        "vivavoce_tables.c": tables_source(bundle, wake).encode(),
    }
    for folder in _FOLDERS:
        for file in sorted((files("firmware_bridge") / folder).iterdir(), key=lambda one: one.name):
            if file.name.endswith((".c", ".h")):
                made[file.name] = file.read_bytes()
    return made


def build_device(bundle: Bundle, *, folder: Path | None = None, flags: tuple[str, ...] = ()) -> Path:
    """Return the program, compiled if it is not there already.

    Parameters
    ----------
    bundle : Bundle
        Whose frontend and words it has.
    folder : Path, optional
        Where it is kept; by default the user's cache, as for the kernels.
    flags : tuple of str
        More of them, for the compiler.

    Raises
    ------
    UsageError
        If there is no C compiler, or no folder to keep the program in.
    DataError
        If it cannot be compiled.
    """
    compiler = find_compiler()
    made = sources(bundle)
    told = hashlib.sha256(repr((compiler, os.stat(compiler).st_mtime_ns, flags)).encode())
    for name in sorted(made):
        told.update(f"{name}\0{len(made[name])}\0".encode() + made[name])
    kept = _cache() if folder is None else folder
    program = kept / f"simulated-device-{told.hexdigest()[:16]}"
    if os.access(program, os.X_OK) and program.is_file():
        return program
    try:
        kept.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".simulated.", dir=kept) as below:
            _compile(compiler, Path(below), made, flags).replace(program)
    except OSError as error:
        raise UsageError(
            f"{kept}: the simulated device cannot be kept there ({error.strerror or error}), expected a folder "
            f"that can be written; name another one: {CACHE_VARIABLE}=/path"
        ) from error
    return program


def _cache() -> Path:
    """Return the first folder for what is compiled that is not within the package."""
    package = Path(str(files("edge")))
    for folder in image_folders():
        if package not in folder.parents:
            return folder
    raise UsageError(
        f"the simulated device: got no folder to keep it in, expected a home; name one: {CACHE_VARIABLE}=/path"
    )


def _compile(compiler: str, below: Path, made: dict[str, bytes], flags: tuple[str, ...]) -> Path:
    for name, content in made.items():
        (below / name).write_bytes(content)
    program = below / "program"
    names = sorted(name for name in made if name.endswith(".c"))
    try:
        done = subprocess.run(
            [compiler, *_FLAGS, *flags, "-I.", *names, "-o", program.name],
            cwd=below,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(
            f"{compiler}: the simulated device was not compiled within {_LIMIT_S} s; try again with less going on"
        ) from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "error" in line.lower()] or done.stderr.splitlines()
        raise DataError(
            f"{compiler}: the simulated device cannot be compiled ({said[0].strip() if said else 'it says nothing'}); "
            "a C99 compiler with its library is needed (Debian: apt-get install gcc libc6-dev)"
        )
    return program
