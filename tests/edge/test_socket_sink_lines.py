"""The socket sink: what a client is told, and the commands it may send; over real sockets, and the real bus."""

import json
import socket
from dataclasses import replace

import pytest

from edge import line_server
from edge.answers import Answer, Status
from edge.bus import Bus
from edge.sinks.socket import Settings, make
from tests.edge.socket_clients import ANSWER, connect_fixture, house_fixture, opened_fixture, path_fixture, wait_for  # noqa: F401  # fixtures


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
