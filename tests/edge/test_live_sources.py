"""Sources of the daemon: files, pipes, and a microphone that a script plays. tests/e2e has the real one."""

import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.capture import Block, Capture, Ended, Idle, Lost, Opened
from edge.errors import AudioError, UsageError
from edge.health import Health
from edge.live_sources import file, microphone, pipe
from edge.strict_toml import from_tables

SOUND = np.random.default_rng(0).integers(-32768, 32768, 3000).astype(np.int16)
LONG_S = 20.0


def settings(module, **table):
    return from_tables(module.Settings, table, "daemon.toml", name="source")


def all_of(source) -> np.ndarray:
    return np.concatenate(list(source.blocks()))


@pytest.mark.parametrize("module", [file, pipe, microphone])
def test_each_says_in_a_line_what_it_is(module):
    assert module.SUMMARY
    assert "\n" not in module.SUMMARY


class TestFile:
    @pytest.fixture
    def recording(self, tmp_path) -> Path:
        path = tmp_path / "a.wav"
        soundfile.write(path, SOUND, 16_000)
        return path

    def test_once_and_again(self, recording):
        assert np.array_equal(all_of(file.make(settings(file, path=str(recording)))), SOUND)
        assert np.array_equal(all_of(file.make(settings(file, path=str(recording), repeat=3))), np.tile(SOUND, 3))

    def test_for_ever(self, recording):
        heard = 0
        blocks = file.make(settings(file, path=str(recording), repeat=0)).blocks()
        for block in blocks:
            heard += block.size
            if heard > 10 * SOUND.size:
                break
        blocks.close()

    def test_several(self, recording, tmp_path):
        soundfile.write(tmp_path / "b.wav", SOUND[::-1], 16_000)
        source = file.make(settings(file, paths=[str(recording), str(tmp_path / "b.wav")], repeat=2))
        assert np.array_equal(all_of(source), np.tile(np.concatenate((SOUND, SOUND[::-1])), 2))
        assert source.name == f"{recording} and 1 more"

    def test_a_channel(self, tmp_path):
        soundfile.write(tmp_path / "two.wav", np.stack((SOUND, SOUND[::-1]), axis=1), 16_000)
        path = str(tmp_path / "two.wav")
        assert np.array_equal(all_of(file.make(settings(file, path=path, channel=1))), SOUND[::-1])
        with pytest.raises(UsageError, match="channel"):
            file.make(settings(file, path=path, channel=2))

    def test_its_pace(self, recording, monkeypatch):
        now_s, slept = [0.0], []
        monkeypatch.setattr(time, "monotonic", lambda: now_s[0])

        def sleep(seconds):
            slept.append(seconds)
            now_s[0] += seconds

        monkeypatch.setattr(time, "sleep", sleep)
        all_of(file.make(settings(file, path=str(recording))))
        assert slept == []
        all_of(file.make(settings(file, path=str(recording), pace="real")))
        assert now_s[0] == pytest.approx(SOUND.size / 16_000)

    def test_files_of_different_rates(self, recording, tmp_path):
        soundfile.write(tmp_path / "b.wav", SOUND, 48_000)
        with pytest.raises(UsageError, match=r"b\.wav: got 48000 Hz, expected 16000 Hz as in .*a\.wav"):
            file.make(settings(file, paths=[str(recording), str(tmp_path / "b.wav")]))

    @pytest.mark.parametrize("table", [{}, {"path": "a", "paths": ["b"]}, {"paths": [""]}, {"paths": []}])
    def test_which_files_is_said_once(self, table):
        with pytest.raises(UsageError, match="source: expected the name of a file as path, or of several as paths"):
            settings(file, **table)

    def test_what_cannot_be_read_is_told_at_once(self, tmp_path):
        with pytest.raises(AudioError, match="no such file"):
            file.make(settings(file, path=str(tmp_path / "none.wav")))

    def test_one_that_is_cut_short_ends_and_says_so(self, recording, caplog):
        recording.write_bytes(recording.read_bytes()[:-4000])
        capture = Capture(file.make(settings(file, path=str(recording))), health=Health())
        heard = []
        while not isinstance(item := capture.take(LONG_S), Ended):
            heard.append(item)
        capture.close()
        assert caplog.text.count("cut short") == 1
        assert sum(one.samples.size for one in heard if isinstance(one, Block)) == 1000


