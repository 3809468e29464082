"""The two ends of the chain, as the daemon has them: sound through the capture thread, answers through sinks."""

import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.answers import Answer, Status
from edge.bundle_parts import Word
from edge.bus import SinkCounts
from edge.capture import Block, Capture, Ended, Lost
from edge.errors import DataError
from edge.health import Health
from edge.house import Session
from edge.sinks.command import CommandSink
from edge.sinks.command import Settings as CommandSettings
from edge.sinks.socket import Settings as SocketSettings
from edge.sinks.socket import SocketSink
from edge.sources import FileSource

__all__ = ["capturing", "commanding", "telling"]

_WAIT_S = 10.0
"""Longest time that anything here may take before it is a fault, s."""
_LINE = b"\n"
_PROGRAM = "true"
"""What the command sink runs: a program that ends at once."""


class _OnDemand:
    """A file as a live source, each block of which is read when it is asked for; see :class:`edge.live.LiveSource`."""

    live = False
    endless = False
    overflows = 0

    def __init__(self, source: FileSource) -> None:
        self._source = source
        self.name, self.native_rate_hz = source.name, source.native_rate_hz
        self.asked = threading.Semaphore(0)

    def blocks(self) -> Generator[npt.NDArray[np.int16], None, None]:
        blocks = self._source.blocks()
        while self.asked.acquire():
            block = next(blocks, None)
            if block is None:
                return
            yield block


def capturing(source: FileSource) -> list[int]:
    """Take a file through :class:`edge.capture.Capture`.

    Returns
    -------
    list of int
        For each block the time from asking for it until the consumer has it, ns: the thread of the capture wakes up,
        reads, decodes and hands over, and the consumer wakes up.

    Raises
    ------
    DataError
        If nothing comes, or the file fails.
    """
    given = _OnDemand(source)
    capture = Capture(given, health=Health())
    durations: list[int] = []
    try:
        while True:
            began = time.perf_counter_ns()
            given.asked.release()
            item = capture.take(_WAIT_S)
            while not isinstance(item, (Block, Ended)):
                if isinstance(item, Lost):
                    raise DataError(f"{source.name}: got no more sound ({item.reason}), expected all of it")
                if time.perf_counter_ns() - began > _WAIT_S * 1e9:
                    raise DataError(f"{source.name}: got no sound in {_WAIT_S:.0f} s, expected some; try it again")
                item = capture.take(_WAIT_S)
            if isinstance(item, Ended):
                return durations
            durations.append(time.perf_counter_ns() - began)
    finally:
        given.asked.release()  # it may wait for that, and is to end
        capture.close()


def telling(answers: Sequence[Answer]) -> list[int]:
    """Send answers through the socket sink to a client.

    Returns
    -------
    list of int
        For each the time from handing it to the sink until the client has the whole line, ns.
    """
    with tempfile.TemporaryDirectory(prefix="vivavoce-bench-") as folder:
        path = Path(folder) / "answers.sock"
        sink = SocketSink(SocketSettings(path=str(path)), "bench", _QuietHouse())
        sink.open()
        try:
            with _client(path) as lines:
                next(lines)  # how the daemon is, which every client is told first
                durations = []
                for answer in answers:
                    began = time.perf_counter_ns()
                    sink.push(answer)
                    next(lines)
                    durations.append(time.perf_counter_ns() - began)
                return durations
        finally:
            sink.close()


def commanding(answers: Sequence[Answer]) -> list[int]:
    """Run a program that does nothing for each answer, through the command sink.

    Returns
    -------
    list of int
        For each the time until the program has ended, ns; empty where there is no such program.
    """
    if shutil.which(_PROGRAM) is None:
        return []
    sink = CommandSink(CommandSettings(run=(_PROGRAM,), on=("pass", "block", "ask")), "bench")
    durations = []
    for answer in answers:
        began = time.perf_counter_ns()
        sink.push(answer)
        durations.append(time.perf_counter_ns() - began)
    return durations


@contextmanager
def _client(path: Path) -> Iterator[Iterator[bytes]]:
    """Connect to a socket, and yield the lines that come."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_WAIT_S)
        connection.connect(os.fspath(path))
        yield _lines(connection)


def _lines(connection: socket.socket) -> Iterator[bytes]:
    held = b""
    while True:
        while _LINE not in held:
            try:
                got = connection.recv(1 << 16)
            except TimeoutError as error:
                raise DataError(f"socket: got nothing in {_WAIT_S:.0f} s, expected an answer; try it again") from error
            if not got:
                raise DataError("socket: got its end, expected an answer; try it again")
            held += got
        line, _, held = held.partition(_LINE)
        yield line


class _QuietHouse:
    """A daemon in which nothing else happens; see :class:`edge.house.House`."""

    words: tuple[Word, ...] = ()

    def __init__(self) -> None:
        self.health = Health()
        self.status = Status(
            at_s=0.0, source="listening", source_name="bench", muted=False, playing=False, words=(), bundle=""
        )
        self.sinks: dict[str, SinkCounts] = {}

    def mute(self, muted: bool) -> None:
        pass

    def mute_switch(self, name: str, on: bool) -> None:
        pass

    def playing(self, playing: bool) -> None:
        pass

    def session(self, origin: str, *, words: tuple[str, ...] | None = None, listen: bool = True) -> Session:
        raise NotImplementedError("no sink that is measured hears sound of its own")
