"""A bundle with a verifier: what its manifest must say, which cut-off is whose, and that the network runs."""

import json
from pathlib import Path

import pytest
from verifier_bundle import make_verifier, with_verifier

from edge import doctor
from edge.bundle import DEFAULT_BUNDLE, networks_of, open_bundle, without_verifier
from edge.bundle_check import check_runs
from edge.bundle_manifest import MANIFEST_NAME, verifier_entry
from edge.bundle_writing import seal
from edge.errors import BundleError, ModelAbiError

WORDS = [word.id for word in open_bundle().words]
SAID = {
    "candidate": {word: round(0.1 + 0.05 * at, 2) for at, word in enumerate(WORDS)},
    "cutoff": {word: round(0.9 - 0.05 * at, 2) for at, word in enumerate(WORDS)},
}


@pytest.fixture
def folder(tmp_path):
    return with_verifier(DEFAULT_BUNDLE, tmp_path / "bundle", **SAID)


def change(folder, edit):
    manifest = json.loads((folder / MANIFEST_NAME).read_bytes())
    edit(manifest)
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest))
    seal(folder)


def test_each_cutoff_is_where_it_is_compared(folder):
    bundle, written = open_bundle(folder), json.loads((folder / MANIFEST_NAME).read_bytes())
    assert {word.id: word.cutoff for word in bundle.words} == SAID["cutoff"]
    assert bundle.verifier.candidates == SAID["candidate"]
    alone = {word["id"]: word["cutoff"] for word in written["words"]}
    assert list(bundle.wake_cutoffs.items()) == list(alone.items())
    assert (bundle.verifier.file, bundle.verifier.delay_ms, bundle.verifier.again_ms) == ("verifier.tflite", 100, 250)
    assert networks_of(bundle) == {
        "wake": bundle.wake.file, "verifier": "verifier.tflite", "liveness": bundle.liveness.file,
    }  # fmt: skip
    assert verifier_entry(bundle) == written["verifier"]


def test_without_it_the_wake_network_decides_by_its_own(folder):
    bundle = open_bundle(folder)
    alone = without_verifier(bundle)
    assert (alone.verifier, verifier_entry(alone)) == (None, None)
    assert {word.id: word.cutoff for word in alone.words} == alone.wake_cutoffs == bundle.wake_cutoffs
    assert alone.wake_cutoffs != SAID["cutoff"]
    assert without_verifier(alone) is alone


def entries(table, *above):
    for key, value in table.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from entries(value, *above, key)


def test_every_entry_is_needed_and_no_other_allowed(folder, subtests):
    whole = json.loads((folder / MANIFEST_NAME).read_bytes())
    paths = list(entries({"verifier": whole["verifier"]}))
    assert ("verifier", "words", "alexa", "candidate") in paths
    for path in paths:
        for kind in ("without", "beside"):
            with subtests.test(kind, path=path):
                changed = json.loads(json.dumps(whole))
                inside = changed
                for key in path[:-1]:
                    inside = inside[key]
                if kind == "without":
                    del inside[path[-1]]
                else:
                    inside["colour"] = 1
                (folder / MANIFEST_NAME).write_text(json.dumps(changed))
                seal(folder)
                named = ".".join(path if kind == "without" else (*path[:-1], "colour"))
                with pytest.raises(BundleError, match=rf"manifest\.json: {named}: got "):
                    open_bundle(folder)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("verifier", []),
        ("verifier.file", "../verifier.tflite"),
        ("verifier.file", "other.tflite"),
        ("verifier.delay_ms", -1),
        ("verifier.delay_ms", 1001),
        ("verifier.delay_ms", 0.1),
        ("verifier.again_ms", 0),
        ("verifier.words", {}),
        ("verifier.words.alexa", 0.5),
        ("verifier.words.alexa.candidate", 1.5),
        ("verifier.words.alexa.cutoff", "0.5"),
        ("verifier.words.alexa.cutoff", True),
    ],
)
def test_entries_of_another_kind_are_named(folder, path, value):
    def edit(manifest):
        *above, last = path.split(".")
        for key in above:
            manifest = manifest[key]
        manifest[last] = value

    change(folder, edit)
    named = path if value != {} else f"{path}.{WORDS[0]}"
    with pytest.raises(BundleError, match=rf"manifest\.json: {named}: got .*, expected .*; "):
        open_bundle(folder)


def test_an_older_manifest_has_none(folder):
    change(folder, lambda manifest: manifest.update(format_version=3))
    with pytest.raises(BundleError, match="verifier: got an entry that version 3 does not know"):
        open_bundle(folder)


def write_network(folder: Path, content: bytes) -> None:
    (folder / "verifier.tflite").write_bytes(content)
    seal(folder)


def test_a_verifier_that_does_not_run_is_told_before_anything_is_heard(folder):
    check_runs(open_bundle(folder))
    write_network(folder, make_verifier([0.0] * 5, [0.0] * 5))
    with pytest.raises(ModelAbiError, match=r"verifier\.tflite: output"):
        check_runs(open_bundle(folder))


def test_the_doctor_looks_once_with_it(folder):
    found = {one.check: one for one in doctor.examine(bundle=folder, device=False)}
    assert list(found)[-3:] == ["wake", "verifier", "decision"]
    assert found["verifier"].state == "ok"
    assert "a look takes" in found["verifier"].found
    write_network(folder, b"no network")
    found = {one.check: one for one in doctor.examine(bundle=folder, device=False)}
    assert found["verifier"].state == "fault"
    assert "verifier.tflite" in found["verifier"].found
    assert found["decision"].state == "ok"
