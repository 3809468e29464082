"""The folder that ``vivavoce collect`` leaves, and that training reads.

::

    DIR/manifest.csv                              one row a recording
    DIR/people/SPEAKER.json                       consent and sessions of one person
    DIR/live/SPEAKER/WORD/001.flac                a take
    DIR/replay/LOUDSPEAKER/SPEAKER/WORD/001.flac  the same take, as that loudspeaker played it
    DIR/play/SPEAKER/WORD-001-010.wav             takes to be played

Nothing is ever overwritten, and every file is whole or not there: it is written under another name, flushed to
the disk, and renamed. A row follows its file. Each FLAC carries its own row as a comment, so that a file whose row was
not written any more (power loss, kill) gets it when the folder is opened the next time.
"""

import fcntl
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataError, UsageError
from edge.files import UNFINISHED, read_file, write_whole
from edge.json_reading import parse_json
from edge.manifest_file import COLUMNS, FILE_NAME, NOT_ONE_TALKER, OPTIONAL_COLUMNS, read_manifest, write_manifest
from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["CORPUS", "EXTENDED_COLUMNS", "LICENCE", "Collection", "checked_name", "checked_phrase"]

EXTENDED_COLUMNS = (*OPTIONAL_COLUMNS, "take")
"""What is known of a recording that was made here, beyond :data:`edge.manifest_file.COLUMNS`: ``source`` is ``live`` or
``replay``, ``loudspeaker`` what played it (empty if none), and ``take`` the path of the take that was played (empty for
a take)."""
CORPUS = "collected"
"""Value of the column ``corpus``; ids of speakers count within it."""
LICENCE = "consent of the speaker"
"""Value of the column ``licence``; what was agreed to is in ``people/SPEAKER.json``."""

_NAME = re.compile(r"[^\W_][\w.-]{0,63}")


def checked_name(name: str, option: str) -> str:
    """Return a name as an id that can be a folder: blanks become underscores.

    Raises
    ------
    UsageError
        If it holds anything but letters, digits, dots, hyphens and underscores, or is none for training.
    """
    found = "_".join(name.split())
    if not _NAME.fullmatch(found) or len(found.encode()) > 100 or (option == "--speaker" and found in NOT_ONE_TALKER):
        raise UsageError(
            f"{option}: got {name!r}, expected a name of letters, digits, dots, hyphens and underscores that begins "
            "with a letter or digit; choose another"
        )
    return found


def checked_phrase(phrase: str) -> str:
    """Return the phrase as a label: lower case, single blanks.

    Raises
    ------
    UsageError
        If it is empty or holds anything but letters, digits, apostrophes and hyphens.
    """
    label = " ".join(phrase.casefold().split())
    if not re.fullmatch(r"[^\W_]([^\W_]|[' -]){0,63}", label):
        raise UsageError(
            f"--word: got {phrase!r}, expected a word or phrase of letters and digits, such as 'hey house'; correct it"
        )
    return label


