"""``vivavoce train render`` on a small corpus of synthetic words."""

import csv
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.__main__ import main
from edge.manifest_file import COLUMNS
from train import rendered_folder
from train.engines.choice import Engine
from train.frozen_set import heard_of
from train.liveness_scenes import build_liveness_clips
from train.rendered_folder import clips_of

pytest.importorskip("pyroomacoustics")

ROOMS = "[rooms]\ncounts = { train = 3, dev = 3, test = 3 }\n"


@pytest.fixture
def data(tmp_path: Path, words: list[np.ndarray]) -> Path:
    folder = tmp_path / "data"
    (folder / "loudspeakers").mkdir(parents=True)
    hz = np.geomspace(50, 14000, 40)
    np.savez(
        folder / "loudspeakers" / "curves.npz",
        frequency_hz=hz,
        on_axis_db=np.zeros((3, 40)),
        sound_power_db=np.full((3, 40), -5.0),
        model=["a", "b", "c"],
        brand=["A", "B", "C"],
        split=["train", "dev", "test"],
    )
    rows = []
    for i, word in enumerate(words):
        split = ("train", "dev", "test")[i % 3]
        soundfile.write(folder / f"{i}.wav", word, 16000, subtype="PCM_16")
        rows.append([f"{i}.wav", "synthetic", f"t{i}", split, "wake", "alexa", "1", "16000", "CC0-1.0"])
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    (tmp_path / "small.toml").write_text(ROOMS)
    return folder


def _render(data: Path, out: Path, *options: str) -> int:
    cache, recipe = data.parent / "cache", data.parent / "small.toml"
    given = ["--data", str(data), "--cache", str(cache), "--recipe", str(recipe), "--workers", "1"]
    return main(["train", "render", *given, "--clips", "8", "-o", str(out), *options])


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_folder_holds_pairs_their_manifest_and_their_conditions(data: Path, tmp_path: Path):
    out = tmp_path / "out"
    assert _render(data, out) == 0
    rows, conditions = _rows(out / "manifest.csv"), _rows(out / "conditions.csv")
    assert [row["source"] for row in rows] == ["live", "replay"] * 4
    assert [row["path"] for row in rows] == [row["path"] for row in conditions]
    for row, told in zip(rows, conditions, strict=True):
        content = (out / row["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row["sha256"]
        assert soundfile.info(out / row["path"]).duration == pytest.approx(float(row["seconds"]), abs=1e-3)
        assert (row["source"] == "live") == (told["kind"] == "none") == (row["loudspeaker"] == "")
        assert row["split"] == "dev"
        assert row["licence"] == "CC0-1.0"
        assert float(told["distance_m"]) > 0
    assert main(["train", "check", str(out)]) == 0
    record = json.loads((out / "render.json").read_text())
    assert (record["seed"], record["clips"], record["split"], record["loudspeakers"]) == (1, 8, "dev", "dev")
    assert record["kinds"] == []
    assert record["data_sha256"] == hashlib.sha256((data / "manifest.csv").read_bytes()).hexdigest()
    assert record.keys() > {"recipe_version", "recipe_sha256", "commit"}


def test_the_same_command_writes_nothing_again_and_mends_what_was_damaged(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "out"
    _render(data, out)
    before = {path: (path.stat().st_ino, path.read_bytes()) for path in (out / "clips").iterdir()}
    victim = out / "clips" / "000003.flac"
    victim.write_bytes(b"half")
    capsys.readouterr()
    assert _render(data, out) == 0
    assert "8 clips, 1 of them written now" in capsys.readouterr().out
    for path, (inode, content) in before.items():
        assert path.read_bytes() == content
        assert path == victim or path.stat().st_ino == inode


def test_only_some_kinds_replay_when_asked(data: Path, tmp_path: Path):
    _render(data, tmp_path / "out", "--kinds", "phone", "--loudspeakers", "train")
    kinds = {(row["kind"], row["loudspeaker"][:11]) for row in _rows(tmp_path / "out" / "conditions.csv")}
    assert kinds == {("none", "none"), ("phone", "phone-train")}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--kinds", "radio"], "--kinds: 'radio' is unknown; there are phone, laptop, tv, standalone"),
        (["--clips", "1"], "--clips is 1, expected at least 2"),
    ],
)
def test_bad_options_are_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], told: str
):
    assert _render(data, tmp_path / "out", *options) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _refused(data: Path, out: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """Render where it must be refused: in one line, before anything is rendered, and with all files as they were."""
    before = _content(data.parent)
    capsys.readouterr()
    assert _render(data, out, *options) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert _content(data.parent) == before
    return told


def test_recordings_are_not_written_over(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "link").symlink_to(data)
    for out in (data, tmp_path / "link", data / ".." / "data"):
        assert "is the folder of --data, whose manifest would be lost" in _refused(data, out, capsys)
    other = Path(shutil.copytree(data, tmp_path / "other"))
    assert "holds manifest.csv and no render.json" in _refused(data, other, capsys)
    (other / "manifest.csv").rename(other / "clips")
    assert "holds clips and no render.json" in _refused(data, other, capsys)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--clips", "6"], "clips is 8, expected 6"),
        (["--seed", "2"], "seed is 1, expected 2"),
        (["--split", "test"], 'split is "dev", expected "test"'),
        (["--loudspeakers", "train"], 'loudspeakers is "dev", expected "train"'),
        (["--kinds", "tv", "phone"], 'kinds is [], expected ["phone", "tv"]'),
    ],
)
def test_two_sets_are_not_mixed(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], told: str
):
    out = tmp_path / "out"
    _render(data, out)
    message = _refused(data, out, capsys, *options)
    assert f"{out}: holds clips of other settings: {told}; give another folder, or remove this one" in message


