"""Sound of the demo's decisions that was asked for: a file each, with what was decided beside it."""

import json
import logging
import math
import os
import stat
from pathlib import Path

import numpy as np
import pytest
import soundfile

import edge
from edge.bundle import open_bundle
from edge.errors import StoreError, UsageError
from edge.live_demo.keeping import Keeper, record_of
from edge.live_demo.listener import Listener
from edge.live_demo.state import Ruled, State
from edge.quality import Quality

SCENE = Path(edge.__file__).parent / "data" / "scene.flac"
AT_S = 1_790_000_000.25
SOUND = np.arange(-500, 500, dtype=np.int16)


def state() -> State:
    return State(("hey",), (0.5,), 0.6, 0.4, 40)


def keeper(folder: Path, shown: State | None = None, at_s: float = AT_S) -> Keeper:
    return Keeper(folder, shown or state(), "1.2", clock=lambda: at_s)


def ruled(**other) -> Ruled:
    quality = Quality(28.0, -20.0, 0.0, 0.8, 8000.0, 3.0, ())
    return Ruled(46_400, "hey", "reject", ("loudspeaker",), 0.98, 0.07, quality, 0.1, 0.006, **{"sound": SOUND} | other)


def test_a_file_of_the_sound_and_one_of_the_decision(tmp_path):
    shown = state()
    keeper(tmp_path / "kept", shown).keep(ruled())
    assert (shown.keeps, shown.kept) == (str(tmp_path / "kept"), 1)
    flac, told = sorted((tmp_path / "kept").iterdir())
    assert flac.stem == told.stem
    sound, rate = soundfile.read(flac, dtype="int16")
    assert rate == 16_000
    np.testing.assert_array_equal(sound, SOUND)
    record = json.loads(told.read_text())
    assert record["id"] == flac.stem
    assert (record["at"], record["bundle"], record["heard_s"]) == (AT_S, "1.2", 2.9)
    assert (record["word"], record["decision"], record["reasons"]) == ("hey", "reject", ["loudspeaker"])
    assert (record["wake_score"], record["live_probability"]) == (0.98, 0.07)
    assert record["quality"]["snr_db"] == 28.0


def test_nobody_else_may_look_into_it(tmp_path):
    keeper(tmp_path / "kept").keep(ruled())
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "kept").iterdir()}
    assert (stat.S_IMODE((tmp_path / "kept").stat().st_mode), modes) == (0o700, {0o600})


def test_a_folder_that_others_look_into_is_refused(tmp_path):
    tmp_path.chmod(0o755)
    with pytest.raises(UsageError, match=r"mode 755.*or name another with --keep"):
        keeper(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_what_is_no_folder_is_refused(tmp_path, name):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "file").chmod(0o600)
    with pytest.raises(StoreError, match="cannot be written"):
        keeper(tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"


def test_what_is_there_already_stays(tmp_path):
    folder = tmp_path / "kept"
    for number in range(3):
        keeper(folder, at_s=number * 1e8).keep(ruled())
    assert len(list(folder.glob("*.flac"))) == 3


def test_the_oldest_do_not_give_way_however_much_there_is(tmp_path):
    noise = np.random.default_rng(1).integers(-32768, 32768, 64_000).astype(np.int16)
    made = keeper(tmp_path / "kept")
    for _ in range(12):
        made.keep(ruled(sound=noise))
    kept = list((tmp_path / "kept").glob("*.flac"))
    assert len(kept) == 12
    assert sum(path.stat().st_size for path in kept) > 1_200_000


def test_without_sound_there_is_nothing_to_keep(tmp_path):
    shown = state()
    made = keeper(tmp_path / "kept", shown)
    made.keep(ruled(sound=None))
    made.keep(ruled(sound=SOUND[:0]))
    assert shown.kept == 0
    assert not list((tmp_path / "kept").iterdir())


def test_a_full_disk_is_told_and_the_demo_goes_on(tmp_path, monkeypatch, caplog):
    shown = state()
    made = keeper(tmp_path / "kept", shown)

    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edge.kept_audio.write_whole", full)
    with caplog.at_level(logging.ERROR):
        made.keep(ruled())
    assert shown.kept == 0
    assert "the sound of a decision was not kept" in caplog.text
    assert "No space left on device" in caplog.text
    monkeypatch.undo()
    made.keep(ruled())
    assert shown.kept == 1


def test_what_is_not_known_is_null():
    record = record_of(Ruled(16_000, "", "heard", ()))
    assert [record[name] for name in ("word", "wake_score", "live_probability", "quality", "decay")] == [None] * 5
    assert not any(isinstance(value, float) and math.isnan(value) for value in record.values())


def test_the_decisions_of_a_scene_are_kept(tmp_path):
    listener = Listener(open_bundle())
    made = Keeper(tmp_path / "kept", listener.state, "1")
    listener.keeps_sound, listener.told = True, made.keep
    list(listener.push(soundfile.read(SCENE, dtype="int16")[0]))
    list(listener.finish())
    assert listener.state.kept == 2
    records = [json.loads(path.read_text()) for path in sorted((tmp_path / "kept").glob("*.json"))]
    assert [record["decision"] for record in records] == ["accept", "reject"]
    assert all(0 <= record["decay"]["live_share"] <= 1 for record in records)
    assert all(os.path.getsize(path) > 1000 for path in (tmp_path / "kept").glob("*.flac"))
