"""Folders of the slots on the disk: locked, filled, moved, flushed."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from edge.bundle import Bundle, open_bundle
from edge.bundle_manifest import OWN_NAMES, read_bundle_file
from edge.bundle_trust import BundleTrust

__all__ = ["NEW", "copy_bundle", "locked", "move_into", "share"]

NEW = "new"
"""Folder of a bundle that is being copied, beside the slots."""


@contextlib.contextmanager
def locked(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Keep other processes and threads from a folder, or wait for the one that has it.

    The folder itself is locked: no file for it is left, and readers need not be able to write.

    Parameters
    ----------
    folder : Path
        Where it is not there, or may not be read, there is nothing that could change meanwhile, and nothing is locked.
    shared : bool
        Only keep out those who write.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield  # not there, or not to be read: there is nothing that could change under us
        return
    try:
        # Some network file systems have no locks: better to go on than to refuse all of them.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def copy_bundle(source: Bundle, folder: Path, trust: BundleTrust) -> Path:
    """Copy a bundle into the folder :data:`NEW` of a folder, flushed to the disk; verify the copy, and return it.

    Raises
    ------
    OSError
        If it cannot be written; nothing is left.
    BundleError
        If the copy is not right.
    """
    new = folder / NEW
    _clear(new)
    try:
        new.mkdir()
        own = {name: read_bundle_file(source.path / name) for name in OWN_NAMES if (source.path / name).exists()}
        for name, content in {**source.contents, **own}.items():
            with open(new / name, "xb") as file:
                file.write(content)
                share(file.fileno(), folder)
                file.flush()
                os.fsync(file.fileno())
        _flush(new, folder)
        open_bundle(new, trust=trust)
    except BaseException:
        with contextlib.suppress(OSError):
            _clear(new)
        raise
    return new


def move_into(folder: Path, slot: str) -> None:
    """Put the new bundle into a slot that is nobody's, durably.

    Raises
    ------
    OSError
        If it cannot be done.
    """
    _clear(folder / slot)
    os.replace(folder / NEW, folder / slot)
    _flush(folder)


def share(handle: int, folder: Path, *, mode: int = 0o644) -> None:
    """Let the daemon read, and replace, what the owner of the device wrote, whatever his umask is.

    Parameters
    ----------
    handle : int
        Of the file or folder that was made.
    folder : Path
        The folder of the slots: what root makes in it belongs to whom it belongs.
    mode : int
        Permissions.
    """
    os.fchmod(handle, mode)
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(handle, owner.st_uid, owner.st_gid)


def _clear(folder: Path) -> None:
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def _flush(path: Path, owner: Path | None = None) -> None:
    """Wait until the names in a folder are on the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if owner is not None:
            share(handle, owner, mode=0o755)
        os.fsync(handle)
    finally:
        os.close(handle)
