"""Speech Commands, version 2: single words by many talkers, live.

Layout: a folder a word, with the talker in each file name, lists of what is for validation and testing, and noise::

    backward/0165e0e8_nohash_0.wav
    validation_list.txt, testing_list.txt        lines as backward/0165e0e8_nohash_0.wav
    _background_noise_/*.wav

Source: P. Warden, "Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition", arXiv:1804.03209, and the
README of the corpus. The publisher's lists are kept: validation is dev, testing is test, all else train. The noise is
on no list; it is train, in the role ``noise``.
"""

import itertools
import os
import re
from pathlib import Path

from edge.errors import DataError
from train.importers.found import Found, Options, Recording, listed
from train.importers.protocol_file import text_lines

__all__ = ["LICENCE", "SUMMARY", "find"]

SUMMARY = "Speech Commands v2: a folder a word, and the two lists"
LICENCE: str | None = "CC-BY-4.0"
"""README of the corpus: Creative Commons BY 4.0."""

_NOISE = "_background_noise_"
_LISTS = {"dev": "validation_list.txt", "test": "testing_list.txt"}
_NAME = re.compile(r"([0-9a-f]+)_nohash_([0-9]+)\.wav")


def find(source: Path, options: Options) -> Found:
    """Walk the folders of the words.

    Raises
    ------
    DataError
        If a list is missing, names a file that is not there or that another list names, or a file name has no talker.
    """
    split_of: dict[str, str] = {}
    listed_at: dict[str, str] = {}
    for split, name in _LISTS.items():
        for where, line in text_lines(source / name, "a list of files, one a line"):
            path = line.strip()
            if path in split_of:
                raise DataError(
                    f"{where}: {path} was on {listed_at[path]} already, expected each once; keep one of the lines"
                )
            split_of[path], listed_at[path] = split, where
    found = Found()
    on_disk: set[str] = set()
    for folder in itertools.filterfalse(os.path.isfile, listed(source)):
        for file in listed(folder):
            if file.suffix != ".wav":
                continue
            path = f"{folder.name}/{file.name}"
            on_disk.add(path)
            noise = folder.name == _NOISE
            named = _NAME.fullmatch(file.name)
            if not noise and named is None:
                raise DataError(
                    f"{file}: got this name, expected TALKER_nohash_NUMBER.wav with TALKER in hexadecimal; take the "
                    "file out of the folder, or import it with another kind"
                )
            split = split_of.get(path, "train")
            if options.wants(split):
                found.recordings.append(
                    Recording(
                        file=file,
                        name=f"{folder.name}/{file.stem}",
                        corpus="speech-commands-v2",
                        speaker="" if named is None else named[1],
                        split=split,
                        role="noise" if noise else "wake" if folder.name in options.wake else "speech",
                        licence=options.licence,
                        label="" if noise else folder.name,
                        source="" if noise else "live",
                    )
                )
    for path, where in listed_at.items():
        if path not in on_disk:
            raise DataError(f"{where}: {path} is not in {source}, expected the file; unpack the corpus again")
    return found
