"""The wake service, as its clients see it: the client is that of the protocol's own library."""

import asyncio
import json
import logging
import socket
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.user_event import UserEvent
from wyoming.wake import Detect, Detection, NotDetected

import edge
from edge.bundle import open_bundle
from edge.errors import UsageError
from edge.events import Decision
from edge.pipeline import Pipeline
from firmware_bridge import wyoming_wake
from tests.firmware_bridge.wyoming_house import (
    FakeHouse,
    RealHouse,
    client_of,
    in_time,
    opened,
    send,
    sound,
    told,
    until,
)

SCENE = Path(edge.__file__).parent / "data" / "scene.flac"


@pytest.fixture
def house():
    return FakeHouse()


def heard(house, *steps, **tables):
    """Run steps of one client against a service; return all that it is told up to its last `not-detected` or pong."""

    async def talk(sink):
        async with client_of(sink) as client:
            for step in steps:
                await step(client)
            await client.write_event(Ping(text="end").event())
            return (await told(client, "pong"))[:-1]

    with opened(wyoming_wake, house, **tables) as sink:
        return in_time(talk(sink))


def of(kind, events):
    return [kind.from_event(event) for event in events if kind.is_type(event.type)]


def test_it_says_what_it_hears(house):
    (event,) = heard(house, lambda client: client.write_event(Describe().event()))
    (program,) = Info.from_event(event).wake
    assert (program.name, program.installed) == ("vivavoce", True)
    assert [(one.name, one.phrase, one.version) for one in program.models] == [
        ("smart_mirror", "smart mirror", "1.2.3"),
        ("hey_house", "hey house", "1.2.3"),
    ]
    assert not house.sessions, "a description needs no session"


def test_a_word_that_passes_is_detected_with_its_liveness(house):
    events = heard(house, lambda client: send(client, sound(2, _20000=1.0)))
    (detection,) = of(Detection, events)
    assert detection.name == "smart_mirror"
    assert detection.timestamp == 1000
    live = detection.context["liveness"]
    assert (live["action"], live["decision"], live["reasons"]) == ("pass", "accept", ["live"])
    assert (live["start_ms"], live["end_ms"], live["decided_ms"]) == (500, 1000, 1100)
    assert live["live_probability"] is None
    assert live["id"] == house.answers[0].id
    assert not of(NotDetected, events), "something was detected"
    assert house.answers[0].origin.startswith("wyoming 127.0.0.1:")


@pytest.mark.parametrize(
    ("marker", "word", "action"), [("_21000", "smart_mirror", "block"), ("_23000", "hey_house", "ask")]
)
def test_a_word_that_does_not_pass_is_not_detected(house, marker, word, action):
    events = heard(house, lambda client: send(client, sound(2, **{marker: 1.0})))
    assert [event.type for event in events] == ["user-event", "not-detected"]
    (refusal,) = of(UserEvent, events)
    assert refusal.name == "liveness-refused"
    assert (refusal.data["name"], refusal.data["timestamp"]) == (word, 1000)
    assert refusal.data["liveness"]["action"] == action
    (nothing,) = of(NotDetected, events)
    assert nothing.context["liveness"] == refusal.data["liveness"]


def test_refusals_need_not_be_told(house):
    events = heard(house, lambda client: send(client, sound(2, _21000=1.0)), tell_refusals=False)
    assert [event.type for event in events] == ["not-detected"]


def test_sound_without_a_word(house):
    (event,) = heard(house, lambda client: send(client, sound(1)))
    assert NotDetected.is_type(event.type)
    assert NotDetected.from_event(event).context is None


def test_a_word_at_the_very_end_is_judged_with_what_there_is(house):
    (detection,) = of(Detection, heard(house, lambda client: send(client, sound(1, _20000=1.0))))
    assert detection.context["liveness"]["decided_ms"] == 1000


def test_the_answer_comes_while_the_sound_goes_on(house):
    async def talk(sink):
        async with client_of(sink) as client:
            await send(client, sound(1.1, _20000=1.0), stop=False)
            return await told(client, "detection")

    with opened(wyoming_wake, house) as sink:
        assert len(in_time(talk(sink))) == 1


def test_every_stream_is_a_new_one(house):
    async def twice(client):
        await send(client, sound(1.5, _20000=0.7), stop=False)
        await send(client, sound(2))
        await send(client, sound(2, _22000=1.5))

    events = heard(house, twice)
    assert [event.type for event in events] == ["detection", "not-detected", "detection"]
    assert of(Detection, events)[1].timestamp == 1500
    (session,) = house.sessions
    assert session.rates_hz == [16_000] * 3


