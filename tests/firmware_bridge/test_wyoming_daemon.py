"""The daemon as a process, with both services: its proxy stands before its own wake service."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe, Info
from wyoming.ping import Ping
from wyoming.wake import Detect, Detection

from edge.bundle import open_bundle
from edge.events import Decision
from edge.pipeline import Pipeline
from tests.firmware_bridge.wyoming_house import in_time, send, told

ROOT = Path(__file__).resolve().parents[2]
SCENE = ROOT / "edge" / "data" / "scene.flac"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def daemon(tmp_path):
    ports = free_port(), free_port()
    config = tmp_path / "daemon.toml"
    # The same sound is sent twice: on a slow machine late enough to be known again.
    config.write_text(
        "[memory]\nenabled = false\n"
        f'[gate]\nrefractory_s = 0.0\n[source]\nkind = "pipe"\n[sinks.wyoming]\nport = {ports[0]}\n'
        f'[sinks.wyoming-proxy]\nport = {ports[1]}\nupstream = "tcp://127.0.0.1:{ports[0]}"\n'
        f'[store]\npath = "{tmp_path}/events.sqlite3"\n'
    )
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "edge", "daemon", "--config", str(config)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "STATE_DIRECTORY": str(tmp_path)},
            stdin=subprocess.PIPE,
            stderr=log,
        )
    try:
        yield process, *ports, tmp_path / "log"
    finally:
        process.kill()
        process.wait()
        process.stdin.close()


async def connected(process, port):
    while True:
        client = AsyncTcpClient("127.0.0.1", port, read_timeout=20)
        try:
            await client.connect()
            return client
        except OSError:
            assert process.poll() is None, "the daemon ended"
            await asyncio.sleep(0.05)


def test_both_services_of_a_daemon(daemon):
    process, wake, proxy, log = daemon
    samples = soundfile.read(SCENE, dtype="int16")[0]
    pipeline = Pipeline(open_bundle())
    decisions = [one for one in (*pipeline.push(samples), *pipeline.finish()) if isinstance(one, Decision)]
    accepted = [one.word for one in decisions if one.decision == "accept"]
    assert accepted

    async def talk(port):
        client = await connected(process, port)
        await client.write_event(Describe().event())
        (program,) = Info.from_event(await client.read_event()).wake
        await client.write_event(Detect(names=[model.name for model in program.models]).event())
        await send(client, samples)
        # At the end of a stream in which something passed nothing more is said.
        await client.write_event(Ping().event())
        return client, program, await told(client, "pong")

    async def both():
        direct, program, events = await talk(wake)
        refused = [event for event in events if event.type == "user-event"]
        assert [event.data["name"] for event in events if Detection.is_type(event.type)] == accepted
        assert all(event.data["data"]["liveness"]["action"] == "block" for event in refused)
        assert program.name == "vivavoce"
        through, program, events = await talk(proxy)
        assert program.name == "vivavoce: vivavoce"
        assert [event.data["name"] for event in events if Detection.is_type(event.type)] == accepted
        assert events[0].data["context"]["liveness"]["decision"] == "accept"
        process.send_signal(signal.SIGTERM)
        assert await direct.read_event() is None, "both connections are open until it ends"
        assert await through.read_event() is None
        for client in (direct, through):
            await client.disconnect()

    in_time(both())
    assert process.wait(20) == 0
    text = log.read_text()
    assert "Traceback" not in text, text
    assert "still busy" not in text, "a service took too long to close"
    stored = subprocess.run(
        [sys.executable, "-m", "edge", "events", "--store", str(log.parent / "events.sqlite3"), "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    origins = [one["origin"] for one in map(json.loads, stored.splitlines()) if one.get("event") == "answer"]
    assert {origin.partition(" ")[0] for origin in origins} == {"wyoming", "wyoming-proxy"}


def test_one_line_for_settings_that_would_listen_to_everybody(tmp_path):
    config = tmp_path / "daemon.toml"
    config.write_text('[source]\nkind = "pipe"\n[sinks.wyoming]\nhost = "0.0.0.0"\n')
    done = subprocess.run(
        [sys.executable, "-m", "edge", "daemon", "--config", str(config)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "sinks.wyoming: host: got '0.0.0.0', which others reach, and no allow" in line
