"""Bundles: what is sealed opens and runs, and nothing else does."""

import hashlib
import json
import os
import subprocess

import numpy as np
import pytest

from edge import bundle as module
from edge import bundle_manifest
from edge.bundle import DEFAULT_BUNDLE, open_bundle
from edge.bundle_manifest import CHECKSUM_NAME, FORMAT_VERSION, MANIFEST_NAME
from edge.bundle_parts import FileEntry, Licence, LivenessPart, WakePart, Word
from edge.bundle_writing import seal
from edge.cues import CueSettings
from edge.errors import BundleError, BundleVersionError, ModelAbiError, UsageError
from edge.frontend_tables import FrontendSettings

LATER = ("author", "website", "trained_languages", "limits")
FILES = ("MODEL_CARD.md", "liveness.tflite", "wake.tflite")


@pytest.fixture
def manifest():
    return {
        "format": "vivavoce-bundle",
        "format_version": 3,
        "bundle_version": "1.2.3",
        "minimum_vivavoce_version": "0.0.1",
        "author": "Ada",
        "website": "https://example.org/ada",
        "trained_languages": ["en", "de-AT"],
        "words": [
            {"id": "alexa", "phrase": "alexa", "cutoff": 0.5},
            {"id": "smart_mirror", "phrase": "smart mirror", "cutoff": 0.75},
        ],
        "frontend": FrontendSettings().to_dict(),
        "wake": {
            "file": "wake.tflite",
            "stride_frames": 3,
            "context_frames": 5,
            "smoothing_steps": 2,
            "refractory_ms": 900,
        },
        "liveness": {
            "file": "liveness.tflite",
            "accept_cutoff": 0.7,
            "reject_cutoff": 0.25,
            "cues": CueSettings().to_dict(),
            "calibration": {"slope": 1.5, "offset": -0.25},
        },
        "training": {"wake": {"seed": 1}},
        "licences": [{"material": "talk", "licence": "CC BY 4.0"}],
        "files": {},
        "limits": None,
    }


@pytest.fixture
def folder(tmp_path, manifest, wake_network, liveness_network):
    """Return the folder of a sealed bundle."""
    path = tmp_path / "bundle"
    path.mkdir()
    rows, bands = CueSettings().shape
    (path / "wake.tflite").write_bytes(wake_network())
    (path / "liveness.tflite").write_bytes(liveness_network(rows=rows, bands=bands))
    (path / "MODEL_CARD.md").write_text("# card\n")
    write(path, manifest)
    return path


def write(path, manifest, *, files=None):
    """Write and seal a manifest; with `files` that entry is what it says, and only the checksum is made."""
    if files is not None:
        write_raw(path, json.dumps({**manifest, "files": files}).encode())
    else:
        (path / MANIFEST_NAME).write_text(json.dumps(manifest))
        seal(path)


def write_raw(path, content):
    """Write some content as a manifest, with its checksum."""
    (path / MANIFEST_NAME).write_bytes(content)
    (path / CHECKSUM_NAME).write_text(f"{hashlib.sha256(content).hexdigest()}  {MANIFEST_NAME}\n")


def sealed_files(path):
    return json.loads((path / MANIFEST_NAME).read_bytes())["files"]


# ------------------------------------------------------------------------------------ what it should be


def test_what_was_sealed_comes_back(folder, manifest):
    bundle = open_bundle(folder)
    assert bundle.path == folder
    assert bundle.bundle_version == "1.2.3"
    assert bundle.words == (Word("alexa", "alexa", 0.5), Word("smart_mirror", "smart mirror", 0.75))
    assert bundle.wake == WakePart("wake.tflite", 3, 5, 2, 900)
    assert bundle.liveness == LivenessPart("liveness.tflite", 0.7, 0.25, CueSettings().to_dict(), 1.5, -0.25)
    assert FrontendSettings.from_dict(bundle.frontend) == FrontendSettings()
    assert bundle.training == manifest["training"]
    assert bundle.licences == (Licence("talk", "CC BY 4.0"),)
    assert (bundle.author, bundle.website) == ("Ada", "https://example.org/ada")
    assert bundle.trained_languages == ("en", "de-AT")
    assert bundle.limits is None
    assert tuple(sorted(bundle.files)) == FILES
    for name, entry in bundle.files.items():
        content = (folder / name).read_bytes()
        assert bundle.content(name) == content
        assert entry == FileEntry(hashlib.sha256(content).hexdigest(), len(content))


