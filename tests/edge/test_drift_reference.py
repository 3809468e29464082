"""References of the watch that come with a bundle, or beside it."""

import json
import math
import shutil

import numpy as np
import pytest
from drift_answers import START_S, answer, home

from edge.bundle import DEFAULT_BUNDLE, open_bundle
from edge.bundle_identity import bundle_hash
from edge.bundle_writing import seal
from edge.drift_reference import OF_ANSWERS, REFERENCE_NAME, read_reference, reference_for, reference_text
from edge.errors import BundleError, UsageError
from tests.edge.drift_monitoring import DAY_S, sink_of, state_of


@pytest.fixture(scope="module")
def bundle():
    return open_bundle()


def dev_figures(seed=0, n=400):
    rng = np.random.default_rng(seed)
    return {
        "wake_score": rng.uniform(0.95, 1.0, n),
        "live_score": rng.normal(1.0, 1.0, n),
        "level_dbfs": rng.normal(-30.0, 6.0, n),
        "snr_db": rng.normal(30.0, 5.0, n),
        "accepted": (rng.random(n) < 0.8).astype(float),
    }


def test_a_reference_is_read_as_it_was_written(tmp_path):
    content = reference_text(dev_figures(), "ab")
    found = read_reference(tmp_path / "r.json", content, bundle_sha256="ab")
    assert set(found) == set(OF_ANSWERS)
    assert {one.answers for one in found.values()} == {400}
    assert found["snr_db"].ranks(dev_figures()["snr_db"]).mean() == pytest.approx(0.5, abs=0.005)


def test_a_reference_of_another_bundle_is_refused(tmp_path, bundle):
    path = tmp_path / "reference.json"
    path.write_bytes(reference_text(dev_figures(), "0" * 64))
    with pytest.raises(BundleError, match=r"bundle_sha256: got '000.*the bundle that is used"):
        reference_for(bundle, str(path))
    path.write_bytes(reference_text(dev_figures(), bundle_hash(bundle.path)))
    assert set(reference_for(bundle, str(path))) == set(OF_ANSWERS)


def test_a_reference_inside_a_bundle_is_verified_with_it(tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(DEFAULT_BUNDLE, folder)
    (folder / REFERENCE_NAME).write_bytes(reference_text(dev_figures()))
    assert REFERENCE_NAME not in open_bundle(folder).contents
    seal(folder)
    opened = open_bundle(folder)
    assert set(reference_for(opened)) == set(OF_ANSWERS)
    (folder / REFERENCE_NAME).write_bytes(reference_text(dev_figures(1)))
    with pytest.raises(BundleError, match="damaged"):
        open_bundle(folder)


def test_a_reference_beside_the_folder_of_a_bundle_is_found(tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(DEFAULT_BUNDLE, folder)
    opened = open_bundle(folder)
    with pytest.raises(UsageError, match=r'monitor\.reference: got "bundle", but .*reference_file'):
        sink_of(tmp_path / "monitor.json", opened, reference="bundle")
    with pytest.raises(BundleError, match="cannot be read"):
        sink_of(tmp_path / "monitor.json", opened, reference="bundle", reference_file=str(tmp_path / "none"))
    (tmp_path / "bundle.reference.json").write_bytes(reference_text(dev_figures(), bundle_hash(folder)))
    assert set(reference_for(opened)) == set(OF_ANSWERS)
    (tmp_path / "bundle.reference.json").write_bytes(reference_text(dev_figures(), "0" * 64))
    with pytest.raises(BundleError, match="bundle_sha256"):
        sink_of(tmp_path / "monitor.json", opened, reference="bundle")


def test_the_bundle_that_ships_has_its_reference(bundle):
    found = reference_for(bundle)
    assert {one.answers for one in found.values()} == {found["wake_score"].answers}
    assert found["wake_score"].answers >= 300
    assert min(found["wake_score"].points) > 0.5
    assert set(found["accepted"].points) == {0.0, 1.0}


@pytest.mark.parametrize("change", ["format", "format_version", "statistics", "points", "missing", "extra", "nan"])
def test_a_broken_reference_is_refused_by_name(tmp_path, change):
    record = json.loads(reference_text(dev_figures()))
    match change:
        case "missing":
            del record["statistics"]["snr_db"]
        case "extra":
            record["more"] = 1
        case "points":
            record["statistics"]["snr_db"]["points"] = [1.0]
        case "nan":
            record["statistics"]["snr_db"]["points"][3] = math.nan
        case _:
            record[change] = 7
    named = {"missing": "snr_db", "extra": "more", "nan": "NaN", "points": r"snr_db\.points"}.get(change, change)
    with pytest.raises(BundleError, match=named):
        read_reference(tmp_path / "r.json", json.dumps(record).encode())


def test_with_the_bundles_reference_nothing_but_days_is_learned(tmp_path, bundle, caplog):
    reference = tmp_path / "reference.json"
    reference.write_bytes(reference_text(dev_figures(), bundle_hash(bundle.path)))
    path = tmp_path / "monitor.json"
    chosen = {"reference": "bundle", "reference_file": str(reference)}
    sink, gauges = sink_of(path, bundle, **chosen)
    sink.open()
    version = bundle.bundle_version
    for one in home(12, bundle=version, gain=-12.0):
        sink.push(one)
    assert gauges["drift_alarm_level_dbfs"] == 1
    assert gauges["drift_alarm_snr_db"] == 0
    sink.push(answer(START_S + 50 * DAY_S, bundle="99.0"))
    sink.push(answer(START_S + 51 * DAY_S, bundle="99.0"))
    sink.close()
    assert sum("another than the one of the reference" in record.message for record in caplog.records) == 1
    # What was watched by another reference is not gone on with, but its alarms stay.
    again, gauges = sink_of(path, bundle)
    again.open()
    again.close()
    assert gauges["drift_learned"] == 0
    assert len(state_of(path)["alarms"]) == 1
    assert state_of(path)["reference"] == "home"
