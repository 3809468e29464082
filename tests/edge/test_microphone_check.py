"""What the doctor says of a microphone. tests/e2e has a real one."""

import numpy as np
import pytest
from fake_portaudio import FakeAudio

from edge import microphone_check, portaudio
from edge.errors import MissingExtraError
from edge.live_sources.microphone import Settings
from edge.microphone_check import look_at_microphone


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(portaudio, "_fresh", False)

    def install(samples, rate_hz=16_000):
        audio = FakeAudio(np.asarray(samples, np.int16), rate_hz=rate_hz, channels=1)
        monkeypatch.setattr(portaudio, "load", lambda: audio)
        monkeypatch.setattr(portaudio, "require", lambda: None)
        return audio

    return install


def noise(level, n=32_000):
    return np.random.default_rng(0).normal(0, level, n).round()


def states(settings=None):
    return [(finding.state, finding.found, finding.remedy) for finding in look_at_microphone(settings)]


def test_one_that_is_well_is_one_finding(fake):
    audio = fake(noise(100))
    ((state, found, remedy),) = states()
    assert (state, remedy) == ("ok", "")
    assert found.startswith("fake: 16000 Hz, latency 12 ms, level -50 dBFS, peak -3")
    assert audio.closed == 1


def test_what_is_wrong_is_told_with_what_to_do(fake):
    audio = fake(noise(100) + 1000)
    audio.overflow_at = 2
    found = states(Settings())
    assert [state for state, _, _ in found] == ["ok", "note", "note"]
    assert found[1][1:] == (
        "fake: samples were lost 1 times in a second", 'give it more time with source.latency = "high"'
    )  # fmt: skip
    assert "fake: its samples are off zero by +3.1 %" in found[2][1]


def test_a_low_rate_is_told(fake):
    fake(noise(100, 32_000), rate_hz=8_000)
    found = states(Settings())
    assert [state for state, _, _ in found] == ["ok", "note"]
    assert "fake: nothing above 4 kHz" in found[1][1]


@pytest.mark.parametrize(("settings", "state"), [(None, "note"), (Settings(), "fault")])
def test_one_that_does_not_work_is_a_fault_only_where_it_is_needed(fake, settings, state, monkeypatch):
    # Muted: it opens, and gives nothing but zeros.
    fake(np.zeros(32_000))
    found = states(settings)
    assert [found[0][0], found[1][0]] == ["ok", state]
    assert "it is muted, or the wrong input" in found[1][1]
    # Taken by somebody else.
    audio = fake(noise(100))
    audio.busy = True
    ((found, text, _),) = states(settings)
    assert (found, "fake: cannot be opened (Device unavailable)" in text) == (state, True)
    # Not there.
    monkeypatch.setattr(audio, "query_devices", list)
    ((found, text, _),) = states(settings)
    assert (found, "no input is there" in text) == (state, True)
    # Not installed.

    def missing():
        raise MissingExtraError("listening to a microphone", "mic")

    monkeypatch.setattr(portaudio, "require", missing)
    ((found, text, _),) = states(settings)
    assert (found, "pip install 'vivavoce[mic]'" in text) == (state, True)


def test_one_that_hangs_is_told_in_time(fake, monkeypatch):
    monkeypatch.setattr(microphone_check, "_PATIENCE_S", 0.5)
    audio = fake(noise(100, 1000))
    audio.ends = False
    ((state, text, _),) = states(Settings())
    assert state == "fault"
    assert text == "fake: hangs: no second of sound in 0.5 s; connect it again"
