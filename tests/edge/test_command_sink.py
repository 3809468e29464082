"""The command sink, with real programs that obey, fail, hang and leave children behind."""

import io
import json
import logging
import sys
import threading
import time
import wave
from dataclasses import replace

import numpy as np
import pytest
from answer_maker import answer as an_answer

from edge.bus import Bus
from edge.errors import UsageError
from edge.sinks.command import Settings, environment, make

DEADLINE_S = 20.0


def answer(**changes):
    return an_answer(**{"reasons": ("live", "quiet"), "pre_roll": np.arange(4000, dtype=np.int16), **changes})


@pytest.fixture
def run(tmp_path):
    """Make a sink that runs a line of Python in a folder of its own."""

    def made(code, *arguments, **settings):
        script = tmp_path / "script.py"
        script.write_text(code)
        command = (sys.executable, "-S", str(script), str(tmp_path / "out"), *arguments)
        sink = make(Settings(run=command, **settings), "lights", None)
        sink.open()
        return sink

    return made


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def wait_for(condition):
    ends = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.005)


def gone(pid):
    """Tell whether a process has ended; a zombie that nobody asks for has."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(") ")[2].startswith("Z")
    except FileNotFoundError:
        return True


WRITE_ENVIRONMENT = "import json, os, sys; json.dump(dict(os.environ), open(sys.argv[1], 'w'))"


class TestAnswer:
    def test_is_in_the_environment(self, run, out, monkeypatch):
        monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
        monkeypatch.setenv("KEPT", "1")
        told = answer()
        run(WRITE_ENVIRONMENT).push(told)
        got = json.loads(out.read_text())
        assert json.loads(got["VIVAVOCE_ANSWER"]) == told.to_dict()
        assert got["VIVAVOCE_ACTION"] == "pass"
        assert got["VIVAVOCE_REASONS"] == "live,quiet"
        assert got["VIVAVOCE_WAKE_SCORE"] == "0.9"
        assert got["VIVAVOCE_LIVE_PROBABILITY"] == ""  # nothing could be judged
        assert got["KEPT"] == "1"
        assert "NOTIFY_SOCKET" not in got

    def test_whatever_a_client_calls_a_word_can_be_a_variable(self, run, out):
        told = answer(word="a\0b\nc\ud800" + "x" * 300_000, phrase="$(touch /tmp/x); `id`")
        fields = environment(told)
        assert fields["VIVAVOCE_WORD"] == "abc" + "x" * 997
        assert fields["VIVAVOCE_PHRASE"] == "$(touch /tmp/x); `id`"
        told = replace(told, word="a\0b\nc\ud800")
        run(WRITE_ENVIRONMENT).push(told)
        assert json.loads(json.loads(out.read_text())["VIVAVOCE_ANSWER"])["word"] == told.word

    def test_sound_is_on_standard_input(self, run, out):
        told = answer(pre_roll=np.arange(-20_000, 20_000, dtype=np.int16))
        run("import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())", audio="stdin").push(told)
        with wave.open(io.BytesIO(out.read_bytes())) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
            got = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        np.testing.assert_array_equal(got, told.pre_roll)

    def test_who_does_not_read_it_is_no_fault(self, run, caplog):
        caplog.set_level(logging.INFO, "edge.sinks")
        run("pass", audio="stdin").push(answer(pre_roll=np.zeros(500_000, np.int16)))
        assert "exit code 0" in caplog.text

    def test_without_sound_standard_input_is_empty(self, run, out):
        run("import sys; open(sys.argv[1], 'w').write(repr(sys.stdin.read()))").push(answer())
        assert out.read_text() == "''"

    def test_nothing_passes_through_a_shell(self, run, out):
        run("import sys; open(sys.argv[1], 'w').write(sys.argv[2])", "$HOME; `id` *").push(answer())
        assert out.read_text() == "$HOME; `id` *"


class TestWhen:
    @pytest.mark.parametrize(("on", "runs"), [(("pass",), False), (("block", "ask"), True)])
    def test_only_for_the_answers_that_are_named(self, run, out, on, runs):
        run(WRITE_ENVIRONMENT, on=on).push(answer(action="block"))
        assert out.exists() == runs

    def test_not_for_an_old_one(self, run, out, caplog):
        run(WRITE_ENVIRONMENT).push(answer(at_s=time.time() - 60))
        assert not out.exists()
        assert "not run for the answer 0abc: it is 60 s old" in caplog.text

    def test_one_at_a_time_and_in_order(self, run, out):
        code = (
            "import os, sys; lock = sys.argv[1] + '.lock'; os.close(os.open(lock, os.O_CREAT | os.O_EXCL));"
            "open(sys.argv[1], 'a').write(os.environ['VIVAVOCE_ID'] + ' '); os.unlink(lock)"
        )
        bus = Bus([run(code)], lambda: None)
        bus.start()
        for name in "abcd":
            bus.push(answer(id=name))
        wait_for(lambda: bus.counts["lights"].told == 4)
        bus.close()
        assert out.read_text() == "a b c d "


class TestEnd:
    def test_exit_codes_are_told(self, run, caplog):
        caplog.set_level(logging.INFO, "edge.sinks")
        run("import sys; sys.exit(7)").push(answer())
        run("import os; os.kill(os.getpid(), 9)").push(answer())
        run("pass").push(answer())
        assert [(r.levelname, r.message) for r in caplog.records] == [
            ("WARNING", "sink lights: exit code 7, answer 0abc"),
            ("WARNING", "sink lights: ended by SIGKILL, answer 0abc"),
            ("INFO", "sink lights: exit code 0, answer 0abc"),
        ]

    # A program that ends when it is asked to, and one that does not; both leave a child that does not either.
    @pytest.mark.parametrize("deaf", [False, True])
    def test_when_its_time_is_over_it_ends_with_all_that_it_started(self, run, out, caplog, monkeypatch, deaf):
        monkeypatch.setattr("edge.sinks.command._TERM_S", 0.2)
        code = (
            "import os, signal, subprocess, sys, time\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "child = os.fork()\n"
            "if child:\n"
            f"    {'pass' if deaf else 'signal.signal(signal.SIGTERM, signal.SIG_DFL)'}\n"
            "    with open(sys.argv[1] + '.tmp', 'w') as file: file.write(f'{os.getpid()} {child}')\n"
            "    os.rename(sys.argv[1] + '.tmp', sys.argv[1])\n"
            "time.sleep(1000)\n"
        )
        sink = run(code, timeout_s=2.5, audio="stdin")
        sink.push(answer(pre_roll=np.zeros(500_000, np.int16)))
        pids = [int(pid) for pid in out.read_text().split()]
        assert len(pids) == 2
        for pid in pids:
            wait_for(lambda pid=pid: gone(pid))
        assert "still ran after 2.5 s, ended" in caplog.text

    def test_the_end_of_the_daemon_ends_it(self, run, out, monkeypatch, caplog):
        monkeypatch.setattr("edge.bus._GRACE_S", 0.1)
        code = (
            "import os, sys, time\n"
            "with open(sys.argv[1] + '.tmp', 'w') as file: file.write(str(os.getpid()))\n"
            "os.rename(sys.argv[1] + '.tmp', sys.argv[1])\n"
            "time.sleep(1000)\n"
        )
        bus = Bus([run(code, timeout_s=600)], lambda: None)
        bus.start()
        bus.push(answer())
        wait_for(out.exists)
        bus.close()
        pid = int(out.read_text())
        wait_for(lambda: gone(pid))
        wait_for(lambda: not [one for one in threading.enumerate() if one.name == "sink lights"])

    def test_a_program_that_vanished_is_a_fault_that_the_bus_knows(self, tmp_path):
        program = tmp_path / "p"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        sink = make(Settings(run=(str(program),)), "lights", None)
        sink.push(answer())
        program.unlink()
        with pytest.raises(OSError, match="No such file"):
            sink.push(answer())


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"run": ()}, "sinks.lights.run: got []"),
        ({"run": ("a\0b",)}, "without NUL"),
        ({"run": ("no-such-program-here",)}, "got 'no-such-program-here', expected a program that is there"),
        ({"run": ("/etc/passwd",)}, "can be run"),
        ({"run": ("/bin/true",), "on": ()}, "sinks.lights.on: got no answer"),
    ],
)
def test_settings_that_cannot_work(settings, problem):
    with pytest.raises(UsageError) as caught:
        make(Settings(**settings), "lights", None)
    assert problem in str(caught.value)
