"""``vivavoce features``: the arrays, their names, and what happens to files that are in the way."""

import errno
import functools
import importlib
import io
import json
import os
import shutil
import sys
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

import edge.cli
import edge.liveness
from edge.bundle import DEFAULT_BUNDLE, open_bundle
from edge.bundle_manifest import MANIFEST_NAME
from edge.bundle_writing import seal
from edge.commands import features as command
from edge.cues import CueSettings, liveness_cues
from edge.frontend import Frontend
from edge.sources import FileSource
from edge.void import VoidSettings, void_features

RATE = 16_000


def sound(seconds=1.5, seed=0, rms=2000.0):
    return np.random.default_rng(seed).normal(0, rms, round(seconds * RATE)).clip(-32768, 32767).astype(np.int16)


def burst():
    """Return four seconds that are quiet but for the one from 2.0 s on."""
    samples = sound(4.0, rms=30.0)
    samples[2 * RATE : 3 * RATE] += sound(1.0, seed=1, rms=3000.0)
    return samples


def write(path, samples=None, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound() if samples is None else samples, rate)
    return path


@pytest.fixture
def call(capfd, monkeypatch):
    """Return a function that calls the command: exit code, records, lines on stderr."""
    commands = {"features": functools.partial(importlib.import_module, "edge.commands.features")}
    monkeypatch.setattr(edge.cli, "installed_commands", lambda: commands)

    def run(*arguments):
        code = edge.cli.main(["features", *map(os.fspath, arguments)])
        done = capfd.readouterr()
        return code, [json.loads(line) for line in done.out.splitlines() if line[0] == "{"], done.err.splitlines()

    return run


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# ------------------------------------------------------------------------------------------------ arrays


@pytest.mark.parametrize("block", [(), ("--block", "7"), ("--block", "100000")], ids=["default", "7", "all"])
def test_features_are_those_of_the_frontend(block, tmp_path, call):
    path = write(tmp_path / "hall.wav")
    code, records, complaints = call(path, "-o", tmp_path / "out", "--json", *block)
    assert (code, complaints) == (0, [])
    target = tmp_path / "out" / "hall.npy"
    assert records == [
        {
            "file": str(path), "out": str(target), "kind": "features",
            "shape": [148, 40], "dtype": "uint16", "seconds": 1.5,
        }
    ]  # fmt: skip
    array = np.load(target, allow_pickle=False)
    assert array.dtype == np.uint16
    np.testing.assert_array_equal(array, Frontend().push(sound()))


def test_every_recording_begins_with_a_fresh_frontend(tmp_path, call):
    first, second = write(tmp_path / "a.wav", sound(seed=1)), write(tmp_path / "b.wav", sound(seed=2))
    assert call(first, second, "-o", tmp_path)[0] == 0
    for name, seed in (("a", 1), ("b", 2)):
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), Frontend().push(sound(seed=seed)))


def test_other_rates_and_channels_are_read_as_everywhere(tmp_path, call):
    stereo = np.random.default_rng(3).normal(0, 0.1, (44_100, 2))
    path = write(tmp_path / "stereo.flac", stereo, 44_100)
    code, (record,), _ = call(path, "-o", tmp_path, "--json")
    assert (code, record["seconds"]) == (0, 1.0)
    expected = Frontend().push(np.concatenate(list(FileSource(path).blocks())))
    np.testing.assert_array_equal(np.load(tmp_path / "stereo.npy"), expected)
    assert call(path, "-o", tmp_path / "one", "--channel", "1")[0] == 0
    assert not np.array_equal(np.load(tmp_path / "one" / "stereo.npy"), expected)


@pytest.mark.parametrize("samples", [burst(), sound(0.4)], ids=["loud in the middle", "shorter than the window"])
def test_cues_are_what_the_liveness_network_is_shown(samples, tmp_path, call, monkeypatch):
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")
    from edge.scorers import LivenessScorer

    path = write(tmp_path / "said.wav", samples)
    code, (record,), _ = call(path, "-o", tmp_path, "--kind", "cues", "--json")
    assert (code, record["shape"], record["dtype"]) == (0, [100, 96], "float32")
    shown = []

    def watched(window, settings):
        shown.append(liveness_cues(window, settings))
        return shown[-1]

    monkeypatch.setattr(edge.liveness, "liveness_cues", watched)
    LivenessScorer(open_bundle()).score(FileSource(path))
    (expected,) = shown
    np.testing.assert_array_equal(np.load(tmp_path / "said.npy"), expected)


