"""The proxy before a service that is away, goes away or says anything, and behind clients that are killed."""

import asyncio
import logging
import socket
from contextlib import suppress

import pytest
from wyoming.audio import AudioStart
from wyoming.info import Describe, Info

from edge.errors import UsageError
from firmware_bridge import wyoming_proxy
from tests.firmware_bridge.wyoming_house import FakeHouse, client_of, in_time, opened, send, sound, told, until
from tests.firmware_bridge.wyoming_other import Other, served, talk


@pytest.fixture
def house():
    return FakeHouse()


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
