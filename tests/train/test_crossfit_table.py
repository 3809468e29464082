"""The table of the cross-fit: every word, every split, and what each fold took for a word."""

import json

from train.crossfit_table import crossfit_table


def _rate(rate, clips=30, talkers=7):
    return {"rate": rate, "interval_95": [0.9, 1.0], "clips": clips, "talkers": talkers}


def _fold(rate, false, clips):
    return {
        "mean_recall": _rate(rate),
        "false_accepts_longform": {"count": false, "hours": 1.7},
        "false_accepts_other_words": {"count": 0, "clips": clips},
        "false_accepts_other_speech": {"count": 1, "clips": 90},
    }


def test_recall_by_word_and_split_and_what_folds_took_for_a_word(tmp_path):
    found = {
        "folds": 2, "scenes": 0.3, "epochs": 16, "talkers": 14,
        "talkers_of_whom_every_recording_was_heard": 12,
        "recall": {"alexa": _rate(0.95), "jarvis": _rate(0.97)},
        "mean_recall": _rate(0.96, 60, 14),
        "by_split": {split: _rate(0.94, 20, 5) for split in ("train", "dev", "test")},
        "by_fold": [_fold(0.955, 0, 31), _fold(0.965, 2, 29)],
    }  # fmt: skip
    (tmp_path / "crossfit_wake.json").write_text(json.dumps(found))
    text = crossfit_table(tmp_path)
    assert "2 folds, shorter trainings than the one that ships (30 % of the scenes, 16 epochs)" in text
    assert "| jarvis | 97.0 % (90.0-100.0) | 30 | 7 |" in text
    assert "| **mean of the words** | **96.0 % (90.0-100.0)** | 60 | 14 |" in text
    assert text.count("| 94.0 % (90.0-100.0) | 20 | 5 |") == 3
    assert "95.5 to 96.5 %" in text
    assert "Of 12 of 14 talkers every recording was heard" in text
    assert "0, 2 in 1.7 h of long-form speech; 0, 0 in 31, 29 recordings of words" in text
    assert "1, 1 in 90 recordings of other speech" in text
