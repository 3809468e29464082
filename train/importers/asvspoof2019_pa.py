"""ASVspoof 2019, physical access: speech and replays that are both simulated, from VCTK.

Layout, with five columns in each protocol; SOURCE is the folder ``PA`` or the one above it::

    ASVspoof2019_PA_cm_protocols/ASVspoof2019.PA.cm.{train.trn,dev.trl,eval.trl}.txt
    ASVspoof2019_PA_{train,dev,eval}/flac/*.flac

    PA_0079 PA_T_0000001 aaa - bonafide
    PA_0079 PA_T_0005401 aaa AA spoof

The environment is three letters, a to c, for the size of the room, its T60 and the distance of the talker; the attack
is two, A to C, for the distance of the attacker and the quality of the replay device. Source: ``README.PA.txt`` of the
corpus, a copy on GitHub read in 2026, which has the columns, folders and letters. The corpus itself was not at hand.

Letters are ranges and not things: room and loudspeaker get the prefix ``class:``, and are not compared between splits.
Nothing here was played by a loudspeaker: results on it are results on a simulation.
"""

import os
import re
from pathlib import Path

from train.importers.found import Found, Options, Recording, folder_among
from train.importers.protocol_file import protocol_lines
from train.manifest import KIND_PREFIX

__all__ = ["LICENCE", "SUMMARY", "find"]

SUMMARY = "ASVspoof 2019 physical access (simulated): PA/ with protocols and FLAC"
LICENCE: str | None = "ODC-By-1.0"
"""Open Data Commons Attribution, as a card of the corpus has it (Hugging Face, LanceaKing/asvspoof2019); its archive
was not at hand."""

_COLUMNS = ("speaker", "file", "environment", "attack", "key")
_PROTOCOLS = {
    "train": ("ASVspoof2019.PA.cm.train.trn.txt", "ASVspoof2019_PA_train"),
    "dev": ("ASVspoof2019.PA.cm.dev.trl.txt", "ASVspoof2019_PA_dev"),
    "test": ("ASVspoof2019.PA.cm.eval.trl.txt", "ASVspoof2019_PA_eval"),
}
_ENVIRONMENT = re.compile("[abc]{3}")
_ATTACK = re.compile("[ABC]{2}")


def find(source: Path, options: Options) -> Found:
    """Read the three protocols; their splits are kept, eval as test.

    Raises
    ------
    DataError
        If a protocol or an audio folder is missing, or a line is malformed.
    """
    found = Found()
    root = source / "PA" if os.path.isdir(source / "PA") else source
    protocols = root / "ASVspoof2019_PA_cm_protocols"
    for split, (protocol, folder) in _PROTOCOLS.items():
        if not options.wants(split):
            continue
        lines = list(protocol_lines(protocols / protocol, _COLUMNS, unique="file"))
        audio = folder_among(root, (f"{folder}/flac",), f"the audio of {protocol}")
        for line in lines:
            file = line.file_name("file")
            spoof = line.one_of("key", ("bonafide", "spoof")) == "spoof"
            if not _ENVIRONMENT.fullmatch(line["environment"]):
                raise line.fault("environment", "three letters from a to c")
            if spoof and not _ATTACK.fullmatch(line["attack"]):
                raise line.fault("attack", "two letters from A to C, as the key is spoof")
            if not spoof and line["attack"] != "-":
                raise line.fault("attack", "-, as the key is bonafide")
            found.recordings.append(
                Recording(
                    file=audio / f"{file}.flac",
                    name=f"{folder}/{file}",
                    corpus="asvspoof2019-pa",
                    speaker=line["speaker"],
                    split=split,
                    role="speech",
                    licence=options.licence,
                    source="replay" if spoof else "live",
                    room=KIND_PREFIX + line["environment"],
                    loudspeaker=KIND_PREFIX + line["attack"] if spoof else "",
                )
            )
    return found
