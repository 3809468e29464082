"""What the first seconds of an input tell: each thing that is wrong is found, and a room is not."""

import math
import threading

import numpy as np
import pytest

from edge.capture import Capture, Lost
from edge.errors import AudioError
from edge.health import Health
from edge.input_check import InputCheck, InputReport

RATE_HZ = 16_000


def room(rms: float = 20.0, offset: float = 0.0, seconds: float = 3.0) -> np.ndarray:
    sound = np.random.default_rng(0).normal(offset, rms, round(seconds * RATE_HZ))
    return np.clip(np.rint(sound), -32768, 32767).astype(np.int16)


def kinds(samples: np.ndarray) -> list[str]:
    return [problem.kind for problem in InputReport.of(samples).problems()]


def test_figures():
    report = InputReport.of(room(327.68, 3276.8))
    assert report.seconds == 3.0
    assert report.level_dbfs == pytest.approx(-40.0, abs=0.1)
    assert report.offset == pytest.approx(0.1, abs=1e-3)
    assert report.clipped == 0.0
    assert report.peak_dbfs == pytest.approx(20 * math.log10(np.abs(room(327.68, 3276.8)[4000:]).max() / 32768))


@pytest.mark.parametrize(
    ("samples", "found"),
    [
        (room(), []),
        (room(6.0), []),
        (room(1.0), ["soft"]),
        (np.zeros(48_000, np.int16), ["mute"]),
        (np.full(48_000, -3, np.int16), ["mute"]),
        (room(20.0, 900.0), ["offset"]),
        (room(20.0, -900.0), ["offset"]),
        (room(20.0, 400.0), []),
        (room(15_000.0), ["loud"]),
        (room(9_000.0), []),
        (room(12_000.0, 20_000.0), ["loud", "offset"]),
    ],
)
def test_what_is_found(samples, found):
    assert kinds(samples) == found
    for problem in InputReport.of(samples).problems():
        assert problem.remedy
        assert "\n" not in problem.found


def test_what_a_driver_gives_while_it_starts_is_left_out():
    click = room()
    click[:1600] = 32767
    assert kinds(click) == []


def test_as_little_as_there_is_is_looked_at():
    assert kinds(room(seconds=0.1)) == []
    assert InputCheck().report() is None


def test_it_reports_once_when_there_is_enough():
    check = InputCheck(1.0)
    sound = room(seconds=2.0)
    reports = [check.push(sound[at : at + 300]) for at in range(0, sound.size, 300)]
    assert [i for i, report in enumerate(reports) if report] == [53]
    assert reports[53] == InputReport.of(sound[:RATE_HZ])


class Openings:
    """A microphone that is silent, twice, then loud."""

    name, native_rate_hz, overflows, live, endless = "mic", 16_000, 0, True, True

    def __init__(self) -> None:
        self.sounds = [np.zeros(48_000, np.int16), np.zeros(48_000, np.int16), room(15_000.0)]

    def blocks(self):
        if self.sounds:
            yield self.sounds.pop(0)
        raise AudioError("gone")


def warnings_of(caplog, **options) -> list[str]:
    times = 0

    def wait(closing: threading.Event, _: float) -> bool:
        nonlocal times
        times += 1
        return closing.wait(20) if times >= 4 else False

    capture = Capture(Openings(), health=Health(), wait=wait, **options)
    lost = 0
    while lost < 4:
        lost += isinstance(capture.take(20), Lost)
    capture.close()
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_a_microphone_is_looked_at_whenever_it_is_opened_and_what_is_the_same_told_once(caplog):
    told = warnings_of(caplog, checked=True)
    assert len(told) == 2
    assert told[0].startswith("mic: the input gives no sound at all")
    assert told[1].startswith("mic: the input is too loud: ")


def test_what_a_device_plays_may_be_silent(caplog):
    assert warnings_of(caplog) == []