def test_void_is_of_the_loudest_second(tmp_path, call):
    path = write(tmp_path / "said.wav", burst())
    code, (record,), _ = call(path, "-o", tmp_path, "--kind", "void", "--json")
    assert (code, record["shape"], record["dtype"], record["seconds"]) == (0, [97], "float32", 4.0)
    expected = void_features(burst()[2 * RATE : 3 * RATE], VoidSettings())
    np.testing.assert_array_equal(np.load(tmp_path / "said.npy"), expected)


def test_void_of_a_short_recording_is_of_all_of_it(tmp_path, call):
    path = write(tmp_path / "short.wav", sound(0.4))
    assert call(path, "-o", tmp_path, "--kind", "void")[0] == 0
    np.testing.assert_array_equal(np.load(tmp_path / "short.npy"), void_features(sound(0.4), VoidSettings()))


def test_the_settings_are_those_of_the_bundle(tmp_path, call):
    folder = tmp_path / "bundle"
    shutil.copytree(DEFAULT_BUNDLE, folder)
    manifest = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
    manifest["frontend"]["channels"] = 24
    manifest["liveness"]["cues"]["step_ms"] = 20.0
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest), encoding="utf-8")
    seal(folder)
    path = write(tmp_path / "hall.wav")
    shapes = []
    for kind in ("features", "cues"):
        code, (record,), _ = call(path, "-o", tmp_path / kind, "--kind", kind, "--bundle", folder, "--json")
        assert code == 0
        shapes.append(record["shape"])
    assert shapes == [[148, 24], list(CueSettings(step_ms=20.0).shape)]


@pytest.mark.parametrize(("n", "rows"), [(100, 0), (479, 0), (480, 1)])
def test_a_recording_shorter_than_a_frame_gives_no_row_and_a_warning(n, rows, tmp_path, call):
    path = write(tmp_path / "click.wav", sound()[:n])
    code, (record,), complaints = call(path, "-o", tmp_path, "--json")
    assert (code, record["shape"]) == (0, [rows, 40])
    assert np.load(tmp_path / "click.npy").shape == (rows, 40)
    assert complaints == (
        [] if rows else [f"vivavoce: warning: {path}: shorter than the window of a frame: the array has no row"]
    )


def test_low_rates_are_warned_of_where_liveness_is_the_matter(tmp_path, call):
    path = write(tmp_path / "phone.wav", sound(), 8_000)
    assert call(path, "-o", tmp_path / "a")[2] == []
    (line,) = call(path, "-o", tmp_path / "b", "--kind", "cues")[2]
    assert "recorded at 8000 Hz" in line


def test_a_pipe_becomes_stdin(tmp_path, call, monkeypatch):
    stdin = SimpleNamespace(buffer=io.BytesIO(sound().astype("<i2").tobytes()), isatty=lambda: False)
    monkeypatch.setattr(sys, "stdin", stdin)
    code, (record,), _ = call("-", "-o", tmp_path, "--json")
    assert (code, record["file"], record["out"]) == (0, "-", str(tmp_path / "stdin.npy"))
    np.testing.assert_array_equal(np.load(tmp_path / "stdin.npy"), Frontend().push(sound()))


@pytest.mark.parametrize(("kind", "limit_mb"), [("features", 14), ("cues", 5), ("void", 5)])
def test_memory_is_that_of_the_features_and_not_of_the_sound(kind, limit_mb, tmp_path, call, monkeypatch):
    # Ten minutes are 19 MB of samples, 38 MB as floats, and 5 MB of features, which are copied once.
    second, left = sound(1.0).tobytes(), [600]

    class Pipe:
        def read(self, _):
            if left[0] == 600:
                tracemalloc.reset_peak()  # a bundle takes 17 MB for a moment, while its files are read
            left[0] -= 1
            return second if left[0] >= 0 else b""

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Pipe(), isatty=lambda: False))
    call(write(tmp_path / "warm.wav"), "-o", tmp_path, "--kind", kind)
    tracemalloc.start()
    try:
        code, (record,), _ = call("-", "-o", tmp_path, "--kind", kind, "--block", "16000", "--json")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (code, record["seconds"]) == (0, 600.0)
    assert peak < limit_mb * 1e6


