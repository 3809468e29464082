"""``vivavoce calibrate`` in a dialogue with a scripted person: what is recorded, kept, judged and told."""

import json
import shlex
from types import SimpleNamespace

import numpy as np
import pytest
from scripted_person import Scene, through_a_room, word

from edge.bundle import DEFAULT_BUNDLE, open_bundle
from edge.calibration_making import Judge, Judged
from edge.commands import calibrate as command
from edge.errors import DataError, UsageError
from tests.edge.calibrating import (  # noqa: F401  # fixtures
    WORDS,
    ByLevel,
    by_level_fixture,
    command_parser,
    dialogue,
    namespace,
    parsed,
    temporary_fixture,
)


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
        again, before = (
            vars(one) for one in (command_parser().parse_args(words[2:], namespace()), parsed(out, *options))
        )
        # Who agreed is known from what was kept.
        assert again == before | {"consent": None}
        runtime = ("--interpreter", "litert", "--consent", "yes", "--keep", str(keep))
        scene = Scene([*WORDS[:1], stop])
        dialogue(scene, out, *runtime)
        assert scene.text.rstrip().endswith("--interpreter litert")

    def test_the_real_network_judges(self):
        found = Judge(open_bundle()).judge([word(0)])
        assert np.isfinite(found.score)
