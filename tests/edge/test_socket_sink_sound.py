"""The socket sink: the sound of a command, from before its word."""

import base64
from dataclasses import replace

import numpy as np
import pytest

from tests.edge.socket_clients import ANSWER, block, connect_fixture, house_fixture, opened_fixture, path_fixture  # noqa: F401  # fixtures


def heard(lines):
    """Put lines of sound together; they must follow each other without a gap."""
    samples = [np.frombuffer(base64.b64decode(line["data"]), "<i2") for line in lines]
    at = lines[0]["start_sample"]
    for line, piece in zip(lines, samples, strict=True):
        assert (line["start_sample"], line["samples"]) == (at, piece.size)
        at += piece.size
    return np.concatenate(samples)


class TestSound:
    def test_without_a_gap_from_before_the_word_into_the_command(self, opened, connect):
        sink = opened(audio=True, audio_s=0.5)
        client = connect()
        client.ask(command="audio", value=True)
        starts = range(0, 40_000, 512)
        # As the daemon does: the answer is told before the block is in which it was made, or blocks later.
        for start in starts:
            if start <= ANSWER.decided_sample < start + 512:
                sink.push(ANSWER)
            sink.push(block(start))
        lines = []
        assert client.line()["event"] == "answer"
        while (line := client.line())["event"] == "audio":
            assert line["answer"] == ANSWER.id
            lines.append(line)
        np.testing.assert_array_equal(heard(lines), np.arange(2000, 18_000))
        assert line == {"event": "audio_end", "answer": ANSWER.id, "end_sample": 18_000}

    @pytest.mark.parametrize("late", [1, 7, 20])
    def test_an_answer_that_comes_late_loses_nothing(self, opened, connect, late):
        sink = opened(audio=True, audio_s=1.0)
        client = connect()
        client.ask(command="audio", value=True)
        for start in range(0, 40_000, 512):
            sink.push(block(start))
            if start <= ANSWER.decided_sample + 512 * late < start + 512:
                sink.push(ANSWER)
        client.line()
        lines = []
        while (line := client.line())["event"] == "audio":
            lines.append(line)
        np.testing.assert_array_equal(heard(lines), np.arange(2000, 26_000))

    def test_until_the_client_has_enough(self, opened, connect):
        sink = opened(audio=True)
        client = connect()
        client.ask(command="audio", value=True)
        sink.push(ANSWER)
        sink.push(block(ANSWER.decided_sample))
        client.until(start_sample=ANSWER.decided_sample)
        client.say(command="audio", value=False)
        assert client.line() == {
            "event": "audio_end",
            "answer": ANSWER.id,
            "end_sample": ANSWER.decided_sample + 512,
        }
        client.until(event="done")
        sink.push(block(ANSWER.decided_sample + 512))
        sink.push(ANSWER)
        assert client.line()["event"] == "answer"
        client.say(command="ping")
        assert client.line() == {"event": "pong"}

    @pytest.mark.parametrize("changes", [{"action": "block"}, {"action": "ask"}, {"origin": "wyoming 127.0.0.1:1"}])
    def test_only_of_what_passes_here(self, opened, connect, changes):
        sink = opened(audio=True)
        client = connect()
        client.ask(command="audio", value=True)
        sink.push(replace(ANSWER, **changes))
        sink.push(block(10_000))
        assert client.line()["event"] == "answer"
        client.say(command="ping")
        assert client.line() == {"event": "pong"}

    def test_only_for_who_asked(self, opened, connect):
        sink = opened(audio=True)
        asked, other = connect(), connect()
        asked.ask(command="audio", value=True)
        other.line()
        sink.push(ANSWER)
        sink.push(block(10_000))
        assert asked.until(event="audio")
        assert other.line()["event"] == "answer"
        other.say(command="ping")
        assert other.line() == {"event": "pong"}

    def test_what_is_kept_of_the_past_is_bounded(self, opened, connect):
        sink = opened(audio=True)
        for start in range(0, 512 * 400, 512):
            sink.push(block(start))
        client = connect()
        client.ask(command="audio", value=True)
        assert sum(one.samples.size for one in sink._recent) <= 2 * 16_000 + 512

    def test_another_stream_ends_it(self, opened, connect):
        sink = opened(audio=True)
        client = connect()
        client.ask(command="audio", value=True)
        sink.push(block(9_500))
        sink.push(ANSWER)
        sink.push(block(0))
        assert client.until(event="audio_end")["end_sample"] == 10_012

    def test_the_next_answer_begins_anew(self, opened, connect):
        sink = opened(audio=True)
        client = connect()
        client.ask(command="audio", value=True)
        sink.push(ANSWER)
        sink.push(replace(ANSWER, id="next"))
        assert client.until(event="audio_end")["answer"] == ANSWER.id
        assert client.line()["answer"] == "next"
