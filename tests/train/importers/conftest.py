"""Small corpora in the layouts that are published, with real audio of a tenth of a second."""

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile


def audio(path: Path, *, rate_hz: int = 16_000, channels: int = 1, seed: int | None = None) -> Path:
    """Write noise whose seed is the name of the file, so that equal names in a test are equal audio."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(zlib.crc32(path.name.encode()) if seed is None else seed)
    samples = rng.integers(-3000, 3000, (rate_hz // 10, channels)).astype(np.int16)
    soundfile.write(path, samples, rate_hz, subtype="PCM_16")
    return path


def lines(path: Path, *rows: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{row}\n" for row in rows))
    return path


def manifest(root: Path) -> Path:
    audio(root / "wake" / "a.wav", seed=1)
    audio(root / "noise" / "b.flac", seed=2)
    lines(
        root / "manifest.csv",
        "path,corpus,speaker,split,role,label,seconds,native_hz,licence,loudspeaker,source",
        "wake/a.wav,shop,p1,train,wake,smart mirror,0.1,44100,CC0-1.0,tv,replay",
        "noise/b.flac,park,,test,noise,,0.1,16000,MIT,,",
    )
    return root


def tree(root: Path) -> Path:
    for n in range(8):
        audio(root / "live" / f"talker{n}" / "one.wav", seed=n, rate_hz=48_000)
        for box in range(6):
            audio(root / "replay" / f"box{box}" / f"talker{n}" / "far" / "one.wav", seed=100 + 10 * n + box)
    return root


def asvspoof2017(root: Path) -> Path:
    rows = {
        ("train.trn", "ASVspoof2017_V2_train"): (
            "T_1000001.wav genuine M0001 S05 - - -",
            "T_1000002.wav spoof M0001 S02 E03 P05 R04",
        ),
        ("dev.trl", "ASVspoof2017_V2_dev"): ("D_1000001.wav genuine M0002 S01 - - -",),
        ("eval.trl", "ASVspoof2017_V2_eval"): ("E_1000001.wav spoof M0003 S10 E03 P06 R05",),
    }
    for (protocol, folder), some in rows.items():
        lines(root / "protocol_V2" / f"ASVspoof2017_V2_{protocol}.txt", *some)
        for row in some:
            audio(root / folder / row.split()[0])
    return root


def asvspoof2019(root: Path) -> Path:
    rows = {
        ("train.trn", "train"): (
            "PA_0079 PA_T_0000001 aaa - bonafide",
            "PA_0079 PA_T_0005401 aab AC spoof",
        ),
        ("dev.trl", "dev"): ("PA_0069 PA_D_0000001 cba - bonafide",),
        ("eval.trl", "eval"): ("PA_0001 PA_E_0000001 aab AC spoof",),
    }
    for (protocol, split), some in rows.items():
        lines(root / "PA/ASVspoof2019_PA_cm_protocols" / f"ASVspoof2019.PA.cm.{protocol}.txt", *some)
        for row in some:
            audio(root / f"PA/ASVspoof2019_PA_{split}/flac" / f"{row.split()[1]}.flac")
    return root


def asvspoof2021(root: Path) -> Path:
    rows = (
        "PA_0010 PA_E_1000001 R3 M3 d4 r1 m1 s4 c4 spoof notrim eval",
        "PA_0011 PA_E_1000002 R4 M1 D2 - - - - bonafide notrim eval",
        "PA_0011 PA_E_1000003 R4 M1 D2 - - - - bonafide notrim progress",
        "PA_0011 PA_E_1000004 R4 M1 D2 - - - - bonafide trim hidden",
    )
    lines(root / "keys/PA/CM/trial_metadata.txt", *rows)
    for part, row in enumerate(rows):
        audio(root / f"ASVspoof2021_PA_eval_part0{part}/ASVspoof2021_PA_eval/flac" / f"{row.split()[1]}.flac")
    return root


def remasc(root: Path) -> Path:
    core = [
        f"   101{n:04d},         2,        {n:2d},         1,        -1,        -1,        -1,         2,1.000000e-01"
        for n in range(1, 13)
    ]
    core += [
        "   1019001,         1,         2,         1,        -1,         1,        -1,        -1,1.000000e-01",
        "   1019002,         3,         0,         2,        12,         3,         3,         4,1.000000e-01",
    ]
    held_out = ["   2010101,         3,        40,         2,        11,         1,         3,         1,1.000000e-01"]
    for name, rows in (("core", core), ("eval", held_out)):
        lines(root / name / "meta.csv", *rows)
        for row in rows:
            audio(root / name / "data" / f"{row.split(',')[0].strip()}.wav", rate_hz=44_100, channels=4)
    return root


def speech_commands(root: Path) -> Path:
    for path in (
        "backward/0165e0e8_nohash_0.wav",
        "backward/0165e0e8_nohash_1.wav",
        "bed/1a2b3c4d_nohash_0.wav",
        "bed/5e6f7a8b_nohash_0.wav",
        "_background_noise_/pink_noise.wav",
    ):
        audio(root / path)
    lines(root / "validation_list.txt", "bed/1a2b3c4d_nohash_0.wav")
    lines(root / "testing_list.txt", "bed/5e6f7a8b_nohash_0.wav")
    return root


BUILDERS = {
    "manifest": manifest,
    "tree": tree,
    "asvspoof2017": asvspoof2017,
    "asvspoof2019-pa": asvspoof2019,
    "asvspoof2021-pa": asvspoof2021,
    "remasc": remasc,
    "speech-commands": speech_commands,
}


@pytest.fixture
def corpus(tmp_path) -> Callable[[str], Path]:
    """Return a function that builds the corpus of a kind, and returns its folder."""
    return lambda kind: BUILDERS[kind](tmp_path / f"corpus-{kind}")


@pytest.fixture
def write_audio() -> Callable[..., Path]:
    """Return the function that writes a tenth of a second of noise."""
    return audio


@pytest.fixture
def run(capsys) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs ``vivavoce train`` in this process: exit code, stdout, stderr."""
    from edge.cli import main

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["train", *map(str, arguments)])
        return (code, *capsys.readouterr())

    return call
