"""What a folder of rendered clips says of itself: by which settings it was made, so that no two sets are mixed."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from edge.errors import DataError, UsageError
from edge.files import read_file, write_whole
from edge.json_reading import parse_json
from edge.manifest_file import FILE_NAME
from train.provenance import commit_hash

__all__ = ["CLIPS_FOLDER", "CONDITIONS_FILE", "RECORD_FILE", "RenderSettings", "check_render_folder", "write_record"]

RECORD_FILE = "render.json"
"""By which a folder is known to be one of ours, and not somebody's recordings."""

CONDITIONS_FILE = "conditions.csv"
"""How each clip was rendered, beside the manifest."""

CLIPS_FOLDER = "clips"


@dataclasses.dataclass(frozen=True, slots=True)
class RenderSettings:
    """From what the clips of a folder follow.

    Attributes
    ----------
    split, loudspeakers : str
        Whose recordings and rooms, and whose loudspeakers.
    kinds : tuple of str
        Kinds of loudspeakers that replay; empty for all.
    clips, seed : int
    recipe_version : int
    recipe_sha256, data_sha256 : str
        Of the recipe (:attr:`train.simulator.recipe.Recipe.hash`), and of the manifest of the recordings.
    """

    split: str
    loudspeakers: str
    kinds: tuple[str, ...]
    clips: int
    seed: int
    recipe_version: int
    recipe_sha256: str
    data_sha256: str

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON holds of it."""
        return {**dataclasses.asdict(self), "kinds": list(self.kinds)}


def check_render_folder(folder: Path, settings: RenderSettings, data: Path) -> None:
    """Check that clips may be written to a folder: a new one, or one that holds clips of the same settings.

    Parameters
    ----------
    folder : Path
    settings : RenderSettings
        Of what is to be written.
    data : Path
        Folder of the recordings that are rendered.

    Raises
    ------
    UsageError
        If it is the folder of the recordings.
    DataError
        If it holds what ``vivavoce train render`` did not write, or clips of other settings.
    """
    if folder.exists() and os.path.samefile(folder, data):
        raise UsageError(f"-o {folder} is the folder of --data, whose manifest would be lost; give another folder")
    record = folder / RECORD_FILE
    remedy = "give another folder, or remove this one"
    if not os.path.lexists(record):
        for name in (FILE_NAME, CONDITIONS_FILE, CLIPS_FOLDER):
            if os.path.lexists(folder / name):
                raise DataError(
                    f"{folder}: holds {name} and no {RECORD_FILE}, so 'vivavoce train render' did not write it; "
                    "expected a new folder, or one of its own; give another folder"
                )
        return
    try:
        found = parse_json(read_file(record))
    except OSError as error:
        raise DataError(f"{record}: cannot be read ({error.strerror}), expected a file; {remedy}") from error
    except ValueError as error:
        raise DataError(f"{record}: got text that is not JSON ({error}); {remedy}") from error
    if not isinstance(found, dict):
        raise DataError(f"{record}: got no object, expected the settings of the clips; {remedy}")
    for name, wanted in settings.to_dict().items():
        if name not in found or found[name] != wanted:
            got = json.dumps(found[name])[:80] if name in found else "none"
            raise DataError(
                f"{folder}: holds clips of other settings: {name} is {got}, expected {json.dumps(wanted)}; {remedy}"
            )


def write_record(folder: Path, settings: RenderSettings) -> None:
    """Write what the clips of a folder are made by; before the first of them, so that the folder is known as ours.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    text = json.dumps({**settings.to_dict(), "commit": commit_hash()}, indent=1) + "\n"
    write_whole(folder / RECORD_FILE, lambda file: file.write(text.encode()), durable=True, one_writer=True)
