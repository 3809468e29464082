"""Score files: read as they were written, and read as the tools for t-DCF read them."""

import numpy as np
import pytest

from edge.errors import DataError
from train.score_files import read_scores, write_scores

LIVE = np.array([True, False, False])
SCORES = np.array([1 / 3, -2.5, 1e-17])


def test_scores_survive(tmp_path):
    path = tmp_path / "new" / "scores.txt"
    write_scores(path, ["a", "b", "c"], ["none", "phone", "tv"], LIVE, SCORES)
    trials = read_scores(path)
    assert (trials.names, trials.sources) == (("a", "b", "c"), ("-", "phone", "tv"))
    np.testing.assert_array_equal(trials.live, LIVE)
    np.testing.assert_array_equal(trials.scores, SCORES)


def test_the_columns_are_those_of_asvspoof(tmp_path):
    path = tmp_path / "scores.txt"
    write_scores(path, ["a", "b", "c"], ["none", "phone", "tv"], LIVE, SCORES)
    # As its evaluation reads them: second column source, third key, fourth score.
    table = np.genfromtxt(path, dtype=str)
    assert table.shape == (3, 4)
    np.testing.assert_array_equal(table[table[:, 2] == "bonafide", 3].astype(np.float64), SCORES[LIVE])
    np.testing.assert_array_equal(table[table[:, 2] == "spoof", 3].astype(np.float64), SCORES[~LIVE])


@pytest.mark.parametrize(
    ("names", "kinds", "score"),
    [
        (("a", "b b"), ("none", "phone"), 0.0),
        (("a", "a"), ("none", "phone"), 0.0),
        (("a", ""), ("none", "phone"), 0.0),
        (("a", "b"), ("none", "my phone"), 0.0),
        (("a", "b"), ("none", "phone"), np.nan),
        (("a", "b"), ("none", "phone"), np.inf),
    ],
)
def test_what_could_not_be_read_again_is_not_written(names, kinds, score, tmp_path):
    with pytest.raises(DataError, match="without white space"):
        write_scores(tmp_path / "scores.txt", names, kinds, LIVE[:2], np.array([0.0, score]))
    assert not (tmp_path / "scores.txt").exists()


@pytest.mark.parametrize(
    "line", ["a - bonafide", "a - bonafide 1 2", "a - human 1", "a - spoof x", "a - spoof nan", ""]
)
def test_a_line_of_another_form_is_named(line, tmp_path):
    path = tmp_path / "scores.txt"
    path.write_text(f"a - bonafide 1.0\n{line}\n")
    with pytest.raises(DataError, match="line 2: got"):
        read_scores(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"scores\.txt: cannot be read"):
        read_scores(tmp_path / "scores.txt")
