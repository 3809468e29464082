"""Answers as lines of JSON on a Unix socket, for programs of this machine; they may ask for sound, and mute the daemon.

Whoever connects is sent how the daemon is, and then every answer and change, one JSON object a line. What a client may
say, and what it is told in return, is in docs/outputs.md.
"""

import base64
import json
import logging
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from edge.answers import SOURCE, Answer, Audio, Message, Status
from edge.errors import DataError, VivavoceError
from edge.house import House
from edge.json_reading import parse_json
from edge.line_server import LONGEST_LINE, Client, LineServer
from edge.sample_time import SAMPLE_RATE_HZ
from edge.strict_toml import Within
from edge.unix_socket import UnixListener, checked_mode, checked_path

__all__ = ["SUMMARY", "Settings", "SocketSink", "make"]

SUMMARY = "answers as lines of JSON on a Unix socket, for programs of this machine"

_log = logging.getLogger(__name__)

_PIECE = SAMPLE_RATE_HZ // 2
"""Samples in a line of sound at most: 22 kB of base64, less than what line readers take by default."""
_REMEMBERED = 2 * SAMPLE_RATE_HZ
"""Samples that are kept in case an answer comes after the sound that follows its pre-roll."""
_MOST_FAULTS = 20
"""Lines that cannot be used, after which a client is sent away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of the sink ``socket``."""

    path: str
    """Path of the socket, e.g. ``/run/vivavoce/answers.sock``; its folder must be there."""
    mode: str = "0o660"
    """Access rights of the socket: who may write to it may connect, listen, and mute."""
    max_clients: Annotated[int, Within(1, 1000)] = 16
    """Clients at a time."""
    audio: bool = False
    """Whether clients may ask for sound: the word, and the command that follows an answer that passes."""
    audio_s: Annotated[float, Within(0.5, 60.0)] = 10.0
    """Sound that follows an answer, s, unless the client ends it earlier."""


def make(settings: Settings, name: str, house: House) -> "SocketSink":
    """Make the sink; see :class:`edge.plugins.SinkPlugin`."""
    return SocketSink(settings, name, house)


@dataclass(slots=True)
class _Listening:
    """A client that asked for sound."""

    answer: str = ""
    """Id of the answer whose sound it is sent; empty between two answers."""
    position: int = 0
    """Index of the sample that it is sent next."""
    until: int = 0
    """Index of the sample where the sound ends."""