def test_sha256sum_agrees(folder):
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", CHECKSUM_NAME],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "manifest.json: OK\n")


def test_sealing_again_changes_nothing(folder):
    before = (folder / MANIFEST_NAME).read_bytes()
    seal(folder)
    assert (folder / MANIFEST_NAME).read_bytes() == before


def test_a_bundle_runs(folder):
    from edge.events import End
    from edge.pipeline import Pipeline

    pipeline = Pipeline(open_bundle(folder))
    samples = np.random.default_rng(1).integers(-3000, 3000, 32_000).astype(np.int16)
    events = [*pipeline.push(samples), *pipeline.finish()]
    assert isinstance(events[-1], End)
    assert events[-1].end_sample == samples.size
    assert {event.word for event in events[:-1]} <= {"alexa", "smart_mirror"}


@pytest.mark.parametrize("name", ["smart_mirror", "smart mirror", " Smart Mirror "])
def test_words_have_an_id_and_a_phrase(folder, name):
    assert open_bundle(folder).word(name).id == "smart_mirror"


def test_an_unknown_word_names_the_known_ones(folder):
    with pytest.raises(UsageError, match="got 'computer', expected one of alexa, smart_mirror"):
        open_bundle(folder).word("computer")


def test_what_was_verified_is_what_is_used(folder):
    """A file that changes after it was opened changes nothing: it is not read a second time."""
    before = (folder / "wake.tflite").read_bytes()
    bundle = open_bundle(folder)
    (folder / "wake.tflite").unlink()
    assert bundle.content("wake.tflite") == before


def test_files_that_are_not_listed_are_ignored(folder):
    (folder / "manifest.json.sig").write_bytes(b"x")
    (folder / ".DS_Store").mkdir()
    assert tuple(sorted(open_bundle(folder).files)) == FILES
    with pytest.raises(BundleError, match="expected one of: "):
        open_bundle(folder).content("manifest.json.sig")


def test_the_default_is_inside_the_package():
    import edge

    assert DEFAULT_BUNDLE.parent.parent.samefile(os.path.dirname(edge.__file__))


# ----------------------------------------------------------------------------------------------- damage


