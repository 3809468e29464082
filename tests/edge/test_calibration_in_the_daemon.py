"""A calibration in the daemon: read again with the settings, taken back with them, never in the way of an update."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import soundfile
from updating import SHIPPED_VERSION, make_bundle

import edge
from edge.answers import Answer
from edge.bundle import open_bundle
from edge.calibration import calibration_text, neutral
from edge.daemon import Daemon
from edge.daemon_settings import load
from edge.slots import Slots

SCENE = Path(edge.__file__).parent / "data" / "scene.flac"


def settings(folder, *, slots=False, calibrated=True):
    path = folder / "daemon.toml"
    lines = ["[gate]", "refractory_s = 0.0"]
    lines += [f'calibration = "{folder / "home.json"}"'] if calibrated else []
    lines += ["[source]", 'kind = "file"', f'path = "{SCENE}"']
    lines += [f"[{name}]\nenabled = false" for name in ("store", "monitor", "memory")]
    lines += ["[update]", f'slots = "{folder / "slots"}"', "allow_unsigned = true"] if slots else []
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def nobody(tmp_path):
    """Write a calibration by which nobody is a person."""
    calibration = replace(neutral(open_bundle()), offset=-50.0)
    (tmp_path / "home.json").write_bytes(calibration_text(calibration))
    return calibration


def answers(daemon):
    """Return what is decided of a scene with people in it, by sessions of the daemon's."""
    samples = soundfile.read(SCENE, dtype="int16")[0]
    session = daemon.session("a test")
    found = [one for one in [*session.push(samples), *session.finish()] if isinstance(one, Answer)]
    session.close()
    assert found
    return {one.decision for one in found}


def test_it_holds_from_a_reload_on_and_is_gone_with_another(tmp_path, nobody):
    path = settings(tmp_path, calibrated=False)
    daemon = Daemon(load(path))
    assert "accept" in answers(daemon)
    settings(tmp_path)
    daemon._reload()
    assert answers(daemon) <= {"reject", "unsure"}
    settings(tmp_path, calibrated=False)
    daemon._reload()
    assert "accept" in answers(daemon)
    assert (daemon.health.reloads, daemon.health.reload_faults) == (2, 0)


def test_a_damaged_one_changes_nothing_at_a_reload(tmp_path, nobody, caplog):
    daemon = Daemon(load(settings(tmp_path)))
    (tmp_path / "home.json").write_text("{}")
    daemon._reload()
    assert daemon.health.reload_faults == 1
    assert "home.json" in caplog.text
    assert answers(daemon) <= {"reject", "unsure"}


def test_with_slots_it_is_taken_back_too(tmp_path, nobody):
    Slots(tmp_path / "slots")
    daemon = Daemon(load(settings(tmp_path, slots=True)))
    assert answers(daemon) <= {"reject", "unsure"}
    settings(tmp_path, slots=True, calibrated=False)
    daemon._reload()
    assert "accept" in answers(daemon)


def test_an_update_is_not_taken_back_for_it(tmp_path, nobody, caplog):
    slots = Slots(tmp_path / "slots")
    slots.stage(make_bundle(tmp_path, "1.0"))
    slots.accept_trial()
    assert slots.state().probation
    daemon = Daemon(load(settings(tmp_path, slots=True)))
    assert daemon.status.bundle == "1.0" != SHIPPED_VERSION
    assert "gate.calibration: left out" in caplog.text
    assert "accept" in answers(daemon)
    assert slots.state().refused == ()


def test_a_bundle_that_comes_back_is_judged_by_it_again(tmp_path, nobody):
    """Whoever goes back to the bundle of the calibration has it again, also one that a reload brought."""
    path = settings(tmp_path, slots=True, calibrated=False)
    daemon = Daemon(load(path))
    settings(tmp_path, slots=True)
    daemon._reload()
    rules, _ = daemon._fitting(SimpleNamespace(failed=lambda _: None), open_bundle())
    assert rules.bundle.liveness.offset == nobody.offset
