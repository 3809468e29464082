"""A bundle says what it had to reach: read strictly, about this very bundle, and without changing which one it is."""

import hashlib
import json
import shutil

import pytest

from edge import doctor
from edge.bundle import DEFAULT_BUNDLE, open_bundle
from edge.bundle_identity import bundle_hash
from edge.bundle_manifest import CARD_NAME, CHECKSUM_NAME, FORMAT_VERSION, MANIFEST_NAME
from edge.bundle_writing import seal, write_judgement
from edge.errors import BundleError
from edge.judgement import CARD_BEGIN, CARD_END, Judgement, LimitVerdict, card_without_limits


def verdict(name="recall", **changes):
    plain = {
        "id": name,
        "title": "words heard",
        "unit": "share",
        "direction": "at_least",
        "limit": 0.85,
        "evidence": "real",
        "measured": 0.848,
        "interval": (0.76, None),
        "n": 246.0,
        "counted": "clips",
        "of": "alexa",
        "source": "wake_test.json",
        "source_sha256": "1" * 64,
    }
    return LimitVerdict(**(plain | changes))


NOTHING = dict.fromkeys(("measured", "interval", "n", "of", "source", "source_sha256"))


@pytest.fixture(params=["first", "newest"])
def version(request):
    """Return in which version of the manifest a bundle is that was not judged."""
    return request.param


@pytest.fixture
def folder(tmp_path, version):
    """Return a copy of the bundle that ships, as it was before it was judged."""
    path = tmp_path / "bundle"
    shutil.copytree(DEFAULT_BUNDLE, path)
    manifest = json.loads((path / MANIFEST_NAME).read_bytes())
    later = {"author": None, "website": None, "trained_languages": [], "limits": None, "verifier": None}
    plain = {key: value for key, value in manifest.items() if key not in later}
    added = {"format_version": 1} if version == "first" else {"format_version": FORMAT_VERSION, **later}
    (path / CARD_NAME).write_bytes(card_without_limits((path / CARD_NAME).read_bytes()))
    (path / MANIFEST_NAME).write_text(json.dumps(plain | added))
    seal(path)
    return path


def judged(folder, *verdicts):
    return Judgement("small", "3", "2" * 64, bundle_hash(folder), verdicts)


def with_section(folder):
    return (folder / CARD_NAME).read_bytes() + (CARD_BEGIN + "all is well\n" + CARD_END).encode()


def rewrite(folder, change):
    """Change a manifest behind the program's back, with the right checksum."""
    manifest = json.loads((folder / MANIFEST_NAME).read_bytes())
    change(manifest)
    content = (json.dumps(manifest, indent=2) + "\n").encode()
    (folder / MANIFEST_NAME).write_bytes(content)
    (folder / CHECKSUM_NAME).write_text(f"{hashlib.sha256(content).hexdigest()}  {MANIFEST_NAME}\n")


def test_what_was_written_comes_back(folder, version):
    judged_version = {"first": 2, "newest": FORMAT_VERSION}[version]
    before = bundle_hash(folder)
    written = judged(folder, verdict(), verdict("work", unit="ms", direction="at_most", limit=3.0, measured=2.0,
                                                interval=None, of=None), verdict("delay", **NOTHING))  # fmt: skip
    write_judgement(folder, written, with_section(folder))
    bundle = open_bundle(folder)
    assert bundle.limits == written
    assert [one.met for one in bundle.limits.verdicts] == [False, True, None]
    assert bundle_hash(folder) == before
    assert b"all is well" in bundle.content(CARD_NAME)
    assert bundle.limits.summary() == (
        "meets 1 of 3 limits (task small, version 3). Misses: words heard 84.8 % (at least 85 %). "
        "Not measured: words heard"
    )
    assert json.loads((folder / MANIFEST_NAME).read_bytes())["format_version"] == judged_version
    assert bundle.size == sum(file.stat().st_size for file in folder.iterdir())


def test_without_verdicts_the_hash_is_that_of_the_file(folder, version):
    manifest = (folder / MANIFEST_NAME).read_bytes()
    assert json.loads(manifest)["format_version"] == {"first": 1, "newest": FORMAT_VERSION}[version]
    assert bundle_hash(folder) == hashlib.sha256(manifest).hexdigest()
    assert open_bundle(folder).limits is None


def test_sealing_removes_what_was_said_of_another_bundle(folder):
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    write_judgement(folder, judged(folder, verdict()), with_section(folder))
    assert {file.name: file.read_bytes() for file in folder.iterdir()} != before
    seal(folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_every_change_of_the_bundle_is_another_bundle(folder, subtests):
    write_judgement(folder, judged(folder, verdict()), with_section(folder))
    before = bundle_hash(folder)
    card = (folder / CARD_NAME).read_bytes()

    def cutoff(manifest):
        manifest["words"][0]["cutoff"] = 0.5

    def network(manifest):
        (folder / "wake.tflite").write_bytes(b"other")
        manifest["files"]["wake.tflite"] = {"sha256": hashlib.sha256(b"other").hexdigest(), "bytes": 5}

    def other_card(manifest):
        content = card.replace(b" networks of", b" nets of")
        (folder / CARD_NAME).write_bytes(content)
        manifest["files"][CARD_NAME] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}

    for change in (cutoff, network, other_card):
        with subtests.test(change=change.__name__):
            kept = {file: file.read_bytes() for file in folder.iterdir()}
            rewrite(folder, change)
            assert bundle_hash(folder) != before
            with pytest.raises(BundleError, match=r"limits\.bundle_sha256: got .*not the one that was judged"):
                open_bundle(folder)
            for file, content in kept.items():
                file.write_bytes(content)


