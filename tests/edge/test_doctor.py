"""The doctor's findings: what is well, what could be better, and what is broken."""

import json
import os
import re
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from c_tables import differences, frontend_as_compiled

from edge import device_check, doctor, native
from edge.bundle import open_bundle
from edge.cli import main
from edge.errors import AudioError, BundleError, MissingExtraError
from edge.frontend import Frontend
from edge.known_signal import known_signal
from edge.live_sources import microphone as live_microphone


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("images")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, folder):
    """Whatever this machine's environment says, images are in a folder of their own."""
    monkeypatch.delenv("VIVAVOCE_KERNELS", raising=False)
    monkeypatch.setenv("VIVAVOCE_CACHE_DIR", str(folder))


@pytest.fixture(autouse=True)
def no_microphone(monkeypatch):
    """Whatever this machine has, it is not listened to: a test says what there is."""

    def none(settings):
        raise MissingExtraError("listening to a microphone", "mic")

    monkeypatch.setattr(live_microphone, "make", none)


def by_check(**options):
    return {finding.check: finding for finding in doctor.examine(**options)}


def test_an_installation_that_works_is_well():
    native.warm()
    found = by_check(device=False)
    # What the bundle misses, it says, and works nevertheless.
    missed = {"limits": "note"} if open_bundle().limits.of_state("missed") else {}
    assert {name: finding.state for name, finding in found.items()} == dict.fromkeys(found, "ok") | missed
    assert list(found) == [
        "machine", "numpy", "soundfile", "soxr", "interpreter", "kernels", "arithmetic", "bundle", "limits", "wake",
        *(["verifier"] if open_bundle().verifier else []), "decision",
    ]  # fmt: skip


def test_it_says_what_runs_the_wake_network(monkeypatch):
    found = by_check(device=False)["wake"]
    assert found.state == "ok"
    told = (
        r"the kernel \((image|numba)\) runs the network; \d+ steps of \w+ gave the same integers, proved in [0-9.]+ ms"
    )
    assert re.fullmatch(told, found.found)
    monkeypatch.setenv("VIVAVOCE_WAKE", "interpreter")
    found = by_check(device=False)["wake"]
    assert (found.state, found.remedy) == ("note", "unset it for the kernel")
    assert "as VIVAVOCE_WAKE asks" in found.found


@pytest.mark.parametrize(
    ("what", "state", "told"),
    [("unfit", "note", "the kernel cannot: an oddity"), ("fault", "fault", "the kernel differs from it: an oddity")],
)
def test_it_says_why_the_interpreter_runs_the_wake_network(what, state, told, monkeypatch):
    choose = doctor.choose_wake_network

    def odd(content, **options):
        return choose(content, **options)._replace(proof=None, **{what: "an oddity"})

    monkeypatch.setattr(doctor, "choose_wake_network", odd)
    found = by_check(device=False)["wake"]
    assert found.state == state
    assert told in found.found
    assert found.remedy


def test_the_known_features_are_those_of_the_reference():
    micro = pytest.importorskip("pymicro_features", reason="pymicro-features is not installed").MicroFrontend()
    sound = known_signal()
    frames = [micro.process_samples(sound[at : at + 160].tobytes()).features for at in range(0, sound.size, 160)]
    reference = np.rint(np.array([frame for frame in frames if frame]) * 25.6).astype(np.uint16)
    np.testing.assert_array_equal(frontend_as_compiled().push(sound), reference)
    # Where the reference's tables were rounded as they are defined, the hash is that of its own features.
    known = reference if not differences() else Frontend().push(sound)
    assert doctor.hashlib.sha256(known.tobytes()).hexdigest() == doctor.FEATURES_SHA256


def test_wrong_arithmetic_is_a_fault(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "FEATURES_SHA256", "1" * 64)
    assert main(["doctor", "--json"]) == 2
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    fault = next(line for line in lines if line["check"] == "arithmetic")
    assert fault["state"] == "fault"
    assert "differ from the reference's" in fault["found"]
    assert "--warm" in fault["remedy"]
    assert lines[-1]["check"] == "state", "a fault kept other checks from being made"


def test_a_broken_bundle_is_a_fault(monkeypatch):
    def broken(*_, **__):
        raise BundleError("bundle: got nothing, expected a folder; install the program again")

    monkeypatch.setattr(doctor, "open_bundle", broken)
    found = by_check()
    assert found["bundle"].state == "fault"
    assert "install the program again" in found["bundle"].found


