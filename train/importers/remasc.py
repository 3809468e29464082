"""ReMASC: commands to four microphone arrays in four environments, live and replayed by five devices.

Layout: two sets, each with its table and audio; nine columns, parted by commas, padded with blanks, no header::

    core/meta.csv   core/data/*.wav         the publisher's set for training and development
    eval/meta.csv   eval/data/*.wav         the publisher's set for evaluation (the folder may be called evaluation)

       1010204,         1,         2,         1,        -1,         1,        -1,        -1,3.092800e+00
    file, type, speaker, environment, position, source recorder, playback device, recording device, seconds

Sources: ``readme.txt`` beside the table, ``meta.csv`` and the loader in the publisher's own repository
(github.com/YuanGongND/multichannel-antispoof), read in 2026; counts and columns agree with a second repository
(shiotalab-tmu/remasc_curated_splits). The audio itself was not at hand, nor the names of its folders beyond what
the loader has. Its licence was not found in the publisher's own words, and is asked for.

* ``eval`` becomes test; ``core`` is parted into train and dev by a seeded hash of the talker, as no dev is published.
* Type 1, what was recorded to be replayed, is dropped: no device under attack heard it.
* Talker 0 is a speech synthesiser with many voices: ``many``; its replays stay in train where they are in core.
* The first microphone of an array is used, as in the publisher's experiments with one channel. The mean of all would be
  a beam, and colour speech by its direction.
* The sets share rooms and loudspeakers: ``vivavoce train check`` names them.
"""

from pathlib import Path

from train.importers.found import Found, Options, Recording, folder_among
from train.importers.protocol_file import Line, protocol_lines
from train.importers.seeded_split import TRAIN_AND_DEV, seeded_split

__all__ = ["LICENCE", "SUMMARY", "find"]

SUMMARY = "ReMASC: core/ and eval/, each with meta.csv and data/"
LICENCE: str | None = None

_COLUMNS = (
    "file", "type", "speaker", "environment", "position", "source_recorder", "playback_device", "recording_device",
    "seconds",
)  # fmt: skip
_TYPES = {"1": "", "2": "live", "3": "replay"}
_ROOMS = {"1": "outdoor", "2": "indoor 1", "3": "indoor 2", "4": "vehicle"}
_LOUDSPEAKERS = {
    "-1": "",
    "1": "Audio Technica ATH-AD700X headphone",
    "2": "iPod Touch",
    "3": "Sony SRS-X11",
    "4": "Sony SRS-X5",
    "5": "vehicle built-in loudspeaker",
}
_DEVICES = {"-1": "", "1": "AIY", "2": "ReSpeaker 4 linear", "3": "ReSpeaker Core v2.0", "4": "Amlogic A113X1"}
_SPEAKERS = tuple(str(number) for number in range(51))
_SYNTHESISER = "0"
_FIRST_MICROPHONE = 0


def find(source: Path, options: Options) -> Found:
    """Read the two tables.

    Raises
    ------
    DataError
        If a set is missing, or a line is malformed.
    """
    found = Found()
    if options.wants("train") or options.wants("dev"):
        _read(folder_among(source, ("core",), "the core set"), "core", found, options)
    if options.wants("test"):
        _read(folder_among(source, ("eval", "evaluation"), "the evaluation set"), "eval", found, options)
    return found


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split(",")]


def _split(set_name: str, speaker: str, seed: int) -> str:
    if set_name == "eval":
        return "test"
    return "train" if speaker == _SYNTHESISER else seeded_split(f"remasc/{speaker}", seed, TRAIN_AND_DEV)


def _read(folder: Path, set_name: str, found: Found, options: Options) -> None:
    for line in protocol_lines(folder / "meta.csv", _COLUMNS, unique="file", split=_cells):
        file = line.file_name("file")
        kind = _TYPES[line.one_of("type", tuple(_TYPES))]
        speaker = line.one_of("speaker", _SPEAKERS)
        split = _split(set_name, speaker, options.seed)
        loudspeaker = _checked(line, "playback_device", _LOUDSPEAKERS)
        if not kind:
            found.dropped["recorded to be replayed (type 1)"] += 1
        elif options.wants(split):
            found.recordings.append(
                Recording(
                    file=folder / "data" / f"{file}.wav",
                    name=f"{set_name}/{file}",
                    corpus="remasc",
                    speaker="many" if speaker == _SYNTHESISER else speaker,
                    split=split,
                    role="speech",
                    licence=options.licence,
                    source=kind,
                    device=_checked(line, "recording_device", _DEVICES),
                    room=_checked(line, "environment", _ROOMS),
                    loudspeaker=loudspeaker if kind == "replay" else "",
                    channel=_FIRST_MICROPHONE,
                )
            )


def _checked(line: Line, column: str, names: dict[str, str]) -> str:
    return names[line.one_of(column, tuple(names))]
