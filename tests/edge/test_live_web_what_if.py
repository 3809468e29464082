"""What other cut-offs would have changed is what the gate itself says with them."""

import math
from dataclasses import replace

import pytest
import soundfile
from live_web_house import SCENE

from edge.bundle import open_bundle
from edge.errors import UsageError
from edge.gate import Gate
from edge.live_demo.listener import Listener
from edge.live_demo.state import Ruled
from edge.live_web.what_if import NOT_HEARD, Cutoffs, Miss, MissWatch, would_be
from edge.liveness import LivenessScore

GRID = [i / 8 for i in range(9)]


@pytest.fixture(scope="module")
def heard():
    listener = Listener(open_bundle())
    for _ in (*listener.push(soundfile.read(SCENE, dtype="int16")[0]), *listener.finish()):
        pass
    assert len(listener.state.decisions) == 2
    return listener.state


@pytest.mark.parametrize("flags", [(), ("clipped",), ("band_limited", "noisy")])
def test_it_is_what_the_gate_rules_with_those_cut_offs(heard, flags):
    seen = set()
    for ruled in heard.decisions:
        for probability in (*GRID, ruled.probability):
            for accept in (*GRID, ruled.probability):
                for reject in (at for at in (*GRID, ruled.probability) if at <= accept):
                    evidence = LivenessScore(probability, math.nan, ruled.quality)
                    wanted = Gate(accept, reject).rule(evidence, flags)
                    # As it was ruled at the time, with cut-offs of its own.
                    then = Gate(0.9, 0.1).rule(evidence, flags)
                    was = replace(ruled, probability=probability, verdict=then.decision, reasons=then.reasons)
                    assert would_be(was, Cutoffs(accept, reject, {})) == wanted.decision
                    seen.add(wanted.decision)
    assert seen == ({"unsure"} if flags else {"accept", "reject", "unsure"})


def test_the_cut_offs_that_were_in_force_change_nothing(heard):
    cutoffs = Cutoffs(heard.accept_cutoff, heard.reject_cutoff, dict(zip(heard.words, heard.cutoffs, strict=True)))
    for ruled in heard.decisions:
        assert would_be(ruled, cutoffs) == ruled.verdict


def test_a_word_has_to_exceed_its_cut_off(heard):
    ruled = heard.decisions[0]
    gate = heard.accept_cutoff, heard.reject_cutoff
    assert would_be(ruled, Cutoffs(*gate, {ruled.word: ruled.wake_score})) == NOT_HEARD
    assert would_be(ruled, Cutoffs(*gate, {ruled.word: math.nextafter(ruled.wake_score, 0)})) == ruled.verdict
    assert would_be(ruled, Cutoffs(*gate, {"other": 1.0})) == ruled.verdict
    assert would_be(replace(ruled, wake_score=math.nan), Cutoffs(*gate, {ruled.word: 1.0})) == ruled.verdict


@pytest.mark.parametrize("verdict", ["heard", "unsure"])
def test_what_was_not_judged_stays_as_it_was(verdict):
    assert would_be(Ruled(1, "hey", verdict, (), 0.9), Cutoffs(0.0, 0.0, {})) == verdict


@pytest.mark.parametrize(
    ("record", "named"),
    [
        ({}, "accept"),
        ({"accept": 0.5}, "reject"),
        ({"accept": True, "reject": 0.1}, "accept"),
        ({"accept": "0.5", "reject": 0.1}, "accept"),
        ({"accept": 1.5, "reject": 0.1}, "accept"),
        ({"accept": 10**400, "reject": 0.1}, "accept"),
        ({"accept": math.nan, "reject": 0.1}, "accept"),
        ({"accept": 0.5, "reject": -0.1}, "reject"),
        ({"accept": 0.5, "reject": 0.6}, "reject"),
        ({"accept": 0.5, "reject": 0.4, "words": [0.5]}, "words"),
        ({"accept": 0.5, "reject": 0.4, "words": None}, "words"),
        ({"accept": 0.5, "reject": 0.4, "words": {"hey": None}}, "words.hey"),
        ({"accept": 0.5, "reject": 0.4, "words": {"hey": 2}}, "words.hey"),
    ],
)
def test_cut_offs_that_are_none_are_refused_by_name(record, named):
    with pytest.raises(UsageError, match=f"^{named}: got .*, expected "):
        Cutoffs.of_record(record)


def test_cut_offs_of_all_ends_are_taken():
    found = Cutoffs.of_record({"accept": 1, "reject": 1, "words": {"hey": 0}})
    assert found == Cutoffs(1.0, 1.0, {"hey": 0.0})


def watched(scores, cutoffs=(0.5,), step=1600):
    watch = MissWatch([f"w{i}" for i in range(len(cutoffs))], cutoffs)
    return [miss for i, score in enumerate(scores) for miss in watch.push([score] * len(cutoffs), i * step)]


def test_a_peak_below_the_cut_off_is_a_miss_once():
    assert watched([0.1, 0.3, 0.4, 0.3, *[0.1] * 20]) == [Miss(3200, "w0", 0.4)]


def test_a_score_at_the_cut_off_is_a_miss_and_one_above_is_none():
    assert watched([0.5, *[0.0] * 20]) == [Miss(0, "w0", 0.5)]
    assert watched([0.51, *[0.0] * 20]) == []


def test_two_peaks_far_apart_are_two_and_close_ones_one():
    assert [miss.score for miss in watched([0.3, *[0.0] * 12, 0.4, *[0.0] * 12])] == [0.3, 0.4]
    assert [miss.score for miss in watched([0.3, *[0.0] * 5, 0.4, *[0.0] * 12])] == [0.4]


def test_a_peak_is_over_where_the_stream_ends():
    watch = MissWatch(["low", "high", "none"], [0.5, 0.5, 0.5])
    assert watch.push([0.4, 0.6, 0.0], 1600) == []
    assert watch.finish() == [Miss(1600, "low", 0.4)]
    assert watch.finish() == []


def test_scores_of_any_speech_and_words_that_are_not_listened_for_are_no_misses():
    assert watched([0.19, *[0.0] * 20]) == []
    assert [miss.word for miss in watched([0.4, *[0.0] * 20], (2.0, 0.5))] == ["w1"]