def test_only_the_words_that_were_asked_for(house):
    both = sound(3, _20000=1.0, _22000=2.0)

    async def ask(client):
        await client.write_event(Detect(names=["Hey House"]).event())
        await send(client, both)
        await client.write_event(Detect(names=[]).event())
        await send(client, both)

    detections = of(Detection, heard(house, ask))
    assert [one.name for one in detections] == ["hey_house", "smart_mirror", "hey_house"]
    assert [session.words for session in house.sessions] == [("hey_house",), None]


def test_unknown_words_are_told_and_never_heard(house):
    async def ask(client):
        await client.write_event(Detect(names=["alexa"]).event())
        await send(client, sound(2, _20000=1.0))

    events = heard(house, ask)
    assert [event.type for event in events] == ["error", "not-detected"]
    assert events[0].data["code"] == "unknown-word"
    assert not house.sessions


@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        (lambda at: 5_000_000 + at // 16, 5_001_000),
        (lambda at: None if at % 2048 else 700 + at // 16, 1700),
        # A gap of ten seconds in the client's clock before the word.
        (lambda at: at // 16 + (10_000 if at >= 8192 else 0), 11_000),
        # Nanoseconds: the chunk that holds the end of the word.
        (lambda at: 10**15 + at * 62_500, 10**15 + 15_360 * 62_500 + 40),
    ],
)
def test_the_time_is_that_of_the_client(house, clock, expected):
    (detection,) = of(Detection, heard(house, lambda client: send(client, sound(2, _20000=1.0), clock=clock)))
    assert detection.timestamp == expected


def test_time_from_the_start_of_the_stream(house):
    (detection,) = of(Detection, heard(house, lambda client: send(client, sound(2, _20000=1.0), start_ms=250)))
    assert detection.timestamp == 1250


def test_chunks_without_a_start_are_a_stream(house):
    async def chunks(client):
        await send(client, sound(2, _20000=1.0), begin=False)
        await send(client, sound(2, _22000=1.0), begin=False)

    assert [one.name for one in of(Detection, heard(house, chunks))] == ["smart_mirror", "hey_house"]


def test_sound_of_another_format_is_another_stream(house):
    async def chunks(client):
        await client.write_event(AudioStart(16_000, 2, 1).event())
        await client.write_event(AudioChunk(16_000, 2, 1, bytes(3200)).event())
        await client.write_event(AudioChunk(8_000, 1, 2, bytes(1600)).event())
        await client.write_event(AudioStop().event())

    assert [event.type for event in heard(house, chunks)] == ["not-detected"]
    assert house.sessions[0].rates_hz == [16_000, 8_000]
    assert house.sessions[0].sound.size == pytest.approx(1600, abs=2)


def test_unknown_events_are_let_go_by(house):
    async def strange(client):
        await client.write_event(Event("transcribe", {"language": "en"}, b"payload"))
        await client.write_event(Event("select-program", {"name": "vivavoce"}))

    assert heard(house, strange) == []


def test_ping(house):
    async def talk(sink):
        async with client_of(sink) as client:
            await client.write_event(Event("ping", {"text": 1}))
            await client.write_event(Ping(text="grüß").event())
            return [Pong.from_event(await client.read_event()).text for _ in range(2)]

    with opened(wyoming_wake, house) as sink:
        assert in_time(talk(sink)) == [None, "grüß"]


def raw(sink, *parts):
    """Send bytes, and return all that comes back until the service closes."""
    with socket.create_connection(("127.0.0.1", sink.port), timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        try:
            while got := connection.recv(4096):
                answer += got
        except ConnectionResetError:
            pass
        return answer


@pytest.mark.parametrize(
    "line",
    [
        b"hello\n",
        b"[]\n",
        b"{}\n",
        b'{"type": 1}\n',
        b'{"type": "ping", "data": []}\n',
        b'{"type": "ping", "data_length": -1}\n',
        b'{"type": "ping", "data_length": true}\n',
        b'{"type": "ping", "data_length": 4294967296}\n',
        b'{"type": "audio-chunk", "payload_length": 4294967296}\n',
        b'{"type": "audio-chunk", "payload_length": 1e3}\n',
        b'{"type": "ping", "data_length": 2}\n[]',
        b'{"type": "ping", "data_length": 2}\n{"',
        b'{"type": "ping", "data": ' + b'{"a":' * 200 + b"1" + b"}" * 200 + b"}\n",
        b'{"type": "' + b"x" * 70_000 + b'"}\n',
        b'{"type": "' + b"x" * 70 + b'"}\n',
        b"x" * 200_000,
        b"\xff\xfe\n",
        b'{"type": "audio-start"}\n',
        b'{"type": "audio-start", "data": {"rate": 16000, "width": 5, "channels": 1}}\n',
        b'{"type": "audio-start", "data": {"rate": 0, "width": 2, "channels": 1}}\n',
        b'{"type": "audio-start", "data": {"rate": 16000, "width": 2, "channels": 65}}\n',
        b'{"type": "audio-start", "data": {"rate": 1e4, "width": 2, "channels": 1}}\n',
        b'{"type": "audio-start", "data": {"rate": 16000, "width": 2, "channels": 1, "timestamp": "now"}}\n',
        b'{"type": "audio-start", "data": {"rate": 16000, "width": 2, "channels": 1, "timestamp": 1e999}}\n',
        b'{"type": "audio-chunk", "data": {"rate": 16000, "width": 2, "channels": 1}, "payload_length": 3}\nabc',
        b'{"type": "detect", "data": {"names": "smart_mirror"}}\n',
        b'{"type": "detect", "data": {"names": [1]}}\n',
    ],
)
def test_what_cannot_be_understood_is_told_and_the_connection_closed(house, caplog, line):
    caplog.set_level(logging.WARNING)
    with opened(wyoming_wake, house) as sink:
        answer = raw(sink, line)
        first, _, rest = answer.partition(b"\n")
        header = json.loads(first)
        assert header["type"] == "error"
        text = json.loads(rest[: header["data_length"]])["text"]
        assert "expected" in text or "got" in text
        assert "\n" not in text
        assert house.health.gauges["wyoming_faults"] == 1
        raw(sink, line)
        assert house.health.gauges["wyoming_faults"] == 2
    assert len(caplog.records) == 1, "an address is complained of once"
    assert caplog.records[0].levelno == logging.WARNING


def test_half_an_event_is_waited_for_as_long_as_the_settings_say(house):
    with opened(wyoming_wake, house, message_s=0.1) as sink:
        assert b"expected the rest within 0.1 s" in raw(sink, b'{"type": "pi')
        assert b"expected the rest within 0.1 s" in raw(sink, b'{"type": "ping", "data_length": 10}\n')


def test_silence_ends_a_connection(house):
    with opened(wyoming_wake, house, idle_s=0.1) as sink:
        assert raw(sink) == b""
        assert raw(sink, b'{"type": "audio-start", "data": {"rate": 16000, "width": 2, "channels": 1}}\n') == b""


def test_a_client_that_does_not_listen_is_left(house):
    with opened(wyoming_wake, house, message_s=0.2) as sink:
        with socket.create_connection(("127.0.0.1", sink.port), timeout=20) as deaf, suppress(ConnectionError):
            while True:
                deaf.sendall(b'{"type": "describe"}\n' * 1000)
        in_time(until(lambda: house.health.gauges["wyoming_clients"] == 0))


def test_one_client_too_many_is_turned_away(house, caplog):
    async def talk(sink):
        async with client_of(sink) as first, client_of(sink) as second:
            for client in (first, second):
                await client.write_event(Ping().event())
                await told(client, "pong")
            assert house.health.gauges["wyoming_clients"] == 2
            assert await asyncio.to_thread(raw, sink) == b""
        await until(lambda: house.health.gauges["wyoming_clients"] == 0)
        async with client_of(sink) as again:
            await again.write_event(Ping().event())
            await told(again, "pong")

    with opened(wyoming_wake, house, max_clients=2) as sink:
        in_time(talk(sink))
    assert house.health.gauges["wyoming_refused"] == 1
    assert "max_clients" in caplog.text


def test_the_house_may_have_no_room(house, caplog):
    house.most = 0
    with opened(wyoming_wake, house) as sink:
        answer = raw(sink, b'{"type": "audio-start", "data": {"rate": 16000, "width": 2, "channels": 1}}\n')
    assert b"too many" in answer


def test_a_slow_session_holds_up_its_own_client_only(house):
    go_on = threading.Event()

    def slow(session):
        if session is house.sessions[0]:
            assert go_on.wait(20)

    house.before_push = slow

    async def talk(sink):
        async with client_of(sink) as held, client_of(sink) as free:
            await send(held, sound(2, _20000=1.0))
            await until(lambda: house.sessions)
            await send(free, sound(2, _22000=1.0))
            assert (await told(free, "detection"))[0].data["name"] == "hey_house"
            go_on.set()
            assert (await told(held, "detection"))[0].data["name"] == "smart_mirror"

    with opened(wyoming_wake, house) as sink:
        in_time(talk(sink))


def test_a_session_that_fails_ends_one_connection(house, caplog):
    async def talk(sink):
        async with client_of(sink) as client:
            house.failing = True
            await send(client, sound(0.5))
            assert (await client.read_event()).data["code"] == "internal"
            assert await client.read_event() is None
        house.failing = False
        async with client_of(sink) as client:
            await send(client, sound(2, _20000=1.0))
            await told(client, "detection")

    with opened(wyoming_wake, house) as sink:
        in_time(talk(sink))
    assert [record.exc_info[0] for record in caplog.records] == [RuntimeError]


def test_a_client_that_is_killed_leaves_nothing(house):
    async def talk(sink):
        for cut in (10, 200, 3000):
            with socket.create_connection(("127.0.0.1", sink.port)) as connection:
                chunk = AudioChunk(16_000, 2, 1, bytes(4000)).event()
                line = json.dumps({"type": chunk.type, "data": chunk.data, "payload_length": 4000}).encode() + b"\n"
                connection.sendall((line + bytes(4000)) * 3 + (line + bytes(4000))[:cut])
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await until(lambda: len(house.sessions) == 3 and not house.open)

    with opened(wyoming_wake, house) as sink:
        in_time(talk(sink))


def test_closing_ends_what_is_connected_and_it_opens_again_at_the_same_port(house):
    async def talk(sink):
        async with client_of(sink) as client:
            await send(client, sound(1), stop=False)
            await until(lambda: house.open)
            await asyncio.to_thread(sink.close)
            assert await client.read_event() is None
            assert not house.open
        sink.open()
        async with client_of(sink) as client:
            await send(client, sound(2, _20000=1.0))
            await told(client, "detection")
        sink.close()
        sink.close()

    with opened(wyoming_wake, house) as free:
        port = free.port
    with opened(wyoming_wake, house, port=port) as sink:
        in_time(talk(sink))


def test_a_port_that_is_taken_is_one_line(house):
    with (
        opened(wyoming_wake, house) as first,
        pytest.raises(UsageError, match=r"127\.0\.0\.1:\d+ cannot be listened at"),
        opened(wyoming_wake, house, port=first.port),
    ):
        pass


# ---------------------------------------------------------------------------------------- the gate itself


@pytest.mark.parametrize(("rate", "width", "channels"), [(16_000, 2, 1), (48_000, 4, 2)])
def test_the_real_gate_hears_through_it_what_it_hears_in_a_file(rate, width, channels):
    samples = soundfile.read(SCENE, dtype="int16")[0]
    pipeline = Pipeline(open_bundle())
    expected = [one for one in (*pipeline.push(samples), *pipeline.finish()) if isinstance(one, Decision)]
    wide = np.repeat(samples, rate // 16_000).astype(np.int32) << (8 * (width - 2))
    frames = np.repeat(wide[:, None], channels, axis=1).astype(f"<i{width}")

    async def stream(client):
        await client.write_event(AudioStart(rate, width, channels).event())
        for at in range(0, len(frames), 1000):
            await client.write_event(AudioChunk(rate, width, channels, frames[at : at + 1000].tobytes()).event())
        await client.write_event(AudioStop().event())

    house = RealHouse()
    events = heard(house, stream)
    assert [answer.word for answer in house.answers] == [one.word for one in expected]
    if rate == 16_000:
        assert [(answer.decision, answer.end_sample) for answer in house.answers] == [
            (one.decision, one.end_sample) for one in expected
        ]
    detections = of(Detection, events)
    passed = [answer for answer in house.answers if answer.action == "pass"]
    assert passed
    assert [one.name for one in detections] == [answer.word for answer in passed]
    for one, answer in zip(detections, passed, strict=True):
        assert one.timestamp == round(answer.end_sample / 16)
        assert one.context["liveness"]["live_probability"] == round(answer.live_probability, 4)


def test_who_comes_back_at_once_finds_his_own_place(house):
    async def talk(sink):
        for _ in range(20):
            async with client_of(sink) as client:
                await send(client, sound(0.1))
                await told(client, "not-detected")

    with opened(wyoming_wake, house, max_clients=1) as sink:
        in_time(talk(sink))
    assert house.health.gauges["wyoming_refused"] == 0


def test_sound_that_goes_on_coming_too_fast_is_held_up(house):
    async def talk(sink):
        async with client_of(sink) as client:
            began = asyncio.get_running_loop().time()
            await send(client, sound(61), chunk=16_000)
            await told(client, "not-detected")
            return asyncio.get_running_loop().time() - began

    with opened(wyoming_wake, house, speed=2.0) as sink:
        assert in_time(talk(sink)) > 0.2, "a second more than a minute, at two seconds in a second"
