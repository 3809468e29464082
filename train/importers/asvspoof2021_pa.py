"""ASVspoof 2021, physical access: speech of VCTK that was really replayed, in real rooms. Evaluation data only.

Layout: audio in ``ASVspoof2021_PA_eval/flac``, or in the seven parts ``ASVspoof2021_PA_eval_part0N/
ASVspoof2021_PA_eval/flac`` that are published; the keys are a separate archive, with twelve columns::

    keys/PA/CM/trial_metadata.txt        (or PA-keys-full/keys/PA/CM/...)

    PA_0010 PA_E_1000001 R3 M3 d4 r1 m1 s4 c4 spoof notrim eval
    speaker file  room microphone distance  attacker's room microphone device distance  key trim subset

Source: documentation and ``ConfigPA`` of the evaluation package of the organisers (github.com/asvspoof-challenge/2021),
read in 2026; the parts from notes of a user who had downloaded them. The corpus itself was not at hand.

Everything becomes ``test``. Of the subsets only ``eval`` is imported: ``progress`` was for tuning, and ``hidden``
holds simulated or trimmed clips. Two things follow from the talkers being those of VCTK, which was recorded long before
(an inference, not verified): a bona fide clip must come from a loudspeaker that stands for the talker; and talkers may
be those of ASVspoof 2019, under ids that cannot be compared here. Do not quote a result of training on the one and
testing on the other as one on new talkers.
"""

import os
import re
from pathlib import Path

from edge.errors import DataError
from train.importers.found import Found, Options, Recording, listed
from train.importers.protocol_file import protocol_lines

__all__ = ["LICENCE", "SUMMARY", "find"]

SUMMARY = "ASVspoof 2021 physical access: keys/PA/CM/trial_metadata.txt and FLAC"
LICENCE: str | None = "ODC-By-1.0"
"""Open Data Commons Attribution, as the README of the sister archive of the same release (LA) has it."""

_COLUMNS = (
    "speaker", "file", "room", "microphone", "distance",
    "attacker_room", "attacker_microphone", "replay_device", "attacker_distance",
    "key", "trim", "subset",
)  # fmt: skip
_KEYS = ("keys/PA/CM/trial_metadata.txt", "PA-keys-full/keys/PA/CM/trial_metadata.txt")
_AUDIO = ("flac", "ASVspoof2021_PA_eval/flac", "ASVspoof2021_PA_eval_part*/ASVspoof2021_PA_eval/flac")
_ROOM = re.compile("R[1-9]")
_DEVICE = re.compile("s[1-9]")


def find(source: Path, options: Options) -> Found:
    """Read the keys.

    Raises
    ------
    DataError
        If the keys or all audio folders are missing, or a line is malformed.
    """
    found = Found()
    keys = next((source / name for name in _KEYS if os.path.isfile(source / name)), source / _KEYS[0])
    folders = [folder for pattern in _AUDIO for folder in sorted(source.glob(pattern)) if folder.is_dir()]
    if not folders:
        raise DataError(
            f"{source}: found no folder {' or '.join(_AUDIO)}, expected the audio of the corpus; unpack its parts there"
        )
    folder_of = {file.name: folder for folder in folders for file in listed(folder)}
    # One line at a time: there are 943 110.
    for line in protocol_lines(keys, _COLUMNS, unique="file"):
        file = f"{line.file_name('file')}.flac"
        spoof = line.one_of("key", ("bonafide", "spoof")) == "spoof"
        subset = line.one_of("subset", ("eval", "progress", "hidden"))
        line.one_of("trim", ("notrim", "trim"))
        if not _ROOM.fullmatch(line["room"]):
            raise line.fault("room", "R1 to R9")
        if spoof and not _DEVICE.fullmatch(line["replay_device"]):
            raise line.fault("replay_device", "s and a digit, as the key is spoof")
        if subset != "eval":
            found.dropped[f"subset {subset}"] += 1
        elif options.wants("test"):
            found.recordings.append(
                Recording(
                    file=folder_of.get(file, folders[0]) / file,
                    name=f"ASVspoof2021_PA_eval/{line['file']}",
                    corpus="asvspoof2021-pa",
                    speaker=line["speaker"],
                    split="test",
                    role="speech",
                    licence=options.licence,
                    source="replay" if spoof else "live",
                    device=line.given("microphone"),
                    room=line.given("room"),
                    loudspeaker=line["replay_device"] if spoof else "",
                )
            )
    return found
