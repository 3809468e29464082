"""LiteRT and its predecessor give the same events; the second runs in a Python of its own."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from edge.bundle import open_bundle
from edge.sensitivity import log_odds

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("VIVAVOCE_DATA", ROOT.parent / "shared" / "data"))
OTHER = os.environ.get("VIVAVOCE_TFLITE_PYTHON")

needs_both = pytest.mark.skipif(not OTHER, reason="VIVAVOCE_TFLITE_PYTHON names no Python with tflite-runtime")


def _load():
    spec = importlib.util.spec_from_file_location("interpreters", ROOT / "tests" / "bench" / "interpreters.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bench = _load()

ROUNDING = 1.0
"""Log-odds by which interpreters may differ about one look: three times the rms by which either differs from float
numbers where a word is likely."""


def _decision(probability, decision):
    return {"event": "decision", "word": "a", "decision": decision, "live_probability": probability, "decided_s": 1.0}


def _compare(ours, theirs):
    # A step of 0.1 in the logit is 0.025 near a probability of 1/2.
    return bench.differences(ours, theirs, {"a": 0.9}, (0.5, 0.3), step=0.1)


def test_a_decision_is_compared_with_the_cutoff_that_it_crossed():
    (found,) = _compare([_decision(0.51, "accept")], [_decision(0.31, "unsure")])
    # 0.31 is close to a cut-off, but not to the one between the two.
    assert found["distance_to_cutoff"] == pytest.approx(0.19)
    assert found["int8_steps_apart"] == 8
    (found,) = _compare([_decision(0.51, "accept")], [_decision(0.49, "unsure")])
    assert (found["distance_to_cutoff"], found["int8_steps_apart"]) == (0.01, 1)


def test_a_difference_that_no_cutoff_explains():
    wake = {"event": "wake", "word": "a", "score": 0.95, "end_s": 1.0}
    for ours, theirs in (
        ([wake], [wake | {"end_s": 1.3}]),
        ([_decision(0.6, "accept")], [_decision(0.6, "unsure")]),
        ([{"event": "end", "quality": []}], [{"event": "end", "quality": ["noisy"]}]),
    ):
        (found,) = _compare(ours, theirs)
        assert found["distance_to_cutoff"] is None
    (found,) = _compare([wake], [])
    assert (found["distance_to_cutoff"], found["int8_steps_apart"]) == (0.05, None)


def _of_one_side(entry):
    """Return the event of a difference that has no partner; nothing where both sides heard the word."""
    return [one for one in (entry["litert"], entry["tflite"]) if one and not (entry["litert"] and entry["tflite"])]


@pytest.mark.slow
@needs_both
def test_same_events_on_the_scene():
    (ours,) = bench.listen(sys.executable, "litert", [bench.SCENE]).values()
    (theirs,) = bench.listen(OTHER, "tflite", [bench.SCENE]).values()
    assert [event["event"] for event in ours].count("decision") >= 1
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert bench.same(a, b), (a, b)


@pytest.mark.slow
@needs_both
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
    step = bench.logit_step()
    # The wake network runs on kernels that compute the same integers everywhere, and offers the same candidates. The
    # verifier runs on fast ones, which round differently: a score next to its cut-off may fall on the other side, and
    # the word is then heard at the next look or not at all.
    alike = set()
    for name, events in ours.items():
        wakes, others = ([e for e in side if e["event"] == "wake"] for side in (events, theirs[name]))
        if len(wakes) == len(others) and all(map(bench.same, wakes, others)):
            alike.add(name)
            continue
        alone = bench.differences(wakes, others, cutoffs, gate, step)
        for score, word in ((one["score"], one["word"]) for entry in alone for one in _of_one_side(entry)):
            assert abs(log_odds(score) - log_odds(cutoffs[word])) < ROUNDING, (name, alone)
    assert len(alike) >= 0.9 * len(ours)
    # The liveness network runs on fast ones, too.
    for name in alike:
        for entry in bench.differences(ours[name], theirs[name], cutoffs, gate, step):
            assert entry["distance_to_cutoff"] is not None, (name, entry)
            assert entry["int8_steps_apart"] is not None, (name, entry)
            assert entry["int8_steps_apart"] <= 1, (name, entry)
