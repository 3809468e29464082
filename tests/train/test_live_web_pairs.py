"""What the bench of the live page rests on: its pairs, the sound that is played, and what belongs to which take."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="module")
def pairs():
    path = Path(__file__).parents[1] / "bench" / "live_web_pairs.py"
    spec = importlib.util.spec_from_file_location("live_web_pairs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def scene(pairs):
    rng = np.random.default_rng(1)
    return pairs.scene_of(
        (rng.normal(0, 300, size).astype(np.int16), start) for size, start in ((30_000, 9000), (40_000, 12_000))
    )


def test_both_takes_stand_whole_in_what_is_played(pairs):
    rng = np.random.default_rng(2)
    clips = [rng.normal(0, 300, size).astype(np.int16) for size in (30_000, 40_000)]
    scene = pairs.scene_of(zip(clips, (9000, 12_000), strict=True))
    for clip, (start, stop) in zip(clips, scene.spans, strict=True):
        assert np.array_equal(scene.samples[start:stop], clip)
    assert scene.spans[0][0] == 3 * 16_000
    assert scene.spans[1][0] - scene.spans[0][1] == 2 * 16_000 - 800
    assert np.abs(scene.samples).max() <= max(np.abs(clip).max() for clip in clips) * 1.5


def test_a_stretch_is_found_with_how_much_louder_it_is(pairs, scene):
    sent = scene.samples / 32768.0
    at, alike, gain = pairs.found_in(0.5 * sent[50_000:80_000] + 0.1, sent)
    assert at == 50_000
    assert alike == pytest.approx(1.0)
    assert gain == pytest.approx(0.5)
    assert pairs.found_in(np.random.default_rng(3).normal(size=30_000), sent)[1] < 0.1


def test_pairs_are_drawn_once_a_recording_and_from_those_that_may_be_taken(pairs):
    rendered = {"source": np.repeat(["a", "b", "c", "a"], 2), "live": np.array([1, 0] * 4)}
    drawn = pairs.choose_pairs(rendered, {"a", "c", "d"}, 5, seed=1)
    assert sorted(drawn) == [0, 4]
    assert pairs.choose_pairs(rendered, {"a", "c"}, 1, seed=1) == drawn[:1]
    with pytest.raises(AssertionError, match="row 2"):
        pairs.choose_pairs(rendered | {"live": np.array([1, 0, 0, 1, 1, 0, 1, 0])}, {"a"}, 1, seed=1)


def test_a_decision_belongs_to_the_take_that_began_last(pairs, scene):
    (live, _), (replay, _) = scene.spans
    told = pairs.became_of(
        [
            pairs.Decided(live - 1, "alexa", "accept", 0.9),
            pairs.Decided(replay - 1, "jarvis", "unsure", 0.3),
            pairs.Decided(replay + 1, "jarvis", "reject", 0.1),
            pairs.Decided(replay + 2, "alexa", "accept", 0.8),
        ],
        scene,
    )
    assert told["of_no_take"] == 1
    assert told["live"] == {"outcome": "unsure", "words": ["jarvis"], "probability": [0.3]}
    assert told["replay"] == {"outcome": "accept", "words": ["jarvis", "alexa"], "probability": [0.1, 0.8]}
    assert pairs.became_of([], scene)["live"]["outcome"] == pairs.NOT_HEARD


def test_takes_that_were_heard_on_one_way_alone_are_no_agreement(pairs, scene):
    (live, _), (replay, _) = scene.spans
    heard = pairs.became_of([pairs.Decided(live + 1, "alexa", "accept", 0.9)], scene)
    other = pairs.became_of(
        [pairs.Decided(live + 9, "alexa", "accept", 0.7), pairs.Decided(replay + 1, "alexa", "reject", 0.1)], scene
    )
    found = pairs.agreement([{"one": heard, "other": other}], "one", "other")
    assert (found["takes"], found["same_outcome"], found["heard_on_one_alone"]) == (2, 1, 1)
    assert (found["heard_on_both"], found["same_verdict_of_these"]) == (1, 1)
    assert found["probability_differs_by"] == {"median": pytest.approx(0.2), "most": pytest.approx(0.2)}
