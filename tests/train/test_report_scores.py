"""Scores of clips as the report reads them."""

import csv

import numpy as np
import pytest

from edge.errors import DataError
from train.report.results_folder import Part
from train.report.scores import belong_together, read_clip_scores
from train.report.weakest import FEWEST, loudspeakers, talkers_refused

COLUMNS = ("clip", "live", "kind", "talker", "loudspeaker", "variant", "near_quiet", "score", "probability", "decision",
           "void", "f70")  # fmt: skip


def row(live, score, decision, *, kind="phone", talker="c/a", loudspeaker="L", void="0.5", f70="900", **more):
    some = {"live": int(live), "kind": kind, "talker": talker, "loudspeaker": loudspeaker, "score": score}
    return {**dict.fromkeys(COLUMNS, ""), **some, "decision": decision, "void": void, "f70": f70, **more}


def write(path, rows, columns=COLUMNS):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


ROWS = [row(True, 2, "accept", f70="700"), row(True, 0.1, "unsure"), row(False, -1, "reject"), row(False, 1, "accept"),
        row(False, -2, "unsure", f70="1200")]  # fmt: skip


def test_what_is_read(tmp_path):
    found = read_clip_scores(write(tmp_path / "s.csv", ROWS))
    assert found.live.tolist() == [True, True, False, False, False]
    assert (found.bpcer, found.apcer) == (0.5, pytest.approx(1 / 3)), "unsure is refused"
    assert found.scores["network"].tolist() == [2, 0.1, -1, 1, -2]
    assert found.scores["f70"].tolist() == [-700, -900, -900, -900, -1200], "in Hz, lower is live"
    negated = [{**one, "f70": f"-{one['f70']}"} for one in ROWS]
    assert np.array_equal(read_clip_scores(write(tmp_path / "n.csv", negated)).scores["f70"], found.scores["f70"])


def test_columns_may_be_in_any_order_and_baselines_absent(tmp_path):
    columns = ["more", *reversed([name for name in COLUMNS if name != "void"])]
    found = read_clip_scores(write(tmp_path / "s.csv", [{**one, "live": bool(one["live"])} for one in ROWS], columns))
    assert set(found.scores) == {"network", "f70"}
    assert found.live.sum() == 2


def test_no_file_is_no_scores(tmp_path):
    assert read_clip_scores(tmp_path / "absent.csv") is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"live": "yes"}, 'line 3: live: got "yes"'),
        ({"decision": ""}, 'line 3: decision: got ""'),
        ({"decision": "Maybe"}, 'line 3: decision: got "Maybe"'),
        ({"score": "nan"}, 'line 3: score: got "nan"'),
        ({"score": ""}, 'line 3: score: got ""'),
        ({"void": "x"}, 'line 3: void: got "x"'),
        ({"f70": ""}, 'line 3: f70: got ""'),
    ],
)
def test_a_wrong_value_is_told_with_its_line(change, told, tmp_path):
    path = write(tmp_path / "s.csv", [ROWS[0], {**ROWS[2], **change}, *ROWS[2:]])
    with pytest.raises(DataError, match="run 'vivavoce train evaluate' again") as caught:
        read_clip_scores(path)
    assert told in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"live\n1\n", b"\xff\xfe", b"a,b\n\0,1\n", ",".join(COLUMNS).encode()])
def test_damaged_files_are_one_line(content, tmp_path):
    (tmp_path / "s.csv").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_clip_scores(tmp_path / "s.csv")
    assert "\n" not in str(caught.value)


def test_a_row_that_is_cut_off_is_told(tmp_path):
    path = write(tmp_path / "s.csv", ROWS)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="line 6"):
        read_clip_scores(path)


def test_scores_of_another_measurement_are_known_by_their_counts_and_errors(tmp_path):
    found = read_clip_scores(write(tmp_path / "s.csv", ROWS))
    right = {"clips": {"live": 2, "replay": 3}, "all": {"bpcer": 0.5, "apcer": 1 / 3}}
    assert belong_together(found, Part(tmp_path, {"simulated": right}))
    for group, name, value in (("clips", "live", 3), ("all", "bpcer", 0.4), ("all", "apcer", 0.3)):
        other = {**right, group: {**right[group], name: value}}
        assert not belong_together(found, Part(tmp_path, {"simulated": other}))


def test_the_worst_come_first_and_few_clips_are_no_talker(tmp_path):
    rows = []
    for talker, refused, n in (("good", 1, 10), ("bad", 7, 10), ("rare", 2, FEWEST - 1)):
        rows += [row(True, 0, "reject" if i < refused else "accept", talker=talker) for i in range(n)]
    for name, accepted in (("small", 2), ("large", 9)):
        rows += [row(False, 0, "accept" if i < accepted else "unsure", loudspeaker=name) for i in range(10)]
    found = read_clip_scores(write(tmp_path / "s.csv", rows))
    assert [(one.name, one.wrong.value, one.clips) for one in talkers_refused(found)] == [
        ("bad", 0.7, 10), ("good", 0.1, 10)
    ]  # fmt: skip
    assert [(one.name, one.wrong.value) for one in loudspeakers(found)] == [("phone/large", 0.9), ("phone/small", 0.2)]
    assert all(one.wrong.low < one.wrong.value < one.wrong.high for one in talkers_refused(found))
