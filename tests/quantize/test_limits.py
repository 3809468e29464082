"""Verdicts into a bundle: manifest and card say the same, and everything else stays."""

import json
import os
import shutil
from pathlib import Path

import pytest

from edge.bundle import DEFAULT_BUNDLE, open_bundle
from edge.bundle_identity import bundle_hash
from edge.bundle_manifest import CARD_NAME
from edge.bundle_writing import seal
from edge.cli import main
from edge.errors import DataError, UsageError
from edge.judgement import card_without_limits
from quantize.card import card_with_limits
from quantize.hard_limits import bundle_bytes, parity_limits
from quantize.limits import write_limits
from quantize.replacement import replacing
from train.task import load_task


@pytest.fixture
def folder(tmp_path):
    """Return a copy of the bundle that ships, as it was before it was judged."""
    path = tmp_path / "bundle"
    shutil.copytree(DEFAULT_BUNDLE, path)
    seal(path)
    return path


@pytest.fixture
def verdicts(tmp_path):
    """Return a file with the verdicts about it."""
    path = tmp_path / "limits.json"
    path.write_text(json.dumps(open_bundle().limits.to_dict()))
    return path


def test_manifest_and_card_say_it(folder, verdicts, capsys):
    before = bundle_hash(folder)
    card = (folder / CARD_NAME).read_bytes()
    (folder / ".DS_Store").write_bytes(b"x")
    assert main(["quantize", "limits", str(folder), "--verdicts", str(verdicts)]) == 0
    bundle = open_bundle(folder)
    assert capsys.readouterr().out == f"{folder}: {bundle.limits.summary()}\n"
    assert bundle.limits == open_bundle().limits
    assert bundle_hash(folder) == before
    assert (folder / ".DS_Store").read_bytes() == b"x", "what the manifest does not list is not ours"
    text = bundle.content(CARD_NAME).decode()
    assert card_without_limits(text.encode()) == card
    for one in bundle.limits.verdicts:
        (line,) = [line for line in text.splitlines() if line.startswith(f"| {one.title} |")]
        assert one.shown_limit() in line
        assert one.shown_value() in line
        assert (f"**{one.state}" in line) == (one.state != "met")
    # In front of what no bundle is good for.
    assert text.index("## What it had to reach") < text.index("\n## Limits\n")


def test_a_second_time_replaces_the_first(folder, verdicts):
    write_limits(folder, verdicts)
    once = {file.name: file.read_bytes() for file in folder.iterdir()}
    write_limits(folder, verdicts)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == once


def test_a_link_to_a_bundle_stays_one(folder, verdicts):
    link = folder.parent / "current"
    link.symlink_to(folder)
    write_limits(link, verdicts)
    assert link.is_symlink()
    assert open_bundle(folder).limits is not None


@pytest.mark.parametrize("card", [b"", b"# mine\n", b"# mine\n\n## Limits\n\nmany\n", b"\n## Limits\na\n## Limits\nb"])
def test_any_card_comes_back(card):
    written = card_with_limits(card, open_bundle().limits)
    assert b"## What it had to reach" in written
    assert card_without_limits(written) == card
    assert card_with_limits(written, open_bundle().limits) == written


def refused(folder, verdicts, match, **settings):
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(DataError, match=match) as caught:
        write_limits(folder, verdicts, **settings)
    assert "\n" not in str(caught.value)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert [path for path in folder.parent.iterdir() if path.name.startswith(".bundle")] == []


def test_verdicts_about_another_bundle(folder, verdicts):
    content = json.loads(verdicts.read_text())
    verdicts.write_text(json.dumps(content | {"bundle_sha256": "f" * 64}))
    refused(folder, verdicts, r"bundle_sha256: got f{16}\.\.\., expected .* --bundle")


@pytest.mark.parametrize("content", ["", "[]", "{", '{"task": 1}', '{"task": {"name": "a"}}'])
def test_what_holds_no_verdicts(folder, verdicts, content):
    verdicts.write_text(content)
    refused(folder, verdicts, "limits.json: .*make it again with 'vivavoce train frame -o FILE'")
    verdicts.unlink()
    refused(folder, verdicts, "limits.json: cannot be read")


def test_a_bundle_that_they_make_too_large(folder, verdicts, tmp_path):
    task = tmp_path / "task.toml"
    task.write_text(f"[device]\nbundle_bytes = {open_bundle(folder).size + 100}\n")
    refused(folder, verdicts, "expected at most", task=task)


@pytest.mark.parametrize("when", ["copy", "write", "rename"])
def test_a_full_disk_leaves_the_bundle_as_it_was(folder, verdicts, monkeypatch, when):
    full = OSError(28, "No space left on device")
    if when == "copy":
        # Copying goes on with the other files, and tells of all at the end.
        def copy(source, target, **_):
            raise full

        monkeypatch.setattr(shutil, "copystat", copy)
    elif when == "write":

        def write(*_):
            raise full

        monkeypatch.setattr("edge.bundle_writing.write_judgement", write)
    else:
        rename = os.rename

        def move(source, target):
            if Path(source).name == "fresh":
                raise full
            rename(source, target)

        monkeypatch.setattr(os, "rename", move)
    refused(
        folder, verdicts, rf"^{folder}: cannot be written \([^()]*No space left on device[^()]*\), what was there stays"
    )


@pytest.mark.parametrize("name", ["file/below", "x" * 300])
def test_a_place_that_no_bundle_can_have(name, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="cannot be written"), replacing(tmp_path / name):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_hard_limits_are_those_of_the_task():
    task = load_task()
    assert bundle_bytes() == task.device.bundle_bytes
    assert parity_limits() == (task.quantisation.max_rms_share, task.quantisation.min_agreement)


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("", "device: got no such entry"),
        ("[device]\n", "device.bundle_bytes: got no such entry"),
        ("[device]\nbundle_bytes = '1'\n", 'device.bundle_bytes: got "1"'),
        ("[device", "not TOML"),
    ],
)
def test_a_task_that_does_not_say_it(tmp_path, content, shown):
    path = tmp_path / "task.toml"
    path.write_text(content)
    with pytest.raises((DataError, UsageError), match=shown):
        bundle_bytes(path)
    with pytest.raises(UsageError, match="cannot be read"):
        bundle_bytes(tmp_path / "none")
