"""False accepts on long-form speech by corpus: counted while it is heard, and of results that are there already."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from edge.errors import DataError
from edge.manifest_file import COLUMNS
from train import wake_evaluation
from train.clip import Clip
from train.longform_corpora import by_corpus, false_accept_rate, spoken
from train.metrics import poisson_upper
from train.results_table import results_table

SCRIPT = Path(__file__).parents[1] / "bench" / "longform_corpora.py"
RESULTS = Path(__file__).parents[2] / "results"


def _clip(folder, path, corpus, role="longform", label="", seconds=1.0):
    return Clip(path, folder / path, corpus, "many", "test", role, label, seconds, 16000, "CC0-1.0")


def test_each_corpus_has_its_own_hours_count_and_bound(tmp_path):
    streams = [(_clip(tmp_path, name, corpus), 1800.0) for name, corpus in (("1", "b"), ("2", "a"), ("3", "b"))]
    found = by_corpus(streams, ["3", "1", "3"])
    assert list(found) == ["a", "b"]
    assert found["a"] == {"count": 0, "hours": 0.5, "per_hour": 0.0, "upper_95_per_hour": poisson_upper(0, 0.5)}
    assert found["b"] == {"count": 3, "hours": 1.0, "per_hour": 3.0, "upper_95_per_hour": poisson_upper(3, 1.0)}
    with pytest.raises(DataError, match="a false accept is in 4, expected one of the long-form clips"):
        by_corpus(streams, ["4"])


def test_of_nothing_heard_there_is_no_rate():
    assert false_accept_rate(0, 0.0) == {"count": 0, "hours": 0.0, "per_hour": None, "upper_95_per_hour": None}
    assert by_corpus([], []) == {}


def test_a_corpus_that_is_not_known_is_told_by_its_name():
    assert spoken("mine") == "mine"
    assert spoken("librispeech") == "librispeech (English audiobooks)"


def test_evaluate_tells_corpora_apart_and_they_make_the_whole(tmp_path, monkeypatch):
    rng = np.random.default_rng(3)
    clips = [
        _clip(tmp_path, "word.wav", "w", "wake", "alexa"),
        _clip(tmp_path, "x.wav", "x"), _clip(tmp_path, "y1.wav", "y"), _clip(tmp_path, "y2.wav", "y"),
    ]  # fmt: skip
    for clip, seconds in zip(clips, (1, 2, 3, 4), strict=True):
        soundfile.write(clip.file, rng.standard_normal(seconds * 16000) * 0.1, 16000)
    bundle = SimpleNamespace(words=[SimpleNamespace(id="alexa", cutoff=0.5)])
    found_in = {3 * 16000: [("alexa", 1.0), ("alexa", 2.0)], 4 * 16000: [("alexa", 0.5)]}
    monkeypatch.setattr(wake_evaluation, "detections", lambda _, samples: found_in.get(samples.size, []))
    found = wake_evaluation.evaluate_wake(bundle, clips, conditions=False)["false_accepts_longform"]
    apart = found["by_corpus"]
    assert {name: one["count"] for name, one in apart.items()} == {"x": 0, "y": 3}
    assert apart["y"]["per_hour"] == pytest.approx(3 / (7 / 3600))
    assert apart["x"]["upper_95_per_hour"] == pytest.approx(poisson_upper(0, 2 / 3600))
    assert found["per_hour"] == pytest.approx(3 / (9 / 3600))
    assert found["upper_95_count"] == poisson_upper(3, 1.0)
    assert [event["file"] for event in found["events"]] == ["y1.wav", "y1.wav", "y2.wav"]


_APART = {"calm": false_accept_rate(0, 7200.0), "librispeech": false_accept_rate(4, 1800.0)}
_TOLD = (
    " Those on long-form speech by corpus: librispeech (English audiobooks) 4 in 0.50 h, 8.0 an hour (95 % upper bound "
    "18.3); calm 0 in 2.00 h, 0.0 an hour (95 % upper bound 1.5).\n"
)


@pytest.mark.parametrize(
    ("where", "change", "told"),
    [
        ("beside", {}, True), ("within", {}, True), ("nowhere", {}, False),
        ("beside", {"data_hash": "0" * 64}, False), ("beside", {"bundle_sha256": "0" * 64}, False),
    ],
)  # fmt: skip
def test_the_table_tells_corpora_apart_if_results_of_the_same_do(tmp_path, where, change, told):
    folder = shutil.copytree(RESULTS, tmp_path / "results")
    wake = json.loads((folder / "wake_test.json").read_text())
    same = {key: wake[key] for key in ("data_hash", "bundle_sha256")}
    (folder / "longform_corpora_test.json").unlink()
    if where == "within":
        wake["int8"]["false_accepts_longform"]["by_corpus"] = _APART
        (folder / "wake_test.json").write_text(json.dumps(wake))
    if where == "beside":
        (folder / "longform_corpora_test.json").write_text(json.dumps({**same, **change, "by_corpus": _APART}))
    text = results_table(folder)
    assert (_TOLD in text) == told
    assert ("by corpus" in text) == told


@pytest.fixture(name="world")
def world_fixture(tmp_path):
    """Return a folder with a manifest and no recording at all, and results about it."""
    rows = [
        ("x.ogg", "x", "many", "test", "longform", "", 1800.0, 16000, "CC0-1.0"),
        ("y.ogg", "y", "many", "test", "longform", "", 3600.0, 16000, "CC0-1.0"),
        ("dev.ogg", "y", "many", "dev", "longform", "", 3600.0, 16000, "CC0-1.0"),
        ("noise.ogg", "y", "many", "test", "noise", "", 60.0, 16000, "CC0-1.0"),
    ]
    text = "".join(",".join(map(str, row)) + "\n" for row in (COLUMNS, *rows))
    (tmp_path / "manifest.csv").write_text(text)
    return tmp_path, {
        "made_by": "vivavoce x", "date": "2026-01-02", "commit": "abc", "bundle_sha256": "b" * 64,
        "data_hash": hashlib.sha256(text.encode()).hexdigest(),
        "int8": {"false_accepts_longform": {"count": 2, "hours": 1.5, "events": [{"file": "x.ogg"}] * 2}},
    }  # fmt: skip


def _run(folder, wake):
    (folder / "wake_test.json").write_text(json.dumps(wake))
    out = folder / "out.json"
    return out, subprocess.run(
        [sys.executable, str(SCRIPT), "--data", str(folder), "--wake", str(folder / "wake_test.json"), "-o", str(out)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_results_that_are_there_are_told_apart_without_a_recording(world):
    folder, wake = world
    out, done = _run(folder, wake)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(out.read_text())
    assert {key: found[key] for key in ("data_hash", "bundle_sha256", "split")} == {
        "data_hash": wake["data_hash"], "bundle_sha256": "b" * 64, "split": "test"
    }  # fmt: skip
    assert found["measured"]["commit"] == "abc"
    assert found["by_corpus"] == {"x": false_accept_rate(2, 1800.0), "y": false_accept_rate(0, 3600.0)}


def _of(wake, **change):
    return wake | {"int8": {"false_accepts_longform": wake["int8"]["false_accepts_longform"] | change}}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda wake: wake | {"data_hash": "c" * 64}, "is about the data cccccccccccc, and"),
        (lambda wake: _of(wake, events=[{"file": "dev.ogg"}, {"file": "x.ogg"}]), "a false accept is in dev.ogg"),
        (lambda wake: _of(wake, events=[{"file": "noise.ogg"}, {"file": "x.ogg"}]), "a false accept is in noise.ogg"),
        (lambda wake: _of(wake, events=[{"word": "alexa"}]), "false_accepts_longform.events: "),
        (lambda wake: _of(wake, events=[{"file": "x.ogg"}]), "false_accepts_longform.count: got 2, expected 1"),
        (lambda wake: _of(wake, hours=1.4), "false_accepts_longform.hours: got 1.4, expected 1.5"),
        (lambda _: {}, "int8: got no such entry"),
        (lambda _: [], "got a list, expected an object"),
    ],
)
def test_results_about_something_else_are_refused_in_one_line(world, change, told):
    folder, wake = world
    out, done = _run(folder, change(wake))
    assert (done.returncode, out.exists()) == (2, False)
    assert told in done.stderr
    assert str(folder / "wake_test.json") in done.stderr
    assert done.stderr.count("\n") == 1


def test_folders_without_results_or_manifest_get_one_line(world):
    folder, wake = world
    (folder / "manifest.csv").unlink()
    _, done = _run(folder, wake)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "manifest.csv: no such manifest" in done.stderr
    missing = subprocess.run(
        [sys.executable, str(SCRIPT), "--wake", str(folder / "none.json")], capture_output=True, text=True, timeout=120
    )
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1)
    assert "none.json: there is none, expected a results file" in missing.stderr
