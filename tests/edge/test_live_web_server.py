"""The server of the page, over real sockets: what it refuses, what it bears, and the command that starts it."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit

import numpy as np
import pytest

pytest.importorskip("websockets", reason="the demo in a browser needs websockets (the extra `web`)")

import soundfile
from live_web_house import LONG_S, SCENE, Client, House, served
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close
from websockets.sync.client import connect

from edge.bundle import open_bundle
from edge.errors import UsageError
from edge.live_demo.listener import Listener
from edge.live_web import server
from edge.live_web.places import Places
from edge.live_web.server import HOST, PageServer


@pytest.fixture(scope="module")
def bundle():
    return open_bundle()


@pytest.fixture
def house(bundle):
    with served(Listener(bundle), bundle) as found:
        yield found


def eventually(done):
    until = time.monotonic() + LONG_S
    while not done():
        assert time.monotonic() < until
        time.sleep(0.02)


def drained(page, *messages):
    """Send messages, and take all that comes until the connection is closed."""
    for message in messages:
        page.socket.send(message)
    while True:
        page.socket.recv(LONG_S)


def test_places_are_of_threads():
    places = Places(1)
    assert places.take()
    assert places.take()
    taken = []
    other = threading.Thread(target=lambda: taken.append(places.take()))
    other.start()
    other.join()
    assert taken == [False]
    places.leave()
    places.leave()
    assert places.take()


def test_the_ninth_page_is_told_that_there_are_too_many_and_has_a_place_once_another_goes(house):
    with ExitStack() as opened_pages:
        pages = [opened_pages.enter_context(house.open()) for _ in range(8)]
        for page in pages:
            page.hear("hello")
        with house.open() as ninth:
            # It is told nothing else: a page too many sees none of what the others hear.
            with pytest.raises(ConnectionClosed) as caught:
                ninth.socket.recv(LONG_S)
            assert caught.value.rcvd == Close(1013, "too many pages are open; close one")
        assert house.get(house.path)[0] == 200
        pages[0].socket.close()

        def fits():
            page = opened_pages.enter_context(house.open())
            try:
                page.hear("hello")
            except ConnectionClosed:
                return False
            return True

        eventually(fits)
    # A later thread may have the number of one that is gone: a place that was not given back would show late.
    eventually(lambda: not house.server._pages._taken)


def test_a_request_for_a_websocket_that_is_none_takes_no_place(house):
    for _ in range(10):
        # Without the headers that make it one.
        assert house.get(f"{house.path}ws", f"Origin: {house.origin}")[0] == 426
    with house.open() as page:
        page.hear("hello")


def test_connections_that_ask_for_nothing_are_limited_by_number(house):
    idle = [socket.create_connection((HOST, house.server.port)) for _ in range(server._MOST_CONNECTIONS)]
    eventually(lambda: len(house.server._server.handler_threads) == server._MOST_CONNECTIONS)
    assert house.get(house.path)[0] == 0
    for one in idle:
        one.close()
    eventually(lambda: not house.server._server.handler_threads)
    assert house.get(house.path)[0] == 200


@pytest.mark.parametrize("size", [server._MOST_BYTES + 1, 4 * server._MOST_BYTES])
@pytest.mark.parametrize("kind", [str, bytes])
def test_a_message_that_is_too_long_ends_the_page_alone(house, size, kind):
    with house.open() as other, house.open() as page:
        with pytest.raises(ConnectionClosed) as caught:
            drained(page, "x" * size if kind is str else b"x" * size)
        assert caught.value.rcvd.code == 1009
        other.ask(type="keep", on=True)
        other.hear("source", lambda record: record["keeps_sound"])


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[]",
        "null",
        "1",
        '"source"',
        "{}",
        "[" * 5000,
        '{"type": "nothing"}',
        '{"type": ["keep"]}',
        '{"type": "source"}',
        '{"type": "source", "kind": "server"}',
        '{"type": "source", "kind": "browser"}',
        '{"type": "source", "kind": "browser", "rate_hz": true}',
        '{"type": "source", "kind": "browser", "rate_hz": 44100.5}',
        '{"type": "source", "kind": "browser", "rate_hz": 0}',
        '{"type": "source", "kind": "browser", "rate_hz": -1}',
        '{"type": "source", "kind": "browser", "rate_hz": 1' + "0" * 4000 + "}",
        '{"type": "source", "kind": "browser", "rate_hz": 1' + "0" * 5000 + "}",
        '{"type": "keep", "on": 1}',
        '{"type": "what_if"}',
        '{"type": "what_if", "accept": NaN, "reject": 0}',
        '{"type": "what_if", "accept": 0.5, "reject": 0.4, "words": {"no such": 0.5}}',
        '{"type": "what_if", "accept": 0.5, "reject": 0.4, "words": {"\\ud800": 0.5}}',
    ],
)
def test_a_malformed_question_is_told_so_and_harms_nothing(house, message):
    with house.open() as page:
        page.socket.send(message)
        told = page.hear("error")["told"]
        assert told
        assert "\n" not in told
        page.ask(type="what_if", accept=0.5, reject=0.4)
        assert page.hear("what_if")["changed"] == {}


def test_sound_that_ends_inside_a_sample_ends_its_page(house):
    with house.open() as page:
        page.ask(type="source", kind="browser", rate_hz=48_000)
        page.hear("source", lambda record: record["yours"])
        page.socket.send(b"\0\0\0")
        with pytest.raises(ConnectionClosed) as caught:
            drained(page)
        assert caught.value.rcvd.code == 1008
        assert caught.value.rcvd.reason.startswith("microphone of the browser: got 3 bytes, expected whole samples")


def test_sound_of_a_page_that_was_not_asked_for_is_not_heard(house):
    with house.open() as page:
        page.hear("hello")
        page.socket.send(np.zeros(16_000, np.int16).tobytes())
        page.ask(type="what_if", accept=0.5, reject=0.4)
        page.hear("what_if")
        assert page.hear("state")["heard_s"] == 0.0


def test_a_page_that_takes_nothing_is_let_go_and_the_others_are_not(house, monkeypatch):
    monkeypatch.setattr(server, "_STUCK_S", 0.5)
    with house.open() as other, house.page() as slow:
        question = '{"type": "what_if", "accept": 0, "reject": 0, "words": {"' + "x" * 60_000 + '": 0}}'
        with pytest.raises(ConnectionClosed):
            drained(Client(slow), *[question] * 20_000)
        other.ask(type="keep", on=True)
        other.hear("source", lambda record: record["keeps_sound"])


def test_the_end_of_the_server_is_told_to_its_pages(bundle):
    with served(Listener(bundle), bundle) as house, house.open() as page:
        page.hear("hello")
        house.server.close()
        with pytest.raises(ConnectionClosed) as caught:
            drained(page)
        assert caught.value.rcvd.code == 1001


def test_a_page_that_takes_nothing_does_not_hold_up_the_end(bundle, monkeypatch):
    monkeypatch.setattr(server, "_CLOSE_S", 0.5)
    with served(Listener(bundle), bundle) as house, house.page(close_timeout=0.5):
        eventually(lambda: house.engine._pages)
        [page] = house.engine._pages
        # Nothing is told any more, by which it would be seen that the page takes nothing.
        house.stop_engine()
        for _ in range(300):
            page.tell({"type": "much", "more": "0" * 100_000})
        eventually(lambda: page._sending_since is not None and time.monotonic() - page._sending_since > 0.2)
        closing = threading.Thread(target=house.server.close, daemon=True)
        closing.start()
        closing.join(LONG_S / 4)
        held_up = closing.is_alive()
        with suppress(OSError):
            page._connection.socket.shutdown(socket.SHUT_RDWR)
        assert not held_up


def test_a_port_that_is_in_use_is_told_once(bundle):
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        house = House.__new__(House)
        with pytest.raises(UsageError) as caught:
            PageServer(house, port)
    assert str(caught.value) == (
        f"--port: 127.0.0.1 port {port}: cannot be listened at (Address already in use), expected a free port; "
        "choose another one, let --port 0 find one, or end what has it"
    )


# ---------------------------------------------------------------------------------------------------- the command


def start(*arguments, **other):
    return subprocess.Popen(
        [sys.executable, "-m", "edge", "live", "--web", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        **other,
    )


@contextmanager
def opened(process):
    line = ""
    while not line.startswith("open "):
        line = process.stdout.readline()
        assert line, process.stderr.read()
    address = urlsplit(line.split()[1])
    with connect(f"ws://{address.netloc}{address.path}ws", origin=f"http://{address.netloc}") as connection:
        yield Client(connection)


@pytest.fixture
def ended():
    """End what a test leaves behind."""
    processes = []
    yield processes.append
    for process in processes:
        process.kill()
        with process:  # closes its pipes
            pass


def test_a_file_that_is_cut_short_is_told_at_once_and_ends_with_its_code_once_nobody_looks(tmp_path, ended):
    path = tmp_path / "short.flac"
    path.write_bytes(SCENE.read_bytes()[:60_000])
    process = start(str(path), "--pace", "fast")
    ended(process)
    with opened(process) as page:
        page.hear("source", lambda record: record["ended"])
        assert str(path) in process.stderr.readline()
        assert process.poll() is None, "it ended under the eyes of somebody who looks"
    assert process.wait(LONG_S) == 2
    assert process.stderr.read() == ""


def test_standard_input_is_heard_and_an_interrupt_ends_it_with_0(ended):
    process = start("-", "--wake-only", stdin=subprocess.PIPE)
    ended(process)
    samples = soundfile.read(SCENE, dtype="int16")[0]
    with opened(process) as page:
        assert page.hear("hello")["mode"] == "wake"
        writer = threading.Thread(target=lambda: (process.stdin.buffer.write(samples.tobytes()), process.stdin.close()))
        writer.start()
        assert page.hear("decision")["decision"]["verdict"] == "heard"
        page.hear("source", lambda record: record["ended"])
        writer.join()
    process.send_signal(signal.SIGINT)
    assert process.wait(LONG_S) == 0
    assert process.stderr.read() == ""


def test_the_page_starts_where_there_is_no_microphone(monkeypatch, capsys):
    import argparse

    from edge.commands import live
    from edge.errors import AudioError

    def none(args):
        raise AudioError("no input is there; connect a microphone")

    seen = {}

    def show(listener, bundle, source, *, port, note, ready, failed):
        seen.update(source=source, note=note, mode=listener.state.mode)
        ready("http://127.0.0.1:1/t/")
        return []

    monkeypatch.setattr(live, "_source", none)
    # It ends the process where a source was left behind, by any test.
    monkeypatch.setattr("edge.capture.leave", lambda code: code)
    monkeypatch.setattr("edge.live_web.show.show", show)
    parser = argparse.ArgumentParser()
    live.configure(parser)
    args = parser.parse_args(["--web", "--liveness-only"])
    assert live.run(args) == 0
    told = "no input is there; connect a microphone; or choose the microphone of the browser on the page"
    assert seen == {"source": None, "note": told, "mode": "liveness"}
    shown = capsys.readouterr().out
    assert f"this device hears nothing: {told}\n" in shown
    assert "open http://127.0.0.1:1/t/" in shown
    with pytest.raises(AudioError):
        live.run(parser.parse_args(["--web", "--microphone", "USB"]))
