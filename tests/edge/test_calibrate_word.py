"""``vivavoce calibrate`` and the cut-off of a word: offered with its price, taken, left, and taken back."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scripted_person import Scene, through_a_room

from edge.bundle import open_bundle
from edge.calibration import read_calibration
from edge.calibration_prior import Share, WordPrior, WordsPrior, prior_for
from edge.cli import main
from edge.daemon_settings import load, rules_of
from edge.sensitivity import FARTHEST_SHIFT, moved_by
from tests.edge.calibrating import WORDS, by_level_fixture, dialogue, from_files, recordings_fixture, temporary_fixture  # noqa: F401  # fixtures


class ByRow:
    """Hears in place of the network: as sure as the script says, take by take."""

    script = ()

    def __init__(self, bundle, *_):
        self._takes = iter(self.script)
        self._cutoffs = [word.cutoff for word in bundle.words]

    def hear(self, blocks, where=""):
        margin = next(self._takes)
        return np.array([moved_by(self._cutoffs[0], margin), *([0.01] * (len(self._cutoffs) - 1))])


ALEXA = WordsPrior(
    source="a test",
    between=0.7,
    within=0.7,
    missed=Share(0.5, 4.5),
    shifts=(0.0, -0.5, -1.0),
    hours=2.0,
    of={"alexa": WordPrior(1.0, (0, 1, 9))},
)


@pytest.fixture
def missed(monkeypatch, by_level):
    """Let half of six takes of the word be missed by a little."""
    monkeypatch.setattr(ByRow, "script", (0.5, -0.4, 0.5, -0.4, 0.5, -0.4))
    for module in ("edge.calibration_words", "edge.calibrator"):
        monkeypatch.setattr(f"{module}.WordListener", ByRow)
    for module in ("edge.calibration_prior", "edge.calibrator"):
        monkeypatch.setattr(f"{module}.prior_for", lambda bundle: replace(prior_for(bundle), words=ALEXA))


def cutoffs(out):
    return {name: word.cutoff for name, word in read_calibration(out).words.items()}


LOWER = moved_by(open_bundle().words[0].cutoff, -0.5)


class TestWord:
    def call(self, tmp_path, recordings, *more):
        out = tmp_path / "home.json"
        assert from_files(out, *recordings, "--word", "Alexa", *more) == 0
        return out

    def test_who_says_yes_is_met_and_was_told_the_price(self, tmp_path, missed, recordings, capsys):
        out = self.call(tmp_path, recordings, "--cutoff", "yes")
        assert cutoffs(out) == {"alexa": pytest.approx(LOWER, abs=1e-6)}
        told = capsys.readouterr().out
        before_it_is_written = told[: told.index("home.json: written")]
        assert "of 6 takes heard: before 3, after 6" in before_it_is_written
        assert "in an hour of speech: before 0.0, after 0.5" in before_it_is_written
        assert main(["calibrate", "show", str(out)]) == 0
        assert "of 6 takes heard: before 3, after 6" in capsys.readouterr().out

    @pytest.mark.parametrize("answer", [("--cutoff", "no"), ()])
    def test_who_does_not_say_yes_keeps_the_bundles(self, tmp_path, missed, recordings, capsys, answer):
        assert cutoffs(self.call(tmp_path, recordings, *answer)) == {}
        assert "It stays as it was" in capsys.readouterr().out

    @pytest.mark.parametrize(("typed", "taken"), [("yes", True), ("no", False), ("", False)])
    def test_a_person_at_a_terminal_is_asked(self, tmp_path, missed, recordings, monkeypatch, capsys, typed, taken):
        answers = SimpleNamespace(isatty=lambda: True, readline=lambda: f"{typed}\n")
        monkeypatch.setattr("sys.stdin", answers)
        out = self.call(tmp_path, recordings, "--json")
        assert bool(cutoffs(out)) is taken
        printed = capsys.readouterr()
        assert "Take this cut-off? Type yes or no:" in printed.err
        assert json.loads(printed.out)["words"] == json.loads(out.read_text())["words"]

    def test_what_is_too_dear_is_left(self, tmp_path, missed, recordings, capsys):
        assert cutoffs(self.call(tmp_path, recordings, "--cutoff", "yes", "--most-false-accepts", "0.4")) == {}
        assert "3 of 6 takes were missed" in capsys.readouterr().out

    def test_new_takes_that_are_heard_take_a_lowered_cut_off_back(
        self, tmp_path, missed, recordings, monkeypatch, capsys
    ):
        self.call(tmp_path, recordings, "--cutoff", "yes")
        monkeypatch.setattr(ByRow, "script", (0.5,) * 6)
        capsys.readouterr()
        assert cutoffs(self.call(tmp_path, recordings, "--cutoff", "yes")) == {}
        told = capsys.readouterr().out
        assert "again, as it shipped, and no longer" in told
        assert "0 of 6 takes were missed: none to mend" in told

    def test_too_few_new_takes_leave_a_lowered_cut_off_and_say_so(
        self, tmp_path, missed, recordings, monkeypatch, capsys
    ):
        out = self.call(tmp_path, recordings, "--cutoff", "yes")
        monkeypatch.setattr("edge.calibration_words.LEAST_TAKES", 7)
        capsys.readouterr()
        assert cutoffs(self.call(tmp_path, recordings, "--cutoff", "yes")) == {"alexa": pytest.approx(LOWER, abs=1e-6)}
        assert "as it was calibrated before: got 6 takes of it, expected at least 7" in capsys.readouterr().out
        # And a no to a new offer keeps what holds, which is told.
        monkeypatch.setattr("edge.calibration_words.LEAST_TAKES", 5)
        assert cutoffs(self.call(tmp_path, recordings, "--cutoff", "no")) == {"alexa": pytest.approx(LOWER, abs=1e-6)}
        assert "from the calibration before" in capsys.readouterr().out
        assert out.exists()

    def test_who_leaves_at_the_question_keeps_all_else(self, tmp_path, missed, recordings, monkeypatch, capsys):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True, readline=lambda: ""))
        out = self.call(tmp_path, recordings)
        assert read_calibration(out).words == {}
        assert "It stays as it was." in capsys.readouterr().out

    def test_yes_to_waiting_is_not_said_to_be_no_terminal(self, tmp_path, missed, recordings, monkeypatch, capsys):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
        self.call(tmp_path, recordings, "--yes")
        assert "It stays as it was: --yes asks nothing. To take it, add --cutoff yes." in capsys.readouterr().out

    def test_undo_takes_it_back(self, tmp_path, missed, recordings, capsys):
        out = self.call(tmp_path, recordings, "--cutoff", "yes")
        capsys.readouterr()
        assert main(["calibrate", "undo", str(out), "--json"]) == 0
        assert cutoffs(out) == json.loads(capsys.readouterr().out)["words"] == {}

    def test_cut_offs_of_other_words_stay_and_those_of_another_bundle_do_not(self, tmp_path, missed, recordings):
        out = self.call(tmp_path, recordings, "--cutoff", "no")
        record = json.loads(out.read_text())
        record |= {"format_version": 1, "words": {"jarvis": 0.9, "nobody": 0.9}}
        out.write_text(json.dumps(record))
        self.call(tmp_path, recordings, "--cutoff", "yes")
        assert cutoffs(out) == {"alexa": pytest.approx(LOWER, abs=1e-6), "jarvis": 0.9}
        record["bundle"]["sha256"] = "0" * 64
        out.write_text(json.dumps(record))
        self.call(tmp_path, recordings, "--cutoff", "yes")
        assert cutoffs(out) == {"alexa": pytest.approx(LOWER, abs=1e-6)}

    def test_the_daemon_and_run_listen_by_it(self, tmp_path, missed, recordings, monkeypatch):
        out = self.call(tmp_path, recordings, "--cutoff", "yes")
        path = tmp_path / "daemon.toml"
        path.write_text(
            f'[gate]\ncalibration = "{out}"\nsensitivity = "highest"\n[source]\nkind = "file"\npath = "x"\n'
        )
        word = rules_of(load(path)).bundle.words[0]
        assert word.cutoff == pytest.approx(moved_by(open_bundle().words[0].cutoff, FARTHEST_SHIFT), abs=1e-5)

    def test_in_the_dialogue_too(self, tmp_path, temporary, missed):
        scene = Scene(WORDS, [through_a_room])
        options = ("--consent", "yes", "--loudspeaker", "phone", "--word", "alexa")
        calibrator, _ = dialogue(scene, tmp_path / "home.json", *options)
        assert calibrator.offer.cutoff.heard == (3, 6)

    def test_a_phrase_of_nobodys_moves_no_cut_off(self, tmp_path, temporary, missed):
        scene = Scene(WORDS, [through_a_room])
        calibrator, _ = dialogue(scene, tmp_path / "home.json", "--consent", "yes", "--loudspeaker", "phone")
        assert calibrator.offer is None
        assert "'hey house' is no word of the bundle" in scene.text
