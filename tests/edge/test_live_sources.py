"""Sources of the daemon: files and pipes. A microphone is in test_microphone.py, and a real one in tests/e2e."""

import io
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from edge.errors import AudioError, UsageError
from edge.live_sources import file, pipe
from edge.strict_toml import from_tables


def samples(seed, n=5000):
    return np.random.default_rng(seed).integers(-20_000, 20_000, n).astype(np.int16)


def heard(source):
    return np.concatenate(list(source.blocks()))


def settings(module, **entries):
    return from_tables(module.Settings, entries, "f", name="source")


class TestFile:
    @pytest.fixture
    def files(self, tmp_path):
        paths = [str(tmp_path / f"{i}.wav") for i in range(2)]
        for i, path in enumerate(paths):
            soundfile.write(path, samples(i), 16_000)
        return paths

    def test_is_heard_once_and_ends(self, files):
        source = file.make(settings(file, path=files[0]))
        assert (source.live, source.endless, source.name, source.native_rate_hz) == (False, False, files[0], 16_000)
        np.testing.assert_array_equal(heard(source), samples(0))

    def test_several_are_heard_in_turn_and_again(self, files):
        source = file.make(settings(file, path=files, repeat=2))
        once = np.concatenate((samples(0), samples(1)))
        np.testing.assert_array_equal(heard(source), np.tile(once, 2))
        assert source.name == f"{files[0]} and 1 more"

    def test_repeat_0_never_ends(self, files):
        blocks = file.make(settings(file, path=files[0], repeat=0)).blocks()
        assert sum(next(blocks).size for _ in range(100)) > 4 * 5000
        blocks.close()

    def test_the_rate_of_several_is_the_lowest(self, files, tmp_path):
        soundfile.write(tmp_path / "low.wav", samples(2), 8_000)
        source = file.make(settings(file, path=[files[0], str(tmp_path / "low.wav")]))
        assert source.native_rate_hz == 8_000

    def test_real_pace_waits_for_each_block(self, files, monkeypatch):
        now = [100.0]
        slept = []

        def sleep(duration_s):
            slept.append(duration_s)
            now[0] += duration_s

        monkeypatch.setattr(file, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
        heard(file.make(settings(file, path=files[0], pace="real", repeat=2)))
        assert slept[0] == pytest.approx(512 / 16_000)
        assert sum(slept) == pytest.approx(10_000 / 16_000)
        assert len(slept) == 20

    @pytest.mark.parametrize(
        ("entries", "told"),
        [
            ({}, "source.path is missing; give text, or an array, each text"),
            ({"path": ""}, "path: got '', expected the name of a file"),
            ({"path": []}, "expected the name of a file"),
            ({"path": ["a", ""]}, "expected the name of a file"),
            ({"path": 3}, "source.path: got 3, expected text, or an array, each text"),
            ({"path": "a", "pace": "slow"}, "source.pace: got 'slow', expected one of 'fast', 'real'"),
            ({"path": "a", "repeat": -1}, "source.repeat: got -1"),
        ],
    )
    def test_settings_that_cannot_be_are_one_line(self, entries, told):
        with pytest.raises(UsageError) as caught:
            settings(file, **entries)
        assert told in str(caught.value)

    def test_a_file_that_is_not_there_is_told_at_once(self, files):
        with pytest.raises(AudioError, match="no such file"):
            file.make(settings(file, path=[files[0], "/nowhere.wav"]))


def write_into(path: Path, data: bytes) -> threading.Thread:
    def write() -> None:
        with open(path, "wb", buffering=0) as stream:
            stream.write(data)

    thread = threading.Thread(target=write)
    thread.start()
    return thread


class TestPipe:
    def test_a_named_pipe_is_opened_again_for_whoever_writes_next(self, tmp_path):
        os.mkfifo(tmp_path / "fifo")
        source = pipe.make(settings(pipe, path=str(tmp_path / "fifo"), rate_hz=16_000))
        assert (source.live, source.endless) == (False, True)
        for seed in range(2):
            writer = write_into(tmp_path / "fifo", samples(seed).tobytes())
            np.testing.assert_array_equal(heard(source), samples(seed))
            writer.join()

    def test_a_recording_begins_anew_after_half_a_sample(self, tmp_path):
        os.mkfifo(tmp_path / "fifo")
        source = pipe.make(settings(pipe, path=str(tmp_path / "fifo")))
        writer = write_into(tmp_path / "fifo", samples(0).tobytes() + b"x")
        with pytest.raises(AudioError, match="ends inside a sample"):
            heard(source)
        writer.join()
        writer = write_into(tmp_path / "fifo", samples(1).tobytes())
        np.testing.assert_array_equal(heard(source), samples(1))
        writer.join()

    def test_other_formats_are_converted(self, tmp_path):
        os.mkfifo(tmp_path / "fifo")
        source = pipe.make(
            settings(pipe, path=str(tmp_path / "fifo"), format="s32le", channels=2, channel=1, rate_hz=16_000)
        )
        x = samples(0)
        frames = np.stack((0 * x, x), axis=1).astype(np.int32) << 16
        writer = write_into(tmp_path / "fifo", frames.astype("<i4").tobytes())
        np.testing.assert_array_equal(heard(source), x)
        writer.join()

    def test_standard_input_ends_the_work_and_stays_open(self, tmp_path, monkeypatch):
        (tmp_path / "raw").write_bytes(samples(3).tobytes())
        with open(tmp_path / "raw", "rb") as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            source = pipe.make(settings(pipe))
            assert (source.name, source.endless) == ("standard input", False)
            np.testing.assert_array_equal(heard(source), samples(3))
            os.fstat(stdin.fileno())

    @pytest.mark.parametrize("stdin", [None, SimpleNamespace(isatty=lambda: True)])
    def test_no_standard_input_is_told(self, monkeypatch, stdin):
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(UsageError, match="got a terminal or nothing"):
            pipe.make(settings(pipe))

    def test_what_is_no_named_pipe_is_told_when_it_is_opened(self, tmp_path):
        (tmp_path / "file").write_bytes(bytes(1000))
        with pytest.raises(AudioError, match="recordings are a source of the kind 'file'"):
            heard(pipe.make(settings(pipe, path=str(tmp_path / "file"))))
        with pytest.raises(AudioError, match=r"cannot be opened \(No such file or directory\).*mkfifo "):
            heard(pipe.make(settings(pipe, path=str(tmp_path / "nothing"))))

    def test_settings_that_do_not_fit_are_told_at_once(self, monkeypatch):
        monkeypatch.setattr("sys.stdin", io.StringIO())
        with pytest.raises(UsageError, match="got channel 2"):
            pipe.make(settings(pipe, path="/x", channels=2, channel=2))
        with pytest.raises(UsageError, match=r"source.format: got 's8', expected one of 's16le'"):
            settings(pipe, format="s8")