class Collection:
    """The folder of recordings, opened to add to it.

    Parameters
    ----------
    root : Path
        The folder; it is made if it is not there.

    Raises
    ------
    DataError
        If its manifest is damaged, or it cannot be written to.
    UsageError
        If another ``vivavoce collect`` is using it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        with self._writing(root):
            root.mkdir(parents=True, exist_ok=True)
            self._lock = open(root / ".lock", "ab")  # noqa: SIM115  # held as long as the collection is open
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise UsageError(
                f"{root}: another 'vivavoce collect' is using this folder, expected to be alone; wait for its end"
            ) from error
        except OSError:
            pass  # some network file systems have no locks: better to go on than to refuse all of them
        try:
            self._columns, self.rows = self._read_manifest()
            self.restored = self._restore_rows()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let others use the folder."""
        self._lock.close()

    def __enter__(self) -> "Collection":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let others use the folder."""
        self.close()

    # ------------------------------------------------------------------------------------ manifest

    @property
    def manifest(self) -> Path:
        """Path of the manifest."""
        return self.root / FILE_NAME

    def _read_manifest(self) -> tuple[list[str], list[dict[str, str]]]:
        every = [*COLUMNS, *EXTENDED_COLUMNS]
        if not os.path.lexists(self.manifest):
            return every, []
        found = read_manifest(self.manifest, remedy="correct it, or give --out another folder; nothing was changed")
        # Every row is written again with the next recording: none may be left out.
        for misfit in found.misfits:
            raise DataError(misfit)
        columns = [*found.header, *(column for column in every if column not in found.header)]
        return columns, [row for _, row in found.rows]

    def _write_manifest(self, rows: list[dict[str, str]]) -> None:
        with self._writing(self.manifest):
            write_manifest(self.manifest, self._columns, rows)
        self.rows = rows

    def _restore_rows(self) -> int:
        """Give files without a row the row that they carry, and return how many there were."""
        known = {row["path"] for row in self.rows}
        found = []
        for path in sorted([*self.root.glob("live/*/*/*.flac"), *self.root.glob("replay/*/*/*/*.flac")]):
            name = path.relative_to(self.root).as_posix()
            if name in known or not path.is_file():
                continue
            row = _row_inside(path)
            if row is not None and row.get("path") == name:
                found.append({**row, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()})
        if found:
            self._write_manifest([*self.rows, *found])
        for folder in ("live", "replay", "people", "play"):
            if (self.root / folder).is_symlink():
                continue  # what lies behind it is somebody else's
            for left in self.root.glob(f"{folder}/**/{UNFINISHED}"):
                if left.is_file() and not left.is_symlink():
                    left.unlink(missing_ok=True)  # what was being written when the program was killed
        return len(found)

    # ---------------------------------------------------------------------------------- recordings

    def takes(self, speaker: str, **where: str) -> list[dict[str, str]]:
        """Return the rows of a speaker's takes that have these values, e.g. ``label="hey house", room="hall"``.

        Raises
        ------
        DataError
            If such a row names a file that does not lie where takes do.
        """
        wanted = {"speaker": speaker, "source": "live", **where}
        found = [row for row in self._rows_of(speaker) if all(row.get(key) == value for key, value in wanted.items())]
        for row in found:
            folder = f"live/{speaker}/{_word_id(row['label'])}"
            if not re.fullmatch(rf"{re.escape(folder)}/[0-9]{{1,9}}\.flac", row["path"]):
                raise DataError(
                    f"{self.manifest}: path is {row['path'][:200]!r}, expected {folder}/NUMBER.flac for a take of "
                    f"{speaker!r}; move the file there and correct the row, or take the row out"
                )
        return found

    def _rows_of(self, speaker: str) -> list[dict[str, str]]:
        """Return the rows of a person, those as well whose corpus somebody renamed."""
        return [row for row in self.rows if _is_of(row, speaker)]

    def replay_of(self, take: Mapping[str, str], loudspeaker: str) -> dict[str, str] | None:
        """Return the row of a take's replay by a loudspeaker, if there is one."""
        for row in self.rows:
            if row.get("take") == take["path"] and row.get("loudspeaker") == loudspeaker:
                return row
        return None

    def split_of(self, speaker: str) -> str | None:
        """Return the split that a speaker is in already."""
        return next((row["split"] for row in self._rows_of(speaker)), None)

    def add_take(self, samples: npt.NDArray[np.int16], facts: Mapping[str, str]) -> dict[str, str]:
        """Keep a take under the next free number.

        Parameters
        ----------
        samples : (n,) int16
            16 kHz.
        facts : mapping
            Columns that are known: ``speaker``, ``split``, ``label``, ``native_hz``, ``device``, ``room``.

        Returns
        -------
        dict
            Its row.

        Raises
        ------
        DataError
            If it cannot be written; then it is not there at all.
        """
        folder = f"live/{facts['speaker']}/{_word_id(facts['label'])}"
        numbers = [int(path.stem) for path in (self.root / folder).glob("*.flac") if path.stem.isdecimal()]
        numbers += [int(Path(row["path"]).stem) for row in self.takes(facts["speaker"], label=facts["label"])]
        path = f"{folder}/{max(numbers, default=0) + 1:03d}.flac"
        return self._add(path, samples, {**facts, "loudspeaker": "", "source": "live", "take": ""})

    def add_replay(
        self, samples: npt.NDArray[np.int16], take: Mapping[str, str], facts: Mapping[str, str]
    ) -> dict[str, str]:
        """Keep the replay of a take; `facts` are its ``loudspeaker``, ``native_hz``, ``device`` and ``room``.

        Raises
        ------
        DataError
            If it cannot be written; then it is not there at all.
        """
        path = f"replay/{facts['loudspeaker']}/{take['path'].removeprefix('live/')}"
        same = {column: take[column] for column in ("speaker", "split", "label")}
        return self._add(path, samples, {**same, **facts, "source": "replay", "take": take["path"]})

    def _add(self, path: str, samples: npt.NDArray[np.int16], facts: Mapping[str, str]) -> dict[str, str]:
        row = {
            "path": path,
            "corpus": CORPUS,
            "role": "wake",
            "seconds": f"{samples.size / SAMPLE_RATE_HZ:.3f}",
            "licence": LICENCE,
            **facts,
        }
        content = _flac(samples, row)
        self._write(self.root / path, content, replace=False)
        row["sha256"] = hashlib.sha256(content).hexdigest()
        self._write_manifest([*self.rows, row])
        return row

    def read(self, row: Mapping[str, str]) -> npt.NDArray[np.int16]:
        """Return the samples of a recording ``(n,) int16``.

        Raises
        ------
        DataError
            If its file is not what was recorded.
        """
        import soundfile

        path = self.root / row["path"]
        try:
            samples, _ = soundfile.read(path, dtype="int16", always_2d=True)
        except (soundfile.LibsndfileError, OSError) as error:
            raise DataError(
                f"{path}: cannot be read ({error}), expected the take that the manifest lists; restore it, or take "
                "its row out"
            ) from error
        mono: npt.NDArray[np.int16] = samples[:, 0]
        return mono

    def write_recording_to_play(self, samples: npt.NDArray[np.int16], speaker: str, name: str) -> Path:
        """Write a WAV file for a phone or television, and return its path; the same call gives the same file.

        Raises
        ------
        DataError
            If it cannot be written.
        """
        import soundfile

        path = self.root / "play" / speaker / f"{name}.wav"
        file = io.BytesIO()
        soundfile.write(file, samples, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
        self._write(path, file.getvalue(), replace=True)
        return path

    # -------------------------------------------------------------------------------------- people

    def _person_file(self, speaker: str) -> Path:
        return self.root / "people" / f"{speaker}.json"

    def person(self, speaker: str) -> dict[str, Any] | None:
        """Return what is known of a person; None if nothing is.

        Raises
        ------
        DataError
            If the file is damaged.
        """
        path = self._person_file(speaker)
        try:
            found = parse_json(read_file(path).decode())
            answer = found["consent"]["answer"]
            if not isinstance(answer, str) or not isinstance(found["sessions"], list):
                raise TypeError
            _person_bytes(found)  # it is written again with the next session
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path}: got something that is not the metadata of a person, expected what 'vivavoce collect' wrote; "
                "restore it, or move it away to ask for consent again"
            ) from error
        person: dict[str, Any] = found
        return person

    def write_person(self, speaker: str, person: Mapping[str, Any]) -> None:
        """Keep what is known of a person.

        Raises
        ------
        DataError
            If it cannot be written.
        """
        self._write(self._person_file(speaker), _person_bytes(person), replace=True)

    def speakers(self) -> list[str]:
        """Return everybody of whom there is anything."""
        found = {row["speaker"] for row in self.rows if row["corpus"] == CORPUS}
        found |= {path.stem for path in self.root.glob("people/*.json")}
        found |= {path.name for path in [*self.root.glob("live/*"), *self.root.glob("play/*")] if path.is_dir()}
        return sorted(found | {path.name for path in self.root.glob("replay/*/*") if path.is_dir()})

    def belongings(self, speaker: str) -> tuple[list[Path], int]:
        """Return all files of a person, listed in the manifest or not, and how many rows there are."""
        rows = self._rows_of(speaker)
        # Only what lies in the person's own folders: a row or a link may name anybody's file.
        files = {path for folder in self._folders(speaker) for path in folder.rglob("*") if not path.is_dir()}
        person = self._person_file(speaker)
        if person.is_symlink() or person.is_file():
            self._refuse_link(person.parent)
            files.add(person)
        return sorted(files), len(rows)

    def _folders(self, speaker: str) -> list[Path]:
        folders = [self.root / "live" / speaker, self.root / "play" / speaker]
        found = [folder for folder in [*folders, *self.root.glob(f"replay/*/{speaker}")] if folder.is_dir()]
        for folder in found:
            self._refuse_link(folder)
        return found

    def _refuse_link(self, folder: Path) -> None:
        if folder.resolve() != self.root.resolve() / folder.relative_to(self.root):
            raise DataError(
                f"{folder}: is a link, or lies behind one, expected a folder; remove the link; nothing was deleted"
            )

    def delete(self, speaker: str) -> tuple[int, int]:
        """Remove everything of a person: recordings, rows and metadata.

        Returns
        -------
        files, rows : int
            How many were removed.

        Raises
        ------
        DataError
            If something cannot be removed; deleting again goes on.
        """
        files, rows = self.belongings(speaker)
        with self._writing(self.root):
            # Files first: while a row is there, an interrupted deletion can be seen, and given again.
            for path in files:
                path.unlink(missing_ok=True)
            for folder in self._folders(speaker):
                shutil.rmtree(folder)
            for folder in [*self.root.glob("replay/*"), *(self.root / name for name in ("live", "play", "people"))]:
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()
        if rows:
            self._write_manifest([row for row in self.rows if not _is_of(row, speaker)])
        return len(files), rows

    # ------------------------------------------------------------------------------------- writing

    @contextmanager
    def _writing(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DataError(
                f"{error.filename or path}: cannot be written ({error.strerror}), expected space and the right to; "
                "what was recorded before is kept: free some space or choose another folder, and give the same command "
                "again"
            ) from error

    def _write(self, path: Path, content: bytes, *, replace: bool) -> None:
        """Write a file as a whole, and wait until its name is on the disk, too: a row must not be there before."""
        with self._writing(path):
            if not replace and path.exists():
                raise DataError(
                    f"{path}: is there already, expected a free name; nothing was overwritten: move it away"
                )
            write_whole(path, lambda file: file.write(content), durable=True, one_writer=True)


def _is_of(row: Mapping[str, str], speaker: str) -> bool:
    """Whether a row is about a person: it says so, or its file lies in one of their folders."""
    folders = PurePosixPath(row["path"]).parts[:-1]
    return (
        (row["corpus"], row["speaker"]) == (CORPUS, speaker)
        or folders[:2] == ("live", speaker)
        or (folders[:1] == ("replay",) and folders[2:3] == (speaker,))
    )


def _person_bytes(person: Mapping[str, Any]) -> bytes:
    return (json.dumps(person, indent=2, ensure_ascii=False) + "\n").encode()


def _word_id(label: str) -> str:
    return label.replace(" ", "_")


def _flac(samples: npt.NDArray[np.int16], row: Mapping[str, str]) -> bytes:
    """Encode in memory: an encoder that writes to a full disk does not always say so."""
    import soundfile

    file = io.BytesIO()
    with soundfile.SoundFile(
        file, "w", samplerate=SAMPLE_RATE_HZ, channels=1, format="FLAC", subtype="PCM_16"
    ) as encoder:
        encoder.comment = json.dumps(row)
        encoder.write(samples)
    return file.getvalue()


def _row_inside(path: Path) -> dict[str, str] | None:
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            found = parse_json(file.comment)
    except (soundfile.LibsndfileError, OSError, ValueError):
        return None  # somebody else's file
    if not isinstance(found, dict) or not set(COLUMNS) <= set(found):
        return None
    row = {name: str(found[name]) for name in (*COLUMNS, *EXTENDED_COLUMNS) if name in found}
    # A lone surrogate, which JSON may hold and a manifest may not, is not of our making either.
    return row if all(cell.isprintable() for cell in row.values()) else None
