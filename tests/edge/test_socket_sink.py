"""The socket sink, with clients that are good, slow, silent and mad; real sockets, and the real bus."""

import base64
import contextlib
import gc
import json
import os
import random
import select
import socket
import stat
import threading
import time
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from edge import line_server
from edge.answers import Answer, Audio, Status
from edge.bus import Bus
from edge.errors import DataError, UsageError
from edge.health import Health
from edge.sinks.socket import Settings, make

DEADLINE_S = 20.0

ANSWER = Answer(
    id="0abc",
    at_s=1.5,
    origin="source",
    word="smart_mirror",
    phrase="smart mirror",
    action="pass",
    decision="accept",
    reasons=("live",),
    wake_score=0.9,
    live_probability=0.8,
    live_score=1.5,
    quality=None,
    start_sample=2000,
    end_sample=9000,
    decided_sample=10_000,
    pre_roll=np.arange(10_000, dtype=np.int16)[-8000:],
)


class House:
    """As much of a house as a sink asks for."""

    def __init__(self):
        self.health = Health()
        self.status = Status(
            at_s=0.0, source="listening", source_name="x", muted=False, playing=False, words=("a",), bundle="1"
        )
        self.asked = []
        self.bus = None

    def mute(self, muted):
        self.asked.append(("mute", muted))
        self.status = replace(self.status, muted=muted)
        if self.bus is not None:
            self.bus.push(self.status)

    def playing(self, playing):
        self.asked.append(("playing", playing))
        self.status = replace(self.status, playing=playing)


