"""The doctor's findings: what is well, what could be better, and what is broken."""

import json

import numpy as np
import pytest

from edge import doctor, native
from edge.bundle import open_bundle
from edge.cli import main
from edge.errors import BundleError
from edge.frontend import Frontend


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("images")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, folder):
    """Whatever this machine's environment says, images are in a folder of their own."""
    monkeypatch.delenv("VIVAVOCE_KERNELS", raising=False)
    monkeypatch.setenv("VIVAVOCE_CACHE_DIR", str(folder))


def by_check(**options):
    return {finding.check: finding for finding in doctor.examine(**options)}


def test_an_installation_that_works_is_well():
    native.warm()
    found = by_check()
    # What the bundle misses, it says, and works nevertheless.
    missed = {"limits": "note"} if open_bundle().limits.of_state("missed") else {}
    assert {name: finding.state for name, finding in found.items()} == dict.fromkeys(found, "ok") | missed
    assert list(found) == [
        "machine", "numpy", "soundfile", "soxr", "interpreter", "kernels", "arithmetic", "bundle", "limits", "decision",
    ]  # fmt: skip


def test_the_known_features_are_those_of_the_reference():
    micro = pytest.importorskip("pymicro_features", reason="pymicro-features is not installed").MicroFrontend()
    sound = doctor.known_signal()
    frames = [micro.process_samples(sound[at : at + 160].tobytes()).features for at in range(0, sound.size, 160)]
    reference = np.rint(np.array([frame for frame in frames if frame]) * 25.6).astype(np.uint16)
    np.testing.assert_array_equal(Frontend().push(sound), reference)
    assert doctor.hashlib.sha256(reference.tobytes()).hexdigest() == doctor.FEATURES_SHA256


def test_wrong_arithmetic_is_a_fault(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "FEATURES_SHA256", "1" * 64)
    assert main(["doctor", "--json"]) == 2
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    fault = next(line for line in lines if line["check"] == "arithmetic")
    assert fault["state"] == "fault"
    assert "differ from the reference's" in fault["found"]
    assert "--warm" in fault["remedy"]
    assert lines[-1]["check"] == "decision", "a fault kept other checks from being made"


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
