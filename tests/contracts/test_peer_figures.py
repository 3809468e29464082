"""Figures of the benchmark of peers, over detections and times that are made up."""

import importlib.util

import pytest


@pytest.fixture(scope="module")
def figures(root):
    spec = importlib.util.spec_from_file_location("peer_figures", root / "tests" / "bench" / "peer_figures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SAID = [
    {"word": "alexa", "speaker": "a", "start_s": 2.0, "end_s": 3.0},
    {"word": "snowboy", "speaker": "a", "start_s": 5.0, "end_s": 6.0},
    {"word": "alexa", "speaker": "b", "start_s": 8.0, "end_s": 9.0},
    {"word": "alexa", "speaker": "b", "start_s": 11.0, "end_s": 12.0},
]


def test_a_word_is_detected_once_and_up_to_a_second_after_its_end(figures):
    found = [("alexa", 3.99), ("alexa", 3.5), ("alexa", 10.01), ("snowboy", 11.5)]
    told = figures.hits(found, SAID, 1.0, 0)
    assert (told["clips"], told["talkers"], told["detected"]) == (3, 2, 1)
    assert told["rate"] == pytest.approx(1 / 3, abs=1e-4)
    assert told["other_words"] == 1
    assert told["false_in_other_words"] == 0
    assert "accepted_as_live" not in told


def test_the_word_within_another_is_false(figures):
    assert figures.hits([("alexa", 5.5)], SAID, 1.0, 0)["false_in_other_words"] == 1


def test_answers_of_the_gate_are_told_apart_from_detections(figures):
    found = [("alexa", 2.9), ("accept alexa", 3.1), ("alexa", 8.5), ("reject alexa", 9.0)]
    told = figures.hits(found, SAID, 1.0, 0)
    assert (told["detected"], told["accepted_as_live"]) == (2, 1)


def test_the_interval_of_a_share_resamples_talkers(figures):
    """With two talkers, of whom one is never heard, it reaches from none to all."""
    told = figures.hits([("alexa", 2.5)], SAID, 1.0, 0)
    assert told["interval_95"] == [0.0, 1.0]


def test_a_ratio_is_of_medians_and_its_interval_keeps_rounds_together(figures):
    theirs = [1.0, 2.0, 4.0, 8.0, 16.0]
    told = figures.ratio([2 * value for value in theirs], theirs, 0)
    assert told == {"ratio": 2.0, "interval_95": [2.0, 2.0]}
    told = figures.ratio([1.0, 1.0, 1.0, 1.0, 9.0], [1.0] * 5, 0)
    assert told["ratio"] == 1.0
    assert told["interval_95"][0] == 1.0 < told["interval_95"][1]


def test_percentiles_are_in_milliseconds(figures):
    told = figures.percentiles([1_000_000 * i for i in range(101)])
    assert told == pytest.approx({"p50": 50.0, "p95": 95.0, "p99": 99.0})
