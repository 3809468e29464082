"""Kept sound: only where the owner asked for it, for nobody else, for a limited time."""

import os
import stat
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from event_makers import AT_S, answer, passed, sound, unjudged

from edge.answers import new_id
from edge.errors import StoreError, UsageError
from edge.event_reading import EventReader, Selection
from edge.event_store import StoreSettings
from edge.health import Health
from edge.kept_audio import AudioSettings, KeptAudio, kept_files, remove_audio
from edge.sinks.store import StoreSink
from edge.strict_toml import from_tables

DAY_S = 86_400.0


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "state" / "audio"


def opened(folder, *keep, **settings):
    kept = KeptAudio(AudioSettings(keep=keep or ("all",), path=str(folder), **settings))
    kept.open()
    return kept


def names(folder):
    return sorted(path.stem for path in folder.glob("*.flac"))


def test_nothing_is_kept_unless_it_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    sink = StoreSink(StoreSettings(), AudioSettings(), Health())
    sink.open()
    for make in (answer, passed, unjudged):
        sink.push(make(pre_roll=sound()))
    sink.close()
    assert not (tmp_path / "state" / "audio").exists()
    with EventReader(tmp_path / "state" / "events.sqlite3") as reader:
        assert [event.audio for event in reader.events(Selection())] == ["", "", ""]


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        (("accepted",), "p"),
        (("rejected",), "a"),
        (("unsure",), "u"),
        (("rejected", "unsure"), "au"),
        (("all",), "apu"),
        (("all", "none"), "apu"),
        ((), ""),
        (("none",), ""),
        ("none", ""),
        ("all", "apu"),
        ("unsure", "u"),
    ],
)
def test_what_is_kept_follows_the_decision_about_the_sound(keep, expected):
    # An accepted voice whose command the policy blocked is an accepted voice.
    told = {"a": answer(), "p": passed(action="block"), "u": unjudged(action="pass")}
    kept = KeptAudio(AudioSettings(keep=keep))
    found = {
        name for name, one in told.items() if kept.enabled and kept.wanted(replace(one, pre_roll=np.ones(8, np.int16)))
    }
    assert found == set(expected)
    assert not any(kept.wanted(one) for one in told.values())


def test_the_sound_comes_back_bit_by_bit(folder):
    told = answer(pre_roll=np.array([0, 1, -1, 32767, -32768, *sound(0.1)], np.int16))
    path = opened(folder).keep(told)
    assert path == folder / f"{told.id}.flac"
    samples, rate_hz = soundfile.read(path, dtype="int16")
    assert rate_hz == 16_000
    np.testing.assert_array_equal(samples, told.pre_roll)


def test_nobody_else_may_hear_it(folder):
    old = os.umask(0)
    try:
        path = opened(folder).keep(answer(pre_roll=sound()))
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_that_others_may_use_is_refused_and_left_as_it_is(folder):
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    with pytest.raises(UsageError, match=r"others may use \(mode 755\), expected 700.*chmod 700"):
        opened(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_a_folder_that_cannot_be_is_one_line(folder):
    folder.parent.mkdir()
    folder.write_text("x")
    with pytest.raises(StoreError, match="cannot be written"):
        opened(folder)


def test_what_was_being_written_is_removed_and_nothing_else(folder):
    folder.mkdir(parents=True, mode=0o700)
    half = folder / f".{new_id(AT_S)}.flac.tmp"
    others = [folder / ".something.tmp", folder / "notes.flac", folder / f"{new_id(AT_S)}.flac.tmp"]
    for path in (half, *others):
        path.write_bytes(b"x")
    opened(folder)
    assert not half.exists()
    assert all(path.exists() for path in others)


def test_old_sound_leaves(folder):
    kept = opened(folder, max_age_days=14.0)
    told = [answer(AT_S - days * DAY_S, pre_roll=sound(0.1)) for days in (30, 15, 13, 0)]
    for one in told:
        kept.keep(one)
    assert kept.retain(AT_S) == 2
    assert names(folder) == [one.id for one in told[2:]]
    assert kept.retain(AT_S) == 0


def test_a_clock_that_was_not_set_deletes_no_sound(folder):
    kept = opened(folder, max_age_days=0.0)
    kept.keep(answer(1000.0, pre_roll=sound(0.1)))
    assert kept.retain(2000.0) == 0


def test_the_oldest_sound_gives_way(folder):
    kept = opened(folder, max_mb=1.0)
    told = [answer(AT_S + at, pre_roll=sound(3.0)) for at in range(20)]
    for one in told:
        kept.keep(one)
        assert sum(path.stat().st_size for path in folder.iterdir()) <= 1e6
    there = names(folder)
    assert there == [one.id for one in told[-len(there) :]]
    assert len(there) > 8
    assert kept.size() == (len(there), sum(path.stat().st_size for path in folder.iterdir()))


def test_files_of_others_are_neither_counted_nor_deleted(folder, tmp_path):
    kept = opened(folder, max_mb=1.0)
    elsewhere = tmp_path / "elsewhere.flac"
    elsewhere.write_bytes(bytes(3_000_000))
    others = [folder / "song.flac", folder / f"{new_id(0.0)}.wav", folder / f"{new_id(1.0).upper()}.flac"]
    for path in others:
        path.write_bytes(bytes(2_000_000))
    link = folder / f"{new_id(2.0)}.flac"
    link.symlink_to(elsewhere)
    below = folder / f"{new_id(3.0)}.flac"
    below.mkdir()
    told = answer(pre_roll=sound(1.0))
    kept.keep(told)
    assert kept.retain(AT_S + 1) == 0
    assert [path.stem for path in kept_files(folder)] == [told.id]
    assert remove_audio(folder) == 1
    assert all(path.exists() for path in (*others, link, below, elsewhere))


@pytest.mark.parametrize(
    ("chosen", "left"),
    [
        ({}, []),
        ({"before_s": AT_S + 1}, [1, 2]),
        ({"ids": {1}}, [0, 2]),
        ({"before_s": AT_S + 1, "ids": {1}}, [0, 1, 2]),
    ],
    ids=str,
)
def test_chosen_sound_is_removed(chosen, left, folder):
    kept = opened(folder)
    told = [answer(AT_S + at, pre_roll=sound(0.1)) for at in range(3)]
    for one in told:
        kept.keep(one)
    if "ids" in chosen:
        chosen = {**chosen, "ids": frozenset(told[at].id for at in chosen["ids"])}
    assert remove_audio(folder, **chosen) == 3 - len(left)
    assert names(folder) == [told[at].id for at in left]


def test_no_folder_is_no_sound(folder):
    assert remove_audio(folder) == 0
    assert KeptAudio(AudioSettings(path=str(folder))).retain(AT_S) == 0


@pytest.mark.parametrize("name", ["../../etc/x", "short", "x" * 16 + "/y"])
def test_an_id_that_is_none_becomes_no_file(name, folder):
    with pytest.raises(StoreError, match="got an answer of the id"):
        opened(folder).keep(answer(id=name, pre_roll=sound(0.1)))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, set()),
        ({"keep": "none"}, set()),
        ({"keep": []}, set()),
        ({"keep": "all"}, {"accept", "reject", "unsure"}),
        ({"keep": ["rejected", "unsure"]}, {"reject", "unsure"}),
    ],
    ids=str,
)
def test_the_settings_say_what_is_kept(given, kept):
    assert from_tables(AudioSettings, given, "f", name="audio").kept == kept


