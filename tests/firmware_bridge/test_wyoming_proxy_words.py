"""The proxy between a client and another wake service: what of its words is told, and how they are judged."""

import asyncio
from contextlib import suppress

import numpy as np
import pytest
from wyoming.info import Describe, Info
from wyoming.user_event import UserEvent
from wyoming.wake import Detection, NotDetected

from firmware_bridge import wyoming_proxy
from tests.firmware_bridge.wyoming_house import POST_ROLL, FakeHouse, client_of, in_time, opened, send, sound
from tests.firmware_bridge.wyoming_other import MODEL, Other, of, served, streaming, talk


@pytest.fixture
def house():
    return FakeHouse()


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