def test_no_interpreter_is_a_fault(monkeypatch):
    monkeypatch.setattr("edge.interpreter.installed_runtimes", dict)
    assert by_check()["interpreter"].remedy == "pip install 'vivavoce[litert]'"


def test_without_an_image_the_remedy_is_to_warm(monkeypatch, tmp_path):
    monkeypatch.setattr(native, "image_folders", lambda: [tmp_path])
    found = by_check()["kernels"]
    assert (found.state, found.remedy) == ("note", "vivavoce doctor --warm")


@pytest.mark.slow
def test_warm_makes_an_image_and_says_where(monkeypatch, tmp_path):
    monkeypatch.setattr(native, "image_folders", lambda: [tmp_path / "cache"])
    found = by_check(warm=True)["kernels"]
    assert found.state == "ok"
    assert found.found.startswith(str(tmp_path / "cache" / native.image_name()))
    assert "compiled in" in found.found


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_to_is_told_of(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setattr(native, "image_folders", lambda: [tmp_path / "file" / "cache"])
    found = by_check(warm=True)["kernels"]
    assert found.state == "note"
    assert str(tmp_path / "file" / "cache") in found.found
    assert native.CACHE_VARIABLE in found.remedy


def test_the_form_that_was_asked_for_is_told_of(monkeypatch):
    monkeypatch.setenv("VIVAVOCE_KERNELS", "numba")
    found = by_check()["kernels"]
    assert (found.state, found.remedy) == ("note", "unset it to start in less memory")


def test_a_check_that_breaks_keeps_no_other_from_being_made(monkeypatch):
    def broken(warm):
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(doctor, "_kernels", broken)
    found = by_check()
    assert (found["kernels"].state, found["kernels"].found) == ("fault", "ZeroDivisionError: of all things")
    assert found["decision"].state == "ok"


class Microphone:
    """One that a test scripts: blocks, faults, and events to wait for."""

    name, native_rate_hz, live, endless = "USB", 48_000, True, True

    def __init__(self, *script: object, overflows: int = 0) -> None:
        self._script, self._lost, self.overflows = script, overflows, 0

    def blocks(self):
        for one in self._script:
            if isinstance(one, Exception):
                raise one
            if isinstance(one, threading.Event):
                one.wait(20)
            else:
                yield one[:100]
                self.overflows = self._lost
                yield one[100:]


ROOM = np.random.default_rng(0).normal(0, 30, 20_000).astype(np.int16)


class TestMicrophone:
    @pytest.fixture
    def plugged(self, monkeypatch):
        def plug(*script, **options):
            asked = []
            made = Microphone(*script, **options)
            monkeypatch.setattr(live_microphone, "make", lambda settings: asked.append(settings) or made)
            return asked

        return plug

    @pytest.fixture
    def config(self, tmp_path) -> Path:
        (tmp_path / "daemon.toml").write_text('[source]\nkind = "microphone"\ndevice = "usb"\n')
        return tmp_path / "daemon.toml"

    def test_it_is_heard_for_a_second(self, plugged):
        plugged(ROOM)
        found = by_check()["microphone"]
        assert (found.state, found.remedy) == ("ok", "")
        assert found.found.startswith("USB, 48000 Hz: level -61 dB, peak ")

    def test_what_is_wrong_with_its_sound_is_a_note_that_says_what_to_do(self, plugged):
        plugged(0 * ROOM)
        found = by_check()["microphone"]
        assert found.state == "note"
        assert "no sound at all" in found.found
        assert "alsamixer" in found.remedy

    def test_samples_that_are_lost_are_told(self, plugged):
        plugged(ROOM, overflows=2)
        found = by_check()["microphone"]
        assert (found.state, "samples lost 2 times" in found.found) == ("note", True)

    def test_the_settings_say_which(self, plugged, config):
        asked = plugged(ROOM)
        assert by_check(config=config)["microphone"].state == "ok"
        assert [one.device for one in asked] == ["usb"]

    @pytest.mark.parametrize("why", ["missing", "gone", "silent"])
    def test_without_one_there_is_a_note_and_a_fault_if_the_settings_name_it(self, plugged, config, why, monkeypatch):
        monkeypatch.setattr(device_check, "_PATIENCE_S", 0.2)
        hold = threading.Event()
        if why == "gone":
            plugged(AudioError("microphone: no input is there"))
        elif why == "silent":
            plugged(hold)
        assert by_check()["microphone"].state == "note"
        found = by_check(config=config)["microphone"]
        hold.set()
        assert found.state == "fault"
        expected = {"missing": "vivavoce[mic]", "gone": "no input is there", "silent": "no second of sound came"}
        assert expected[why] in found.found

    def test_one_that_the_daemon_has_is_no_fault(self, plugged, config):
        plugged(AudioError("USB: cannot be opened (Error opening: Device unavailable [PaErrorCode -9985])"))
        found = by_check(config=config)["microphone"]
        assert found.state == "note"
        assert "the daemon" in found.remedy

    def test_another_source_is_not_asked_for_one(self, plugged, config):
        config.write_text('[source]\nkind = "pipe"\npath = "/run/vivavoce/sound"\n')
        found = by_check(config=config)
        assert "microphone" not in found
        assert "listens to a pipe" in found["settings"].found


class TestSettings:
    def test_they_are_read_and_what_they_say_is_told(self, tmp_path):
        (tmp_path / "a.toml").write_text('words = ["computer"]\n[source]\nkind = "pipe"\n')
        found = by_check(config=tmp_path / "a.toml")["settings"]
        assert (found.state, found.found) == ("ok", f"{tmp_path}/a.toml: listens to a pipe for computer; tells nobody")

    @pytest.mark.parametrize(
        ("text", "problem"),
        [("bundles = 1", "did you mean bundle?"), ('words = ["hello"]', "hello"), ("=", "not TOML")],
    )
    def test_what_cannot_work_is_a_fault_and_the_rest_is_looked_at(self, tmp_path, text, problem):
        (tmp_path / "a.toml").write_text(text)
        found = by_check(config=tmp_path / "a.toml")
        assert found["settings"].state == "fault"
        assert problem in found["settings"].found
        assert found["decision"].state == "ok"
        assert "state" in found

    def test_the_bundle_is_the_one_that_they_name(self, tmp_path):
        (tmp_path / "a.toml").write_text(f'bundle = "{tmp_path}/none"\n[source]\nkind = "pipe"\n')
        found = by_check(config=tmp_path / "a.toml")["bundle"]
        assert found.state == "fault"
        assert f"{tmp_path}/none" in found.found


class TestAround:
    @pytest.mark.parametrize(
        ("now_s", "kept", "state"),
        [(1e9, True, "fault"), (None, False, "note"), (None, True, "ok"), (None, None, "ok")],
    )
    def test_the_clock(self, monkeypatch, now_s, kept, state):
        if now_s is not None:
            monkeypatch.setattr(time, "time", lambda: now_s)
        monkeypatch.setattr(device_check, "_synchronised", lambda: kept)
        assert device_check._clock().state == state

    def test_the_kernel_answers(self):
        assert device_check._synchronised() in (True, False, None)

    def test_the_devices(self, monkeypatch, tmp_path):
        monkeypatch.setattr(device_check, "_SOUND_DEVICES", tmp_path)
        assert device_check._devices(needed=True).state == "ok"
        (tmp_path / "pcmC0D0c").touch()
        assert device_check._devices(needed=True).found == "1 sound inputs, this user may use them"
        monkeypatch.setattr(os, "access", lambda path, mode: mode == os.R_OK)
        assert device_check._devices(needed=False).state == "note"
        found = device_check._devices(needed=True)
        assert found.state == "fault"
        assert "audio" in found.remedy

    def test_folders_that_cannot_be_written_to(self, monkeypatch, tmp_path):
        (tmp_path / "file").touch()
        monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "file" / "state"))
        monkeypatch.setattr(native, "image_folders", lambda: [tmp_path / "file" / "cache"])
        (tmp_path / "a.toml").write_text('[source]\nkind = "pipe"\n')
        assert by_check()["state"].state == "note"
        found = by_check(config=tmp_path / "a.toml")
        assert found["state"].state == "fault"
        assert found["cache"].state == "note"
        assert native.CACHE_VARIABLE in found["cache"].remedy

    def test_folders_that_are_not_there_yet(self, monkeypatch, tmp_path):
        monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "a" / "b"))
        found = by_check()["state"]
        assert (found.state, found.found) == ("ok", str(tmp_path / "a" / "b"))
        assert not (tmp_path / "a").exists()


def test_the_command_takes_the_settings(tmp_path, capsys):
    (tmp_path / "a.toml").write_text("nothing = 1")
    assert main(["doctor", "--json", "--config", str(tmp_path / "a.toml")]) == 2
    checks = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert next(one for one in checks if one["check"] == "settings")["state"] == "fault"
