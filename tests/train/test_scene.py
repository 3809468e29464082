"""The sample scene: made again with another voice and seed than the one that ships."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile

from edge.cli import main
from edge.errors import UsageError
from train.scene import LABEL, NOTICE, SCENE_SECONDS, Scene, make_scene, write_scene
from train.synthesis import synthesise

ROOT = Path(__file__).resolve().parents[2]
VOICE, OTHER_VOICE = "espeak-ng:en-gb", "flite:rms"
SHIPPED_BUNDLE = ROOT / "edge/data/bundle/manifest.json"

needs_synthesisers = pytest.mark.skipif(
    any(shutil.which(program) is None for program in ("flite", "espeak-ng")),
    reason="needs the Debian packages flite and espeak-ng",
)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pyroomacoustics")


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_scene("computer", VOICE, 7)


def level_db(samples: np.ndarray, low_hz: float, high_hz: float) -> float:
    hz, power = scipy.signal.welch(samples.astype(float), 16_000, nperseg=1024)
    return 10 * np.log10(power[(hz >= low_hz) & (hz < high_hz)].sum())


def part(scene: Scene, number: int) -> np.ndarray:
    told = scene.description["utterances"][number]
    return scene.samples[int(told["start_s"] * 16_000) : int(told["end_s"] * 16_000)]


@needs_synthesisers
def test_the_parts_are_where_the_description_says(scene):
    assert scene.samples.dtype == np.int16
    assert scene.samples.size == SCENE_SECONDS * 16_000
    live, replay = scene.description["utterances"]
    assert (live["rendered"], replay["rendered"]) == ("spoken in the room", "played by a TV")
    assert (live["conditions"]["kind"], replay["conditions"]["kind"]) == ("none", "tv")
    assert live["conditions"]["room"] == replay["conditions"]["room"]
    assert 1.0 < live["start_s"] < live["end_s"] < replay["start_s"] - 1.0
    assert replay["end_s"] < SCENE_SECONDS - 1.0
    floor = level_db(scene.samples[:16_000], 50, 8000)
    for number in range(2):
        assert level_db(part(scene, number), 50, 8000) > floor + 15


@needs_synthesisers
def test_the_noise_floor_has_no_gap_and_no_seam(scene):
    frames = scene.samples.reshape(-1, 1600).astype(float)
    rms_db = 20 * np.log10(np.sqrt((frames**2).mean(axis=1)))
    told = scene.description["utterances"]
    # Up to the lead of each clip, and from its faded tail on.
    quiet = [
        (1.0, told[0]["start_s"] - 0.1),
        (told[0]["end_s"] + 1.2, told[1]["start_s"] - 0.1),
        (told[1]["end_s"] + 1.2, SCENE_SECONDS),
    ]
    levels = np.concatenate([rms_db[int(a * 10) : int(b * 10)] for a, b in quiet])
    assert levels.min() > rms_db[:10].mean() - 4
    assert levels.max() < rms_db[:10].mean() + 4


@needs_synthesisers
def test_nobody_can_take_the_voice_for_a_human(scene, tmp_path):
    beside = write_scene(scene, tmp_path / "scene.flac")
    told = json.loads(beside.read_text(encoding="utf-8"))
    assert told["label"] == LABEL == "synthetic voice"
    assert told["notice"] == NOTICE
    assert "No human speaks" in NOTICE
    assert {utterance["voice"] for utterance in told["utterances"]} == {LABEL}
    assert (told["word"], told["voice"], told["seed"]) == ("computer", VOICE, 7)


@needs_synthesisers
def test_the_file_is_what_was_made_and_small(scene, tmp_path):
    write_scene(scene, tmp_path / "scene.flac")
    samples, rate_hz = soundfile.read(tmp_path / "scene.flac", dtype="int16")
    assert rate_hz == 16_000
    np.testing.assert_array_equal(samples, scene.samples)
    assert (tmp_path / "scene.flac").stat().st_size <= 200_000


@needs_synthesisers
def test_the_same_call_makes_the_same_scene_and_another_seed_does_not(scene):
    again = make_scene("computer", VOICE, 7)
    np.testing.assert_array_equal(again.samples, scene.samples)
    assert again.description == scene.description
    assert not np.array_equal(make_scene("computer", VOICE, 8).samples, scene.samples)


def bass_lost_db(scene: Scene) -> float:
    """How much less bass, against 1-3 kHz, the television's part has than the talker's."""
    # Below most televisions' corner (90 to 250 Hz), and where a male voice still has its fundamental.
    room, television = (
        level_db(part(scene, number), 60, 130) - level_db(part(scene, number), 1000, 3000) for number in range(2)
    )
    return room - television


@needs_synthesisers
def test_the_television_has_less_bass_than_the_talker(scene):
    assert bass_lost_db(scene) > 6


@needs_synthesisers
def test_televisions_lose_bass_with_other_draws_too():
    # Not each of them: a large one in a room that booms may keep it.
    assert np.median([bass_lost_db(make_scene("computer", OTHER_VOICE, seed)) for seed in range(1, 6)]) > 6


@needs_synthesisers
@pytest.mark.skipif(not SHIPPED_BUNDLE.exists(), reason="needs the bundle that ships with the package")
def test_the_gate_runs_over_a_scene(tmp_path, capsys):
    file = tmp_path / "scene.flac"
    arguments = ["--word", "computer", "--voice", OTHER_VOICE, "--seed", "3"]
    write_scene(make_scene("computer", OTHER_VOICE, 3), file)
    made = file.read_bytes()
    assert main(["train", "scene", "-o", str(file), *arguments]) == 0
    assert file.read_bytes() == made, "the command makes what the function makes"
    capsys.readouterr()
    assert main(["run", "--json", str(file)]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[-1] == {"event": "end", "file": str(file), "seconds": SCENE_SECONDS, "quality": []}
    assert [e["event"] for e in events[:-1]] == ["wake", "decision"] * (len(events) // 2)


@needs_synthesisers
@pytest.mark.parametrize("voice", [VOICE, OTHER_VOICE])
def test_speech_is_sound_at_16_khz(voice):
    samples = synthesise("smart mirror", voice)
    assert samples.dtype == np.float32
    assert 0.4 < samples.size / 16_000 < 2.5
    assert 0.05 < np.abs(samples).max() <= 1.1
    # Another rate would move the speech: next to nothing of it lies below 60 Hz, most of it below 4 kHz.
    assert level_db(samples, 60, 4000) > level_db(samples, 0, 60) + 10


@pytest.mark.parametrize("voice", ["flite", "festival:kal", "espeak-ng:", "espeak-ng:-w", "flite:-o"])
def test_a_voice_that_is_none_is_refused(voice):
    with pytest.raises(UsageError, match="expected PROGRAM:NAME"):
        synthesise("alexa", voice)


@needs_synthesisers
@pytest.mark.parametrize("voice", ["flite:nobody", "espeak-ng:nobody"])
def test_an_unknown_voice_is_not_replaced_by_another(voice):
    with pytest.raises(UsageError, match="nobody"):
        synthesise("alexa", voice)


@pytest.mark.parametrize("program", ["flite", "espeak-ng"])
def test_a_missing_synthesiser_names_the_package(program, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["train", "scene", "-o", str(tmp_path / "a.flac"), "--voice", f"{program}:x"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"apt-get install {program}" in error
    assert not (tmp_path / "a.flac").exists()


@pytest.mark.parametrize("word", ["", "Alexa", "--help", "smart mirror", "../alexa"])
def test_a_word_that_is_no_id_is_refused(word):
    with pytest.raises(UsageError, match="expected the id of a wake word"):
        make_scene(word, VOICE, 1)


def test_a_name_without_flac_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"ends in \.flac"):
        write_scene(Scene(np.zeros(16, np.int16), {}), tmp_path / "scene.json")
    assert not list(tmp_path.iterdir())
