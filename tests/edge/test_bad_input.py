"""What ``vivavoce`` makes of input that cannot be used, or that is poor: all through the real command."""

import functools
import importlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

import edge.cli
from edge.bundle import DEFAULT_BUNDLE
from edge.bundle_manifest import CHECKSUM_NAME, FORMAT_VERSION, MANIFEST_NAME
from edge.bundle_writing import seal
from edge.raw_formats import RAW_FORMATS

RATE = 16_000
COMMANDS = [("run",), ("score", "wake"), ("score", "liveness")]
JUDGING = [("run",), ("score", "liveness")]
BUNDLE_FILES = sorted(path.name for path in DEFAULT_BUNDLE.iterdir())


def sound(seconds=1.5, rate=RATE, seed=0):
    """Return noise that swells and fades twice, between pauses: legal, and no word."""
    n = round(seconds * rate)
    t = np.arange(n) / rate
    swell = np.sin(2 * np.pi * np.clip(t / seconds, 0, 1)) ** 2 + 0.003
    return (np.random.default_rng(seed).normal(0, 3000, n) * swell).clip(-32768, 32767).astype(np.int16)


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.wav"
    soundfile.write(path, sound(), RATE)
    return path


@pytest.fixture
def call(capfd, monkeypatch):
    """Return a function that calls the command, and takes what arrives on the descriptors."""
    # By name, and not by entry point: the tests also run where the distribution is not installed.
    commands = {name: functools.partial(importlib.import_module, f"edge.commands.{name}") for name in ("run", "score")}
    monkeypatch.setattr(edge.cli, "installed_commands", lambda: commands)

    def run(*arguments):
        code = edge.cli.main([os.fspath(argument) for argument in arguments])
        done = capfd.readouterr()
        return code, [json.loads(line) for line in done.out.splitlines()], done.err.splitlines()

    return run


def was_processed(records, path):
    """Tell whether the output holds what a file brings that was listened to until its end."""
    mine = [record for record in records if record["file"] == os.fspath(path)]
    return bool(mine) and mine[-1].get("event", "end") == "end" and mine[-1]["seconds"] > 0


# ---------------------------------------------------------------------------------- unusable sounds


def missing(folder):
    return folder / "absent.wav"


def directory(folder):
    (folder / "album.wav").mkdir()
    return folder / "album.wav"


def text(folder):
    (folder / "text.wav").write_text("this is not audio\n" * 50, encoding="utf-8")
    return folder / "text.wav"


def empty(folder):
    (folder / "empty.wav").touch()
    return folder / "empty.wav"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("make", "problem", "remedy"),
    [
        (missing, "no such file", "check the name"),
        (directory, "a folder", "name the files in it"),
        (text, "not readable audio", "convert it"),
        (empty, "empty", "again"),
    ],
)
def test_unusable_files_are_told_of_and_the_others_are_processed(command, make, problem, remedy, tmp_path, good, call):
    bad = make(tmp_path)
    code, records, complaints = call(*command, "--json", bad, good)
    assert code == 2
    (line,) = complaints
    assert line.startswith(f"vivavoce: {bad}: ")
    assert line.count(os.fspath(bad)) == 1
    assert problem in line
    assert remedy in line
    assert was_processed(records, good)
    assert {record["file"] for record in records} == {os.fspath(good)}


def truncated_flac(folder):
    path = folder / "cut.flac"
    soundfile.write(path, sound(4.0), RATE)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path, "cut short or damaged"


def nan_wav(folder):
    return _spoilt(folder, np.nan)


def infinite_wav(folder):
    return _spoilt(folder, -np.inf)


def _spoilt(folder, value):
    path = folder / "spoilt.wav"
    samples = sound(4.0).astype(np.float32) / 32768
    samples[2 * RATE] = value
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    return path, "not a finite number (NaN or infinity) at 2.000 s"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("make", [truncated_flac, nan_wav, infinite_wav])
def test_damaged_files_are_used_as_far_as_they_can_be_read(command, make, tmp_path, good, call):
    bad, problem = make(tmp_path)
    code, records, complaints = call(*command, "--json", bad, good)
    assert code == 2
    (line,) = complaints
    assert line.startswith(f"vivavoce: {bad}: ")
    assert problem in line
    assert "again" in line
    assert was_processed(records, bad)
    assert was_processed(records, good)
    (heard,) = {record["seconds"] for record in records if record["file"] == os.fspath(bad) and "seconds" in record}
    assert 1.0 < heard <= 3.0


