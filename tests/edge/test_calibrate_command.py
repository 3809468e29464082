"""``vivavoce calibrate``: from files, in a dialogue with a scripted person, and what uses the calibration."""

import hashlib
import json
import shlex
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from scripted_person import Scene, through_a_room, word

from edge.bundle import DEFAULT_BUNDLE, open_bundle
from edge.calibration import read_calibration
from edge.calibration_making import Judge, Judged, lines_of, make_calibration
from edge.calibration_prior import Share, WordPrior, WordsPrior, prior_for
from edge.cli import Parser, main
from edge.commands import calibrate as command
from edge.daemon_settings import load, rules_of
from edge.errors import DataError, UsageError
from edge.sensitivity import FARTHEST_SHIFT, moved_by
from edge.terminal import Terminal

WORDS = [word(seed, level=0.5) for seed in range(6)]
LOUD = 0.3


class ByLevel:
    """Judges in place of the network: what is loud is a person, by its level a little more or less."""

    def __init__(self, *_):
        pass

    def judge(self, blocks, native_rate_hz=16_000):
        peak = max(float(np.abs(block.astype(float)).max(initial=0.0)) for block in blocks) / 32768
        return Judged((3.0 if peak > LOUD else -3.0) + peak, ())


@pytest.fixture
def by_level(monkeypatch):
    monkeypatch.setattr("edge.calibration_making.Judge", ByLevel)
    monkeypatch.setattr("edge.calibrator.Judge", ByLevel)


def files(folder, name, level, count):
    paths = []
    for i in range(count):
        path = folder / f"{name}{i}.wav"
        soundfile.write(path, (word(i).astype(float) / 32768 * level).astype(np.float32), 16_000)
        paths.append(str(path))
    return paths


@pytest.fixture
def recordings(tmp_path):
    return files(tmp_path, "live", 3.0, 6), files(tmp_path, "replay", 0.3, 6)


def from_files(out, live, replay, *more):
    return main(["calibrate", "--live", *live, "--replay", *replay, "--out", str(out), *more])


class TestFiles:
    def test_it_is_written_and_told(self, tmp_path, by_level, recordings, capsys):
        out = tmp_path / "home.json"
        assert from_files(out, *recordings) == 0
        told = capsys.readouterr().out
        assert "from 6 takes of people, 6 replays" in told
        assert "live words refused: before" in told
        found = read_calibration(out)
        assert (found.live, found.replay) == (6, 6)
        assert found.slope > open_bundle().liveness.slope  # they lie farther apart than the bundle expects

    def test_json_is_the_file(self, tmp_path, by_level, recordings, capsys):
        out = tmp_path / "home.json"
        assert from_files(out, *recordings, "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert {"event": "calibrated", "file": str(out), **json.loads(out.read_text())} == told

    def test_replays_as_live_as_takes_write_nothing(self, tmp_path, by_level, recordings, capsys):
        out = tmp_path / "home.json"
        live, _ = recordings
        assert from_files(out, live, files(tmp_path, "more", 3.0, 6)) == 2
        assert "cannot be calibrated, and nothing was written" in capsys.readouterr().err
        assert not out.exists()

    def test_a_file_given_twice_counts_once(self, tmp_path, by_level, recordings, capsys):
        live, replay = recordings
        assert from_files(tmp_path / "home.json", live[:2] * 5, replay) == 2
        assert "got 2 takes of people" in capsys.readouterr().err

    def test_what_the_gate_gives_no_answer_to_is_left_out(self, tmp_path, recordings, capsys):
        # By the real network: digital silence has no answer.
        silent = tmp_path / "silent.wav"
        soundfile.write(silent, np.zeros(16_000), 16_000)
        assert from_files(tmp_path / "home.json", [str(silent)] * 6, recordings[1]) == 2
        errors = capsys.readouterr().err
        assert "silent.wav" in errors
        assert "got 0 takes of people that can be judged" in errors

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            ((), "--out: got none"),
            (("--out", "x.json"), "--word: got none"),
            (("--out", "x.json", "--live", "a.wav"), "--replay: got none beside --live"),
            (("--out", "x.json", "--replay", "a.wav"), "--live: got none beside --replay"),
            (("--out", "x.json", "--live", "a.wav", "--replay", "a.wav"), "given with --live, too"),
            (("--out", "x.json", "--live", "a.wav", "--replay", "b.wav"), "a.wav"),
            (("--out", "x.json", "--live", "a.wav", "--replay", "b.wav", "--word", "w"), "word: got 'w'"),
            (("--out", "x.json", "--word", "w", "--most-false-accepts", "-1"), "--most-false-accepts: got -1"),
            (("--out", "x.json", "--word", "w", "--most-false-accepts", "nan"), "--most-false-accepts: got nan"),
            (("--out", "x.json", "--word", "w", "--takes", "4"), "--takes: got 4"),
            (("--out", "none/x.json", "--word", "w"), "none is no folder"),
            (("show", "x.json"), "x.json"),
            (("undo", "x.json"), "x.json"),
            (
                ("--out", "/proc/none/x.json", "--live", "a.wav", "--replay", "b.wav"),
                "/proc/none/x.json: cannot be writ",
            ),
            (("shows", "x.json"), "did you mean"),
        ],
    )
    def test_calls_that_cannot_work_are_one_line(self, tmp_path, monkeypatch, capsys, arguments, told):
        monkeypatch.chdir(tmp_path)
        assert main(["calibrate", *arguments]) == 2
        errors = capsys.readouterr().err
        assert told in errors
        assert errors.count("\n") == 1
        assert list(tmp_path.iterdir()) == []


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
        record |= {"format_version": 1, "words": {"jarvis": 0.9}}
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


