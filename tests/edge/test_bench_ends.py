"""The two ends of the chain in the benchmark: sound through the capture, answers through the sinks."""

import threading

import numpy as np
import pytest

from edge.answers import Answer
from edge.bench import ends
from edge.errors import AudioError, DataError


class Source:
    """A file of so many blocks, which fails after them if it is to."""

    name = "sound"
    native_rate_hz = 16_000

    def __init__(self, n, fails=False):
        self.n, self.fails, self.read = n, fails, 0

    def blocks(self):
        for _ in range(self.n):
            self.read += 1
            yield np.zeros(1600, np.int16)
        if self.fails:
            raise AudioError("sound: is damaged")


def answers(n):
    return [
        Answer(
            id=str(at), at_s=0.0, origin="bench", word="w", phrase="w", action="block", decision="reject", reasons=(),
            wake_score=1.0, live_probability=0.1, live_score=-1.0, quality=None, start_sample=0, end_sample=1,
            decided_sample=2,
        )
        for at in range(n)
    ]  # fmt: skip


@pytest.mark.parametrize("n", [0, 1, 25])
def test_every_block_is_taken_once_and_nothing_is_left_behind(n):
    source = Source(n)
    durations = ends.capturing(source)
    assert len(durations) == source.read == n
    assert all(took > 0 for took in durations)
    assert not [thread for thread in threading.enumerate() if thread.name == "capture"]


def test_a_block_is_read_when_it_is_asked_for_and_not_before(monkeypatch):
    source, seen = Source(5), []
    take = ends.Capture.take

    def taken(capture, timeout_s):
        item = take(capture, timeout_s)
        if isinstance(item, ends.Block):
            seen.append(source.read)
        return item

    monkeypatch.setattr(ends.Capture, "take", taken)
    ends.capturing(source)
    assert seen == [1, 2, 3, 4, 5]


def test_a_file_that_fails_is_told_and_not_begun_again():
    source = Source(3, fails=True)
    with pytest.raises(DataError, match="is damaged"):
        ends.capturing(source)
    assert source.read == 3
    assert not [thread for thread in threading.enumerate() if thread.name == "capture"]


def test_a_source_that_never_gives_sound_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(ends, "_WAIT_S", 0.05)
    given = threading.Event()

    class Hung(Source):
        def blocks(self):
            given.wait(5)
            yield from ()

    try:
        with pytest.raises(DataError, match="no sound"):
            ends.capturing(Hung(1))
    finally:
        given.set()


def test_every_answer_reaches_a_client_of_the_socket_sink(monkeypatch):
    heard = []
    lines = ends._lines

    def noted(connection):
        for line in lines(connection):
            heard.append(line)
            yield line

    monkeypatch.setattr(ends, "_lines", noted)
    assert len(ends.telling(answers(5))) == 5
    assert [line for line in heard if b'"event": "answer"' in line] == heard[1:]
    assert len(heard) == 6


def test_a_program_is_run_for_every_answer(monkeypatch, tmp_path):
    said = tmp_path / "said"
    program = tmp_path / "note"
    program.write_text(f"#!/bin/sh\necho $VIVAVOCE_ID >>{said}\n")
    program.chmod(0o755)
    monkeypatch.setattr(ends, "_PROGRAM", str(program))
    monkeypatch.setattr("edge.sinks.command.time.time", lambda: 0.0)
    assert len(ends.commanding(answers(3))) == 3
    assert said.read_text().split() == ["0", "1", "2"]


def test_without_such_a_program_nothing_is_measured(monkeypatch):
    monkeypatch.setattr(ends, "_PROGRAM", "no-such-program-anywhere")
    assert ends.commanding(answers(3)) == []