def test_the_events_of_the_readable_part_are_those_of_the_whole(tmp_path, call):
    scene = DEFAULT_BUNDLE.parent / "scene.flac"
    if not scene.exists():
        pytest.skip("the scene that ships with the program has not been made")
    code, whole, _ = call("run", "--json", scene)
    assert code == 0
    cut = tmp_path / "cut.flac"
    content = scene.read_bytes()
    cut.write_bytes(content[: len(content) * 3 // 4])
    code, part, _ = call("run", "--json", cut)
    assert code == 2
    seconds = part[-1]["seconds"]
    assert 0 < seconds < whole[-1]["seconds"]
    expected = [event for event in whole[:-1] if event["end_s"] < seconds - 0.5]
    assert expected, "the scene holds no word that is heard in its first part"
    assert [{**event, "file": ""} for event in part[: len(expected)]] == [{**event, "file": ""} for event in expected]


def test_an_impossible_channel_is_told_once_a_file(good, call):
    code, records, complaints = call("run", "--json", "--channel", "3", good)
    assert (code, records) == (2, [])
    (line,) = complaints
    assert "got channel 3" in line
    assert "--channel" in line


# --------------------------------------------------------------------------------- unusable bundles


@pytest.fixture
def bundle(tmp_path):
    return Path(shutil.copytree(DEFAULT_BUNDLE, tmp_path / "bundle"))


def complaint(code, records, complaints):
    """Return the one line that a call may print that could do nothing."""
    assert (code, records) == (2, [])
    (line,) = complaints
    assert line.startswith("vivavoce: ")
    return line


@pytest.mark.parametrize("name", BUNDLE_FILES)
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_a_flipped_byte_in_any_file_of_a_bundle(name, place, bundle, good, call):
    content = bytearray((bundle / name).read_bytes())
    content[int(place * (len(content) - 1))] ^= 0x10
    (bundle / name).write_bytes(content)
    line = complaint(*call("run", "--json", "--bundle", bundle, good, good))
    # Which of the two is damaged nobody can tell, where the manifest and its checksum differ.
    either = (MANIFEST_NAME, CHECKSUM_NAME)
    assert any(os.fspath(bundle / one) in line for one in (either if name in either else (name,)))
    assert "install the bundle again" in line


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_bundle_from_a_newer_version(command, bundle, good, call):
    manifest = json.loads((bundle / MANIFEST_NAME).read_text(encoding="utf-8"))
    manifest["format_version"] = FORMAT_VERSION + 1
    manifest["new_in_this_version"] = {}
    (bundle / MANIFEST_NAME).write_text(json.dumps(manifest), encoding="utf-8")
    seal(bundle)
    line = complaint(*call(*command, "--json", "--bundle", bundle, good, good))
    assert os.fspath(bundle) in line
    assert f"format_version: got {FORMAT_VERSION + 1}" in line
    assert "update vivavoce" in line


@pytest.mark.parametrize(
    ("victim", "donor", "commands"),
    [
        ("wake.tflite", "liveness.tflite", [("run",), ("score", "wake")]),
        ("liveness.tflite", "wake.tflite", [("run",), ("score", "liveness")]),
    ],
)
def test_a_model_of_another_role_with_the_right_hash(victim, donor, commands, bundle, good, call):
    shutil.copyfile(bundle / donor, bundle / victim)
    seal(bundle)
    for command in commands:
        line = complaint(*call(*command, "--json", "--bundle", bundle, good, good))
        assert victim in line
        assert "expected" in line
        assert "use a" in line


def test_a_model_that_answers_for_other_words_than_the_bundle_has(bundle, good, call):
    manifest = json.loads((bundle / MANIFEST_NAME).read_text(encoding="utf-8"))
    n = len(manifest["words"])
    manifest["words"].pop()
    manifest["verifier"] = None
    (bundle / MANIFEST_NAME).write_text(json.dumps(manifest), encoding="utf-8")
    seal(bundle)
    line = complaint(*call("run", "--json", "--bundle", bundle, good))
    assert "wake.tflite" in line
    assert f"[1, {n}]" in line
    assert f"[1, {n - 1}]" in line


def test_something_that_is_no_network_with_the_right_hash(bundle, good, call):
    (bundle / "wake.tflite").write_bytes(b"TFL3 or not" * 20)
    seal(bundle)
    assert "wake.tflite" in complaint(*call("run", "--json", "--bundle", bundle, good))


def test_a_bundle_that_is_not_there(tmp_path, good, call):
    line = complaint(*call("run", "--json", "--bundle", tmp_path / "nowhere", good))
    assert os.fspath(tmp_path / "nowhere") in line


def test_an_unknown_raw_format_is_told_even_where_no_raw_samples_come(good, call, capfd):
    for command in COMMANDS:
        with pytest.raises(SystemExit) as end:
            call(*command, "--raw", "bogus", good)
        assert end.value.code == 2
        line = capfd.readouterr().err.splitlines()[-1]
        assert all(part in line for part in ("--raw", "'bogus'", *RAW_FORMATS))


def test_a_word_that_the_bundle_does_not_have(good, call):
    assert "'xyzzy'" in complaint(*call("run", "--json", "--word", "alexa", "--word", "xyzzy", good))


# ------------------------------------------------------------------------------- legal, but poor


def eight_khz():
    return sound(rate=8_000), 8_000, "band_limited"


def ten_milliseconds():
    return sound()[RATE // 4 :][:160], RATE, "too_short"


def one_sample():
    return np.array([1000], np.int16), 48_000, "too_short"


def digital_silence():
    return np.zeros(2 * RATE, np.int16), RATE, "silent"


def square_wave():
    t = np.arange(2 * RATE)
    return np.where(t // 40 % 2, 32767, -32768).astype(np.int16), RATE, "clipped"


POOR = [eight_khz, ten_milliseconds, one_sample, digital_silence, square_wave]


@pytest.mark.parametrize("make", POOR)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_poor_sound_is_processed_with_a_warning_and_a_flag(command, make, tmp_path, call):
    samples, rate, flag = make()
    path = tmp_path / "poor.wav"
    soundfile.write(path, samples, rate)
    code, records, complaints = call(*command, "--json", path)
    assert code == 0
    assert complaints
    assert all(line.startswith(f"vivavoce: warning: {path}: ") for line in complaints)
    last = records[-1]
    assert last["seconds"] == pytest.approx(len(samples) / rate, abs=0.001)
    if command != ("score", "liveness"):
        assert flag in last["quality"]
    else:
        assert flag in last["quality"]["flags"]
        assert last["decision"] == "unsure"
        assert flag in last["reasons"]


def test_each_warning_comes_once(tmp_path, call):
    samples, rate, _ = eight_khz()
    path = tmp_path / "telephone.wav"
    soundfile.write(path, samples, rate)
    for command in COMMANDS:
        _, _, complaints = call(*command, path, "--json")
        (line,) = complaints
        assert "recorded at 8000 Hz" in line


def test_sound_without_a_fault_brings_no_warning(good, call):
    for command in COMMANDS:
        code, _, complaints = call(*command, "--json", good)
        assert (code, complaints) == (0, [])


def test_8_khz_hidden_in_a_file_of_16_is_found_in_the_sound(tmp_path, call):
    hidden = soxr.resample(sound(2.0, 8_000).astype(np.float32) / 32_768, 8_000, RATE)
    path = tmp_path / "hidden.wav"
    soundfile.write(path, hidden, RATE)
    for command in JUDGING:
        code, records, complaints = call(*command, "--json", path)
        assert code == 0
        assert "band_limited" in json.dumps(records[-1]["quality"])
        (line,) = complaints
        assert "band_limited" in line


# ------------------------------------------------------------------------------------------ pipes


def start(*arguments, **options):
    """Start the real program, with standard input as a pipe unless something else is said."""
    code = "import sys; from edge.cli import main; sys.exit(main())"
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    root = Path(edge.cli.__file__).resolve().parents[1]
    return subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=root, **options)


def test_a_terminal_is_not_waited_for():
    ours, theirs = os.openpty()
    with start("run", "-", stdin=theirs) as process:
        os.close(theirs)
        out, err = process.communicate(timeout=60)
    os.close(ours)
    assert (process.returncode, out) == (2, b"")
    (line,) = err.decode().splitlines()
    assert "got a terminal" in line
    assert "| vivavoce run -" in line


def test_an_empty_pipe_is_told():
    with start("run", "--json", "-", stdin=subprocess.DEVNULL) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, b"")
    (line,) = err.decode().splitlines()
    assert "without a sample" in line
    assert "check the program that writes it" in line


def test_a_pipe_that_ends_inside_a_sample_is_used_to_there():
    with start("run", "--json", "-") as process:
        out, err = process.communicate(sound().tobytes() + b"\1", timeout=60)
    assert process.returncode == 2
    assert json.loads(out.splitlines()[-1])["seconds"] == 1.5
    (line,) = err.decode().splitlines()
    assert "ends inside a sample" in line


def test_an_interrupted_pipe_ends_quietly():
    # 8 kHz, because the warning of that tells when the program has begun to listen.
    with start("run", "--json", "--rate", "8000", "-") as process:
        process.stdin.write(bytes(8000))
        process.stdin.flush()
        first = process.stderr.readline()
        assert b"recorded at 8000 Hz" in first
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")


def test_text_for_people_names_the_flags(tmp_path, monkeypatch, call, capfd):
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(RATE, np.int16), RATE)
    printed = io.StringIO()
    monkeypatch.setattr(sys, "stdout", printed)
    code, _, complaints = call("run", path)
    assert code == 0
    assert "1.00 s  end" in printed.getvalue()
    assert "silent" in printed.getvalue()
    assert any("silent" in line for line in complaints)
