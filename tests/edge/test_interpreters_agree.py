"""LiteRT and its predecessor give the same events; the second runs in a Python of its own."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from edge.bundle import open_bundle

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("VIVAVOCE_DATA", ROOT.parent / "shared" / "data"))
OTHER = os.environ.get("VIVAVOCE_TFLITE_PYTHON")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not OTHER, reason="VIVAVOCE_TFLITE_PYTHON names no Python with tflite-runtime"),
]

_STEP = 0.03
"""One quantisation step of the liveness network's output, as a probability: the fast kernels round differently."""


def _load():
    spec = importlib.util.spec_from_file_location("interpreters", ROOT / "tests" / "bench" / "interpreters.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bench = _load()


def test_same_events_on_the_scene():
    (ours,) = bench.listen(sys.executable, "litert", [bench.SCENE]).values()
    (theirs,) = bench.listen(OTHER, "tflite", [bench.SCENE]).values()
    assert [event["event"] for event in ours].count("decision") >= 1
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert bench.same(a, b), (a, b)


def test_same_words_and_decisions_on_recordings(tmp_path):
    if not (DATA / "manifest.csv").exists():
        pytest.skip(f"no recordings at {DATA}: set VIVAVOCE_DATA to a folder with manifest.csv")
    files = bench.embed_clips(DATA, tmp_path, limit=40, seed=1)
    ours = bench.listen(sys.executable, "litert", files)
    theirs = bench.listen(OTHER, "tflite", files)
    assert sum(event["event"] == "decision" for events in ours.values() for event in events) >= 20
    bundle = open_bundle()
    cutoffs = {word.id: word.cutoff for word in bundle.words}
    gate = (bundle.liveness.accept_cutoff, bundle.liveness.reject_cutoff)
    unequal = {name: found for name in ours if (found := bench.differences(ours[name], theirs[name], cutoffs, gate))}
    # The wake network runs on kernels that compute the same integers everywhere; only a liveness probability that
    # grazes its cut-off may fall on the other side.
    assert len(unequal) <= 1, unequal
    for name, found in unequal.items():
        assert [e["word"] for e in ours[name] if e["event"] == "wake"] == [
            e["word"] for e in theirs[name] if e["event"] == "wake"
        ]
        assert all(entry["distance_to_cutoff"] < _STEP for entry in found), (name, found)
