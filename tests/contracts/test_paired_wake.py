"""Two detectors on the same trials, whose reports are made up: what is paired, and what is refused."""

import importlib.util
import sys

import pytest


@pytest.fixture(scope="module")
def bench(root):
    pytest.importorskip("scipy")
    folder = str(root / "tests" / "bench")
    sys.path.insert(0, folder)
    try:
        spec = importlib.util.spec_from_file_location("paired_wake", root / "tests" / "bench" / "paired_wake.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    return module


@pytest.fixture(scope="module")
def trials(bench):
    """Return six recordings of the word in two conditions, two of another word, and half an hour of speech."""
    words = [
        bench.Trial(f"{n}-{condition}", "word", condition, f"t{n // 2}", "alexa", f"{n}.flac", 3.0)
        for n in range(6)
        for condition in ("as_they_are", "white")
    ]
    others = [bench.Trial(f"o{n}", "other", "as_they_are", "t9", "jarvis", f"o{n}.flac", 3.0) for n in range(2)]
    return [*words, *others, bench.Trial("s", "longform", "as_they_are", "", "", "s.ogg", 1800.0)]


def test_differences_are_of_the_same_clips(bench, trials):
    ours: dict[str, list[float]] = {trial.name: [] for trial in trials}
    peer = dict(ours)
    for n in range(6):
        ours[f"{n}-as_they_are"] = [2.0]
    for n in range(3):
        peer[f"{n}-as_they_are"] = [2.1]
    peer["0-white"] = [2.0, 2.9]
    ours["s"], peer["s"] = [10.0, 50.0], [10.0]
    peer["o1"] = [1.0, 2.5]
    found = bench.figures(trials, ours, peer)
    clean, white = found["recall"]["as_they_are"], found["recall"]["white"]
    assert (clean["ours"]["rate"], clean["peer"]["rate"], clean["ours_minus_peer"]) == (1.0, 0.5, 0.5)
    assert (clean["ours_only"], clean["peer_only"], clean["clips"], clean["talkers"]) == (3, 0, 6, 3)
    assert clean["interval_95"] == [0.0, 1.0], "the three talkers differ as much as can be"
    assert white["ours_minus_peer"] == pytest.approx(-1 / 6)
    assert (white["ours_only"], white["peer_only"]) == (0, 1)
    false = found["false_accepts"]
    assert (false["hours"], false["other_words_clips"]) == (0.5, 2)
    assert [false[who]["longform"] for who in ("ours", "peer")] == [2, 1]
    assert [false[who]["per_hour"] for who in ("ours", "peer")] == [4.0, 2.0]
    assert [false[who]["other_words"] for who in ("ours", "peer")] == [0, 1], "a recording counts once"


def test_a_word_is_reported_once(bench):
    assert bench.utterances([5.0, 1.0, 1.5, 2.5, 3.51]) == [1.0, 3.51, 5.0]
    assert bench.utterances([]) == []


def test_reports_are_taken_trial_by_trial(bench, trials):
    scores = {trial.name: {"score": 0.5, "times_s": []} for trial in trials}
    scores["s"]["times_s"] = [7.0, 7.03, 7.06]
    found = bench.joined(trials, {"word": "alexa", "trials": scores}, "peer")
    assert found.keys() == {trial.name for trial in trials}
    assert found["s"] == [7.0]


@pytest.mark.parametrize("change", ["missing", "more", "word", "none"])
def test_scores_of_other_trials_are_refused(bench, trials, change):
    scores = {trial.name: {"score": 0.5, "times_s": []} for trial in trials}
    told = {"word": "alexa", "trials": scores}
    if change == "missing":
        del scores["s"]
    elif change == "more":
        scores["x"] = scores["s"]
    elif change == "word":
        told["word"] = "hey_jarvis"
    else:
        told = {}
    with pytest.raises(SystemExit, match=r"peer: got scores of .* expected 'alexa' in each of them"):
        bench.joined(trials, told, "peer")
