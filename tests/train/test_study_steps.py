"""The three steps from the command line, on made-up clips: what they leave, going on, and calls that cannot be."""

import json

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow")
pytest.importorskip("optuna", reason="searching needs Optuna")

from edge.cli import main
from edge.cues import CueSettings
from train import liveness_training, study_learners
from train.group_weights import GROUPS

pytestmark = pytest.mark.tf

STUDY = """
[liveness.budget]
shape = { stem = 4, blocks = [[4, 2]], hidden = 4 }
clips = 32
dev_clips = 16
epochs = 1
batch = 16
rate = 0.02

[liveness.changes.no_dropout]
told = "no dropout"
settings = { dropout = 0.0 }

[liveness.space.dropout]
low = 0.0
high = 0.5
"""


def render(settings, *, seed, splits=("train", "dev"), **rest):
    made = {}
    for split in splits:
        n = settings.clips if split == "train" else settings.dev_clips
        rng = np.random.default_rng([seed, n])
        rows, bands = CueSettings().shape
        live = (np.arange(n) % 2 == 0).astype(np.int8)
        cues = rng.integers(0, 200, (n, rows, bands)).astype(np.uint8)
        cues[live == 1, :, :20] = 250
        kind = np.where(live == 1, "none", np.array(GROUPS[1:])[np.arange(n) // 2 % 4])
        names = {name: np.array([f"{name} {i // 4}" for i in range(n)]) for name in ("talker", "room", "loudspeaker")}
        made[split] = {"cues": cues, "live": live, "kind": kind, **names}
    return made


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Return a function that runs a step on made-up clips, and returns its exit code."""
    for module in (study_learners, liveness_training):
        monkeypatch.setattr(module, "liveness_clips", render)
    data = tmp_path / "data"
    data.mkdir()
    lines = ["path,corpus,speaker,split,role,label,seconds,native_hz,licence"]
    lines += ["a.flac,made,ann,train,speech,,1,16000,CC0-1.0"]
    (data / "manifest.csv").write_text("\n".join(lines) + "\n")
    (data / "a.flac").write_bytes(b"")
    (tmp_path / "study.toml").write_text(STUDY)

    def run(step, *more, study=True):
        plan = ("--study", str(tmp_path / "study.toml")) if study else ()
        return main(
            ["train", step, "liveness", "--data", str(data), "-o", str(tmp_path / step), *plan, *map(str, more)]
        )

    return run


def read(path):
    return json.loads(path.read_text())


def test_a_search_leaves_trials_a_page_and_settings(world, tmp_path, capsys):
    assert world("search", "--trials", 2, "--results", tmp_path / "results") == 0
    found = read(tmp_path / "results" / "search_liveness.json")["search"]
    assert [trial["state"] for trial in found["trials"]] == ["complete", "complete"]
    assert found["trials"][0]["settings"] == {"dropout": 0.15}
    assert found["best"]["error"] == min(trial["error"] for trial in found["trials"])
    assert found["budget"]["epochs"] == 1
    assert "chosen on dev" in found["what"]
    best = read(tmp_path / "results" / "best_liveness.json")
    assert best["dropout"] == found["best"]["settings"]["dropout"]
    assert best["epochs"] == liveness_training.LivenessSettings().epochs
    page = (tmp_path / "results" / "search_liveness.html").read_text()
    assert page.count("<circle") == 2
    assert "too few trials" in page
    assert "best of 2 trials (2 to their end" in capsys.readouterr().out
    assert world("search", "--trials", 2, "--results", tmp_path / "again") == 0
    assert read(tmp_path / "again" / "search_liveness.json")["search"]["trials"] == found["trials"]


def test_an_ablation_has_a_row_for_each_change_and_for_another_seed(world, tmp_path, capsys):
    assert world("ablate", "--set", "epochs=2") == 0
    found = read(tmp_path / "ablate" / "ablation_liveness.json")["ablation"]
    assert list(found["trainings"]) == ["base", "no_dropout", "base-again"]
    assert [entry["seed"] for entry in found["trainings"].values()] == [1, 1, 2]
    assert all(entry["epochs"] == 2 for entry in found["trainings"].values())
    assert set(found["trainings"]["no_dropout"]["against_base"]) == {"points", "interval_95"}
    assert found["trainings"]["no_dropout"]["verdict"] == "too few steps"
    again = found["trainings"]["base-again"]
    assert "verdict" not in again
    assert found["points_of_another_seed"] == abs(again["against_base"]["points"])
    table = (tmp_path / "ablate" / "ablation_liveness.md").read_text()
    assert capsys.readouterr().out.endswith(table)
    assert table.count("\n| ") == 3
    assert '"epochs": 2' in table


def test_seeds_leave_checkpoints_and_a_spread(world, tmp_path):
    settings = tmp_path / "tiny.toml"
    settings.write_text(STUDY.split("[liveness.changes")[0].replace("[liveness.budget]", ""))
    assert world("seeds", "--seeds", 2, "--settings", settings, study=False) == 0
    found = read(tmp_path / "seeds" / "seeds_liveness.json")["seeds"]
    errors = [entry["error"] for entry in found["trainings"]]
    assert found["mean"] == pytest.approx(np.mean(errors))
    assert [entry["seed"] for entry in found["trainings"]] == [1, 2]
    for seed, error in zip((1, 2), errors, strict=True):
        record = read(tmp_path / "seeds" / f"seed-{seed}" / "record.json")
        # What was judged is the network in the checkpoint.
        assert record["metrics"]["simulated_dev_mean_eer_of_kinds"] == pytest.approx(error)
        assert record["settings"]["rendering_seed"] == 1
    assert "Mean" in (tmp_path / "seeds" / "seeds_liveness.md").read_text()


@pytest.mark.parametrize(
    ("step", "more", "told"),
    [
        ("search", ("--trials", "0"), "--trials: got 0, expected 1 or more"),
        ("search", ("--budget", "nan"), "--budget: got nan, expected minutes above 0"),
        ("search", ("--study", "none.toml"), "none.toml: cannot be read"),
        ("search", ("--set", "epocs=2"), "budget: epocs is unknown; did you mean epochs?"),
        ("search", ("--set", "epochs"), "--set: got 'epochs', expected NAME=VALUE"),
        ("search", ("--set", "epochs=two"), "budget: epochs: got 'two', expected a whole number"),
        ("search", ("--set", "rate.peak=1"), "budget: rate: got "),
        ("search", ("--set", "rate=1", "--set", "rate.peak=1"), "rate.peak: got a value for rate and one below it"),
        ("ablate", ("--only", "no_dropuot"), "--only: got 'no_dropuot', expected changes of"),
        ("seeds", ("--seeds", "1"), "--seeds: got 1, expected 2 or more"),
    ],
)
def test_what_cannot_be_is_one_line(world, tmp_path, capsys, step, more, told):
    assert world(step, *more, study=step != "seeds") == 2
    said = capsys.readouterr().err.strip()
    assert told in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / step).exists()


def test_what_a_search_found_keeps_all_but_the_budget(world, tmp_path, capsys):
    assert world("search", "--trials", 1, "--set", "label_smoothing=0.2", "--set", "ema=0.5") == 0
    best = read(tmp_path / "search" / "best_liveness.json")
    whole = liveness_training.LivenessSettings()
    assert (best["label_smoothing"], best["batch"], best["shape"]["stem"]) == (0.2, 16, 4)
    for name in ("clips", "dev_clips", "epochs", "ema"):
        assert best[name] == getattr(whole, name)
    assert "but clips 72000, dev_clips 3000, epochs 8, ema 0.999, as a training in full" in capsys.readouterr().out


def test_a_liveness_network_has_no_teachers(world, tmp_path, capsys):
    assert world("seeds", "--teacher", tmp_path, study=False) == 2
    assert "liveness: got teachers, expected none" in capsys.readouterr().err
    record = tmp_path / "record.json"
    record.write_text(json.dumps({"settings": {"words": ["alexa"], "width": 8}}))
    assert world("seeds", "--settings", record, study=False) == 2
    said = capsys.readouterr().err
    assert "record.json: got a record of something else, with width" in said
    assert not (tmp_path / "seeds").exists()


def test_what_is_learned_by_heart_is_told_with_what_was_trained_with(world, tmp_path, capsys):
    settings = tmp_path / "tiny.toml"
    settings.write_text(STUDY.split("[liveness.changes")[0].replace("[liveness.budget]", ""))
    given = ("--settings", settings, "--clips", 12, "--epochs", 2)
    assert world("overfit", *given, study=False) == 2, "two steps are too few"
    found = read(tmp_path / "overfit")["overfit"]
    told = {name: found["settings"][name] for name in ("clips", "dev_clips", "epochs", "batch", "dropout", "raw_share")}
    assert told == {"clips": 12, "dev_clips": 12, "epochs": 2, "batch": 16, "dropout": 0.0, "raw_share": 0.08}
    assert (found["examples"], found["steps"], found["learned"]) == (12, 2, False)
    assert (found["largest_error"], found["small_loss"]) == (0.01, 0.01)
    said = capsys.readouterr().err
    assert (
        f"and a loss of {found['loss']:.4f} after 2 epochs, expected less than 1% and 0.01; give more --epochs" in said
    )
    assert (tmp_path / "overfit.html").is_file()
