"""Near misses: written for the words that ship, made for any other."""

import json
import shutil
from pathlib import Path

import pytest

from train.similar import everyday, made_near, must_not_fire, near_phrases

ROOT = Path(__file__).resolve().parents[2]
WORDS = ["alexa", "computer", "jarvis", "smart mirror", "snowboy", "view glass"]

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs the Debian package espeak-ng")


def test_every_word_that_ships_has_a_list_of_its_own():
    shipped = json.loads((ROOT / "edge/data/bundle/manifest.json").read_text())["words"]
    for word in shipped:
        near = near_phrases(word["phrase"])
        assert len(near) >= 12
        assert f" {word['phrase']} " not in [f" {text} " for text in near]


def test_nothing_that_must_not_fire_holds_a_word():
    texts = must_not_fire(WORDS)
    assert len(texts) > 300
    assert not [text for text in texts for word in WORDS if f" {word} " in f" {text} "]
    assert len(everyday()) >= 150


@needs_espeak
def test_a_new_word_is_left_out_of_everyday_talk_and_of_the_other_lists():
    assert "cowboy" in must_not_fire(["snowboy"])
    assert "cowboy" not in must_not_fire(["snowboy", "cowboy"])
    assert "say hello to your mother" in everyday()
    assert not [text for text in must_not_fire(["hello"]) if "hello" in text.split()]


@needs_espeak
def test_near_misses_are_made_of_words_and_of_phonemes():
    near = made_near("hey house")
    assert {"hey", "house", "house hey", "hey there", "the house", "[[h'eI]]", "[[h'aUs]]"} <= set(near)
    changed = [text for text in near if text.startswith("[[") and text.count(" ") == 1]
    assert "[[h'eI k'aUs]]" in changed or "[[k'eI h'aUs]]" in changed
    assert len(near) == len(set(near))
    assert "hey house" not in near
    assert "[[h'eI h'aUs]]" not in near
    assert made_near("hey house") == near
    assert made_near("hey house", n=7) == near[:7]


@needs_espeak
@pytest.mark.parametrize("phrase", ["jarvis", "okay", "kitchen", "hello my robot", "eh"])
def test_no_phoneme_is_torn_apart(phrase):
    for text in made_near(phrase):
        assert not text.endswith(("']]", ",]]"))
        assert text != f"[[{phrase}]]"
