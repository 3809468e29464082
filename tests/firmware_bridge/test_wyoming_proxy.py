"""The proxy between a client of the protocol's library and a wake service that is written with it."""

import asyncio
import logging
import socket
from contextlib import asynccontextmanager, suppress
from functools import partial

import numpy as np
import pytest
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.info import Attribution, Describe, Info, WakeModel, WakeProgram
from wyoming.ping import Ping
from wyoming.server import AsyncEventHandler, AsyncTcpServer
from wyoming.user_event import UserEvent
from wyoming.wake import Detect, Detection, NotDetected

from edge.errors import UsageError
from firmware_bridge import wyoming_proxy
from tests.firmware_bridge.wyoming_house import (
    MARKERS,
    POST_ROLL,
    FakeHouse,
    client_of,
    in_time,
    opened,
    send,
    sound,
    told,
    until,
)

MADE = Attribution(name="someone", url="https://example.org")
MODEL = WakeModel(
    name="smart_mirror", attribution=MADE, installed=True, description=None, version=None, languages=[], phrase="x"
)
PROGRAM = WakeProgram(
    name="other", attribution=MADE, installed=True, description="another service", version="7", models=[MODEL]
)


class Other:
    """What the other service does, and what it was asked."""

    def __init__(self, *, late=0, timed=True, stop="always"):
        self.late = late
        self.timed = timed
        self.stop = stop
        self.events = []
        self.sound = np.zeros(0, np.int16)
        self.connections = []
        self.extra = {}
        self.info = Info(wake=[PROGRAM]).event().data


class Handler(AsyncEventHandler):
    """Hears markers as the house of these tests does, and tells of them some chunks later."""

    def __init__(self, other, *streams):
        super().__init__(*streams)
        self._other = other
        self._heard = []
        self._any = False
        other.connections.append(self)

    async def run(self):
        with suppress(ConnectionError):  # which the library leaves to the log
            await super().run()

    async def handle_event(self, event):
        other = self._other
        other.events.append(event)
        if Describe.is_type(event.type):
            await self.write_event(Event("info", other.info))
        elif AudioStart.is_type(event.type):
            self._heard, self._any = [], False
        elif AudioChunk.is_type(event.type):
            chunk = AudioChunk.from_event(event)
            samples = np.frombuffer(chunk.audio, "<i2")
            other.sound = np.concatenate((other.sound, samples))
            self._heard = [(left - 1, detection) for left, detection in self._heard]
            for value in samples[np.isin(samples, list(MARKERS))]:
                time_ms = chunk.timestamp if other.timed else None
                detection = Detection(name=MARKERS[int(value)][0], timestamp=time_ms, **other.extra)
                self._heard.append((other.late, detection))
            await self._tell(0)
        elif AudioStop.is_type(event.type):
            await self._tell(1 << 30)
            # openWakeWord says so always, and the protocol only if nothing was detected.
            if other.stop == "always" or (other.stop == "if none" and not self._any):
                await self.write_event(NotDetected().event())
        return True

    async def _tell(self, most):
        for left, detection in list(self._heard):
            if left <= most:
                self._any = True
                await self.write_event(detection.event())
                self._heard.remove((left, detection))


@asynccontextmanager
async def served(other, port=0):
    server = AsyncTcpServer("127.0.0.1", port)
    await server.start(partial(Handler, other))
    try:
        yield server._server.sockets[0].getsockname()[1]
    finally:
        await server.stop()
        await server._server.wait_closed()


def talk(house, other, *steps, **tables):
    """Run steps of one client against the proxy; return what it is told."""

    async def run():
        async with served(other) as port:
            with opened(wyoming_proxy, house, "proxy", upstream=f"tcp://127.0.0.1:{port}", **tables) as sink:
                try:
                    async with client_of(sink) as client:
                        for step in steps:
                            await step(client)
                        await client.write_event(Ping(text="end").event())
                        return (await told(client, "pong"))[:-1]
                finally:
                    await asyncio.to_thread(sink.close)

    return in_time(run())


def of(kind, events):
    return [kind.from_event(event) for event in events if kind.is_type(event.type)]


@pytest.fixture
def house():
    return FakeHouse()


def streaming(samples, **how):
    return lambda client: send(client, samples, **how)