def test_a_judgement_of_another_bundle_is_not_written(folder):
    wrong = Judgement("small", "3", "2" * 64, "f" * 64, (verdict(),))
    with pytest.raises(BundleError, match=r"expected ffffffffffffffff\.\.\., which was judged"):
        write_judgement(folder, wrong, None)


def test_a_manifest_of_version_1_has_no_limits(folder):
    write_judgement(folder, judged(folder, verdict()), with_section(folder))
    rewrite(
        folder, lambda manifest: [manifest.pop(entry, None) for entry in ("author", "website", "trained_languages")]
    )
    rewrite(folder, lambda manifest: manifest.update(format_version=1))
    with pytest.raises(BundleError, match="limits: got an entry that version 1 does not know"):
        open_bundle(folder)


def test_limits_may_be_null_but_not_missing(folder):
    rewrite(folder, lambda manifest: manifest.update(format_version=max(2, manifest["format_version"]), limits=None))
    assert open_bundle(folder).limits is None
    rewrite(folder, lambda manifest: manifest.pop("limits"))
    with pytest.raises(BundleError, match="limits: got no such entry"):
        open_bundle(folder)


@pytest.mark.parametrize("name", list(verdict().to_dict()))
def test_every_entry_of_a_verdict_is_needed(folder, name):
    write_judgement(folder, judged(folder, verdict()), with_section(folder))
    rewrite(folder, lambda manifest: manifest["limits"]["verdicts"][0].pop(name))
    with pytest.raises(BundleError, match=rf"limits\.verdicts\.0\.{name}: got no such entry"):
        open_bundle(folder)


@pytest.mark.parametrize(
    ("entry", "value", "shown"),
    [
        ("met", True, "met: got true, expected false, as value and limit have it"),
        ("met", 0, "met: got 0"),
        ("met", None, "met: got null"),
        ("measured", "0.9", "measured: got"),
        ("measured", None, "source: got one"),
        ("source", None, "source: got null"),
        ("interval", [0.9], "interval: got"),
        ("interval", [None, None], "interval: got"),
        ("interval", [0.9, 0.8], "interval: got"),
        ("interval", [True, 0.9], "interval: got"),
        ("unit", "percent", "unit: got"),
        ("direction", "up", "direction: got"),
        ("evidence", "heard", "evidence: got"),
        ("title", "a\nb", "title: got"),
        ("title", "\x1b[2J", "title: got"),
        ("n", -1, "n: got"),
        ("id", "A", "id: got"),
        ("source", {"file": "a", "sha256": "1"}, "source.sha256: got"),
        ("source", {"file": "a", "sha256": "1" * 64, "url": "b"}, "source.url: got"),
        ("colour", 1, "colour: got"),
    ],
)
def test_entries_that_contradict_or_make_no_sense(folder, entry, value, shown):
    write_judgement(folder, judged(folder, verdict()), with_section(folder))
    rewrite(folder, lambda manifest: manifest["limits"]["verdicts"][0].update({entry: value}))
    with pytest.raises(BundleError, match=rf"manifest\.json: limits\.verdicts\.0\.{shown}"):
        open_bundle(folder)


@pytest.mark.parametrize("key", ["task", "bundle_sha256", "verdicts"])
def test_every_part_is_needed(folder, key):
    write_judgement(folder, judged(folder, verdict()), with_section(folder))
    rewrite(folder, lambda manifest: manifest["limits"].pop(key))
    with pytest.raises(BundleError, match=rf"limits\.{key}: got no such entry"):
        open_bundle(folder)


def test_a_limit_comes_once(folder):
    write_judgement(folder, judged(folder, verdict()), with_section(folder))
    rewrite(folder, lambda manifest: manifest["limits"]["verdicts"].append(manifest["limits"]["verdicts"][0]))
    with pytest.raises(BundleError, match=r"verdicts\.1\.id: got 'recall' a second time"):
        open_bundle(folder)


def test_cards_without_a_section_stay_as_they_are():
    for card in (b"", b"# card\n", CARD_BEGIN.encode(), CARD_END.encode()):
        assert card_without_limits(card) == card


@pytest.mark.parametrize(
    ("measured", "state", "found"),
    [
        (0.848, "note", "Misses: words heard 84.8 % (at least 85 %)"),
        (0.85, "ok", "meets 1 of 1 limits (task small, version 3)"),
    ],
)
def test_the_doctor_tells_what_is_missed(folder, monkeypatch, measured, state, found):
    monkeypatch.setattr(doctor, "open_bundle", lambda *_, **__: open_bundle(folder))
    assert next(one for one in doctor.examine() if one.check == "limits").state == "note"
    write_judgement(folder, judged(folder, verdict(measured=measured)), with_section(folder))
    told = next(one for one in doctor.examine() if one.check == "limits")
    assert told.state == state
    assert found in told.found
