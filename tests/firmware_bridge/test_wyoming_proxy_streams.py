"""The proxy between a client and another wake service: streams, their ends, and what is waited for."""

import asyncio

import numpy as np
import pytest
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.wake import Detect, Detection

from firmware_bridge import wyoming_proxy
from tests.firmware_bridge.wyoming_house import FakeHouse, client_of, in_time, opened, send, sound, told, until
from tests.firmware_bridge.wyoming_other import Other, of, served, streaming, talk


@pytest.fixture
def house():
    return FakeHouse()


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
