"""What the benchmark of peers plays: speech, quiet, and the words of dev; made in a process of its own.

python tests/bench/peer_sounds.py DATA FOLDER SEED
"""

import json
import sys
from pathlib import Path

from processes import ROOT

__all__ = ["LOOK_S", "SECONDS", "START_SECONDS", "TIMED_SECONDS", "find_source"]

SECONDS = {"speech": 600, "quiet": 120}
TIMED_SECONDS = 60
"""How much of the speech single pushes are timed over."""
START_SECONDS = 0.1
GAP_S = 2.0
"""Between two words."""
LOOK_S = 1.0
"""A detection up to this long after the end of a recording is one of its word, s. Shorter than the gap."""


def find_source(data: Path) -> Path:
    """Return a 10-minute recording of speech where there is one, else the sample scene."""
    found = sorted(data.glob("longform/speechocean_dev_*")) + sorted(data.glob("longform/*_dev_*"))
    return found[0] if found else ROOT / "edge" / "data" / "scene.flac"


def make(data: Path, out: Path, seed: int) -> None:
    """Write speech.wav, timed.wav and start.wav (its beginnings), quiet.wav, and words.wav with words.json."""
    import csv

    import numpy as np
    import soundfile

    rng = np.random.default_rng(seed)

    def read(path: Path):
        samples, rate = soundfile.read(path, dtype="int16")
        if rate != 16000 or samples.ndim != 1:
            raise SystemExit(f"{path}: expected 16 kHz mono")
        return samples

    def write(name: str, samples, deviation: float) -> None:
        noisy = samples + np.rint(rng.normal(0, deviation, samples.size))
        soundfile.write(out / name, np.clip(noisy, -32768, 32767).astype(np.int16), 16000, subtype="PCM_16")

    write("speech.wav", np.resize(read(find_source(data)), SECONDS["speech"] * 16000), 30)
    write("quiet.wav", np.zeros(SECONDS["quiet"] * 16000, np.int16), 30)
    speech = read(out / "speech.wav")
    for name, seconds in (("timed.wav", TIMED_SECONDS), ("start.wav", START_SECONDS)):
        soundfile.write(out / name, speech[: int(seconds * 16000)], 16000, subtype="PCM_16")

    manifest = data / "manifest.csv"
    clips = []
    if manifest.exists():
        with manifest.open(newline="") as file:
            clips = [row for row in csv.DictReader(file) if row["role"] == "wake" and row["split"] == "dev"]
    # Words in an order of chance: a peer that has not settled yet is not always at the same word.
    rng.shuffle(clips)
    parts, said = [gap := np.zeros(int(GAP_S * 16000), np.int16)], []
    for clip in clips:
        start = sum(part.size for part in parts) / 16000
        parts += [read(data / clip["path"]), gap]
        end = start + parts[-2].size / 16000
        said.append({"word": clip["label"], "speaker": clip["speaker"], "start_s": start, "end_s": end})
    # So faint that it only keeps the gaps from being digital silence.
    write("words.wav", np.concatenate(parts), 3)
    (out / "words.json").write_text(json.dumps(said))


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
