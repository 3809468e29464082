"""The rungs measure what their names say."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from train.clip import Clip
from train.ladder import FITTED, SEEN_OR_NOT, kind_rungs, rungs, seen_where_claimed

KINDS = ("phone", "laptop", "tv", "standalone")


@pytest.mark.parametrize("split", ["dev", "test"])
def test_one_thing_is_taken_away_at_a_time(split):
    ladder = rungs(split)
    assert [rung.unseen for rung in ladder] == [(), ("talkers",), ("loudspeakers",), ("rooms",), SEEN_OR_NOT]
    assert [rung.name for rung in ladder] == [
        "seen", "unseen talkers", "unseen loudspeakers", "unseen rooms", "all unseen",
    ]  # fmt: skip
    for rung in ladder:
        assert rung.fitted == FITTED
        for what in SEEN_OR_NOT:
            assert getattr(rung.measured, what) == (split if what in rung.unseen else "train")
        assert rung.measured.kinds == ()


@pytest.mark.parametrize("split", ["dev", "test"])
def test_no_recording_is_measured_that_was_fitted_on(split):
    clips = [
        Clip(f"{name}/{i}.flac", Path(), "c", f"{name}{i % 9}", name, "wake", "w", 1.0, 16000, "CC0-1.0")
        for name, i in itertools.product(("train", "dev", "test"), range(200))
    ]
    for rung in (*rungs(split), *kind_rungs(split, KINDS)):
        fitted = {clip.path for clip in rung.fitted.recordings_of(clips)}
        measured = {clip.path for clip in rung.measured.recordings_of(clips)}
        assert fitted
        assert measured
        assert not fitted & measured
        assert {path.split("/")[0] for path in fitted} == {"train"}


def test_a_kind_is_left_out_of_the_fit_and_measured_alone():
    found = kind_rungs("dev", KINDS)
    assert [rung.measured.kinds for rung in found] == [(kind,) for kind in KINDS]
    for kind, rung in zip(KINDS, found, strict=True):
        assert set(rung.fitted.kinds) == set(KINDS) - {kind}
        assert rung.unseen == SEEN_OR_NOT
        assert (rung.measured.talkers, rung.measured.loudspeakers, rung.measured.rooms) == ("dev",) * 3
        assert (rung.fitted.talkers, rung.fitted.recordings) == ("train", "fitting")
        assert kind in rung.name


@pytest.mark.parametrize(
    ("unseen", "kept"),
    [
        ((), [True, False, False, False, True]),
        (("talkers",), [True, True, False, False, True]),
        (("loudspeakers",), [True, False, True, False, True]),
        (("rooms",), [True, False, False, True, True]),
        (SEEN_OR_NOT, [True] * 5),
    ],
)
def test_what_counts_as_seen_was_met_in_the_fit(unseen, kept):
    fitted = {"talker": np.array(["a", "b"]), "loudspeaker": np.array(["none", "l"]), "room": np.array(["r", "s"])}
    measured = {
        "live": np.array([0, 0, 0, 0, 1]),
        "talker": np.array(["a", "new", "a", "b", "b"]),
        "loudspeaker": np.array(["l", "l", "new", "l", "none"]),
        "room": np.array(["r", "s", "s", "new", "r"]),
    }
    assert seen_where_claimed(fitted, measured, unseen).tolist() == kept
    # A fit that has met replays only says nothing against live clips.
    assert seen_where_claimed({**fitted, "loudspeaker": np.array(["l"])}, measured, ())[4]
