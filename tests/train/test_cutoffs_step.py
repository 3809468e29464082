"""``vivavoce train cutoffs``: calls that cannot be are told before anything is heard or rendered."""

import numpy as np
import pytest

pytest.importorskip("scipy")

from edge.bundle import DEFAULT_BUNDLE
from edge.cli import main
from train import calibration
from train.wake_traces import Trace


@pytest.fixture
def data(tmp_path):
    """Return a corpus without a long-form stream, whose recordings are not there."""
    folder = tmp_path / "data"
    folder.mkdir()
    header = "path,corpus,speaker,split,role,label,seconds,native_hz,licence"
    (folder / "manifest.csv").write_text(f"{header}\na.flac,c,ann,dev,wake,alexa,1,16000,CC0-1.0\n")
    return folder


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--false-accepts-per-hour", "nan"), "options: false_accepts_per_hour: got nan, expected a number from 0"),
        (("--false-accepts-per-hour", "-1"), "options: false_accepts_per_hour: got -1.0"),
        (("--live-refused", "2"), "options: live_refused: got 2.0, expected a number from 0 to 1"),
        (("--live-refused", "0.01", "--live-rejected", "0.1"), "live_rejected: got 0.1, expected at most live_refused"),
        (("--clips", "3"), "--clips is 3, expected an even number from 2"),
        (("--clips", "0"), "--clips is 0, expected an even number from 2"),
        (("-o", "{tmp}"), "is a folder, expected the name of a file"),
        (("-o", "{tmp}/data/manifest.csv/cutoffs.json"), "manifest.csv is a file, expected a folder"),
        (("--cache", "{tmp}/data/manifest.csv"), "manifest.csv is a file, expected a folder"),
        (("--bundle", "{tmp}/data"), "manifest.json"),
        ((), "got no recordings of the role longform in the split dev"),
    ],
)
def test_what_cannot_be_is_one_line(data, tmp_path, capsys, given, told):
    out = tmp_path / "cutoffs.json"
    options = ["--data", str(data), "--bundle", str(DEFAULT_BUNDLE), "-o", str(out)]
    assert main(["train", "cutoffs", *options, *(one.format(tmp=tmp_path) for one in given)]) == 2
    said = capsys.readouterr().err.strip()
    assert told in said
    assert len(said.splitlines()) == 1
    assert not out.exists()


def test_a_budget_beyond_all_false_accepts_is_no_more_work(monkeypatch):
    scores = np.zeros((400, 1), np.float32)
    scores[50::100] = 0.9
    background = [Trace(scores, 0.03, 12.0)]
    counted = []
    count = calibration.count_detections
    monkeypatch.setattr(calibration, "count_detections", lambda *given: counted.append(0) or count(*given))
    (chosen,) = calibration.choose_word_cutoffs(
        [[Trace(scores[:60], 0.03, 1.8)]], background, refractory_s=1.0, false_accepts=10**9
    )
    assert (chosen.cutoff, chosen.false_accepts) == (pytest.approx(0.502), 4)
    assert len(counted) < 50