@pytest.mark.parametrize("wrong", ["blocked", ["blocked"], "", 1, [1]], ids=str)
def test_the_settings_are_strict(wrong):
    with pytest.raises(
        UsageError, match=r"f: audio\.keep: got .*, expected one of 'none', .*, or an array, each one of"
    ):
        from_tables(AudioSettings, {"keep": wrong}, "f", name="audio")


# ---------------------------------------------------------------------------------------- the sink


def sink_with(tmp_path, *keep):
    health = Health()
    audio = AudioSettings(keep=keep, path=str(tmp_path / "audio"))
    return StoreSink(StoreSettings(path=str(tmp_path / "events.sqlite3")), audio, health, clock=lambda: AT_S), health


def test_the_event_says_where_its_sound_is(tmp_path):
    sink, _ = sink_with(tmp_path, "rejected")
    told = [answer(pre_roll=sound()), passed(AT_S + 1, pre_roll=sound()), answer(AT_S + 2)]
    sink.open()
    for one in told:
        sink.push(one)
    sink.close()
    with EventReader(tmp_path / "events.sqlite3") as reader:
        found = [event.audio for event in reader.events(Selection())]
        assert reader.audio_folders() == [tmp_path / "audio"]
    assert found == [str(tmp_path / "audio" / f"{told[0].id}.flac"), "", ""]


def test_sound_that_cannot_be_kept_does_not_hold_back_its_event(tmp_path, caplog):
    sink, health = sink_with(tmp_path, "all")
    sink.open()
    (tmp_path / "audio").rmdir()
    (tmp_path / "audio").write_text("in the way")
    for at in range(3):
        sink.push(answer(AT_S + at, pre_roll=sound(0.1)))
    (tmp_path / "audio").unlink()
    sink.push(answer(AT_S + 3, pre_roll=sound(0.1)))
    sink.close()
    assert caplog.text.count("sound is not kept") == 1
    assert health.gauges["store_lost_audio"] == 3
    with EventReader(tmp_path / "events.sqlite3") as reader:
        assert [bool(event.audio) for event in reader.events(Selection())] == [False, False, False, True]
    assert stat.S_IMODE((tmp_path / "audio").stat().st_mode) == 0o700


def test_sound_that_was_kept_before_leaves_in_its_time(tmp_path):
    # Nothing is kept any more; what is there was promised to leave.
    opened(tmp_path / "audio").keep(answer(AT_S - 15 * DAY_S, pre_roll=sound(0.1)))
    kept = opened(tmp_path / "audio").keep(answer(AT_S - 13 * DAY_S, pre_roll=sound(0.1)))
    sink, _ = sink_with(tmp_path)
    sink.open()
    sink.check()
    sink.close()
    assert names(tmp_path / "audio") == [kept.stem]