class TestPipe:
    @pytest.fixture
    def fifo(self, tmp_path) -> Path:
        os.mkfifo(tmp_path / "sound")
        return tmp_path / "sound"

    @pytest.fixture
    def stdin(self, monkeypatch) -> Iterator[int]:
        reading, writing = os.pipe()
        with open(reading) as stream:
            monkeypatch.setattr(sys, "stdin", stream)
            yield writing

    def test_standard_input_is_heard_to_its_end(self, stdin):
        source = pipe.make(settings(pipe))
        os.write(stdin, SOUND.tobytes())
        os.close(stdin)
        assert (source.endless, source.live, source.name) == (False, False, "standard input")
        assert np.array_equal(all_of(source), SOUND)

    def test_the_process_ends_while_standard_input_waits(self):
        # A thread that waits in a buffered read holds the lock of its buffer, and Python dies of that at its end.
        code = """
from edge.capture import Capture
from edge.health import Health
from edge.live_sources import pipe
capture = Capture(pipe.make(pipe.Settings()), health=Health())
print(capture.take(20))
capture.close()
"""
        with subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            cwd=Path(__file__).parents[2], text=True,
        ) as process:  # fmt: skip
            assert process.stdout.readline() == "Idle()\n"
            assert process.wait(LONG_S) == 0
            assert process.stderr.read() == ""

    @pytest.mark.parametrize("stream", [None, io.StringIO()])
    def test_no_standard_input(self, monkeypatch, stream):
        if stream is not None:
            stream.close()
        monkeypatch.setattr(sys, "stdin", stream)
        with pytest.raises(UsageError, match="got a terminal or nothing on standard input"):
            pipe.make(settings(pipe))

    @pytest.mark.parametrize("form", ["s16le", "s24le"])
    def test_standard_input_that_is_left_inside_a_frame_goes_on_there(self, stdin, caplog, form):
        n = 3 if form == "s24le" else 2
        content = b"".join(bytes(n - 2) + sample.tobytes() for sample in SOUND.astype("<i2"))
        source = pipe.make(settings(pipe, format=form))
        cut = n * (SOUND.size // 2) + 1
        os.write(stdin, content[:cut])
        heard = source.blocks()
        first = next(one for one in heard if one.size)
        heard.close()
        os.write(stdin, content[cut:])
        os.close(stdin)
        assert np.array_equal(np.concatenate([first, all_of(source)]), SOUND)
        # It has ended, and says nothing of a program that wrote nothing.
        assert list(source.blocks()) == []
        assert not caplog.text

    def test_nothing_at_all_is_told(self, stdin, caplog):
        os.close(stdin)
        assert list(pipe.make(settings(pipe)).blocks()) == []
        assert "standard input: ended without a sample" in caplog.text

    def test_the_end_inside_a_sample_is_told_and_what_came_before_is_heard(self, stdin, caplog):
        os.write(stdin, SOUND[:2].tobytes() + b"x")
        os.close(stdin)
        assert np.array_equal(all_of(pipe.make(settings(pipe))), SOUND[:2])
        assert "ends inside a sample" in caplog.text

    def test_another_format_and_a_channel(self, stdin):
        two = np.stack((SOUND, SOUND[::-1]), axis=1).astype("<i4") << 16
        source = pipe.make(settings(pipe, format="s32le", channels=2, channel=1))
        os.write(stdin, two.tobytes())
        os.close(stdin)
        assert np.array_equal(all_of(source), SOUND[::-1])

    def test_a_file_of_audio_is_no_raw_sound(self, stdin, caplog):
        recording = io.BytesIO()
        soundfile.write(recording, SOUND, 16_000, format="WAV")
        os.write(stdin, recording.getvalue()[:3])
        os.write(stdin, recording.getvalue()[3:])
        os.close(stdin)
        assert list(pipe.make(settings(pipe)).blocks()) == []
        assert "got a WAV file, expected raw s16le samples" in caplog.text

    def test_a_pipe_that_nobody_writes_to_is_no_hang(self, fifo):
        capture = Capture(pipe.make(settings(pipe, path=str(fifo))), health=Health())
        try:
            assert capture.take(LONG_S) == Idle()
        finally:
            capture.close()
        assert not capture._thread.is_alive()

    def test_a_named_pipe_is_opened_for_each_who_writes(self, fifo):
        capture = Capture(
            pipe.make(settings(pipe, path=str(fifo))), health=Health(), wait=lambda closing, _: closing.is_set()
        )

        def write() -> None:
            for _ in range(2):
                with open(fifo, "wb") as stream:
                    stream.write(SOUND.tobytes())
                done.wait(LONG_S)

        done = threading.Event()
        writer = threading.Thread(target=write)
        writer.start()
        items: list[object] = []
        while sum(isinstance(one, Lost) for one in items) < 2:
            item = capture.take(LONG_S)
            if not isinstance(item, Idle):
                items.append(item)
            if isinstance(item, Lost):
                done.set()
        capture.close()
        writer.join()
        kinds = [type(one) for one in items if not isinstance(one, Block)]
        assert kinds == [Opened, Lost, Opened, Lost]
        heard = np.concatenate([one.samples for one in items if isinstance(one, Block)])
        assert np.array_equal(heard, np.tile(SOUND, 2))

    def test_sample_by_sample_is_put_together(self, stdin, monkeypatch):
        monkeypatch.setattr(pipe, "_READ_BYTES", 2)
        os.write(stdin, SOUND[:1000].tobytes())
        os.close(stdin)
        assert [block.size for block in pipe.make(settings(pipe)).blocks()] == [160] * 6 + [40]

    def test_a_pipe_that_is_not_there_may_come(self, tmp_path):
        source = pipe.make(settings(pipe, path=str(tmp_path / "none")))
        with pytest.raises(
            AudioError, match=r"No such file or directory\), expected a named pipe; make it with: mkfifo"
        ):
            next(source.blocks())

    def test_a_file_or_folder_is_no_pipe(self, tmp_path):
        (tmp_path / "a.raw").write_bytes(b"12")
        for path in (tmp_path, tmp_path / "a.raw"):
            with pytest.raises(UsageError, match="got a file or folder, expected a named pipe"):
                pipe.make(settings(pipe, path=str(path)))

    def test_a_file_that_takes_the_place_of_a_pipe_is_told(self, tmp_path):
        source = pipe.make(settings(pipe, path=str(tmp_path / "a.raw")))
        (tmp_path / "a.raw").write_bytes(b"12")
        with pytest.raises(AudioError, match="got a file or folder, expected a named pipe"):
            next(source.blocks())

    def test_settings_that_do_not_fit(self):
        with pytest.raises(UsageError, match="got an empty name"):
            pipe.make(settings(pipe, path=""))
        with pytest.raises(UsageError, match="channel"):
            pipe.make(settings(pipe, path="none", channels=2, channel=2))