@pytest.mark.parametrize("name", [*FILES, MANIFEST_NAME, CHECKSUM_NAME])
@pytest.mark.parametrize("bit", [0, 5])
def test_a_flipped_bit_anywhere_in_a_file_is_found(folder, name, bit):
    """Bit 5 turns letters into capitals, which hexadecimal digits survive."""
    path = folder / name
    content = path.read_bytes()
    places = {*range(min(len(content), 90)), len(content) // 2, len(content) - 1}
    for at in sorted(places):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
        with pytest.raises(BundleError) as caught:
            open_bundle(folder)
        assert name in str(caught.value), at
        assert "install the bundle again" in str(caught.value)
    path.write_bytes(content)
    open_bundle(folder)


@pytest.mark.parametrize("name", [*FILES, MANIFEST_NAME, CHECKSUM_NAME])
@pytest.mark.parametrize("damage", ["missing", "empty", "longer", "folder", "pipe"])
def test_a_file_that_is_not_the_sealed_one(folder, name, damage):
    path = folder / name
    content = path.read_bytes()
    path.unlink()
    match damage:
        case "empty":
            path.touch()
        case "longer":
            path.write_bytes(content + b"\n")
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
    with pytest.raises(BundleError) as caught:
        open_bundle(folder)
    assert name in str(caught.value)


def test_a_path_that_is_no_folder(tmp_path, folder, monkeypatch):
    for path, got in [(tmp_path / "nowhere", "nothing"), (folder / "wake.tflite", "a file")]:
        with pytest.raises(BundleError, match=f"{path}: got {got}, expected the folder of a bundle"):
            open_bundle(str(path))
    monkeypatch.setattr(module, "DEFAULT_BUNDLE", tmp_path / "nowhere")
    with pytest.raises(BundleError, match="install the program again"):
        open_bundle()


def test_a_network_of_the_wrong_shape_with_the_right_hashes(folder, manifest, wake_network, liveness_network):
    from edge.pipeline import Pipeline

    right = (folder / "wake.tflite").read_bytes()
    (folder / "wake.tflite").write_bytes(wake_network(channels=39))
    write(folder, manifest)
    with pytest.raises(ModelAbiError, match=r"wake\.tflite: input 'features': got .*39\].* expected .*40\]"):
        Pipeline(open_bundle(folder))
    (folder / "wake.tflite").write_bytes(right)
    (folder / "liveness.tflite").write_bytes(liveness_network(rows=10, bands=10))
    write(folder, manifest)
    with pytest.raises(ModelAbiError, match=r"liveness\.tflite: input 'cues'"):
        Pipeline(open_bundle(folder))


# --------------------------------------------------------------------------------------------- versions


def test_a_newer_format_is_told_apart(folder, manifest):
    """Whatever else it has: a newer manifest may have entries that this program does not know."""
    write(folder, {"format": manifest["format"], "format_version": FORMAT_VERSION + 1, "news": []})
    with pytest.raises(BundleVersionError, match=f"got {FORMAT_VERSION + 1}, expected at most {FORMAT_VERSION}"):
        open_bundle(folder)


@pytest.mark.parametrize(
    ("ours", "needed", "fits"),
    [
        ("0.9.0", "0.10", False),
        ("0.10.0", "0.9.9", True),
        ("1.0", "1.0.0", True),
        ("1.2.3rc1", "1.2.3", True),
        ("1.2.2", "1.2.2.1", False),
    ],
)
def test_the_program_must_be_new_enough(folder, manifest, monkeypatch, ours, needed, fits):
    monkeypatch.setattr("importlib.metadata.version", lambda name: ours)
    write(folder, manifest | {"minimum_vivavoce_version": needed})
    if fits:
        open_bundle(folder)
    else:
        with pytest.raises(BundleVersionError, match=f"minimum_vivavoce_version: got {needed}, .* {ours}; .*update"):
            open_bundle(folder)


def test_older_manifests_are_converted_and_claim_nothing(folder, manifest):
    first = {key: manifest[key] for key in manifest if key not in LATER} | {"format_version": 1}
    for old in (first, first | {"format_version": 2, "limits": None}):
        write(folder, old, files=sealed_files(folder))
        bundle = open_bundle(folder)
        assert (bundle.author, bundle.website, bundle.trained_languages, bundle.limits) == (None, None, (), None)
        assert bundle.bundle_version == "1.2.3"


@pytest.mark.parametrize(("version", "entry"), [(1, "limits"), (1, "author"), (2, "website"), (2, "trained_languages")])
def test_an_older_manifest_has_none_of_the_later_entries(folder, manifest, version, entry):
    old = {key: manifest[key] for key in manifest if key not in LATER}
    old |= {"format_version": version, entry: manifest[entry]} | ({"limits": None} if version == 2 else {})
    write(folder, old, files=sealed_files(folder))
    with pytest.raises(BundleError, match=f"{entry}: got an entry that version {version} does not know"):
        open_bundle(folder)


# ----------------------------------------------------------------------------------------------- schema


def dotted(table):
    """Return the dotted path of every entry whose presence is fixed."""
    free = {"frontend", "cues", "training", "files"}
    paths = []
    for key, value in table.items():
        paths.append((key,))
        if isinstance(value, dict) and key not in free:
            paths += [(key, *below) for below in dotted(value)]
        if isinstance(value, list) and isinstance(value[0], dict):
            paths += [(key, i, *below) for i, item in enumerate(value) for below in dotted(item)]
    return paths


def inside(table, path):
    for key in path:
        table = table[key]
    return table


def test_every_entry_is_needed_and_no_other_allowed(folder, manifest, subtests):
    files = sealed_files(folder)
    paths = dotted(manifest)
    assert ("liveness", "calibration", "slope") in paths
    assert ("words", 1, "phrase") in paths
    for path in paths:
        name = ".".join(map(str, path))
        with subtests.test(without=name):
            changed = json.loads(json.dumps(manifest | {"files": files}))
            del inside(changed, path[:-1])[path[-1]]
            write_raw(folder, json.dumps(changed).encode())
            with pytest.raises(BundleError, match=f"manifest.json: {name}: got no such entry"):
                open_bundle(folder)
        with subtests.test(beside=name):
            changed = json.loads(json.dumps(manifest | {"files": files}))
            inside(changed, path[:-1])["colour"] = 1
            write_raw(folder, json.dumps(changed).encode())
            other = ".".join(map(str, (*path[:-1], "colour")))
            with pytest.raises(BundleError, match=rf"manifest.json: {other}: got "):
                open_bundle(folder)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), "esphome"),
        (("format_version",), 0),
        (("format_version",), 1.0),
        (("format_version",), True),
        (("bundle_version",), "new"),
        (("minimum_vivavoce_version",), 1),
        (("words",), []),
        (("words",), {}),
        (("words", 0), "alexa"),
        (("words", 0, "id"), "Alexa"),
        (("words", 1, "id"), "alexa"),
        (("words", 0, "phrase"), " "),
        (("words", 0, "cutoff"), 1.01),
        (("words", 0, "cutoff"), "0.5"),
        (("words", 0, "cutoff"), True),
        (("words", 0, "cutoff"), 10**400),
        (("frontend",), None),
        (("wake", "stride_frames"), 0),
        (("wake", "context_frames"), 5.0),
        (("wake", "refractory_ms"), -1),
        (("wake", "file"), "other.tflite"),
        (("wake", "file"), "../bundle/wake.tflite"),
        (("liveness", "reject_cutoff"), 0.71),
        (("liveness", "calibration", "slope"), None),
        (("liveness", "cues"), []),
        (("training",), "by me"),
        (("author",), ""),
        (("author",), "Ada\x1b[2J"),
        (("website",), "example.org"),
        (("website",), "javascript:alert(1)"),
        (("website",), "https:///ada"),
        (("trained_languages",), "en"),
        (("trained_languages",), ["English please"]),
        (("trained_languages",), ["en"] * 101),
        (("limits",), []),
        (("licences",), []),
        (("licences", 0, "licence"), ""),
    ],
    ids=str,
)
def test_entries_of_another_kind_are_named(folder, manifest, path, value):
    files = sealed_files(folder)
    inside(manifest, path[:-1])[path[-1]] = value
    write(folder, manifest, files=files)
    name = ".".join(map(str, path if isinstance(path[-1], str) else path[:-1]))
    with pytest.raises(BundleError, match=rf"manifest.json: {name}: got .*, expected .*; "):
        open_bundle(folder)


