"""Manifests for ESPHome, good and broken."""

import json
import os

import pytest

from edge.bundle_parts import Word
from edge.errors import BundleError, BundleVersionError
from edge.esphome import open_esphome_model

NETWORK = b"not looked at here"


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a manifest of version 2, changed, with a network beside it."""

    def write(change=None, **top):
        micro = {
            "probability_cutoff": 0.85,
            "feature_step_size": 10,
            "sliding_window_size": 5,
            "tensor_arena_size": 37000,
            "minimum_esphome_version": "2024.7.0",
        }
        manifest = {
            "type": "micro",
            "wake_word": "Okay Nabu",
            "author": "somebody",
            "website": "https://example.org",
            "model": "okay_nabu.tflite",
            "trained_languages": ["en", "nl"],
            "version": 2,
            "micro": _changed(micro, change or {}),
        }
        (tmp_path / "okay_nabu.tflite").write_bytes(NETWORK)
        path = tmp_path / "okay_nabu.json"
        path.write_text(json.dumps(_changed(manifest, top)), encoding="utf-8")
        return path

    return write


def _changed(table, change):
    """Return a table with other entries; None takes one out."""
    return {key: value for key, value in {**table, **change}.items() if value is not None}


def _v1(write, change=None, **top):
    old = {
        "sliding_window_size": None,
        "feature_step_size": None,
        "tensor_arena_size": None,
        "minimum_esphome_version": None,
        "sliding_window_average_size": 10,
        "probability_cutoff": 0.66,
    }
    return write(old | (change or {}), **({"version": 1, "trained_languages": None} | top))


def refused(path, match, kind=BundleError):
    with pytest.raises(kind, match=match) as caught:
        open_esphome_model(path)
    line = str(caught.value)
    assert str(path.parent) in line
    assert "expected" in line
    assert ";" in line, "says what to do"
    assert "vivavoce quantize" not in line, "nobody made this manifest with it"
    assert "bundle" not in line


# ---------------------------------------------------------------------------------------------- good


def test_version_2(write, tmp_path):
    model = open_esphome_model(write())
    assert model.word == Word("okay_nabu", "Okay Nabu", 0.85)
    assert (model.step_ms, model.window_runs, model.arena_bytes) == (10, 5, 37000)
    assert (model.author, model.languages) == ("somebody", ("en", "nl"))
    assert model.path == tmp_path / "okay_nabu.json"
    assert model.file == tmp_path / "okay_nabu.tflite"
    assert model.content == NETWORK
    assert "not looked at" not in repr(model)


def test_version_1_gets_what_it_leaves_unsaid(write):
    model = open_esphome_model(_v1(write))
    assert model.word.cutoff == 0.66
    assert (model.step_ms, model.window_runs, model.arena_bytes, model.languages) == (20, 10, 45672, ("en",))


def test_what_is_not_needed_may_be_missing_or_more(write):
    less = write(
        {"tensor_arena_size": None, "minimum_esphome_version": None}, author=None, website=None, trained_languages=None
    )
    model = open_esphome_model(less)
    assert (model.arena_bytes, model.author, model.languages) == (None, "", ())
    more = write({"cooldown_ms": 1500}, website="", icon={"any": "thing"}, trained_languages="en", author="")
    assert open_esphome_model(more).languages == ("en",)


@pytest.mark.parametrize(
    ("phrase", "ident"),
    [
        ("Okay Nabu", "okay_nabu"),
        ("  Hey,  JARVIS! ", "hey_jarvis"),
        ("snake_case", "snake_case"),
        ("it's-me 2", "it_s_me_2"),
        ("Écoute", "écoute"),
        ("你好小智", "你好小智"),
    ],
)
def test_the_id_is_made_of_the_phrase(write, phrase, ident):
    assert open_esphome_model(write(wake_word=phrase)).word == Word(ident, phrase, 0.85)


def test_the_network_may_lie_below_the_manifest(write, tmp_path):
    (tmp_path / "v2").mkdir()
    (tmp_path / "v2" / "a.tflite").write_bytes(b"other")
    for name in ("v2/a.tflite", "./v2/a.tflite", "v2//a.tflite"):
        assert open_esphome_model(write(model=name)).content == b"other"
    # Caches of downloads keep files elsewhere, and links to them where they belong.
    (tmp_path / "link.tflite").symlink_to(tmp_path / "v2" / "a.tflite")
    assert open_esphome_model(write(model="link.tflite")).content == b"other"


# -------------------------------------------------------------------------------------------- broken


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"type": "openWakeWord"}, 'type: got "openWakeWord", expected "micro"'),
        ({"type": None}, "type: got no such entry"),
        ({"version": None}, "version: got no such entry"),
        ({"version": "2"}, 'version: got "2", expected a whole number'),
        ({"version": 0}, "version: got 0"),
        ({"version": True}, "version: got true"),
        ({"wake_word": ""}, 'wake_word: got "", expected the phrase'),
        ({"wake_word": "?!"}, r'wake_word: got "\?!", expected a phrase with letters'),
        ({"wake_word": ["Alexa"]}, "wake_word: got .*expected the phrase"),
        ({"wake_word": "vad"}, "wake_word: got 'vad', a detector of voice activity"),
        ({"model": None}, "model: got no such entry"),
        ({"model": 3}, "model: got 3, expected the name of a file"),
        ({"model": "../okay_nabu.tflite"}, "model: got .*expected a file in the folder of the manifest"),
        ({"model": "a/../../okay_nabu.tflite"}, "model: got .*expected a file in the folder"),
        ({"model": "/etc/hostname"}, "model: got .*expected a file in the folder"),
        ({"model": "a\0b"}, "model: got .*expected a file in the folder"),
        ({"model": "absent.tflite"}, r"absent\.tflite: cannot be read \(No such file"),
        ({"model": "a\ud800.tflite"}, "model: got .*expected a file in the folder"),
        ({"model": "."}, r"cannot be read \(Is a directory\), expected the model of okay_nabu\.json"),
        ({"micro": None}, "micro: got no such entry"),
        ({"micro": [1]}, "micro: got a list, expected an object"),
        ({"author": 5}, "author: got 5, expected text"),
        ({"trained_languages": [1]}, r"trained_languages: got \[1\], expected text"),
    ],
)
def test_broken_entries(write, change, match):
    path = write()
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(_changed(manifest, change)))
    refused(path, match)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"probability_cutoff": None}, "micro.probability_cutoff: got no such entry"),
        ({"probability_cutoff": 1.01}, "micro.probability_cutoff: got 1.01, expected a number from 0 to 1"),
        ({"probability_cutoff": -0.1}, "micro.probability_cutoff: got -0.1"),
        ({"probability_cutoff": 97}, "micro.probability_cutoff: got 97"),
        ({"probability_cutoff": "0.9"}, 'micro.probability_cutoff: got "0.9", expected a number'),
        ({"sliding_window_size": 0}, "micro.sliding_window_size: got 0, expected a whole number from 1"),
        ({"sliding_window_size": 2.5}, "micro.sliding_window_size: got 2.5"),
        ({"sliding_window_size": None, "sliding_window_average_size": 5}, "sliding_window_size: got no such entry"),
        ({"feature_step_size": 0}, "micro.feature_step_size: got 0, expected a whole number from 1 to 30"),
        ({"feature_step_size": 31}, "micro.feature_step_size: got 31"),
        ({"tensor_arena_size": "big"}, 'micro.tensor_arena_size: got "big"'),
    ],
)
def test_broken_numbers(write, change, match):
    refused(write(change), match)


def test_version_1_wants_its_own_name_for_the_window(write):
    refused(
        _v1(write, {"sliding_window_average_size": None, "sliding_window_size": 5}),
        "micro.sliding_window_average_size: got no such entry",
    )


def test_a_newer_version_is_told_before_anything_else(write):
    path = write(version=3, micro=None, model=None)
    refused(path, "version: got 3, expected at most 2; .*update vivavoce", BundleVersionError)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "text that is not JSON"),
        (b"TFL3\x00\xff\xfe", "text that is not JSON"),
        (b'{"type": "micro", "type": "micro"}', "comes twice"),
        (b'{"type": "micro", "version": NaN}', "not a number of JSON"),
        (b"[]", "got a list, expected an object"),
    ],
)
def test_what_is_not_a_manifest(tmp_path, content, match):
    path = tmp_path / "some.json"
    path.write_bytes(content)
    refused(path, match)


def test_what_is_not_a_file(tmp_path):
    refused(tmp_path / "absent.json", "cannot be read .*expected a manifest")
    (tmp_path / "folder.json").mkdir()
    refused(tmp_path / "folder.json", r"cannot be read \(Is a directory\), expected a manifest")
    os.mkfifo(tmp_path / "pipe.json")
    refused(tmp_path / "pipe.json", "got a folder or device")
