"""Writing the folder of an export, whole or not at all."""

import shutil
import tempfile
from pathlib import Path

from edge.errors import DataError, UsageError

__all__ = ["check_new", "write_folder"]


def check_new(folder: Path) -> None:
    """Refuse a folder that has something in it, before any work is done.

    Raises
    ------
    UsageError
        If it is not new or empty, or not a folder.
    """
    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise UsageError(f"--out: {folder} cannot be read ({error.strerror}); choose another folder") from error
    if taken:
        raise UsageError(
            f"--out: {folder} is there already, expected a folder that is new or empty; choose another one"
        )


def write_folder(folder: Path, made: dict[str, bytes]) -> None:
    """Write files into a new or empty folder, which appears with all of them.

    Parameters
    ----------
    folder : Path
    made : dict of str to bytes
        Contents by path within the folder.

    Raises
    ------
    DataError
        If it cannot be written; nothing is left of it.
    """
    part = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
        for name, content in made.items():
            file = part / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        part.chmod(0o755)
        part.replace(folder)  # over an empty folder, too
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be written ({error.strerror or error}), nothing of it was left; free some space or "
            "choose another folder"
        ) from error
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)
