"""Differences on the same clips: known ones are found, and reports that do not belong together are refused."""

from types import SimpleNamespace

import numpy as np
import pytest

from edge.errors import DataError
from train.metrics import equal_error_rate
from train.paired_difference import error_differences, hit_difference, recall_differences

CLIPS = [
    SimpleNamespace(path=f"wake/{number}.flac", word=word, talker=f"t{number % 5}")
    for number, word in enumerate(["alexa"] * 10 + ["jarvis"] * 30)
]


def report(missed, **conditions):
    """Return as much of a report as is compared."""
    part = {"missed": [clip.path for clip in missed]}
    return part | {"conditions": {name: {"missed": [clip.path for clip in of]} for name, of in conditions.items()}}


def test_every_word_has_the_same_weight():
    one, other = np.ones(40, bool), np.ones(40, bool)
    other[:5] = False
    one[39] = False
    found = hit_difference(one, other, [clip.word for clip in CLIPS], [clip.talker for clip in CLIPS])
    assert found["difference"] == pytest.approx((0.5 - 1 / 30) / 2)
    assert (found["one_only"], found["other_only"], found["clips"]) == (5, 1, 40)
    assert found["interval_95"][0] <= found["difference"] <= found["interval_95"][1]


def test_what_both_miss_is_no_difference():
    """The difference of equals is nothing; how far it may be from that for others, five talkers tell."""
    hits = np.arange(40) % 3 > 0
    found = hit_difference(hits, hits, [clip.word for clip in CLIPS], [clip.talker for clip in CLIPS])
    reach = 1 - 0.025 ** (1 / 5)
    assert (found["difference"], found["interval_95"]) == (0.0, pytest.approx([-reach, reach]))


def test_every_condition_is_compared_with_itself():
    one = report(CLIPS[:2], noise=CLIPS[:4], white=[])
    other = report(CLIPS[:1], noise=CLIPS[:4], white=CLIPS[:1])
    found = recall_differences(one, other, CLIPS)
    assert found.keys() == {"as_they_are", "noise", "white"}
    assert [found[name]["difference"] for name in ("as_they_are", "noise", "white")] == pytest.approx([-0.05, 0, 0.05])


@pytest.mark.parametrize(("one", "other"), [({"white": []}, {}), ({}, {"white": []}), ({"white": []}, {"noise": []})])
def test_other_conditions_are_not_compared(one, other):
    with pytest.raises(DataError, match=r"conditions: got (noise, )?white of one of two reports"):
        recall_differences(report([], **one), report([], **other), CLIPS)


def test_errors_of_each_slice_are_compared_on_its_clips():
    rng = np.random.default_rng(1)
    live = np.arange(400) % 2 == 0
    hard = np.arange(400) < 200
    good = 2.0 * live + rng.normal(size=400)
    worse = np.where(hard, 0.5 * live + rng.normal(size=400), good)
    clusters = [[f"t{i // 20}" for i in range(400)], [f"l{i // 8}" for i in range(400)]]
    slices = {"all": np.ones(400, bool), "hard": hard, "easy": ~hard, "live": live}
    found = error_differences(worse, good, live, clusters, slices)
    assert found.keys() == {"all", "hard", "easy"}
    reach = 1 - 0.025 ** (1 / 10)
    assert found["easy"] == {"difference": 0.0, "interval_95": pytest.approx([-reach, reach])}, "of ten talkers"
    rates = [equal_error_rate(s[hard & live], s[hard & ~live]) for s in (worse, good)]
    assert found["hard"]["difference"] == pytest.approx(rates[0] - rates[1])
    assert found["hard"]["interval_95"][0] > 0
