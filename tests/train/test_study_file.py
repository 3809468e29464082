"""What a study tries: the shipped plans, and files with something wrong in them."""

import pytest

from edge.errors import UsageError

pytest.importorskip("tensorflow", reason="settings are those of trainings")

from tests.train.study_world import TABLES, plan
from train.liveness_training import LivenessSettings
from train.study_file import PLAN_FILE, Dimension, in_full, nested, plan_from, read_plan
from train.wake_settings import WakeSettings

pytestmark = pytest.mark.tf


@pytest.mark.parametrize(("role", "settings"), [("wake", WakeSettings), ("liveness", LivenessSettings)])
def test_the_shipped_plans_are_affordable_and_try_one_thing_at_a_time(role, settings):
    found = read_plan(PLAN_FILE, role, settings)
    assert found.base.epochs <= 16
    assert len(found.changes) >= 8
    assert len(found.space) >= 5
    base = found.base.to_dict()
    for name, change in found.changes.items():
        differing = [key for key, value in change.settings.to_dict().items() if value != base[key]]
        assert len(differing) == 1, (name, differing)


def test_the_base_is_in_the_shipped_space():
    for role, settings in (("wake", WakeSettings), ("liveness", LivenessSettings)):
        found = read_plan(PLAN_FILE, role, settings)
        for name, dimension in found.space.items():
            value = found.base.to_dict()
            for part in name.split("."):
                value = value[part]
            assert dimension.holds(value), (role, name, value)


def test_a_change_is_laid_over_the_budget():
    found = plan()
    assert found.base.dropout == 0.2
    assert found.changes["no_mixup"].settings.dropout == 0.2
    assert found.changes["no_mixup"].settings.mixup_share == 0.0
    assert found.dev == found.base


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"bugdet": {}}, r"made up.bugdet is unknown; known are budget, dev, changes, space"),
        ({"budget": {"epocs": 2}}, r"made up.budget: epocs is unknown; did you mean epochs\?"),
        ({"budget": 3}, "made up.budget: got int, expected a table"),
        ({"dev": {"clips": 0}}, "made up.dev: clips: got 0, expected a whole number from 2"),
        ({"changes": {"base": {"told": "x", "settings": {"ema": 0.0}}}}, "changes.base: got this name"),
        ({"changes": {"base-again": {"told": "x", "settings": {"ema": 0.0}}}}, "changes.base-again: got this name"),
        ({"changes": {"../up": {"told": "x", "settings": {"ema": 0.0}}}}, "changes.../up: got this name"),
        ({"changes": {"a": {"told": "x"}}}, "changes.a: got told, expected told .text. and settings"),
        ({"changes": {"a": {"told": "x", "settings": {}}}}, "changes.a.settings: got what the base has already"),
        ({"changes": {"a": {"told": "x", "settings": {"emma": 1}}}}, "changes.a.settings: emma is unknown"),
        ({"space": {"dropout": {"low": 0.5, "high": 0.1}}}, "space.dropout: got low = 0.5 and high = 0.1"),
        ({"space": {"dropout": {}}}, "space.dropout: got low = 0 and high = 0, expected low below high, or choices"),
        (
            {"space": {"dropout": {"low": 0.0, "high": 2.0}}},
            "space.dropout: dropout: got 2.0, expected a number from 0",
        ),
        ({"space": {"rate": {"low": 0.0, "high": 0.1, "log": True}}}, "space.rate: got low = 0.0 with log"),
        ({"space": {"batch": {"choices": [8]}}}, r"space.batch: choices: got \[8\], expected two or more"),
        ({"space": {"batch": {"choices": [8, 16], "low": 2}}}, "space.batch: got choices and a range"),
        ({"space": {"batch": {"chioces": [8, 16]}}}, r"space.batch.chioces is unknown; did you mean"),
        ({"space": {"shape.steam": {"low": 2, "high": 4}}}, "space.shape.steam: shape.steam is unknown"),
    ],
)
def test_what_is_wrong_is_named(changed, told):
    with pytest.raises(UsageError, match=told):
        plan_from({**TABLES, **changed}, "made up", LivenessSettings)


def test_a_file_without_the_network_is_refused(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[wake.budget]\nepochs = 2\n")
    assert read_plan(path, "wake", WakeSettings).base.epochs == 2
    with pytest.raises(UsageError, match=r"mine.toml: got no table \[liveness\]"):
        read_plan(path, "liveness", LivenessSettings)


def test_dotted_names_are_tables():
    assert nested({"variety.dropout": 0.1, "variety.mix.background": 3, "rate": 1}) == {
        "variety": {"dropout": 0.1, "mix": {"background": 3}},
        "rate": 1,
    }


def test_what_a_range_holds():
    assert Dimension(0.0, 1.0).holds(1)
    assert not Dimension(0.0, 1.0).holds(1.1)
    assert not Dimension(choices=(1, 2)).holds(3)


def test_a_budget_that_was_searched_is_kept():
    base = WakeSettings(width=64, scenes=0.1, epochs=2, ema=0.9, synth=())
    assert in_full(base, {}) == WakeSettings(width=64, synth=())
    assert in_full(base, {"ema": 0.5, "variety.dropout": 0.3}).ema == 0.5
    assert in_full(base, {"variety.dropout": 0.3}).variety.dropout == 0.3