class Connection:
    """A client that reads lines."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rb")

    def line(self):
        line = self.file.readline()
        assert line.endswith(b"\n"), "the connection was closed"
        return json.loads(line)

    def until(self, **wanted):
        """Read on to the first line that has these entries."""
        while True:
            line = self.line()
            if all(line.get(key) == value for key, value in wanted.items()):
                return line

    def say(self, **command):
        self.socket.sendall(json.dumps(command).encode() + b"\n")

    def ask(self, **command):
        self.say(**command)
        return self.until(event="done")

    def close(self):
        self.file.close()
        self.socket.close()


@pytest.fixture
def house():
    return House()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "s"


@pytest.fixture
def opened(house, path):
    """Open a sink with settings, without a bus."""
    made = []

    def open_sink(**settings):
        sink = make(Settings(path=str(path), **settings), "local", house)
        made.append(sink)
        sink.open()
        return sink

    yield open_sink
    for sink in made:
        sink.close()


@pytest.fixture
def connect(path):
    """Connect clients, and close them at the end."""
    with contextlib.ExitStack() as stack:

        def connected(where=path):
            return stack.enter_context(contextlib.closing(Connection(where)))

        yield connected


def block(start, size=512):
    return Audio(start, np.arange(start, start + size).astype(np.int16))


def heard(lines):
    """Put lines of sound together; they must follow each other without a gap."""
    samples = [np.frombuffer(base64.b64decode(line["data"]), "<i2") for line in lines]
    at = lines[0]["start_sample"]
    for line, piece in zip(lines, samples, strict=True):
        assert (line["start_sample"], line["samples"]) == (at, piece.size)
        at += piece.size
    return np.concatenate(samples)


def wait_for(condition):
    ends = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.002)


class TestLines:
    def test_how_it_is_and_then_every_answer_and_change(self, opened, connect, house):
        sink = opened()
        client = connect()
        assert client.line() == house.status.to_dict()
        sink.push(ANSWER)
        sink.push(replace(house.status, muted=True))
        assert client.line() == ANSWER.to_dict()
        assert client.line()["muted"] is True

    def test_sound_is_not_even_asked_for_by_default(self, opened):
        assert opened().wants == (Answer, Status)

    def test_over_the_bus_a_mute_comes_back_as_a_status(self, house, path, connect):
        sink = make(Settings(path=str(path)), "local", house)
        house.bus = Bus([sink], lambda: house.status)
        house.bus.start()
        try:
            wait_for(path.exists)
            wait_for(lambda: house.bus.counts["local"].up)
            one, two = connect(), connect()
            assert one.ask(command="mute", value=True) == {"event": "done", "command": "mute", "value": True}
            assert two.until(event="status", muted=True)
        finally:
            house.bus.close()
        assert one.file.read().count(b"\n") <= 1
        assert not path.exists()

    def test_what_was_told_last_is_sent_before_the_end(self, opened, connect):
        sink = opened()
        client = connect()
        client.line()
        for i in range(100):
            sink.push(replace(ANSWER, id=str(i)))
        sink.close()
        assert [client.line()["id"] for _ in range(100)] == [str(i) for i in range(100)]
        assert client.file.read() == b""


class TestCommands:
    def test_each(self, opened, connect, house):
        opened()
        client = connect()
        client.ask(command="mute", value=True)
        client.ask(command="mute", value=True)
        client.ask(command="playing", value=True)
        client.ask(command="playing", value=False)
        client.say(command="ping")
        assert client.until(event="pong")
        assert house.asked == [("mute", True), ("playing", True), ("playing", False)]

    @pytest.mark.parametrize(
        ("line", "problem"),
        [
            (b"nonsense", "is not JSON"),
            (b"[1, 2]", "expected an object such as"),
            (b'"mute"', "expected an object such as"),
            (b'{"command": "mute"}', "mute: got the value null, expected true or false"),
            (b'{"command": "mute", "value": 1}', "mute: got the value 1, expected true or false"),
            (b'{"command": "mute", "value": "true"}', 'mute: got the value "true"'),
            (b'{"command": "mute", "value": true, "more": 1}', "expected an object such as"),
            (b'{"command": "open the door", "value": true}', 'got the command "open the door", expected mute, pla'),
            (b'{"command": ["mute"], "value": true}', 'got the command ["mute"]'),
            (b'{"command": "audio", "value": true}', "set audio = true in the settings"),
            (b"\xff\xfe\x00", "is not JSON"),
            (b"[" * 2000, "is not JSON"),
            (b"9" * 4000, "is not JSON|expected an object"),
            (b"x" * 5000, "too long"),
            (b'{"command": "mute", "value": true}' + b" " * 70_000, "too long"),
        ],
    )
    def test_what_is_none_is_one_line_and_the_connection_is_kept(self, opened, connect, house, line, problem):
        opened()
        client = connect()
        client.line()
        client.socket.sendall(line + b"\n")
        told = client.line()
        assert told["event"] == "error"
        assert any(part in told["message"] for part in problem.split("|"))
        assert len(told["message"]) < 200
        client.say(command="ping")
        assert client.line() == {"event": "pong"}
        assert house.asked == []

    def test_who_says_nothing_but_nonsense_is_sent_away(self, opened, connect):
        opened()
        client, other = connect(), connect()
        client.line()
        client.socket.sendall(b"x\n" * 30)
        lines = [json.loads(line) for line in client.file.read().splitlines()]
        assert len(lines) == 20
        assert "the connection is closed" in lines[-1]["message"]
        other.say(command="ping")
        assert other.until(event="pong")

    def test_a_last_line_without_an_end_counts(self, opened, connect, house):
        opened()
        client = connect()
        client.line()
        client.socket.sendall(b'{"command": "mute", "value": true}')
        client.socket.shutdown(socket.SHUT_WR)
        assert client.until(event="done")
        assert client.file.read() == b""
        assert house.asked == [("mute", True)]

    def test_lines_may_come_in_any_pieces(self, opened, connect, house):
        opened()
        client = connect()
        data = b'\n \r\n{"command": "mute", "value": true}\r\n{"command": "playing", "value": true}\n'
        for at in range(0, len(data), 3):
            client.socket.sendall(data[at : at + 3])
        client.until(command="playing")
        assert house.asked == [("mute", True), ("playing", True)]

    def test_a_line_without_an_end_is_not_kept(self, opened, connect, house):
        opened()
        client = connect()
        client.line()
        client.socket.sendall(b"x" * 1_000_000)
        assert "too long" in client.line()["message"]
        client.socket.sendall(b'{"command": "mute", "value": true}\n{"command": "ping"}\n')
        assert client.line() == {"event": "pong"}
        assert house.asked == []

    def test_a_line_that_is_never_ended_is_given_up(self, opened, connect, house, monkeypatch):
        monkeypatch.setattr(line_server, "_LINE_S", 0.02)
        opened()
        client = connect()
        client.line()
        client.socket.sendall(b'{"command": "mute", ')
        assert "was not ended" in client.line()["message"]
        client.socket.sendall(b'"value": true}\n{"command": "ping"}\n')
        assert client.line() == {"event": "pong"}
        assert house.asked == []


class TestSound:
    def test_without_a_gap_from_before_the_word_into_the_command(self, opened, connect):
        sink = opened(audio=True, audio_s=0.5)
        client = connect()
        client.ask(command="audio", value=True)
        starts = range(0, 40_000, 512)
        # As the daemon does: the answer is told before the block is in which it was made, or blocks later.
        for start in starts:
            if start <= ANSWER.decided_sample < start + 512:
                sink.push(ANSWER)
            sink.push(block(start))
        lines = []
        assert client.line()["event"] == "answer"
        while (line := client.line())["event"] == "audio":
            assert line["answer"] == ANSWER.id
            lines.append(line)
        np.testing.assert_array_equal(heard(lines), np.arange(2000, 18_000))
        assert line == {"event": "audio_end", "answer": ANSWER.id, "end_sample": 18_000}

    @pytest.mark.parametrize("late", [1, 7, 20])
    def test_an_answer_that_comes_late_loses_nothing(self, opened, connect, late):
        sink = opened(audio=True, audio_s=1.0)
        client = connect()
        client.ask(command="audio", value=True)
        for start in range(0, 40_000, 512):
            sink.push(block(start))
            if start <= ANSWER.decided_sample + 512 * late < start + 512:
                sink.push(ANSWER)
        client.line()
        lines = []
        while (line := client.line())["event"] == "audio":
            lines.append(line)
        np.testing.assert_array_equal(heard(lines), np.arange(2000, 26_000))

    def test_until_the_client_has_enough(self, opened, connect):
        sink = opened(audio=True)
        client = connect()
        client.ask(command="audio", value=True)
        sink.push(ANSWER)
        sink.push(block(ANSWER.decided_sample))
        client.until(start_sample=ANSWER.decided_sample)
        client.say(command="audio", value=False)
        assert client.line() == {
            "event": "audio_end",
            "answer": ANSWER.id,
            "end_sample": ANSWER.decided_sample + 512,
        }
        client.until(event="done")
        sink.push(block(ANSWER.decided_sample + 512))
        sink.push(ANSWER)
        assert client.line()["event"] == "answer"
        client.say(command="ping")
        assert client.line() == {"event": "pong"}

    @pytest.mark.parametrize("changes", [{"action": "block"}, {"action": "ask"}, {"origin": "wyoming 127.0.0.1:1"}])
    def test_only_of_what_passes_here(self, opened, connect, changes):
        sink = opened(audio=True)
        client = connect()
        client.ask(command="audio", value=True)
        sink.push(replace(ANSWER, **changes))
        sink.push(block(10_000))
        assert client.line()["event"] == "answer"
        client.say(command="ping")
        assert client.line() == {"event": "pong"}

    def test_only_for_who_asked(self, opened, connect):
        sink = opened(audio=True)
        asked, other = connect(), connect()
        asked.ask(command="audio", value=True)
        other.line()
        sink.push(ANSWER)
        sink.push(block(10_000))
        assert asked.until(event="audio")
        assert other.line()["event"] == "answer"
        other.say(command="ping")
        assert other.line() == {"event": "pong"}

    def test_what_is_kept_of_the_past_is_bounded(self, opened, connect):
        sink = opened(audio=True)
        for start in range(0, 512 * 400, 512):
            sink.push(block(start))
        client = connect()
        client.ask(command="audio", value=True)
        assert sum(one.samples.size for one in sink._recent) <= 2 * 16_000 + 512

    def test_another_stream_ends_it(self, opened, connect):
        sink = opened(audio=True)
        client = connect()
        client.ask(command="audio", value=True)
        sink.push(block(9_500))
        sink.push(ANSWER)
        sink.push(block(0))
        assert client.until(event="audio_end")["end_sample"] == 10_012

    def test_the_next_answer_begins_anew(self, opened, connect):
        sink = opened(audio=True)
        client = connect()
        client.ask(command="audio", value=True)
        sink.push(ANSWER)
        sink.push(replace(ANSWER, id="next"))
        assert client.until(event="audio_end")["answer"] == ANSWER.id
        assert client.line()["answer"] == "next"


class TestManyClients:
    def test_a_slow_one_loses_its_oldest_lines_and_is_told_how_many(self, opened, connect, house):
        sink = opened()
        slow, quick = connect(), connect()
        quick.line()
        n = 6000
        reader_got = []

        def read():
            while len(reader_got) < n:
                reader_got.append(quick.line()["id"])

        reader = threading.Thread(target=read)
        reader.start()
        for i in range(n):
            sink.push(replace(ANSWER, id=str(i)))
            # Never more ahead than what may wait for one who reads.
            wait_for(lambda i=i: i - len(reader_got) < 500)
        reader.join(DEADLINE_S)
        assert reader_got == [str(i) for i in range(n)]
        assert slow.line()["event"] == "status"
        got, lost = [], 0
        while not got or got[-1] != n - 1:
            line = slow.line()
            if line["event"] == "lost":
                lost += line["lines"]
            else:
                got.append(int(line["id"]))
        assert got == sorted(got)
        assert lost > 0
        assert len(got) + lost == n
        assert house.health.gauges["sink_local_lost_lines"] == lost

    def test_sound_gives_way_before_answers(self, opened, connect, monkeypatch):
        monkeypatch.setattr(line_server, "_ROOM_LINES", 10)
        sink = opened(audio=True, audio_s=60.0)
        client = connect()
        client.ask(command="audio", value=True)
        sink.push(ANSWER)
        for start in range(10_000, 10_000 + 512 * 1000, 512):
            sink.push(block(start))
        for i in range(8):
            sink.push(replace(ANSWER, id=str(i), action="block"))
        answers = [client.until(event="answer")["id"] for _ in range(9)]
        assert answers == [ANSWER.id, *(str(i) for i in range(8))]

    def test_one_too_many_is_told_so(self, opened, connect):
        opened(max_clients=1)
        first = connect()
        first.line()
        second = connect()
        assert "1 clients are connected already" in second.line()["message"]
        assert second.file.read() == b""
        first.close()

        def room():
            with contextlib.closing(Connection(second.socket.getpeername())) as third:
                return third.line()["event"] == "status"

        wait_for(room)

    def test_one_that_takes_nothing_is_taken_for_dead(self, opened, connect, house, monkeypatch):
        monkeypatch.setattr(line_server, "_STUCK_S", 0.05)
        sink = opened()
        connect()
        wait_for(lambda: house.health.gauges.get("sink_local_clients") == 1)
        for _ in range(2000):
            sink.push(ANSWER)
        wait_for(lambda: house.health.gauges["sink_local_clients"] == 0)

    def test_who_asks_and_does_not_listen_is_not_heard(self, opened, connect):
        opened()
        client, other = connect(), connect()
        client.socket.setblocking(False)
        pings = b'{"command":"ping"}\n' * 1000
        sent = 0
        while select.select([], [client.socket], [], 0.5)[1]:
            sent += client.socket.send(pings)
            assert sent < 1 << 23, "more is read than can be answered"
        other.say(command="ping")
        assert other.until(event="pong")


class TestFile:
    def test_rights_are_those_of_the_settings(self, opened, path):
        opened(mode="0o600")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_what_is_left_over_is_replaced(self, opened, path, connect):
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
        opened()
        assert connect().line()["event"] == "status"

    def test_who_listens_already_is_left_alone(self, opened, path, connect, house):
        opened()
        second = make(Settings(path=str(path)), "second", house)
        with pytest.raises(UsageError, match="somebody listens there already"):
            second.open()
        second.close()
        assert connect().line()["event"] == "status"

    def test_a_file_in_the_way_is_kept(self, opened, path):
        path.write_text("precious")
        with pytest.raises(UsageError, match="a file that is no socket"):
            opened()
        assert path.read_text() == "precious"

    def test_a_socket_that_somebody_removed_is_noticed_and_made_again(self, opened, path, connect):
        sink = opened()
        sink.check()
        path.unlink()
        with pytest.raises(DataError, match="somebody removed the socket"):
            sink.check()
        sink.close()
        sink.open()
        assert connect().line()["event"] == "status"

    def test_at_the_end_the_socket_of_somebody_else_stays(self, opened, path):
        sink = opened()
        path.unlink()
        path.write_text("mine")
        sink.close()
        assert path.read_text() == "mine"

    def test_a_folder_that_is_missing_is_one_line(self, tmp_path, house):
        sink = make(Settings(path=str(tmp_path / "no" / "s")), "local", house)
        with pytest.raises(OSError, match="cannot be listened at") as caught:
            sink.open()
        assert "s: cannot" in str(caught.value)
        with pytest.raises(DataError, match="nobody listens there yet"):
            sink.push(ANSWER)
        sink.close()

    @pytest.mark.parametrize(
        ("settings", "problem"),
        [
            ({"path": ""}, "sinks.local.path: got a path of 0 bytes"),
            ({"path": "/" + "x" * 200}, "got a path of 201 bytes, expected 1 to 107"),
            ({"path": "s", "mode": "rw"}, "sinks.local.mode: got 'rw', expected access rights in octal"),
            ({"path": "s", "mode": "7777"}, "got '7777'"),
            ({"path": "s", "mode": "-1"}, "got '-1'"),
        ],
    )
    def test_settings_that_cannot_work(self, house, settings, problem):
        with pytest.raises(UsageError) as caught:
            make(Settings(**settings), "local", house)
        assert problem in str(caught.value)


def mutated(rng, frame):
    """Change a few bytes of a line, leave some out, or repeat some."""
    data = bytearray(frame)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(4):
            case 0:
                data[at:at] = bytes([rng.randrange(256)])
            case 1:
                del data[at : at + rng.randint(1, 5)]
            case 2:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case 3:
                data[at:at] = data[: rng.randint(0, 40)]
    return bytes(data)


def test_ten_thousand_frames_of_anything(opened, connect, house):
    """Half of them are mutations of good ones. Nothing breaks, nothing is left behind, and others notice nothing."""
    sink = opened(audio=True, max_clients=4)
    good = [
        json.dumps({"command": command, "value": value}).encode()
        for command in ("mute", "playing", "audio")
        for value in (True, False)
    ] + [b'{"command": "ping"}']
    rng = random.Random(20_261_126)
    witness = connect()
    witness.line()

    def rounds(n):
        for _ in range(n):
            client = Connection(sink._path)
            frames = [
                mutated(rng, rng.choice(good)) if rng.random() < 0.5 else rng.choice([rng.randbytes(30), *good])
                for _ in range(20)
            ]
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                client.socket.sendall(b"\n".join(frames) + rng.choice([b"\n", b""]))
                if rng.random() < 0.5:
                    client.socket.shutdown(socket.SHUT_WR)
                    for line in client.file:
                        assert json.loads(line)["event"] in {"status", "pong", "done", "error", "answer", "audio"}
            client.close()
            sink.push(ANSWER)
            assert witness.line()["id"] == ANSWER.id
            house.asked.clear()  # of this test, not of the sink

    rounds(30)
    wait_for(lambda: house.health.gauges["sink_local_clients"] == 1)
    before = len(os.listdir("/proc/self/fd"))
    tracemalloc.start()
    try:
        rounds(100)
        wait_for(lambda: house.health.gauges["sink_local_clients"] == 1)
        gc.collect()
        first = tracemalloc.get_traced_memory()[0]
        rounds(370)
        wait_for(lambda: house.health.gauges["sink_local_clients"] == 1)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - first
    finally:
        tracemalloc.stop()
    sink.check()
    # The last connection is closed a moment after it is forgotten.
    wait_for(lambda: len(os.listdir("/proc/self/fd")) <= before)
    assert grown < 200_000  # a client alone is some 3 kB: 370 would be a megabyte
    assert len(sink._listening) == 0