class TestSteps:
    def test_what_is_said_before_a_step_holds_for_it(self, home, copied, capsys):
        capsys.readouterr()
        assert main(["calibrate", "--json", "show", str(home)]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert shown == {"event": "calibration", "file": str(home), "holds": True, **json.loads(home.read_text())}
        assert main(["calibrate", "--bundle", str(copied), "show", str(home), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["holds"] is False
        assert main(["calibrate", "--bundle", "nowhere", "show", str(home)]) == 2
        assert main(["calibrate", "--json", "undo", str(home)]) == 0
        assert json.loads(capsys.readouterr().out)["event"] == "undone"

    def test_show_says_what_becomes_of_the_bundles_cut_offs(self, home, capsys):
        record = json.loads(home.read_text())
        record["words"] = {"alexa": {"cutoff": 0.5, "takes": 0, "heard": [0, 0], "missed": None,
                                     "false_accepts_per_hour": None}}  # fmt: skip
        home.write_text(json.dumps(record))
        capsys.readouterr()
        assert main(["calibrate", "show", str(home)]) == 0
        told = capsys.readouterr().out
        assert f"alexa: heard from a score of 0.5000 on, before {open_bundle().words[0].cutoff:.4f}" in told
        assert "the gate opens from an output of" in told

    def test_one_for_another_bundle_does_not_hold_and_that_is_said(self, home, copied, capsys):
        capsys.readouterr()
        assert main(["calibrate", "show", str(home), "--bundle", str(copied)]) == 0
        told = capsys.readouterr().out
        assert f"it does not hold for the bundle {copied}" in told
        assert "the gate opens" not in told
        assert main(["calibrate", "undo", str(home), "--bundle", str(copied)]) == 0
        told = capsys.readouterr().out
        assert "stands here again, and is for another bundle" in told
        assert "holds again" not in told
        assert main(["calibrate", "undo", str(home), "--bundle", str(copied), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["holds"] is False

    def test_without_a_bundle_nothing_is_undone(self, home, capsys):
        before = home.read_bytes()
        assert main(["calibrate", "undo", str(home), "--bundle", "nowhere"]) == 2
        assert home.read_bytes() == before

    def test_show_and_undo(self, tmp_path, by_level, recordings, capsys):
        out = tmp_path / "home.json"
        from_files(out, *recordings)
        first = out.read_bytes()
        capsys.readouterr()
        assert main(["calibrate", "show", str(out)]) == 0
        assert "6 takes of people, 6 replays" in capsys.readouterr().out
        assert main(["calibrate", "undo", str(out)]) == 0
        assert "nothing was calibrated" in capsys.readouterr().out
        assert read_calibration(out).slope == open_bundle().liveness.slope
        assert main(["calibrate", "undo", str(out)]) == 0
        assert out.read_bytes() == first

    def test_which_way_the_gate_moved_is_told(self):
        bundle = open_bundle()
        prior = prior_for(bundle)
        live, replay = ([Judged(x, ()) for x in np.linspace(low, low + 1, 20)] for low in (2.5, 0.8))
        stricter = make_calibration(bundle, prior, live, replay)
        assert lines_of(stricter, bundle)[-1].endswith("stricter")
        live, replay = ([Judged(x, ()) for x in np.linspace(low, low + 1, 20)] for low in (-1.2, -4.0))
        assert lines_of(make_calibration(bundle, prior, live, replay), bundle)[-1].endswith("more lenient")


def _parser():
    parser = Parser("vivavoce calibrate")
    command.configure(parser)
    return parser


def parsed(out, *more):
    return _parser().parse_args(["--word", "hey house", "--takes", "6", "--out", str(out), *more], _start())


def dialogue(scene, out, *more, typed=None):
    args = parsed(out, *more)
    reader = SimpleNamespace(isatty=lambda: False, readline=lambda: "")
    from edge.calibrator import Calibrator

    calibrator = Calibrator(args, Terminal(reader, scene), lambda _: scene, open_bundle())
    return calibrator, calibrator.run()


def _start():
    return SimpleNamespace(_chosen=[], _help=str)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


class TestDialogue:
    def test_a_person_calibrates_and_no_sound_is_kept(self, tmp_path, temporary, by_level):
        scene = Scene(WORDS, [through_a_room])
        calibrator, code = dialogue(scene, tmp_path / "home.json", "--consent", "yes", "--loudspeaker", "phone")
        assert code == 0
        found = calibrator.calibration
        assert (found.live, found.replay, found.loudspeakers) == (6, 6, ("phone",))
        assert found.microphone == "scripted"
        assert list(temporary.iterdir()) == []
        # Half near, half far.
        prompts = scene.text.index("other end of the room")
        assert scene.text.index("3 of 6") < prompts < scene.text.index("4 of 6")
        assert scene.text.count("other end of the room") == 1

    def test_sound_is_kept_where_somebody_asks_for_it(self, tmp_path, temporary, by_level):
        keep = tmp_path / "kept"
        options = ("--consent", "yes", "--loudspeaker", "phone", "--keep", str(keep))
        dialogue(Scene(WORDS, [through_a_room]), tmp_path / "home.json", *options)
        assert len(list(keep.glob("live/**/*.flac"))) == len(list(keep.glob("replay/**/*.flac"))) == 6
        # Again, nothing is asked for: all is there.
        calibrator, _ = dialogue(Scene(), tmp_path / "home.json", *options)
        assert calibrator.calibration.live == 6

    def test_who_does_not_agree_is_not_recorded(self, tmp_path, temporary, by_level):
        scene = Scene(WORDS)
        calibrator, code = dialogue(scene, tmp_path / "home.json", "--consent", "no")
        assert (calibrator.calibration, code, scene.opened) == (None, 0, 0)
        assert "nothing was recorded" in scene.text

    def test_without_an_answer_nobody_is_recorded(self, tmp_path, temporary, by_level):
        with pytest.raises(UsageError, match="--consent: got none"):
            dialogue(Scene(WORDS), tmp_path / "home.json")
        assert list(temporary.iterdir()) == []

    def test_who_stops_leaves_nothing(self, tmp_path, temporary, by_level):
        def stop(_):
            raise KeyboardInterrupt

        scene = Scene([*WORDS[:2], stop])
        calibrator, code = dialogue(scene, tmp_path / "home.json", "--consent", "yes")
        assert (calibrator.calibration, code) == (None, 130)
        assert "No sound was kept, and no calibration was written" in scene.text
        assert list(temporary.iterdir()) == []

    def test_without_replays_there_is_no_calibration(self, tmp_path, temporary, by_level):
        with pytest.raises(DataError, match="got 0 replays"):
            dialogue(Scene(WORDS), tmp_path / "home.json", "--consent", "yes")

    def test_what_proves_nothing_is_told_of(self, tmp_path, temporary, by_level, monkeypatch):
        monkeypatch.setattr(ByLevel, "judge", lambda self, blocks, native_rate_hz: Judged(3.0, ("noisy",)))
        scene = Scene(WORDS, [through_a_room])
        with pytest.raises(DataError, match="got 0 takes"):
            dialogue(scene, tmp_path / "home.json", "--consent", "yes", "--loudspeaker", "phone")
        assert "Left out: 6 of 6 takes, the gate gives no answer to them (noisy)." in scene.text

    def test_what_is_no_calibration_is_told_of_before_anybody_speaks(self, tmp_path, by_level):
        out = tmp_path / "letter"
        out.write_text("dear all")
        scene = Scene(WORDS)
        with pytest.raises(DataError, match="letter"):
            dialogue(scene, out, "--consent", "yes")
        assert scene.opened == 0

    @pytest.mark.parametrize("place", ["home.json", "home.json.former"])
    def test_a_place_that_cannot_be_written_is_told_of_before_anybody_speaks(self, tmp_path, by_level, place):
        (tmp_path / place).mkdir()
        scene = Scene(WORDS)
        with pytest.raises(DataError, match=rf"{place}: .*expected|{place}: cannot be written"):
            dialogue(scene, tmp_path / "home.json", "--consent", "yes")
        assert scene.opened == 0

    def test_with_json_people_are_spoken_to_elsewhere(self, tmp_path, temporary, by_level, monkeypatch, capsys):
        scene = Scene(WORDS, [through_a_room])
        monkeypatch.setattr("sys.stderr", scene)
        monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: False, readline=lambda: ""))
        out = tmp_path / "home.json"
        options = ("--consent", "yes", "--loudspeaker", "phone", "--json")
        assert command.run(parsed(out, *options), lambda _: scene) == 0
        assert "4 of 6" in scene.text
        told = json.loads(capsys.readouterr().out)
        assert told == {"event": "calibrated", "file": str(out), **json.loads(out.read_text())}

    def test_the_command_that_goes_on_has_all_options_of_the_one_that_ended(self, tmp_path, by_level):
        def stop(_):
            raise KeyboardInterrupt

        keep, out = tmp_path / "kept recordings", tmp_path / "home.json"
        options = [
            "--consent", "yes", "--keep", str(keep), "--loudspeaker", "phone", "--loudspeaker", "tv", "--json", "--yes",
            "--microphone", "USB mic", "--speaker", "anna", "--cutoff", "no",
            "--most-false-accepts", "0.30000000000000004", "--may-raise", "--require-signature",
            "--bundle", str(DEFAULT_BUNDLE), "--public-key", "one.pub", "--public-key", "two.pub",
        ]  # fmt: skip
        scene = Scene([*WORDS[:2], stop])
        _, code = dialogue(scene, out, *options)
        assert code == 130
        words = shlex.split(scene.text.strip().splitlines()[-1])
        assert words[:2] == ["vivavoce", "calibrate"]
        again, before = (vars(one) for one in (_parser().parse_args(words[2:], _start()), parsed(out, *options)))
        # Who agreed is known from what was kept.
        assert again == before | {"consent": None}
        runtime = ("--interpreter", "litert", "--consent", "yes", "--keep", str(keep))
        scene = Scene([*WORDS[:1], stop])
        dialogue(scene, out, *runtime)
        assert scene.text.rstrip().endswith("--interpreter litert")

    def test_the_real_network_judges(self):
        found = Judge(open_bundle()).judge([word(0)])
        assert np.isfinite(found.score)


@pytest.fixture
def home(tmp_path, by_level, recordings):
    out = tmp_path / "home.json"
    assert from_files(out, *recordings) == 0
    return out


@pytest.fixture
def copied(tmp_path):
    """Return another bundle: the one that ships, a version later."""
    copy = tmp_path / "mine"
    shutil.copytree(DEFAULT_BUNDLE, copy)
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    # Its limits are verdicts about the one that ships.
    path.write_text(json.dumps(manifest | {"bundle_version": "99.0.0", "limits": None}))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name("manifest.json.sha256").write_text(f"{digest}  manifest.json\n")
    return copy


@pytest.fixture
def foreign(home):
    record = json.loads(home.read_text())
    record["bundle"]["sha256"] = "0" * 64
    path = home.with_name("foreign.json")
    path.write_text(json.dumps(record))
    return path


class TestUse:
    def settings(self, folder, calibration):
        path = folder / "daemon.toml"
        path.write_text(f'[gate]\ncalibration = "{calibration}"\n[source]\nkind = "file"\npath = "x"\n')
        return load(path)

    def test_run_refuses_that_of_another_bundle(self, foreign, recordings, capsys):
        assert main(["run", "--calibration", str(foreign), recordings[0][0]]) == 2
        errors = capsys.readouterr().err
        assert "foreign.json: bundle.sha256: got 0000" in errors
        assert errors.count("\n") == 1

    def test_run_judges_by_it(self, home, recordings, monkeypatch, capsys):
        seen = []
        import edge.pipeline

        real = edge.pipeline.Pipeline
        monkeypatch.setattr(
            edge.pipeline, "Pipeline", lambda bundle, **more: seen.append(bundle.liveness.slope) or real(bundle, **more)
        )
        assert main(["run", "--calibration", str(home), recordings[0][0]]) == 0
        assert seen == [read_calibration(home).slope]

    def test_the_daemon_judges_by_it_and_keeps_the_bundle_as_it_is(self, tmp_path, home):
        rules = rules_of(self.settings(tmp_path, home))
        assert rules.bundle.liveness.slope == read_calibration(home).slope
        assert rules.unfitted == open_bundle()

    def test_the_daemon_leaves_out_that_of_another_bundle(self, tmp_path, foreign, caplog):
        rules = rules_of(self.settings(tmp_path, foreign))
        assert rules.bundle.liveness.slope == open_bundle().liveness.slope
        assert "gate.calibration: left out" in caplog.text

    def test_the_daemon_refuses_a_damaged_one_when_settings_are_read(self, tmp_path, home):
        home.write_text("{}")
        with pytest.raises(DataError, match=r"home\.json"):
            self.settings(tmp_path, home)
