"""edge.output: what commands print, for programs and for people."""

import io
import json

import numpy as np
import pytest

from edge.output import Output, OutputError, columns, emit, report_error, warn


class CountingStream(io.StringIO):
    """Notes what had been written at each flush."""

    def __init__(self):
        super().__init__()
        self.flushed = []

    def flush(self):
        self.flushed.append(self.getvalue())


def test_json_is_one_flushed_line_per_event():
    stream = CountingStream()
    output = Output(as_json=True, stream=stream)
    output.event({"event": "wake", "file": "a\nb.wav", "score": 0.5})
    output.text("for people only")
    output.event({"event": "end"})
    lines = stream.getvalue().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["wake", "end"]
    assert stream.flushed == [lines[0] + "\n", stream.getvalue()]


def test_numpy_numbers_become_json_numbers():
    stream = io.StringIO()
    Output(as_json=True, stream=stream).event(
        {"a": np.float32(0.5), "b": np.int64(3), "c": np.arange(2), "d": np.bool_(True)}
    )
    assert json.loads(stream.getvalue()) == {"a": 0.5, "b": 3, "c": [0, 1], "d": True}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32("nan")])
def test_a_number_that_json_does_not_know_is_a_bug(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        Output(as_json=True, stream=io.StringIO()).event({"score": value})


def test_text_is_given_or_made_from_the_record():
    stream = io.StringIO()
    output = Output(as_json=False, stream=stream)
    output.event({"event": "wake"}, "heard")
    output.text("total")
    output.event({"event": "end", "seconds": 1.5, "quality": ["quiet", "noisy"], "n": {"a": 1}})
    assert stream.getvalue().splitlines() == [
        "heard",
        "total",
        "end       seconds 1.500  quality quiet, noisy  n (a 1)",
    ]


def test_columns_align():
    assert columns([("word", "alexa", 0.5), ("w", "view glass", 12.25), ("only",)]) == [
        "word  alexa        0.500",
        "w     view glass  12.250",
        "only",
    ]


def test_a_warning_is_one_line_on_stderr(capsys):
    warn("only 8 kHz:\nliveness is unsure", file="a.wav")
    assert capsys.readouterr() == ("", "vivavoce: warning: a.wav: only 8 kHz: liveness is unsure\n")


def test_a_fault_is_one_line_on_stderr(capsys):
    report_error("holds\nno audio", file="a.wav")
    assert capsys.readouterr() == ("", "vivavoce: a.wav: holds no audio\n")


@pytest.mark.parametrize("failing", ["write", "flush"])
def test_results_that_cannot_be_written_are_no_fault_of_a_file(failing):
    class Full(io.StringIO):
        pass

    def fail(*_):
        raise OSError(28, "No space left on device")

    setattr(Full, failing, fail)
    with pytest.raises(OutputError, match="No space left on device"):
        emit(Full(), "a line\n")
    with pytest.raises(OutputError, match="closed"):
        emit(None, "a line\n")
