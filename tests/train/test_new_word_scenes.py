"""The scenes of a new word: how many of which kind, and what is kept apart."""

import os
from collections import Counter

import numpy as np
import pytest

from train.clip import Clip
from train.new_word_scenes import Given, WordMix, _Corpus, _plan, _spread, held_out_streams


def clip(path, role="wake", label="hey house", seconds=1.0):
    return Clip(str(path), path, "c", "s", "train", role, label, seconds, 16_000, "CC0-1.0")


@pytest.fixture
def recordings(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.flac").write_bytes(b"a" * 10)
    return tuple(clip(tmp_path / f"{number}.flac") for number in range(3))


def test_clips_are_taken_as_often_as_each_other_or_once_more():
    taken = Counter(_spread(list("abc"), 11, np.random.default_rng(1)))
    assert sorted(taken.values()) == [3, 4, 4]
    assert _spread([], 5, np.random.default_rng(1)) == []


def test_scenes_are_as_many_as_the_mix_says_and_few_recordings_are_not_made_many(recordings, tmp_path):
    mix = WordMix(
        recorded=500, most_per_recording=20, spoken=40, parts=30, near=25, other_words=12, speech=15, longform=200,
        background=5,
    )  # fmt: skip
    given = Given("hey house", recordings, (clip(tmp_path / "s"),), (clip(tmp_path / "n", "speech", "hey"),))
    corpus = _Corpus(
        words=[clip(tmp_path / "w", label="alexa")],
        speech=[clip(tmp_path / "o", "speech", "other")],
        longform=[clip(tmp_path / "l1", "longform", "", 300.0), clip(tmp_path / "l2", "longform", "", 100.0)],
        noise=None, rooms=None, mix=None,
    )  # fmt: skip
    plan = _plan(mix, given, corpus, 1)
    assert Counter((kind, said) for kind, _, said in plan) == {
        ("word", True): 3 * 20 + 40, ("part", False): 30, ("speech", False): 25 + 15, ("word", False): 12,
        ("longform", False): 200, ("background", False): 5,
    }  # fmt: skip
    assert {one.label for kind, one, said in plan if said} == {"hey house"}
    assert {one.label for kind, one, said in plan if kind == "word" and not said} == {"alexa"}
    cuts = Counter(one.path[-2:] for kind, one, _ in plan if kind == "longform")
    assert 2 < cuts["l1"] / cuts["l2"] < 4.5, "a stream that is three times as long is cut from as much more often"
    assert _plan(mix, given, corpus, 1) == plan


def test_a_recording_that_was_made_again_is_another(recordings):
    before = Given("hey house", recordings, (), ()).digest()
    assert Given("hey house", recordings, (), ()).digest() == before
    assert Given("hey house", recordings[:2], (), ()).digest() != before
    recordings[0].file.write_bytes(b"b" * 10)
    os.utime(recordings[0].file, ns=(1, 1))
    assert Given("hey house", recordings, (), ()).digest() != before


def test_a_fifth_of_the_streams_is_held_out_and_it_is_the_same_fifth_always(tmp_path):
    rows = ["path,corpus,speaker,split,role,label,seconds,native_hz,licence"]
    rows += [
        f"l{n}.ogg,c,many,{split},longform,,600.0,16000,GPL" for n, split in enumerate(["train"] * 10 + ["dev"] * 5)
    ]
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    held_out = held_out_streams(tmp_path)
    assert len(held_out) == 2
    assert {one.split for one in held_out} == {"train"}
    (tmp_path / "manifest.csv").write_text("\n".join([rows[0], *rows[:0:-1]]) + "\n")
    assert [one.path for one in held_out_streams(tmp_path)] == [one.path for one in held_out]