class SocketSink:
    """A Unix socket; see the module.

    Parameters
    ----------
    settings : Settings
    name : str
    house : House

    Raises
    ------
    UsageError
        If path or mode cannot be.
    """

    def __init__(self, settings: Settings, name: str, house: House) -> None:
        self.name = name
        self.wants: tuple[type[Message], ...] = (Answer, Status, Audio) if settings.audio else (Answer, Status)
        self._settings = settings
        self._house = house
        self._path = checked_path(settings.path, f"sinks.{name}.path")
        self._mode = checked_mode(settings.mode, f"sinks.{name}.mode")
        self._server: LineServer | None = None
        self._gauge = re.sub(r"\W", "_", f"sink_{name}")
        self._dropped = 0
        # All that follows belongs to the thread of the server.
        self._listening: dict[Client, _Listening] = {}
        self._recent: deque[Audio] = deque()

    # ------------------------------------------------------------------------------------ for the bus

    def open(self) -> None:
        """Listen at the path."""
        refusal = _line(_error(f"{self._settings.max_clients} clients are connected already; try again later"))
        listener = UnixListener(self._path, self._mode)
        self._server = LineServer(
            f"sink {self.name}", listener, self, max_clients=self._settings.max_clients, refusal=refusal
        )
        self._server.start()

    def push(self, message: Message) -> None:
        """Send it to all clients; returns at once."""
        self._running().call(self._tell, message)

    def check(self) -> None:
        """See :class:`edge.bus.CheckedSink`."""
        self._running().check()

    def close(self) -> None:
        """Send everybody away, and remove the socket."""
        if self._server is not None:
            self._server.stop()  # which still tells what waits
            self._server = None
        self._listening.clear()
        self._recent.clear()

    def _running(self) -> LineServer:
        if self._server is None:
            raise DataError(f"{self._path}: nobody listens there yet")
        return self._server

    def _tell(self, message: Message) -> None:
        assert self._server is not None, "it calls this"
        clients = self._server.clients
        if isinstance(message, Audio):
            self._hear(message)
        else:
            line = _line(message.to_dict())
            for client in clients:
                client.send(line)
            if isinstance(message, Answer) and message.action == "pass" and message.origin == SOURCE:
                for client in self._listening:
                    self._begin(client, message)
        self._measure()

    def _measure(self) -> None:
        gauges = self._house.health.gauges
        clients = self._server.clients if self._server is not None else set()
        gauges[f"{self._gauge}_clients"] = len(clients)
        gauges[f"{self._gauge}_lost_lines"] = self._dropped + sum(client.dropped for client in clients)

    # ------------------------------------------------------------------------------------ sound

    def _hear(self, block: Audio) -> None:
        newest = self._recent[-1].end_sample if self._recent else block.start_sample
        if block.start_sample < newest:  # another stream, whose samples are counted from 0 again
            self._recent.clear()
            for client in self._listening:
                self._finish(client)
        self._recent.append(block)
        while self._recent[-1].end_sample - self._recent[0].end_sample >= _REMEMBERED:
            self._recent.popleft()
        for client in self._listening:
            self._go_on(client, block)

    def _begin(self, client: Client, answer: Answer) -> None:
        """Send the sound of an answer, and what is there already of what follows it."""
        self._finish(client)
        after = round(self._settings.audio_s * SAMPLE_RATE_HZ)
        self._listening[client] = _Listening(answer.id, answer.pre_roll_start_sample, answer.decided_sample + after)
        self._go_on(client, Audio(answer.pre_roll_start_sample, answer.pre_roll))
        self._listening[client].position = answer.decided_sample
        for block in self._recent:
            self._go_on(client, block)

    def _go_on(self, client: Client, block: Audio) -> None:
        listening = self._listening[client]
        if not listening.answer or block.end_sample <= listening.position:
            return
        start = max(block.start_sample, listening.position)
        samples = block.samples[start - block.start_sample : max(0, listening.until - block.start_sample)]
        for at in range(0, samples.size, _PIECE):
            client.send(_sound(listening.answer, start + at, samples[at : at + _PIECE]), minor=True)
        listening.position = block.end_sample
        if block.end_sample >= listening.until:
            listening.position = listening.until
            self._finish(client)

    def _finish(self, client: Client) -> None:
        listening = self._listening[client]
        if listening.answer:
            record = {"event": "audio_end", "answer": listening.answer, "end_sample": listening.position}
            client.send(_line(record))
            listening.answer = ""

    # ------------------------------------------------------------------------------------ clients

    def joined(self, client: Client) -> None:
        """See :class:`edge.line_server.Handler`."""
        client.send(_line(self._house.status.to_dict()))
        self._measure()

    def left(self, client: Client) -> None:
        """See :class:`edge.line_server.Handler`."""
        self._listening.pop(client, None)
        self._dropped += client.dropped
        self._measure()

    def lost(self, client: Client, lines: int) -> bytes:
        """See :class:`edge.line_server.Handler`."""
        return _line({"event": "lost", "lines": lines})

    def too_long(self, client: Client) -> None:
        """See :class:`edge.line_server.Handler`."""
        self._refuse(client, f"got a line that is too long, or was not ended, expected at most {LONGEST_LINE} bytes")

    def said(self, client: Client, line: bytes) -> None:
        """See :class:`edge.line_server.Handler`."""
        try:
            command, value = _command(line)
            self._obey(client, command, value)
        except (ValueError, VivavoceError) as error:
            self._refuse(client, " ".join(str(error).split()))

    def _obey(self, client: Client, command: str, value: bool) -> None:
        if command == "ping":
            client.send(_line({"event": "pong"}))
            return
        if command == "audio":
            if not self._settings.audio:
                raise ValueError("sound is not given away here; set audio = true in the settings of this socket")
            if value:
                self._listening.setdefault(client, _Listening())
            elif client in self._listening:
                self._finish(client)
                del self._listening[client]
        else:
            now = self._house.status
            if value != (now.muted if command == "mute" else now.playing):
                _log.info("%s: %s %s", client.name, command, "on" if value else "off")
                (self._house.mute if command == "mute" else self._house.playing)(value)
        client.send(_line({"event": "done", "command": command, "value": value}))

    def _refuse(self, client: Client, message: str) -> None:
        client.faults += 1
        if client.faults < _MOST_FAULTS:
            client.send(_line(_error(message)))
            return
        client.send(_line(_error(f"{message}; that was the last of {_MOST_FAULTS}, the connection is closed")))
        client.end()


def _command(line: bytes) -> tuple[str, bool]:
    """Read a command and its value, which is False where it takes none.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        said = parse_json(line)
    except ValueError as error:
        raise ValueError(f"got a line that is not JSON ({error})") from error
    if not isinstance(said, dict) or said.keys() - {"command", "value"}:
        raise ValueError('expected an object such as {"command": "mute", "value": true}')
    command, value = said.get("command"), said.get("value")
    if command == "ping" and value is None:
        return command, False
    if command not in ("mute", "playing", "audio"):
        raise ValueError(f"got the command {_shown(command)}, expected mute, playing, audio or ping")
    if not isinstance(value, bool):
        raise ValueError(f"{command}: got the value {_shown(value)}, expected true or false")
    return command, value


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _error(message: str) -> dict[str, str]:
    return {"event": "error", "message": message}


def _line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, allow_nan=False).encode() + b"\n"


def _sound(answer: str, start: int, samples: npt.NDArray[np.int16]) -> bytes:
    data = base64.b64encode(samples.astype("<i2").tobytes()).decode()
    record = {"event": "audio", "answer": answer, "start_sample": start, "samples": samples.size, "data": data}
    return _line(record)
