"""The daemon as a process of its own, fed raw samples: what it tells is what ``vivavoce run`` says of the file."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[2]
SCENE = ROOT / "edge" / "data" / "scene.flac"
PATIENCE_S = 30


@pytest.fixture(scope="module")
def scene():
    return soundfile.read(SCENE, dtype="int16")[0].tobytes()


@pytest.fixture(scope="module")
def decisions(vivavoce):
    lines = vivavoce("run", "--json", SCENE).stdout.splitlines()
    return [one for one in map(json.loads, lines) if one["event"] == "decision"]


def key(record):
    return record["word"], record["decision"], record["live_probability"], record["decided_s"]


class Client(threading.Thread):
    """Reads every line of the socket sink."""

    def __init__(self, path, process):
        super().__init__(daemon=True)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            self.connection = socket.socket(socket.AF_UNIX)
            try:
                self.connection.connect(str(path))
                break
            except OSError:
                self.connection.close()
                assert process.poll() is None, f"the daemon ended: {process.returncode}"
                assert time.monotonic() < deadline, "nobody listens at the socket"
                time.sleep(0.02)
        self.lines = []
        self.news = threading.Condition()
        self.start()

    def run(self):
        with self.connection.makefile("r", encoding="utf-8") as lines:
            for line in lines:
                with self.news:
                    self.lines.append(json.loads(line))
                    self.news.notify_all()

    def of(self, event):
        return [line for line in self.lines if line["event"] == event]

    def wait(self, condition, patience_s=PATIENCE_S):
        with self.news:
            assert self.news.wait_for(lambda: condition(self), patience_s), self.lines

    def say(self, **command):
        self.connection.sendall(json.dumps(command).encode() + b"\n")

    def close(self):
        self.connection.shutdown(socket.SHUT_RDWR)
        self.join(PATIENCE_S)
        self.connection.close()


class Process:
    """The daemon, its input and its log."""

    def __init__(self, folder, text="", **environment):
        self.folder = folder
        self.socket = folder / "s"
        self.config = folder / "daemon.toml"
        self.config.write_text(
            f'[gate]\nrefractory_s = 0.0\n[source]\nkind = "pipe"\n[sinks.socket]\npath = "{self.socket}"\n'
            f'[store]\npath = "{folder}/events.sqlite3"\n{text}'
        )
        self.log = open(folder / "log", "wb")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edge", "daemon", "--config", str(self.config)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "STATE_DIRECTORY": str(folder), **environment},
            stdin=subprocess.PIPE,
            stderr=self.log,
        )
        self.client = Client(self.socket, self.process)

    def hear(self, sound):
        self.process.stdin.write(sound)
        self.process.stdin.flush()

    def told(self):
        return (self.folder / "log").read_text()

    def end(self, code=0):
        assert self.process.wait(PATIENCE_S) == code, self.told()
        return self.told()


@pytest.fixture
def daemon(tmp_path_factory):
    running = []

    def start(text="", **environment):
        # A path of a socket has at most 107 characters.
        running.append(Process(tmp_path_factory.mktemp("d"), text, **environment))
        return running[-1]

    yield start
    for one in running:
        one.process.kill()
        one.process.wait()
        one.process.stdin.close()
        one.client.close()
        one.log.close()


def test_the_end_of_the_sound_is_the_end_of_the_daemon(daemon, scene, decisions, vivavoce):
    one = daemon()
    one.client.wait(lambda client: client.of("status"))
    one.hear(scene)
    one.client.wait(lambda client: len(client.of("answer")) == len(decisions))
    one.process.stdin.close()
    log = one.end()
    answers = one.client.of("answer")
    assert [key(answer) for answer in answers] == [key(decision) for decision in decisions]
    assert "Traceback" not in log
    assert "ended after 9 s of sound" in log
    listed = vivavoce("events", "--store", one.folder / "events.sqlite3", "--json").stdout.splitlines()
    kept = [event for event in map(json.loads, listed) if event.get("event") == "answer"]
    assert [event["id"] for event in kept] == [answer["id"] for answer in answers]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(daemon, scene, number):
    one = daemon()
    one.hear(scene[:32_000])
    one.client.wait(lambda client: any(line["source"] == "listening" for line in client.of("status")))
    one.process.send_signal(number)
    assert "ended after" in one.end()
    assert not one.socket.exists()


def test_words_are_read_again_and_no_sample_is_lost(daemon, scene, decisions):
    one = daemon()
    one.hear(scene)
    one.client.wait(lambda client: len(client.of("answer")) == len(decisions))
    text = one.config.read_text()
    one.config.write_text(text.replace("[gate]", "[gate]\naccept_cutoff = 0.999"))
    one.process.send_signal(signal.SIGHUP)
    one.client.wait(lambda client: "reload: bundle" in one.told())
    one.hear(scene)
    one.client.wait(lambda client: len(client.of("answer")) == 2 * len(decisions))
    one.process.stdin.close()
    one.end()
    again = one.client.of("answer")[len(decisions) :]
    assert [a["decided_s"] for a in again] == [round(d["decided_s"] + 9.0, 3) for d in decisions]
    assert "accept" not in {a["decision"] for a in again}


def test_a_client_mutes_it(daemon, scene, decisions):
    one = daemon()
    one.client.wait(lambda client: client.of("status"))
    one.client.say(command="mute", value=True)
    one.client.wait(lambda client: client.of("status")[-1]["muted"])
    one.hear(scene)
    one.process.stdin.close()
    assert "ended after 9 s of sound" in one.end()
    assert one.client.of("answer") == []


def test_systemd_is_told_how_it_is(daemon, scene, tmp_path_factory):
    path = tmp_path_factory.mktemp("n") / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(path))
        notify.settimeout(PATIENCE_S)
        one = daemon(NOTIFY_SOCKET=str(path), WATCHDOG_USEC="40000")

        def until(wanted):
            said = []
            while not any(wanted in line for line in said):
                said += notify.recv(4096).decode().splitlines()
            return said

        one.hear(scene[:16_000])
        assert "READY=1" in until("READY=1")
        until("WATCHDOG=1")
        one.process.send_signal(signal.SIGHUP)
        said = until("RELOADING=1")
        said += until("READY=1")
        assert any(line.startswith("MONOTONIC_USEC=") for line in said)
        one.process.send_signal(signal.SIGTERM)
        until("STOPPING=1")
        one.end()


def test_a_pipe_that_nobody_writes_into_yet_is_no_fault(daemon, tmp_path_factory):
    path = tmp_path_factory.mktemp("n") / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(path))
        notify.settimeout(PATIENCE_S)
        one = daemon(NOTIFY_SOCKET=str(path), WATCHDOG_USEC="40000")
        said = ""
        while "WATCHDOG=1" not in said:
            said += notify.recv(4096).decode() + "\n"
        assert "READY=1" in said
        one.process.send_signal(signal.SIGTERM)
        one.end()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[gaet]\n", "gaet is unknown; did you mean gate?"),
        ('[source]\nkind = "file"\npath = "/nowhere.wav"\n', "/nowhere.wav: no such file"),
        ('bundle = "/nowhere"\n', "/nowhere: got nothing, expected the folder of a bundle"),
    ],
)
def test_settings_that_cannot_work_are_one_line(vivavoce, tmp_path, text, told):
    path = tmp_path / "d.toml"
    path.write_text(text if "[source]" in text else text + '[source]\nkind = "file"\npath = "edge/data/scene.flac"\n')
    for option in ((), ("--check",)):
        done = vivavoce("daemon", "--config", path, *option, code=2)
        assert done.stderr.count("\n") == 1, done.stderr
        assert told in done.stderr


def test_the_example_is_printed_and_can_work(vivavoce, tmp_path):
    path = tmp_path / "d.toml"
    path.write_text(vivavoce("daemon", "--example").stdout + '[source]\nkind = "file"\npath = "edge/data/scene.flac"\n')
    assert "can work" in vivavoce("daemon", "--config", path, "--check").stdout
