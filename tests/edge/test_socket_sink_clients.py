"""The socket sink: clients that are slow, silent, dead, or too many."""

import contextlib
import select
import threading
from dataclasses import replace

from edge import line_server
from tests.edge.socket_clients import (  # noqa: F401  # fixtures
    ANSWER,
    DEADLINE_S,
    Connection,
    block,
    connect_fixture,
    house_fixture,
    opened_fixture,
    path_fixture,
    wait_for,
)


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