# ------------------------------------------------------------------------------------------------ names


def test_the_same_stem_in_two_folders_is_refused_before_anything_is_written(tmp_path, call):
    one, two = write(tmp_path / "a" / "1.wav"), write(tmp_path / "b" / "1.wav")
    code, records, complaints = call(one, two, "-o", tmp_path / "out")
    assert (code, records) == (2, [])
    (line,) = complaints
    assert line.startswith(f"vivavoce: {two}: would be written to {tmp_path / 'out' / '1.npy'}, as {one} would")
    assert "keep their folders with --root" in line
    assert not (tmp_path / "out").exists()


def test_root_keeps_the_folders(tmp_path, call, monkeypatch):
    one, two = write(tmp_path / "in" / "a" / "1.wav"), write(tmp_path / "in" / "b" / "deep" / "1.wav")
    top = write(tmp_path / "in" / "1.wav")
    monkeypatch.chdir(tmp_path)
    # Absolute and relative names, and a detour, mean the same.
    arguments = (one, "in/b/../b/deep/1.wav", "in/1.wav")
    code, records, _ = call(*arguments, "-o", "out", "--root", "in", "--json")
    assert code == 0
    assert files_below(tmp_path / "out") == ["1.npy", "a/1.npy", "b/deep/1.npy"]
    assert [record["out"] for record in records] == ["out/a/1.npy", "out/b/deep/1.npy", "out/1.npy"]
    assert two.exists()
    assert top.exists()


