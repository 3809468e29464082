"""ASVspoof 2017, version 2: RedDots phrases, live and replayed by many loudspeakers in many rooms.

Layout, with seven columns in each protocol, ``-`` in the last three where speech is genuine::

    protocol_V2/ASVspoof2017_V2_{train.trn,dev.trl,eval.trl}.txt
    ASVspoof2017_V2_{train,dev,eval}/*.wav

    T_1000001.wav genuine M0002 S05 - - -

Sources, read in 2026: lines of a published train protocol (in github.com/jlinear/ReMASC_Exp), the reader of a protocol
in published MATLAB code (``ASVspoof2017ReadProtocolFile``), and three independent loaders on GitHub that agree on the
columns, the file names and the phrases. The corpus itself was not at hand. Its licence was not found in the publisher's
own words, and is asked for.

The published splits share some loudspeakers and rooms: ``vivavoce train check`` names them.
"""

from pathlib import Path

from train.importers.found import Found, Options, Recording, folder_among
from train.importers.protocol_file import protocol_lines

__all__ = ["LICENCE", "PHRASES", "SUMMARY", "find"]

SUMMARY = "ASVspoof 2017 v2: protocol_V2/ and three folders of WAV"
LICENCE: str | None = None

_COLUMNS = ("file", "key", "speaker", "phrase", "environment", "playback_device", "recording_device")
_PROTOCOLS = {
    "train": ("ASVspoof2017_V2_train.trn.txt", "ASVspoof2017_V2_train"),
    "dev": ("ASVspoof2017_V2_dev.trl.txt", "ASVspoof2017_V2_dev"),
    "test": ("ASVspoof2017_V2_eval.trl.txt", "ASVspoof2017_V2_eval"),
}
_SOURCE = {"genuine": "live", "spoof": "replay"}

PHRASES = {
    "S01": "my voice is my password",
    "S02": "ok google",
    "S03": "only lawyers love millionaires",
    "S04": "artificial intelligence is for real",
    "S05": "birthday parties have cupcakes and ice cream",
    "S06": "actions speak louder than words",
    "S07": "there is no such thing as a free lunch",
    "S08": "a watched pot never boils",
    "S09": "jealousy has twenty-twenty vision",
    "S10": "necessity is the mother of invention",
}
"""The common phrases of RedDots, by phrase id."""


def find(source: Path, options: Options) -> Found:
    """Read the three protocols; their splits are kept, eval as test.

    Raises
    ------
    DataError
        If a protocol or an audio folder is missing, or a line is malformed.
    """
    found = Found()
    protocols = source / "protocol_V2"
    for split, (protocol, folder) in _PROTOCOLS.items():
        if not options.wants(split):
            continue
        lines = list(protocol_lines(protocols / protocol, _COLUMNS, unique="file"))
        # The archives are sometimes unpacked into a folder of their own name.
        audio = folder_among(source, (f"{folder}/{folder}", folder), f"the audio of {protocol}")
        for line in lines:
            file = line.file_name("file")
            key = line.one_of("key", tuple(_SOURCE))
            label = PHRASES[line.one_of("phrase", tuple(PHRASES))]
            found.recordings.append(
                Recording(
                    file=audio / file,
                    name=f"{folder}/{Path(file).stem}",
                    corpus="asvspoof2017-v2",
                    speaker=line["speaker"],
                    split=split,
                    role="wake" if label in options.wake else "speech",
                    licence=options.licence,
                    label=label,
                    source=_SOURCE[key],
                    device=line.given("recording_device"),
                    room=line.given("environment"),
                    loudspeaker=line.given("playback_device") if key == "spoof" else "",
                )
            )
    return found