def test_another_recipe_or_other_recordings_are_another_set(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out, manifest = tmp_path / "out", data / "manifest.csv"
    _render(data, out)
    (tmp_path / "small.toml").write_text(ROOMS + "[codec]\nshare = 0.5\n")
    assert "recipe_sha256 is " in _refused(data, out, capsys)
    (tmp_path / "small.toml").write_text(ROOMS)
    manifest.write_text(manifest.read_text().replace("CC0-1.0", "MIT", 1))
    assert "data_sha256 is " in _refused(data, out, capsys)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"seed": NaN}', "[" * 100_000])
def test_a_damaged_record_is_one_line(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "render.json").write_text(content)
    assert "give another folder, or remove this one" in _refused(data, tmp_path / "out", capsys)


def test_half_a_set_has_no_manifest(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "out"
    _render(data, out)
    whole = _content(out)
    for number in (2, 5):
        (out / "clips" / f"00000{number}.flac").write_bytes(b"half")
    put = rendered_folder.write_whole

    def full(path: Path, *given: object, **how: object) -> None:
        if path.name == "000005.flac":
            raise OSError(28, "No space left on device")
        put(path, *given, **how)

    monkeypatch.setattr(rendered_folder, "write_whole", full)
    capsys.readouterr()
    assert _render(data, out) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert not (out / "manifest.csv").exists()
    assert not (out / "conditions.csv").exists()
    monkeypatch.undo()
    assert _render(data, out) == 0
    assert _content(out) == whole


def test_clips_beyond_the_set_are_removed_and_nothing_else(data: Path, tmp_path: Path):
    out = tmp_path / "out"
    _render(data, out)
    whole = _content(out)
    for name in ("clips/000008.flac", "clips/123456.flac"):
        (out / name).write_bytes(b"of another set")
    mine = {"clips/mine.flac": b"1", "clips/8.flac": b"2", "clips/000008.flac.txt": b"3", "notes.txt": b"4"}
    for name, content in mine.items():
        (out / name).write_bytes(content)
    assert _render(data, out) == 0
    assert _content(out) == whole | mine


@pytest.mark.parametrize("option", ["-o", "--cache"])
@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_in_place_of_a_folder_is_refused(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, below: str
):
    file = data / "0.wav"
    assert f"{file} is a file, expected a folder" in _refused(data, tmp_path / "out", capsys, option, str(file / below))


def test_hashes_are_not_rendered_for_a_place_that_takes_none(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    from train.steps import render

    call = ["train", "render", "--data", str(data), "--cache", str(tmp_path / "cache"), "--freeze"]
    assert main([*call, str(data)]) == 2
    assert "is a folder, expected the name of a file" in capsys.readouterr().err
    monkeypatch.setattr(render, "_frozen", lambda *_: {})
    assert main([*call, str(data / "0.wav" / "frozen.json")]) == 2
    told = capsys.readouterr().err
    assert "frozen.json: cannot be written (Not a directory)" in told
    assert told.count("\n") == 1


def test_an_unknown_recipe_key_is_one_line_and_renders_nothing(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "small.toml").write_text("[codec]\nshaer = 1\n")
    assert _render(data, tmp_path / "out") == 2
    assert "codec.shaer is unknown; did you mean codec.share?" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "cache").exists()


def test_what_a_device_looks_back_on_is_cut_out_of_whole_clips(data: Path, tmp_path: Path):
    from edge.cues import CueSettings
    from train.simulator.recipe import load_recipe

    whole = build_liveness_clips(
        data, "dev", tmp_path / "cache", n=6, seed=2, cues=CueSettings(), keep="whole",
        recipe=load_recipe(tmp_path / "small.toml"), engine=Engine(workers=1),
    )  # fmt: skip
    heard = heard_of(whole)
    for i, samples in enumerate(clips_of(whole)):
        size = int(heard["audio_size"][i])
        kept = heard["audio"][i, -size:]
        # The detection comes 50 to 350 ms behind the word; what lies before it is what was heard.
        ends = whole["speech_stop"][i] + np.arange(800, 5601)
        assert any(np.array_equal(samples[max(0, end - size) : end], kept) for end in ends)
    assert heard["live"].tolist() == [1, 0] * 3


def test_the_way_of_a_clip_leads_from_its_recording_to_what_is_looked_back_on(data: Path, tmp_path: Path):
    from edge.cues import CueSettings
    from train.corpus import load_manifest
    from train.informed_judge import evidence_of
    from train.simulator.recipe import load_recipe
    from train.sound_way import ways_to_learn
    from train.speeds import Speeds

    recipe, cues, speeds = load_recipe(tmp_path / "small.toml"), CueSettings(), Speeds(1.0, 0.2)

    def clips(**options):
        return build_liveness_clips(
            data, "dev", tmp_path / "cache", n=6, seed=2, cues=cues, recipe=recipe, speeds=speeds,
            engine=Engine(workers=1), **options,
        )  # fmt: skip

    taught, plain, whole = clips(ways=True), clips(), clips(keep="whole")
    assert "way" not in plain
    np.testing.assert_array_equal(taught["cues"], plain["cues"])
    told = evidence_of(whole, load_manifest(data), cues, recipe, speeds=speeds, seed=2)
    gains, known = ways_to_learn(taught["way"], cues)
    bands = cues.coarse_bands
    np.testing.assert_allclose(known[:, :bands], told.way[:, bands : 2 * bands], atol=0.005)
    within = np.abs(told.way[:, :bands]) < 60
    np.testing.assert_allclose(10 * gains[:, :bands][within], told.way[:, :bands][within], atol=0.26)
    assert known.max() > 0.5


def test_a_clip_follows_from_source_seed_and_recipe_alone(data: Path, tmp_path: Path):
    from edge.cues import CueSettings
    from train.simulator.recipe import load_recipe

    def clips(n: int, seed: int, cache: str) -> list[bytes]:
        rendered = build_liveness_clips(
            data, "dev", tmp_path / cache, n=n, seed=seed, cues=CueSettings(), keep="whole",
            recipe=load_recipe(tmp_path / "small.toml"), engine=Engine(workers=1),
        )  # fmt: skip
        return [samples.tobytes() for samples in clips_of(rendered)]

    few = clips(4, 2, "a")
    assert clips(8, 2, "b")[:4] == few
    assert len({*few, *clips(4, 3, "c")}) == 8


def test_a_split_without_speech_and_a_silent_recording_are_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    manifest = data / "manifest.csv"
    text = manifest.read_text()
    manifest.write_text(text.replace(",dev,wake,", ",dev,noise,"))
    assert _render(data, tmp_path / "out") == 2
    assert "holds no speech of the split dev" in capsys.readouterr().err
    manifest.write_text(text)
    for row in _rows(manifest):
        soundfile.write(data / row["path"], np.zeros(16000), 16000, subtype="PCM_16")
    assert _render(data, tmp_path / "out") == 2
    told = capsys.readouterr().err
    assert "cannot be rendered (the source is digital silence)" in told
    assert ".wav: " in told


@pytest.mark.parametrize("changed", ["recording", "loudspeakers"])
def test_what_was_rendered_from_other_files_is_rendered_again(
    data: Path, tmp_path: Path, words: list[np.ndarray], changed: str
):
    _render(data, tmp_path / "first")
    if changed == "recording":
        for row in _rows(data / "manifest.csv"):
            soundfile.write(data / row["path"], np.pad(words[7], (0, 160)), 16000, subtype="PCM_16")
    else:
        with np.load(data / "loudspeakers" / "curves.npz") as curves:
            bass = 12.0 * (curves["frequency_hz"] > 500) - 12.0
            other = {**curves, "on_axis_db": curves["on_axis_db"] + bass}
        np.savez(data / "loudspeakers" / "curves.npz", **other)
    _render(data, tmp_path / "second")
    first, second = (
        [(folder / row["path"]).read_bytes() for row in _rows(folder / "manifest.csv")]
        for folder in (tmp_path / "first", tmp_path / "second")
    )
    assert first != second
