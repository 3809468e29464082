"""Decisions are compared clip by clip, by files that were written in environments of their own."""

import json

import numpy as np
import pytest
import soundfile

from edge.errors import DataError
from quantize.decisions import compare_decisions
from quantize.score_table import ScoreTable, read_table, write_table

ABOUT = {"role": "wake", "interpreter": "litert", "cutoffs": "0.5 0.5"}


def table(decisions, scores, ids="abcd"):
    return ScoreTable(ABOUT, ("alexa", "jarvis"), tuple(ids), tuple(decisions), np.array(scores, float))


ONE = table(["alexa", "-", "-", "jarvis"], [[0.9, 0.1], [0.2, 0.1], [0.4, 1 / 3], [0.0, 0.7]])
OTHER = table(["jarvis", "-", "alexa", "alexa"], [[0.0, 0.7], [0.4, 1 / 3], [0.6, 0.1], [0.9, 0.1]], ids="dcba")


def test_a_file_gives_back_what_was_written(tmp_path):
    write_table(tmp_path / "one.scores", ONE)
    back = read_table(tmp_path / "one.scores")
    assert (back.about, back.columns, back.ids, back.decisions) == (ONE.about, ONE.columns, ONE.ids, ONE.decisions)
    np.testing.assert_array_equal(back.scores, ONE.scores)


def test_clips_are_joined_by_their_ids():
    found = compare_decisions(ONE, OTHER)
    assert found["agreement"] == 0.75
    (clip,) = found["differing"]
    assert (clip["id"], clip["decisions"]) == ("b", ["-", "alexa"])
    assert clip["difference"] == pytest.approx(0.4)
    assert found["outputs"]["alexa"]["max_difference"] == pytest.approx(0.4)
    assert found["outputs"]["alexa"]["rms_difference"] == pytest.approx(0.2)
    assert found["outputs"]["jarvis"]["max_difference"] == 0


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("# vivavoce scores 1", "# something", "expected whole lines after"),
        ("b\t-\t0.2", "b\t-\tnan", "line 7: got 'b"),
        ("b\t-\t0.2", "a\t-\t0.2", "expected a clip that is new"),
        ("b\t-\t0.2\t0.1", "b\t-\t0.2", "2 finite scores"),
        ("id\tdecision", "name\tdecision", "expected a header"),
    ],
)
def test_files_that_are_none(tmp_path, old, new, told):
    path = tmp_path / "one.scores"
    write_table(path, ONE)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(DataError, match=told):
        read_table(path)
    path.write_text(text[:-3])
    with pytest.raises(DataError, match="whole lines"):
        read_table(path)


def test_the_comparison_as_a_command(tmp_path, capsys):
    from edge.cli import main

    paths = [str(tmp_path / f"{name}.scores") for name in ("one", "other", "less")]
    write_table(tmp_path / "one.scores", ONE)
    write_table(tmp_path / "other.scores", OTHER)
    write_table(tmp_path / "less.scores", table(["-"], [[0.1, 0.1]], ids="a"))
    assert (
        main(["quantize", "parity", "--scores", *paths[:2], "--max-rms", "1", "--min-agreement", "0.75", "--json"]) == 0
    )
    report = json.loads(capsys.readouterr().out)
    assert (report["clips"], report["compared"][0]["agreement"]) == (4, 0.75)
    assert main(["quantize", "parity", "--scores", *paths[:2], "--max-rms", "1", "--min-agreement", "0.8"]) == 2
    told = capsys.readouterr()
    assert "b: alexa, not -" in told.out
    assert "got 0.750 of the decisions equal, expected at least 0.8" in told.err
    assert main(["quantize", "parity", "--scores", paths[0], paths[2]]) == 2
    assert "got 1 clips" in capsys.readouterr().err
    assert main(["quantize", "parity", "--scores", paths[0]]) == 2
    assert "expected two or more" in capsys.readouterr().err
    assert main(["quantize", "parity", "a.tflite"]) == 2
    assert "got no two networks" in capsys.readouterr().err


@pytest.mark.parametrize("role", ["wake", "liveness"])
def test_clips_of_a_manifest_are_scored(tmp_path, capsys, role):
    from edge.bundle import open_bundle
    from edge.cli import main
    from edge.manifest_file import COLUMNS

    rng = np.random.default_rng(1)
    rows = [",".join(COLUMNS)]
    for name, split in (("a", "dev"), ("b", "dev"), ("c", "train")):
        soundfile.write(tmp_path / f"{name}.wav", rng.normal(0, 0.05, 20_000), 16_000)
        rows.append(f"{name}.wav,made,someone,{split},speech,,1.25,16000,CC0-1.0")
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    bundle, out = open_bundle(), tmp_path / "x.scores"
    call = ["quantize", "scores", str(bundle.path), "--role", role, "--data", str(tmp_path), "-o", str(out)]
    assert main(call) == 0
    found = read_table(out)
    assert found.ids == ("a.wav", "b.wav")
    assert found.columns == (tuple(word.id for word in bundle.words) if role == "wake" else ("logit",))
    assert set(found.decisions) <= ({"-"} if role == "wake" else {"accept", "unsure", "reject"})
    assert main([*call, "--form", "float"]) == 2
    assert "leave --form and --cutoffs out" in capsys.readouterr().err
    assert main([*call, "--split", "all"]) == 2
    assert main([*call, "--limit", "0"]) == 2


@pytest.mark.tf
def test_a_checkpoint_is_scored_in_both_forms_and_made_for_esphome(converted, tmp_path, capsys):
    pytest.importorskip("tflite_micro", reason="needs the extra `micro`")
    from edge.cli import main
    from edge.manifest_file import COLUMNS

    soundfile.write(tmp_path / "a.wav", np.random.default_rng(1).normal(0, 0.05, 20_000), 16_000)
    rows = (",".join(COLUMNS), "a.wav,made,someone,dev,speech,,1.25,16000,CC0-1.0")
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    for role, path in converted.items():
        for form in ("float", "int8"):
            out = tmp_path / f"{role}.{form}"
            call = ["quantize", "scores", str(path), "--form", form, "--data", str(tmp_path), "-o", str(out)]
            assert main(call) == 0
        one, other = (read_table(tmp_path / f"{role}.{form}") for form in ("float", "int8"))
        assert one.about["role"] == role
        assert 0 < np.abs(one.scores - other.scores).max() < 1.0
    call = [
        "quantize",
        "esphome",
        str(converted["wake"]),
        "--data",
        str(tmp_path),
        "-o",
        str(tmp_path / "pack"),
        "--json",
    ]
    capsys.readouterr()
    assert main(call) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report["words"]) == {"alexa", "smart_mirror"}
    assert report["clips"] == 1
