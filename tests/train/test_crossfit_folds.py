"""Folds of the cross-fit: no talker is learned from and heard in one of them, and nothing is copied or lost."""

import csv
import importlib.util
import sys
from pathlib import Path

import pytest

from train.corpus import load_manifest

BENCH = Path(__file__).parents[1] / "bench"
COLUMNS = ("path", "corpus", "speaker", "split", "role", "label", "seconds", "native_hz", "licence")


@pytest.fixture(scope="module")
def crossfit():
    sys.path.insert(0, str(BENCH))
    try:
        spec = importlib.util.spec_from_file_location("crossfit_wake", BENCH / "crossfit_wake.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(BENCH))
    return module


@pytest.fixture
def data(tmp_path):
    """Return a folder with two words by twelve talkers, one of whom says both, one who is unknown, and other speech."""
    folder = tmp_path / "data"
    (folder / "wake").mkdir(parents=True)
    rows = []

    def say(speaker, split, label, role="wake", times=1):
        for _ in range(times):
            path = f"wake/{len(rows):03d}.flac"
            (folder / path).write_bytes(b"x")
            rows.append((path, "made", speaker, split, role, label, "1.0", "16000", "CC0-1.0"))

    for number in range(12):
        split = "dev" if number % 4 == 1 else "test" if number % 4 == 2 else "train"
        say(f"s{number:02d}", split, "alexa", times=1 + number % 3)
        say(f"s{number:02d}", split, "jarvis")
    say("unknown", "train", "alexa", times=2)
    say("t01", "train", "yellow", role="speech")
    say("t00", "test", "yellow", role="speech")
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    return folder


def _words(data):
    return [clip for clip in load_manifest(data) if clip.role == "wake"]


def test_every_known_talker_has_one_fold_and_folds_are_alike(crossfit, data):
    folds = crossfit.folds_of(_words(data), 3)
    assert len(folds) == 12
    assert "made/unknown" not in folds
    counts = [sum(folds.get(clip.talker) == fold for clip in _words(data)) for fold in range(3)]
    assert sum(counts) == len(_words(data)) - 2
    assert max(counts) - min(counts) <= 3


def test_who_is_heard_was_not_learned_from(crossfit, data, tmp_path):
    folds = crossfit.folds_of(_words(data), 3)
    heard = []
    for fold in range(3):
        made = crossfit.fold_folder(data, tmp_path / f"fold{fold}", folds, fold)
        words = _words(made)
        split = {name: {clip.talker for clip in words if clip.split == name} for name in ("train", "dev", "test")}
        assert split["test"] == {talker for talker, of in folds.items() if of == fold}
        assert not split["test"] & (split["train"] | split["dev"])
        assert "made/unknown" not in split["train"] | split["dev"], "may be whoever is heard"
        was_dev = {clip.talker for clip in _words(data) if clip.split == "dev"}
        assert split["dev"] == was_dev - split["test"]
        heard += [clip.path for clip in words if clip.split == "test"]
        other = [clip.split for clip in load_manifest(made) if clip.role == "speech"]
        assert other == ["train", "test"], "other speech stays where it was"
        assert (made / "wake").is_symlink()
    assert sorted(heard) == [clip.path for clip in _words(data) if clip.speaker != "unknown"], "each once"


def test_a_word_with_too_few_talkers_is_told(crossfit, data):
    with pytest.raises(SystemExit, match="of dev, expected 3 and 1; give other --folds"):
        crossfit.folds_of([clip for clip in _words(data) if clip.split != "dev"], 3)


def test_what_was_found_is_told_by_split_fold_and_talker(crossfit, data):
    clips = _words(data)
    folds = crossfit.folds_of(clips, 3)
    missed = next(clip for clip in clips if folds.get(clip.talker) == 1 and clip.split == "dev")

    def report(fold):
        said = [clip for clip in clips if folds.get(clip.talker) == fold]
        words = {word: sum(clip.word == word for clip in said) for word in ("alexa", "jarvis")}
        return {
            "commit": "abc",
            "cutoffs": {},
            "wake": {
                "recall": {word: {"rate": 1.0, "clips": count} for word, count in words.items()},
                "mean_recall": {"rate": 1.0},
                "missed": [missed.path] if fold == 1 else [],
                "false_accepts_longform": {"count": 1, "hours": 2.0, "events": [{"word": "alexa"}]},
            },
        }

    found = crossfit.summed_up(clips, folds, [report(fold) for fold in range(3)])
    assert found["talkers"] == 12
    assert found["recordings_of_unknown_talkers_left_out"] == 2
    assert sum(word["clips"] for word in found["recall"].values()) == len(clips) - 2
    assert found["missed"] == [missed.path]
    assert found["by_split"]["train"]["rate"] == found["by_split"]["test"]["rate"] == 1
    assert found["by_split"]["dev"]["rate"] < 1
    assert found["talkers_of_whom_every_recording_was_heard"] == 11
    heard, said = found["by_talker_heard_of"][missed.talker]
    assert heard == said - 1
    assert found["by_fold"][0]["false_accepts_longform"] == {"count": 1, "hours": 2.0}
    with pytest.raises(SystemExit, match="recordings, expected its own"):
        crossfit.summed_up(clips, folds, [report(1), report(1), report(2)])
