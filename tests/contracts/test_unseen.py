"""What the splits keep apart, on renderings and on the recordings: shared things fail the build."""

from itertools import combinations
from pathlib import Path

import pytest

from tests.train.small_world import small_simulator, whole_renderings
from train.corpus import load_manifest
from train.ladder import FITTED, SEEN_OR_NOT, kind_rungs, rungs
from train.leak_check import check_unseen
from train.liveness_scenes import sources
from train.simulator.loudspeakers import load_curves
from train.simulator.recipe import shipped_recipe

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SPLITS = ("train", "dev", "test")

with_data = pytest.mark.skipif(
    not (DATA / "manifest.csv").is_file(), reason=f"needs the recordings in {DATA}, which are not part of the project"
)


@pytest.fixture(scope="module")
def rendered():
    return {split: whole_renderings(split, 60, simulator=small_simulator(split, rooms=8)) for split in SPLITS}


@pytest.mark.parametrize(("fitted", "measured"), list(combinations(SPLITS, 2)))
def test_renderings_of_two_splits_share_nothing(fitted, measured, rendered):
    found = check_unseen(measured, rendered[fitted], rendered[measured], SEEN_OR_NOT)
    assert min(found[what]["measured"] for what in ("talkers", "loudspeakers", "brands", "rooms", "recordings")) > 0


@with_data
@pytest.mark.parametrize("split", ["dev", "test"])
def test_no_rung_measures_a_talker_or_recording_that_it_must_not(split):
    clips = sources(load_manifest(DATA))
    for rung in (*rungs(split), *kind_rungs(split, tuple(shipped_recipe().loudspeakers))):
        one, other = rung.fitted.recordings_of(clips), rung.measured.recordings_of(clips)
        assert not {clip.path for clip in one} & {clip.path for clip in other}
        shared = {clip.talker for clip in one} & {clip.talker for clip in other}
        assert bool(shared) == ("talkers" not in rung.unseen)


@with_data
def test_talkers_who_were_seen_have_recordings_on_both_sides():
    clips = sources(load_manifest(DATA))
    fitted = {clip.talker for clip in FITTED.recordings_of(clips)}
    held = {clip.talker for clip in rungs("dev")[0].measured.recordings_of(clips)}
    assert len(held & fitted) >= 0.9 * len(held)


@with_data
def test_measured_loudspeakers_are_split_by_maker():
    curves = load_curves(DATA)
    for one, other in combinations(SPLITS, 2):
        assert not {curves.brand[row] for row in curves.of_split(one)} & {
            curves.brand[row] for row in curves.of_split(other)
        }
