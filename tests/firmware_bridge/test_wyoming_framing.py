"""Events are read as the protocol's library reads them, and written as it writes them, within limits."""

import asyncio
import contextlib
import io
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wyoming.event import Event, read_event, write_event

from firmware_bridge import wyoming_framing
from firmware_bridge.wyoming_connection import Connection, LinkError, connect
from firmware_bridge.wyoming_framing import CLIENTS, FrameError, FrameLimits

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.builds(
    Event,
    type=st.text(min_size=1, max_size=60),
    data=st.dictionaries(st.text(max_size=8), VALUES, max_size=4),
    payload=st.none() | st.binary(min_size=1, max_size=200),
)


def ours(content, limits=CLIENTS):
    async def read():
        reader = asyncio.StreamReader(limit=limits.header)
        reader.feed_data(content)
        reader.feed_eof()
        events = []
        while (event := await wyoming_framing.read_event(reader, limits)) is not None:
            events.append(event)
        return events

    return asyncio.run(read())


def written(*events):
    stream = io.BytesIO()
    for event in events:
        write_event(event, stream)
    return stream.getvalue()


@given(st.lists(EVENTS, max_size=3))
def test_what_the_library_writes_is_read(events):
    assert ours(written(*events)) == events


@given(EVENTS)
def test_what_is_written_the_library_reads(event):
    sent = asyncio.run(_sent(event))
    assert read_event(io.BytesIO(sent)) == event
    assert ours(sent) == [event]


class Pipe:
    """Takes what a connection writes."""

    def __init__(self):
        self.content = b""

    def write(self, content):
        self.content += content

    async def drain(self):
        pass


async def _sent(event):
    pipe = Pipe()
    await Connection(asyncio.StreamReader(), pipe, CLIENTS, idle_s=None, message_s=5).write(event)
    return pipe.content


@given(EVENTS, st.data())
def test_the_end_in_the_middle_of_an_event_is_the_end(event, data):
    content = written(event)
    cut = data.draw(st.integers(0, len(content) - 1))
    assert ours(content[:cut]) == []
    assert ours(content + content[:cut]) == [event]


@given(st.binary(max_size=300))
def test_any_bytes_are_events_or_refused(content):
    with contextlib.suppress(FrameError):
        ours(content)


def test_data_of_the_line_and_after_it_are_merged():
    after = b'{"a": 1, "b": 2}'
    line = json.dumps({"type": "x", "data": {"a": 0, "c": 3}, "data_length": len(after), "payload_length": None})
    assert ours(line.encode() + b"\n" + after) == [Event("x", {"a": 1, "b": 2, "c": 3})]


def test_what_json_does_not_know_is_nothing():
    assert ours(b'{"type": "x", "data": {"a": NaN, "b": -Infinity}}\n') == [Event("x", {"a": None, "b": None})]


LIMITS = FrameLimits(header=60, data=10, payload=20)


@pytest.mark.parametrize(
    ("header", "rest", "taken"),
    [
        ({"data_length": 10}, b'{"a":1234}', True),
        ({"data_length": 11}, b'{"a":12345}', False),
        ({"payload_length": 20}, bytes(20), True),
        ({"payload_length": 21}, bytes(21), False),
        ({"data_length": -1}, b"", False),
        ({"payload_length": -1}, b"", False),
        ({"x": "y" * 37}, b"", True),
        ({"x": "y" * 38}, b"", False),
    ],
)
def test_limits_are_exact(header, rest, taken):
    line = json.dumps({"type": "x"} | header).encode() + b"\n"
    assert len(line) <= 61
    if taken:
        assert len(ours(line + rest, LIMITS)) == 1
    else:
        with pytest.raises(FrameError, match=r"expected"):
            ours(line + rest, LIMITS)


def test_a_large_promise_takes_no_memory():
    tracemalloc.start()
    try:
        for key in ("data_length", "payload_length"):
            with pytest.raises(FrameError, match=rf"{key}: got '4294967295', expected 0 to \d+"):
                ours(b'{"type": "audio-chunk", "%s": 4294967295}\n' % key.encode())
        # What is allowed, and does not come.
        ours(b'{"type": "audio-chunk", "payload_length": %d}\n' % CLIENTS.payload)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_service_that_is_not_there():
    with pytest.raises(LinkError, match=r"tcp://127\.0\.0\.1:1 cannot be reached"):
        asyncio.run(connect("127.0.0.1", 1, CLIENTS, timeout_s=5))
