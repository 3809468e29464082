"""A small corpus of synthetic voices in the documented form, made on the spot.

Nobody speaks in it; it is there to prove that the commands fit together, and no figure is quoted from it.
"""

import csv
import subprocess
from pathlib import Path

import numpy as np
import soundfile
import soxr

RATE_HZ = 16_000
WORDS = ("computer", "smart mirror")
OTHERS = ("yellow", "kitchen light", "seven", "compute", "mirror")
SENTENCE = (
    "The weather was mild and the road was dry, so they walked along the river until the evening came, "
    "and nobody said anything of importance before dinner."
)
VOICES = {
    "train": ("en-us+m1", "en-us+f1", "en-gb+m3", "en-us+m5", "en-gb+f3", "en-us+m7"),
    "dev": ("en-gb+m2", "en-us+f2"),
    "test": ("en-us+m4", "en-gb+f4"),
}
COLUMNS = ("path", "corpus", "speaker", "split", "role", "label", "seconds", "native_hz", "licence")


def _say(text: str, voice: str, words_a_minute: int, folder: Path) -> np.ndarray:
    wav = folder / "said.wav"
    subprocess.run(
        ["espeak-ng", "-v", voice, "-s", str(words_a_minute), "-w", str(wav), text],
        check=True,
        capture_output=True,
    )
    samples, rate = soundfile.read(wav, dtype="float32")
    return soxr.resample(samples, rate, RATE_HZ)


def make(folder: Path) -> Path:
    """Write the corpus, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    rows = []

    def add(split: str, role: str, label: str, speaker: str, number: int, samples: np.ndarray) -> None:
        path = Path(role) / f"{split}_{speaker}_{number:03d}.flac"
        (folder / role).mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / path, np.clip(samples, -1, 1), RATE_HZ)
        rows.append(
            (
                path,
                "synthetic",
                speaker,
                split,
                role,
                label,
                f"{samples.size / RATE_HZ:.3f}",
                RATE_HZ,
                "CC0-1.0",
            )
        )

    for split, voices in VOICES.items():
        for voice in voices:
            speaker = voice.replace("+", "-")
            number = 0
            for text in (*WORDS, *OTHERS):
                for speed in (140, 165) if text in WORDS else (150,):
                    said = _say(text, voice, speed, folder)
                    samples = np.concatenate((np.zeros(3200), said, np.zeros(3200)))
                    samples = (samples + rng.standard_normal(samples.size) * 1e-4).astype(np.float32)
                    add(
                        split,
                        "wake" if text in WORDS else "speech",
                        text if text in WORDS else "",
                        speaker,
                        number,
                        samples,
                    )
                    number += 1
            add(
                split,
                "longform",
                "",
                "many",
                voices.index(voice),
                np.tile(_say(SENTENCE, voice, 160, folder), 2),
            )
        for number in range(3):
            add(split, "noise", "", "many", number, rng.standard_normal(3 * RATE_HZ).astype(np.float32) * 0.05)
    (folder / "said.wav").unlink()
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    _write_loudspeakers(folder / "loudspeakers", rng)
    return folder


def _write_loudspeakers(folder: Path, rng: np.random.Generator) -> None:
    """Write made-up responses in the form of the measured ones: a corner, a slope, some ripple."""
    folder.mkdir()
    hz = 50 * 2 ** (np.arange(50) / 6)
    n = 12
    corner = rng.uniform(50, 120, n)[:, None]
    on_axis = -10 * np.log10(1 + (corner / hz) ** 4) + rng.normal(0, 1, (n, hz.size))
    power = on_axis - 2 * np.log2(np.maximum(hz, 200) / 200)
    np.savez(
        folder / "curves.npz",
        frequency_hz=hz,
        model=np.array([f"model{i}" for i in range(n)]),
        brand=np.array([f"brand{i // 2}" for i in range(n)]),
        split=np.array(["train", "train", "dev", "dev", "test", "test"] * 2),
        on_axis_db=on_axis,
        sound_power_db=power,
    )