@pytest.mark.parametrize("root", [(), ("--root", ".")], ids=["flat", "with folders"])
@pytest.mark.parametrize(
    ("names", "remedy"),
    [
        (("a.wav", "a.flac"), "two calls, with different folders"),
        (("a.wav", "a.wav"), "name it once"),
        (("-", "stdin.wav"), "two calls, with different folders"),
    ],
)
def test_other_clashes_are_refused_with_what_helps(names, remedy, root, tmp_path, call, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in set(names) - {"-"}:
        write(tmp_path / name)
    code, records, complaints = call(*names, "-o", "out", *root)
    assert (code, records) == (2, [])
    (line,) = complaints
    assert remedy in line
    assert not (tmp_path / "out").exists()


def test_what_lies_outside_of_the_root_is_refused(tmp_path, call):
    inside, outside = write(tmp_path / "in" / "a.wav"), write(tmp_path / "b.wav")
    code, records, (line,) = call(inside, outside, "-o", tmp_path / "out", "--root", tmp_path / "in")
    assert (code, records) == (2, [])
    assert f"{outside}: lies outside of {tmp_path / 'in'}" in line
    assert not (tmp_path / "out").exists()


def test_dots_in_names_are_kept(tmp_path, call):
    paths = [write(tmp_path / name) for name in ("take.1.wav", "take.2.wav")]
    assert call(*paths, "-o", tmp_path / "out")[0] == 0
    assert files_below(tmp_path / "out") == ["take.1.npy", "take.2.npy"]


# ------------------------------------------------------------------------------------------------ faults


def test_what_is_there_is_kept_unless_force_is_given(tmp_path, call):
    one, two = write(tmp_path / "a.wav"), write(tmp_path / "b.wav")
    there = tmp_path / "out" / "a.npy"
    there.parent.mkdir()
    there.write_bytes(b"precious")
    code, (record,), (line,) = call(one, two, "-o", tmp_path / "out", "--json")
    assert (code, record["file"]) == (2, str(two))
    assert line.startswith(f"vivavoce: {one}: got {there} as its output, which is there already")
    assert "--force" in line
    assert there.read_bytes() == b"precious"
    assert call(one, two, "-o", tmp_path / "out", "--force")[0] == 0
    assert np.load(there).shape == (148, 40)


def test_a_link_to_nowhere_is_there_already(tmp_path, call):
    path = write(tmp_path / "a.wav")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.npy").symlink_to(tmp_path / "gone.npy")
    assert call(path, "-o", tmp_path / "out")[0] == 2
    assert not (tmp_path / "gone.npy").exists()


def test_unusable_recordings_are_told_of_and_leave_no_file(tmp_path, call):
    bad = tmp_path / "text.wav"
    bad.write_text("this is not audio\n" * 50, encoding="utf-8")
    good = write(tmp_path / "good.wav")
    code, (record,), complaints = call(tmp_path / "absent.wav", bad, good, "-o", tmp_path / "out", "--json")
    assert (code, record["file"]) == (2, str(good))
    assert [line.split(": ")[1] for line in complaints] == [str(tmp_path / "absent.wav"), str(bad)]
    assert files_below(tmp_path / "out") == ["good.npy"]


def test_a_damaged_recording_is_used_as_far_as_it_can_be_read(tmp_path, call):
    path = write(tmp_path / "cut.flac", sound(4.0))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    code, (record,), (line,) = call(path, "-o", tmp_path / "out", "--json")
    assert code == 2
    assert "cut short or damaged" in line
    array = np.load(tmp_path / "out" / "cut.npy")
    assert 100 < array.shape[0] < 300
    np.testing.assert_array_equal(array, Frontend().push(sound(4.0))[: array.shape[0]])
    assert record["shape"] == list(array.shape)


def test_a_folder_that_cannot_be_written_is_told_of_in_a_line(tmp_path, call):
    path = write(tmp_path / "a.wav")
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        code, records, (line,) = call(path, "-o", folder)
        assert (code, records) == (2, [])
        assert f"{folder / 'a.npy'}: cannot be written" in line
        assert "-o" in line


def test_a_folder_in_the_place_of_the_array_is_not_replaced(tmp_path, call):
    path = write(tmp_path / "a.wav")
    (tmp_path / "out" / "a.npy").mkdir(parents=True)
    code, _, (line,) = call(path, "-o", tmp_path / "out", "--force")
    assert code == 2
    assert "cannot be written" in line
    assert os.listdir(tmp_path / "out") == ["a.npy"]


def test_a_full_disk_leaves_what_was_there_and_nothing_half_written(tmp_path, call, monkeypatch):
    path = write(tmp_path / "a.wav")
    there = tmp_path / "out" / "a.npy"
    there.parent.mkdir()
    there.write_bytes(b"precious")

    def full(file, array, **_):
        file.write(array.tobytes()[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "save", full)
    code, records, (line,) = call(path, "-o", there.parent, "--force", "--json")
    assert (code, records) == (2, [])
    assert f"{there}: cannot be written (No space left on device)" in line
    assert there.read_bytes() == b"precious"
    assert os.listdir(there.parent) == ["a.npy"]


def test_files_may_be_read_by_whom_the_user_lets(tmp_path, call):
    path = write(tmp_path / "a.wav")
    before = os.umask(0o027)
    try:
        assert call(path, "-o", tmp_path / "out")[0] == 0
    finally:
        os.umask(before)
    assert (tmp_path / "out" / "a.npy").stat().st_mode & 0o777 == 0o640


# ------------------------------------------------------------------------------------------------ people


def test_people_read_a_table(tmp_path, capfd, call, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.wav")
    write(tmp_path / "longer.wav", sound(4.0))
    assert edge.cli.main(["features", "a.wav", "longer.wav", "-o", "out"]) == 0
    assert capfd.readouterr().out.splitlines() == [
        "a.wav            1.50 s     148 x 40 uint16  out/a.npy",
        "longer.wav       4.00 s     398 x 40 uint16  out/longer.npy",
    ]


def test_on_a_terminal_a_long_recording_is_told_of(tmp_path, call, monkeypatch):
    monkeypatch.setattr(command, "_PROGRESS_S", 0.0)
    path = write(tmp_path / "a.wav", sound(7.0))
    assert call(path, "-o", tmp_path)[2] == [], "no terminal, no progress"

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert call(path, "-o", tmp_path, "--force")[0] == 0
    assert f"\r{path}: 0.1 min" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K"), "the line is taken away again"
