"""The rungs measure what their names say."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from edge.errors import DataError
from train.clip import Clip
from train.ladder import FITTED, SEEN_OR_NOT, check_enough, kind_rungs, mix_kept, rungs, seen_where_claimed

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


def _of_kinds(**replays: int) -> dict[str, np.ndarray]:
    """Return as many replays of each kind, and as many live clips as all of them."""
    kinds = np.repeat(list(replays), list(replays.values()))
    kind = np.concatenate((kinds, np.full(kinds.size, "none")))
    return {"kind": kind, "live": (kind == "none").astype(np.int8)}


def test_the_mix_of_kinds_is_that_of_what_was_rendered():
    clips = _of_kinds(phone=400, tv=200, standalone=300)
    kept = np.ones(1800, bool)
    kept[600:750] = False  # half of the standalone ones
    kept[:40] = False  # a tenth of the phones
    kept[1000:1100] = False  # live ones
    found = mix_kept(clips, kept, seed=1)
    counts = {kind: int(found[clips["kind"] == kind].sum()) for kind in ("phone", "tv", "standalone", "none")}
    assert counts == {"phone": 200, "tv": 100, "standalone": 150, "none": 800}
    assert not found[~kept].any()
    assert np.array_equal(found, mix_kept(clips, kept, seed=1))
    assert not np.array_equal(found, mix_kept(clips, kept, seed=2))
    # Those that are kept lie anywhere, and not at the front.
    assert 60 < found[40:220].sum() < 140


@pytest.mark.parametrize("sizes", [{"phone": 7}, {"phone": 49, "tv": 3}, {"phone": 333, "tv": 111, "laptop": 7}])
def test_where_all_is_kept_nothing_is_left_out(sizes):
    clips = _of_kinds(**sizes)
    assert mix_kept(clips, np.ones(clips["live"].size, bool), seed=0).all()


def test_the_kind_with_the_fewest_keeps_all_it_has():
    for total in range(1, 60):
        clips = _of_kinds(phone=total, tv=100)
        for few in range(total + 1):
            kept = np.ones(clips["live"].size, bool)
            kept[few:total] = False
            assert mix_kept(clips, kept, seed=0)[:total].sum() == few


def test_a_kind_of_which_nothing_is_left_leaves_no_mix():
    clips = _of_kinds(phone=20, tv=20)
    found = mix_kept(clips, clips["kind"] != "tv", seed=0)
    assert found.tolist() == (clips["live"] == 1).tolist()


@pytest.mark.parametrize(("live", "replays", "told"), [(9, 40, "got 9 live clips"), (40, 0, "got 0 replayed clips")])
def test_too_few_clips_of_a_class_are_refused(live, replays, told):
    check_enough("seen", {"live": np.array([1] * 10 + [0] * 10)}, "--measured-clips")
    with pytest.raises(DataError, match=f"^seen: {told} .* expected at least 10; .*--measured-clips") as caught:
        check_enough("seen", {"live": np.array([1] * live + [0] * replays)}, "--measured-clips")
    assert "\n" not in str(caught.value)