@pytest.mark.parametrize(
    "name",
    ["../secret", "/etc/passwd", "a/b", "..", ".hidden", "", "a\n", "manifest.json", "n" * 200, "a\x00b"],
)
def test_names_that_leave_the_folder_are_refused(folder, manifest, name):
    (folder.parent / "secret").write_bytes(b"x")
    entry = {"sha256": hashlib.sha256(b"x").hexdigest(), "bytes": 1}
    write(folder, manifest, files={**sealed_files(folder), name: entry})
    with pytest.raises(BundleError, match=r"files: got the name .*, expected plain names"):
        open_bundle(folder)


@pytest.mark.parametrize(
    "entry",
    [
        {"sha256": "0" * 64},
        {"sha256": "A" * 64, "bytes": 1},
        {"sha256": "0" * 64, "bytes": -1},
        {"sha256": "0" * 64, "bytes": 1 << 40},
        {"sha256": "0" * 64, "bytes": 1, "mode": 7},
    ],
)
def test_entries_of_files_are_checked(folder, manifest, entry):
    write(folder, manifest, files={**sealed_files(folder), "wake.tflite": entry})
    with pytest.raises(BundleError, match=r"manifest.json: files\.wake\.tflite\.(bytes|sha256|mode): got "):
        open_bundle(folder)


def test_what_is_too_large_is_not_read(folder, monkeypatch):
    largest = (folder / "wake.tflite").stat().st_size
    monkeypatch.setattr(bundle_manifest, "MAX_FILE_BYTES", largest - 1)
    with pytest.raises(BundleError, match=r"expected a whole number from 0 to|expected at most that"):
        open_bundle(folder)
    (folder / MANIFEST_NAME).write_bytes(b" " * (bundle_manifest.MAX_MANIFEST_BYTES + 1))
    with pytest.raises(BundleError, match=f"got more than {bundle_manifest.MAX_MANIFEST_BYTES} bytes"):
        open_bundle(folder)


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"", "not JSON"),
        (b"[]", "got a list, expected an object"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'{"format": 1, "format": 2}', "the entry 'format' comes twice"),
        (b'{"format": NaN}', "NaN is not a number"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a": 1e999}', "format: got no such entry"),
    ],
    ids=["empty", "list", "cut", "binary", "twice", "nan", "deep", "infinite"],
)
def test_what_is_no_manifest(folder, content, shown):
    write_raw(folder, content)
    with pytest.raises(BundleError, match=r"manifest\.json: ") as caught:
        open_bundle(folder)
    assert shown in str(caught.value)
    assert "\n" not in str(caught.value)