def test_the_description_is_that_of_the_other_service_and_marked(house):
    (event,) = talk(house, Other(), lambda client: client.write_event(Describe().event()))
    (program,) = Info.from_event(event).wake
    assert program.name == "vivavoce: other"
    assert program.description.startswith("another service, behind the gate of vivavoce")
    assert program.models == [MODEL]
    assert not Info.from_event(event).asr


def test_what_passes_is_told_with_what_the_other_service_said(house):
    other = Other()
    other.extra = {"speaker": "anna", "context": {"model": "big"}}
    events = talk(house, other, streaming(sound(3, _20000=1.0), clock=lambda at: 70_000 + at // 16))
    (detection,) = of(Detection, events)
    assert (detection.name, detection.speaker) == ("smart_mirror", "anna")
    assert detection.timestamp == 70_000 + 960, "the chunk that the other service named, on the client's clock"
    assert detection.context["model"] == "big"
    live = detection.context["liveness"]
    assert (live["action"], live["decision"]) == ("pass", "accept")
    assert live["end_ms"] == 70_000 + 960 + 64
    assert not of(NotDetected, events)
    (session,) = house.sessions
    assert not session.listen
    assert session.told[0][:2] == ("smart_mirror", 1.0)
    assert house.answers[0].origin.startswith("proxy 127.0.0.1:")


def test_what_does_not_pass_is_not_told(house):
    house.actions = {"smart_mirror": "block"}
    events = talk(house, Other(), streaming(sound(3, _20000=1.0, _22000=2.0)), streaming(sound(3, _20000=1.0)))
    assert [event.type for event in events] == ["user-event", "detection", "user-event", "not-detected"]
    assert of(Detection, events)[0].name == "hey_house"
    assert of(UserEvent, events)[0].data["liveness"]["action"] == "block"
    assert of(NotDetected, events)[0].context["liveness"]["action"] == "block"


def test_the_other_service_hears_what_the_client_sends(house):
    other = Other()
    samples = sound(1, _20000=0.5)
    detect = Detect(names=["smart_mirror"]).event()
    talk(
        house,
        other,
        lambda client: client.write_event(Event("select-program", {"name": "vivavoce: other"}, b"x")),
        lambda client: client.write_event(detect),
        streaming(samples, clock=lambda at: 10**9 + at),
    )
    assert [event.type for event in other.events[:3]] == ["select-program", "detect", "audio-start"]
    assert (other.events[0].data, other.events[0].payload) == ({"name": "other"}, None)
    assert other.events[1].data == detect.data
    assert other.events[-1].type == "audio-stop"
    np.testing.assert_array_equal(other.sound, samples)
    chunks = [event for event in other.events if AudioChunk.is_type(event.type)]
    assert [chunk.data["timestamp"] for chunk in chunks] == [64 * i for i in range(len(chunks))]


def test_silence_and_the_end(house):
    events = talk(house, Other(), streaming(sound(1)))
    assert [event.type for event in events] == ["not-detected"]


def test_a_service_that_never_says_that_it_heard_nothing(house):
    events = talk(house, Other(stop="never"), streaming(sound(1)), settle_s=0.1)
    assert [event.type for event in events] == ["not-detected"]


@pytest.mark.parametrize("late", [0, 5, 30])
def test_the_session_is_told_where_the_word_was_however_late_it_comes(house, late):
    # One chunk is 64 ms: the latest detection comes 1.9 s after the word.
    samples = sound(8, _20000=4.0)
    samples[63_000] = 77
    talk(house, Other(late=late), streaming(samples))
    ((word, _, before),) = house.sessions[0].told
    assert word == "smart_mirror"
    end = before.size - np.flatnonzero(before == 20_000)[0]
    # The session stands at the end of the chunk that held the word; or, where the service is later than it is kept
    # behind, by no more than 0.1 s after it.
    assert 0 < end <= 1024 + 1600
    (answer,) = house.answers
    assert answer.decided_sample - answer.end_sample == POST_ROLL


def test_a_client_faster_than_people_speak(house):
    # 20 s at once: by the time at which the word is told, all of the sound is there.
    samples = np.random.default_rng(0).integers(-1000, 1000, 20 * 16_000).astype(np.int16)
    end = 5 * 16_000
    samples[end - 1] = 20_000
    events = talk(house, Other(late=200), streaming(samples))
    (detection,) = of(Detection, events)
    assert detection.timestamp == end // 1024 * 64
    live = detection.context["liveness"]
    assert live["end_ms"] == pytest.approx(5000, abs=64)
    assert live["decided_ms"] == live["end_ms"] + 100
    (_, _, before) = house.sessions[0].told[0]
    assert before.size == 3 * 16_000
    at = np.flatnonzero(before == 20_000)[0]
    np.testing.assert_array_equal(before[: at + 1], samples[end - 1 - at : end])


def test_later_than_anything_is_kept_is_not_judged(house):
    events = talk(house, Other(late=10_000), streaming(sound(40, _20000=1.0)))
    assert [event.type for event in events] == ["user-event", "not-detected"]
    assert events[0].data["data"]["liveness"]["reasons"] == ["not_judged"]
    assert not house.answers


def test_a_service_that_gives_no_times(house):
    (detection,) = of(Detection, talk(house, Other(timed=False), streaming(sound(3, _20000=2.9))))
    assert detection.timestamp == pytest.approx(3000, abs=100)


@pytest.mark.parametrize("extra", [{"context": "text"}, {"speaker": 5}, {"context": [float("inf")]}])
def test_what_cannot_be_used_of_a_detection_is_left_out(house, extra):
    other = Other()
    other.extra = extra
    (detection,) = of(Detection, talk(house, other, streaming(sound(2, _20000=1.0))))
    assert list(detection.context) == ["liveness"]
    assert detection.speaker is None


def test_a_service_that_says_nothing_more_after_a_detection(house):
    events = talk(house, Other(stop="if none", late=10_000), streaming(sound(2, _20000=1.0)), settle_s=0.2)
    assert [event.type for event in events] == ["detection"]


def test_the_answer_waits_for_no_more_sound_than_the_gate_needs(house):
    async def run():
        async with served(Other()) as port:
            with opened(wyoming_proxy, house, "proxy", upstream=f"tcp://127.0.0.1:{port}") as sink:
                async with client_of(sink) as client:
                    await send(client, sound(1, _20000=1.0), stop=False)
                    await until(lambda: house.sessions and house.sessions[0].told)
                    assert not house.answers
                    await send(client, sound(0.1), begin=False, stop=False)
                    await told(client, "detection")
                await asyncio.to_thread(sink.close)

    in_time(run())


def test_a_word_of_a_stream_that_was_cut_off_is_not_answered_by_the_next(house):
    async def cut(client):
        await send(client, sound(1, _20000=1.0), stop=False)
        await until(lambda: house.sessions and house.sessions[0].told)

    events = talk(house, Other(), cut, streaming(sound(3, _22000=1.0)))
    assert [event.type for event in events] == ["detection"]
    assert events[0].data["name"] == "hey_house"


def test_every_stream_is_waited_for_at_its_end(house):
    events = talk(house, Other(late=10_000), streaming(sound(1)), streaming(sound(2, _20000=1.0)))
    assert [event.type for event in events] == ["not-detected", "detection"]


def test_nobody_waits_for_a_service_that_has_gone(house):
    async def run():
        other = Other(stop="never")
        async with served(other) as port:
            tables = {"upstream": f"tcp://127.0.0.1:{port}", "settle_s": 60.0}
            with opened(wyoming_proxy, house, "proxy", **tables) as sink:
                async with client_of(sink) as client:
                    await send(client, sound(0.5))
                    await until(lambda: other.events and AudioStop.is_type(other.events[-1].type))
                    for connection in other.connections:
                        await connection.stop()
                    await told(client, "not-detected")
                await asyncio.to_thread(sink.close)

    in_time(run())


def test_a_stream_that_is_cut_off_by_another(house):
    events = talk(house, Other(late=10), streaming(sound(1.2, _20000=1.0), stop=False), streaming(sound(1)))
    assert [event.type for event in events] == ["not-detected"]


def test_other_rates_are_forwarded_as_they_are(house):
    other = Other()

    async def stream(client):
        await client.write_event(AudioStart(48_000, 2, 2).event())
        samples = np.zeros((96_000, 2), np.int16)
        samples[47_999] = 20_000
        for at in range(0, 96_000, 4800):
            part = samples[at : at + 4800]
            await client.write_event(AudioChunk(48_000, 2, 2, part.tobytes()).event())
        await client.write_event(AudioStop().event())

    events = talk(house, other, stream)
    assert len(of(Detection, events)) == 2, "a marker in each of two channels"
    assert of(Detection, events)[0].timestamp == 900
    assert other.sound.size == 2 * 96_000
    assert set(house.sessions[0].rates_hz) == {48_000}


# ---------------------------------------------------------------------------------------- without it, or without us


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_nothing_is_detected_while_the_other_service_is_away_and_it_is_found_again(house, caplog):
    caplog.set_level(logging.INFO)
    port = free_port()

    async def run(sink):
        async with client_of(sink) as client:
            await client.write_event(Describe().event())
            assert (await client.read_event()).data["code"] == "upstream-away"
            await send(client, sound(1, _20000=0.5))
            assert [event.type for event in await told(client, "not-detected")] == ["not-detected"]
            other = Other()
            async with served(other, port):
                # In the middle of a stream.
                await client.write_event(AudioStart(16_000, 2, 1).event())
                while not other.connections:
                    await send(client, sound(0.1), begin=False, stop=False)
                    await asyncio.sleep(0.02)
                await until(lambda: other.events and other.events[0].type == "audio-start")
                await send(client, sound(2, _20000=1.0), begin=False)
                assert (await told(client, "detection"))[-1].data["name"] == "smart_mirror"
                assert other.events[0].data["timestamp"] > 0
                await client.write_event(Describe().event())
                assert Info.from_event((await told(client, "info"))[-1]).wake
            await client.write_event(Describe().event())
            assert Info.from_event((await told(client, "info"))[-1]).wake, "what it said last"

    with opened(wyoming_proxy, house, "proxy", upstream=f"tcp://127.0.0.1:{port}") as sink:
        in_time(run(sink))
    away = [record.message for record in caplog.records if "is away" in record.message]
    assert len(away) == 2, "told once, each time that it goes away"
    assert "there again" in caplog.text


def test_a_client_may_be_let_go_instead(house):
    async def run(sink, other):
        async with client_of(sink) as client:
            await send(client, sound(0.5), stop=False)
            assert (await client.read_event()).type == "error"
            assert await client.read_event() is None
            assert other is None

    with opened(
        wyoming_proxy, house, "proxy", upstream=f"tcp://127.0.0.1:{free_port()}", upstream_lost="close"
    ) as sink:
        in_time(run(sink, None))


def test_a_service_that_goes_away_in_the_middle_ends_the_connection_if_asked(house):
    async def run():
        other = Other()
        async with served(other) as port:
            with opened(
                wyoming_proxy, house, "proxy", upstream=f"tcp://127.0.0.1:{port}", upstream_lost="close"
            ) as sink:
                async with client_of(sink) as client:
                    await send(client, sound(0.5), stop=False)
                    await until(lambda: len(other.sound) == 8000)
                    for connection in other.connections:
                        await connection.stop()
                    assert (await client.read_event()).data["code"] == "AwayError"
                    assert await client.read_event() is None
                await asyncio.to_thread(sink.close)

    in_time(run())


def test_a_service_that_takes_nothing_more_is_away(house, caplog):
    async def deaf(reader, writer):
        reader._transport.pause_reading()
        await go_on.wait()
        writer.close()

    async def run():
        server = await asyncio.start_server(deaf, "127.0.0.1", 0, limit=1000)
        uri = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            with opened(wyoming_proxy, house, "proxy", upstream=uri, upstream_s=0.2, speed=1000.0) as sink:
                async with client_of(sink) as client:
                    await client.write_event(AudioStart(16_000, 2, 1).event())
                    while "is away" not in caplog.text:
                        await send(client, sound(10), chunk=32_000, begin=False, stop=False)
                    await send(client, sound(0.1), begin=False)
                    await told(client, "not-detected")
                go_on.set()
                await asyncio.to_thread(sink.close)

    go_on = asyncio.Event()
    in_time(run())
    assert "not taken within 0.2 s" in caplog.text


def test_clients_that_are_killed_and_a_service_that_is_opened_again(house):
    async def run():
        other = Other()
        async with served(other) as port:
            with opened(wyoming_proxy, house, "proxy", upstream=f"tcp://127.0.0.1:{port}") as sink:
                for _ in range(3):
                    async with client_of(sink) as client:
                        await send(client, sound(0.5, _20000=0.4), stop=False)
                        client._writer.transport.abort()
                        with suppress(ConnectionError):
                            await client.disconnect()
                        client._writer = None
                await until(lambda: len(house.sessions) == 3 and not house.open)
                await asyncio.to_thread(sink.close)
                sink.open()
                async with client_of(sink) as client:
                    await send(client, sound(2, _20000=1.0))
                    await told(client, "detection")
                await asyncio.to_thread(sink.close)

    in_time(run())


@pytest.mark.parametrize("fault", ["no room", "session fails"])
def test_without_a_session_words_pass_only_if_it_fails_open(house, fault, caplog):
    def break_it():
        house.most = 0 if fault == "no room" else 8
        house.failing = fault == "session fails"

    break_it()
    events = talk(house, Other(), streaming(sound(4, _20000=1.0)), fail="open")
    (detection,) = of(Detection, events)
    assert detection.context["liveness"] == {
        "action": "pass",
        "decision": "unsure",
        "reasons": ["not_judged"],
        "live_probability": None,
    }
    assert "without being judged" in caplog.text


@pytest.mark.parametrize("fault", ["no room", "session fails"])
def test_closed_a_connection_without_a_session_ends(house, fault):
    async def run():
        async with served(Other()) as port:
            with opened(wyoming_proxy, house, "proxy", upstream=f"tcp://127.0.0.1:{port}") as sink:
                async with client_of(sink) as client:
                    events = []
                    with suppress(ConnectionError):  # it ends while the sound is still sent
                        await send(client, sound(4, _20000=1.0), stop=False)
                        while (event := await client.read_event()) is not None:
                            events.append(event.type)
                    assert "detection" not in events
                await asyncio.to_thread(sink.close)

    house.most = 0 if fault == "no room" else 8
    house.failing = fault == "session fails"
    in_time(run())


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (b'{"type": "info", "data_length": 4294967296}\n', "data_length"),
        (b'{"type": "info", "data": {"wake": [{"name": 1e999}]}}\n', "cannot be said again"),
        (b"nonsense\n", "not JSON"),
        (b"", "closed the connection before"),
    ],
)
def test_what_the_other_service_says_is_limited_too(house, caplog, said, fault):
    async def hostile(reader, writer):
        await reader.readline()
        writer.write(said)
        writer.write_eof()
        await reader.read()
        writer.close()

    async def run():
        server = await asyncio.start_server(hostile, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            with opened(wyoming_proxy, house, "proxy", upstream=f"tcp://127.0.0.1:{port}") as sink:
                async with client_of(sink) as client:
                    await client.write_event(Describe().event())
                    assert (await client.read_event()).type == "error"
                await asyncio.to_thread(sink.close)

    in_time(run())
    assert fault in caplog.text


def test_descriptions_that_make_little_sense(house):
    other = Other()
    other.info = {"wake": [5, {"name": None}, {"description": "x", "models": 3}], "asr": [{}]}
    (event,) = talk(house, other, lambda client: client.write_event(Describe().event()))
    assert [one["name"] for one in event.data["wake"]] == ["vivavoce: None", "vivavoce: None"]
    other.info = {"wake": "none"}
    (event,) = talk(house, other, lambda client: client.write_event(Describe().event()))
    assert event.data["wake"] == []


@pytest.mark.parametrize(
    "uri", ["", "127.0.0.1:10401", "unix:///tmp/x", "tcp://127.0.0.1", "tcp://h:70000", "tcp://h:1/x"]
)
def test_an_address_that_is_none(house, uri):
    with (
        pytest.raises(UsageError, match=r"test\.toml: sinks\.proxy: upstream: got .* expected tcp://HOST:PORT"),
        opened(wyoming_proxy, house, "proxy", upstream=uri),
    ):
        pass


def test_it_does_not_stand_behind_itself(house):
    with (
        pytest.raises(UsageError, match="this service itself"),
        opened(wyoming_proxy, house, "proxy", port=10_400, upstream="tcp://127.0.0.1:10400"),
    ):
        pass
