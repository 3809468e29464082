"""Calls of ``vivavoce calibrate``: files, a dialogue with a scripted person, and judges in place of the network."""

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from scripted_person import word

from edge.bundle import open_bundle
from edge.calibration_making import Judged
from edge.cli import Parser, main
from edge.commands import calibrate as command
from edge.terminal import Terminal

WORDS = [word(seed, level=0.5) for seed in range(6)]
LOUD = 0.3


class ByLevel:
    """Judges in place of the network: what is loud is a person, by its level a little more or less."""

    def __init__(self, *_):
        pass

    def judge(self, blocks, native_rate_hz=16_000):
        peak = max(float(np.abs(block.astype(float)).max(initial=0.0)) for block in blocks) / 32768
        return Judged((3.0 if peak > LOUD else -3.0) + peak, ())


@pytest.fixture(name="by_level")
def by_level_fixture(monkeypatch):
    monkeypatch.setattr("edge.calibration_making.Judge", ByLevel)
    monkeypatch.setattr("edge.calibrator.Judge", ByLevel)


def files(folder, name, level, count):
    paths = []
    for i in range(count):
        path = folder / f"{name}{i}.wav"
        soundfile.write(path, (word(i).astype(float) / 32768 * level).astype(np.float32), 16_000)
        paths.append(str(path))
    return paths


@pytest.fixture(name="recordings")
def recordings_fixture(tmp_path):
    return files(tmp_path, "live", 3.0, 6), files(tmp_path, "replay", 0.3, 6)


def from_files(out, live, replay, *more):
    return main(["calibrate", "--live", *live, "--replay", *replay, "--out", str(out), *more])


def command_parser():
    parser = Parser("vivavoce calibrate")
    command.configure(parser)
    return parser


def namespace():
    return SimpleNamespace(_chosen=[], _help=str)


def parsed(out, *more):
    return command_parser().parse_args(["--word", "hey house", "--takes", "6", "--out", str(out), *more], namespace())


def dialogue(scene, out, *more, typed=None):
    args = parsed(out, *more)
    reader = SimpleNamespace(isatty=lambda: False, readline=lambda: "")
    from edge.calibrator import Calibrator

    calibrator = Calibrator(args, Terminal(reader, scene), lambda _: scene, open_bundle())
    return calibrator, calibrator.run()


@pytest.fixture(name="temporary")
def temporary_fixture(tmp_path, monkeypatch):
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture(name="home")
def home_fixture(tmp_path, by_level, recordings):
    out = tmp_path / "home.json"
    assert from_files(out, *recordings) == 0
    return out
