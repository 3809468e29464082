"""A bundle exported for firmware: what is written, that it is always the same, and what is refused."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from c_tables import reference_frontend

from edge.__main__ import main
from edge.bundle import DEFAULT_BUNDLE, open_bundle
from edge.bundle_identity import bundle_hash
from edge.bundle_parts import VerifierPart
from edge.errors import DataError, MissingExtraError
from edge.frontend import Frontend
from edge.interpreter import load_model
from firmware_bridge.export import golden
from firmware_bridge.export.opcheck import read_opcheck, resolver_header
from firmware_bridge.export.package import C_SOURCES, RECORD_NAME, export_c, export_esphome
from firmware_bridge.link.bundle_image import image_of
from tests.firmware_bridge.exported_c import checked, compiler

ROOT = Path(__file__).resolve().parents[2]
SCENE = ROOT / "edge" / "data" / "scene.flac"


@pytest.fixture(scope="module")
def bundle():
    return open_bundle()


@pytest.fixture
def report(tmp_path, bundle):
    """Return what 'vivavoce quantize opcheck --json' prints of the shipped bundle, but for figures."""
    path = tmp_path / "opcheck.json"
    lines = [
        {"event": "opcheck", "file": f"x/{file}", "sha256": bundle.files[file].sha256, "operators": operators,
         "largest_difference_steps": {"logits": 0.0}, "arena_bytes": arena}
        for file, operators, arena in (
            (bundle.wake.file, {"CONV_2D": 6, "ADD": 1}, 1234),
            (bundle.liveness.file, {"L2_NORMALIZATION": 1}, 5678),
        )
    ]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def run(*arguments):
    return main(["bridge", "export", *map(str, arguments)])


def files_in(folder):
    return [file for file in folder.rglob("*") if file.is_file()]


# ------------------------------------------------------------------------------------------------ what is written


@pytest.mark.parametrize("target", ["c", "esp-idf", "zephyr"])
def test_the_same_bundle_gives_the_same_bytes(tmp_path, bundle, report, target):
    for name in ("one", "two"):
        assert run(bundle.path, "--target", target, "--opcheck", report, "-o", tmp_path / name) == 0
    # A copy elsewhere is the same bundle; so it is in another process, whose hashes of strings are others.
    shutil.copytree(bundle.path, tmp_path / "elsewhere")
    call = [sys.executable, "-m", "edge", "bridge", "export", tmp_path / "elsewhere", "--target", target]
    subprocess.run([*call, "--opcheck", report, "-o", tmp_path / "three"], check=True, cwd=ROOT, capture_output=True)
    one, two, three = (
        {str(file.relative_to(tmp_path / name)): file.read_bytes() for file in files_in(tmp_path / name)}
        for name in ("one", "two", "three")
    )
    assert one == two == three
    record = json.loads(one[RECORD_NAME])
    assert record["bundle_sha256"] == bundle_hash(bundle.path)
    assert record["files"] == {
        name: hashlib.sha256(content).hexdigest() for name, content in sorted(one.items()) if name != RECORD_NAME
    }
    assert set(C_SOURCES) < set(one)


def test_the_networks_are_those_of_the_bundle(bundle):
    made = export_c(bundle, "c", checked(bundle))
    for role, file in (("wake", bundle.wake.file), ("liveness", bundle.liveness.file)):
        text = made[f"vivavoce_{role}_model.c"].decode()
        numbers = bytes(int(number, 16) for number in re.findall(r"0x([0-9a-f]{2}),", text))
        assert numbers == bundle.content(file)
        assert "VV_ALIGNAS(16)" in text


def test_settings_and_tables_are_those_of_the_frontend(bundle):
    made = export_c(bundle, "c", checked(bundle))
    settings = dict(re.findall(r"#define (\w+) (.+)", made["vivavoce_settings.h"].decode()))
    assert len(settings) == len(re.findall(r"#define \w+ .+", made["vivavoce_settings.h"].decode())), "a name twice"
    assert settings["VV_BUNDLE_SHA256"] == f'"{bundle_hash(bundle.path)}"'
    assert (settings["VV_STEP_SAMPLES"], settings["VV_WINDOW_SAMPLES"]) == ("160", "480")
    assert settings["VV_WAKE_REFRACTORY"] == str(bundle.wake.refractory_ms // 10)
    assert settings["VV_WAKE_ARENA_BYTES"] == f"{checked(bundle)[bundle.wake.file].arena_bytes}U"
    window = re.search(r"vv_window\[480\] = \{([^}]*)\}", made["vivavoce_tables.c"].decode())
    assert max(map(int, re.findall(r"-?\d+", window[1]))) == 4096


def test_the_contract_is_the_one_of_the_model_image(bundle):
    text = export_c(bundle, "c", checked(bundle))["vivavoce_settings.h"].decode()
    (numbers,) = re.findall(r"#define VV_CONTRACT \{ \\\n((?:.*\\\n)+)\}\n", text)
    assert bytes(int(byte, 16) for byte in re.findall(r"0x(\w\w)", numbers)) == image_of(bundle).contract


def with_verifier(bundle):
    """Return a bundle of which a verifier decides, by cut-offs of its own."""
    ids = [word.id for word in bundle.words]
    part = VerifierPart("verifier.tflite", 100, 250, dict.fromkeys(ids, 0.3), alone=bundle.wake_cutoffs)
    return replace(bundle, verifier=part, words=tuple(replace(word, cutoff=0.01) for word in bundle.words))


def test_a_microcontroller_has_no_verifier(tmp_path, bundle):
    """What it gets is what the wake network decides by where it decides alone, golden vectors included."""
    pcm = golden.read_recordings([SCENE])
    texts, network = checked(bundle), load_model(bundle.content(bundle.wake.file), kernels="reference")
    alone, behind = bundle, with_verifier(bundle)
    assert export_c(behind, "c", texts) == export_c(alone, "c", texts)
    features = Frontend().push(pcm)
    expected, found = (golden.wake_logits(one, network, features)[1] for one in (alone, behind))
    assert found == expected
    pack = _pack(tmp_path / "pack", alone)
    assert export_esphome(behind, pack) == export_esphome(alone, pack)
    assert image_of(behind) == image_of(alone)


def test_liveness_logits_mean_what_the_cutoffs_mean(bundle):
    made = export_c(bundle, "c", checked(bundle))["vivavoce_settings.h"].decode()
    network = load_model(bundle.content(bundle.liveness.file))
    part, spec = bundle.liveness, network.outputs[0]
    for name, cutoff in (("ACCEPT", part.accept_cutoff), ("REJECT", part.reject_cutoff)):
        least = int(re.search(rf"VV_LIVENESS_{name}_LOGIT \((-?\d+)\)", made)[1])
        real = (np.array([least - 1, least]) - spec.zero_point) * spec.scale
        below, above = 1 / (1 + np.exp(-(part.slope * real + part.offset)))
        assert below < cutoff <= above


def test_words_with_odd_letters(bundle, tmp_path):
    # An id may hold what C reads as something else.
    odd = replace(bundle, words=(replace(bundle.words[0], id='a"b\\c?? é1'), *bundle.words[1:]))
    made = export_c(odd, "c", checked(bundle))
    assert rb'"a\"b\134c\077\077 \303\2511"' in made["vivavoce_tables.c"]
    for name, content in made.items():
        (tmp_path / name).write_bytes(content)
    options = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-trigraphs", "-c"]
    subprocess.run([compiler(), *options, tmp_path / "vivavoce_tables.c", "-o", tmp_path / "x.o"], check=True)


def test_operators_are_called_as_tflite_micro_calls_them(bundle, report):
    text = resolver_header(read_opcheck(report, bundle), {"wake": bundle.wake.file, "liveness": bundle.liveness.file})
    assert re.findall(r"resolver\.(\w+)\(\)", text) == ["AddAdd", "AddConv2D", "AddL2Normalization"]
    assert re.findall(r"#define (VV_\w+_OPERATORS) (\d)", text) == [
        ("VV_WAKE_OPERATORS", "2"),
        ("VV_LIVENESS_OPERATORS", "1"),
    ]


# ------------------------------------------------------------------------------------------------ golden vectors


def test_golden_vectors_come_of_the_references(tmp_path, bundle, report):
    micro = reference_frontend()
    assert run(bundle.path, "--target", "c", "--opcheck", report, "--golden", SCENE, "-o", tmp_path / "x") == 0
    made = {name: np.fromfile(tmp_path / "x" / "golden" / name, kind) for name, kind in (
        ("pcm.s16", "<i2"), ("features.u16", "<u2"), ("input.s8", "i1"), ("logits.s8", "i1"), ("words.u32", "<u4"),
    )}  # fmt: skip
    pcm = made["pcm.s16"]
    assert len(pcm) % 160 == 0
    assert len(pcm) > 100_000
    rows = [micro.process_samples(pcm[at : at + 160].tobytes()).features for at in range(0, len(pcm), 160)]
    features = np.rint(np.array([row for row in rows if row]) * 25.6).astype(np.uint16)
    np.testing.assert_array_equal(made["features.u16"].reshape(-1, 40), features)
    # The network, run here once more: what it was shown, and what it said.
    network = load_model(bundle.content(bundle.wake.file), kernels="reference")
    state = np.full(network.inputs["state"].shape, network.inputs["state"].zero_point, np.int8)
    shown, said = made["input.s8"].reshape(-1, 40), []
    for end in range(5, len(shown) + 1, 3):
        result = network.run({"features": shown[None, end - 5 : end], "state": state})
        state = result["state_out"]
        said.append(result["logits"][0])
    np.testing.assert_array_equal(made["logits.s8"].reshape(-1, len(bundle.words)), said)
    words = made["words.u32"].reshape(-1, 3)
    scene = json.loads((ROOT / "edge" / "data" / "scene.json").read_text())
    assert len(words) >= 1, scene


def test_golden_vectors_need_their_reference(monkeypatch, bundle):
    monkeypatch.setattr(golden.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="micro"):
        golden.reference_features(np.zeros(480, np.int16), Frontend().settings)


def test_no_golden_vectors_with_settings_that_the_reference_has_not(bundle):
    odd = replace(bundle, frontend=bundle.frontend | {"lower_band_hz": 100.0})
    with pytest.raises(DataError, match="export without --golden"):
        export_c(odd, "c", checked(bundle), np.zeros(480, np.int16))


# ------------------------------------------------------------------------------------------------ ESPHome


def _pack(folder, bundle):
    """Make a pack with the manifests of the bundle's words."""
    folder.mkdir()
    for word in bundle.words:
        manifest = {
            "type": "micro", "wake_word": word.phrase, "author": "x", "website": "", "model": f"{word.id}.tflite",
            "trained_languages": ["en"], "version": 2,
            "micro": {"probability_cutoff": bundle.wake_cutoffs[word.id], "feature_step_size": 10,
                      "sliding_window_size": 3, "tensor_arena_size": 1024, "minimum_esphome_version": "2024.7.0"},
        }  # fmt: skip
        (folder / f"{word.id}.json").write_text(json.dumps(manifest))
        (folder / f"{word.id}.tflite").write_bytes(bundle.content(bundle.wake.file))
    return folder


def test_a_pack_is_taken_as_it_is(tmp_path, bundle):
    pack = _pack(tmp_path / "pack", bundle)
    assert run(bundle.path, "--target", "esphome", "--pack", pack, "-o", tmp_path / "x") == 0
    for file in pack.iterdir():
        assert (tmp_path / "x" / file.name).read_bytes() == file.read_bytes()
    assert len(json.loads((tmp_path / "x" / RECORD_NAME).read_text())["files"]) == 2 * len(bundle.words)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda m: m["micro"].update(probability_cutoff=0.5),
            f"probability_cutoff: got 0.5, expected {open_bundle().wake_cutoffs['alexa']}",
        ),
        (lambda m: m.update(wake_word="alexandra"), "wake_word: got 'alexandra', expected 'alexa'"),
    ],
)
def test_a_pack_of_another_bundle_is_refused(tmp_path, bundle, change, message):
    pack = _pack(tmp_path / "pack", bundle)
    manifest = json.loads((pack / "alexa.json").read_text())
    change(manifest)
    (pack / "alexa.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=message):
        export_esphome(bundle, pack)
    (pack / "alexa.json").unlink()
    with pytest.raises(DataError, match=r"alexa\.json: cannot be read"):
        export_esphome(bundle, pack)


# ------------------------------------------------------------------------------------------------ what is refused


def _refused(capsys, *arguments):
    """Return the one line that a call says."""
    assert run(*arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    return line


def test_calls_that_cannot_be_meant(tmp_path, capsys, report):
    bundle, new = DEFAULT_BUNDLE, tmp_path / "new"
    assert "expected one of: c, esp-idf" in _refused(capsys, bundle, "--target", "rust", "-o", new)
    assert "got no --opcheck" in _refused(capsys, bundle, "--target", "c", "-o", new)
    assert "got no --pack" in _refused(capsys, bundle, "--target", "esphome", "-o", new)
    call = (bundle, "--target", "c", "--opcheck", report)
    assert "got --pack, expected none" in _refused(capsys, *call, "--pack", tmp_path, "-o", new)
    assert "expected a folder that is new or empty" in _refused(capsys, *call, "-o", tmp_path)
    assert "expected a folder that is new or empty" in _refused(capsys, *call, "-o", report)
    assert "cannot be written" in _refused(capsys, *call, "-o", report / "x")
    assert "expected the folder of a bundle" in _refused(capsys, tmp_path / "no", *call[1:], "-o", new)
    assert "no.wav" in _refused(capsys, *call, "--golden", tmp_path / "no.wav", "-o", new)
    assert sorted(tmp_path.iterdir()) == [report]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("{", "[", 1), "not JSON"),
        (lambda text: "", "got nothing about wake.tflite"),
        (lambda text: "[1]\n" + text.splitlines()[0], "got nothing about liveness.tflite"),
        (lambda text: text.replace("1234", "-5"), "expected those of opcheck"),
        (lambda text: text.replace("1234", "1e3"), "expected those of opcheck"),
        (lambda text: text.replace('"ADD"', '"ADD(); system"'), "expected those of opcheck"),
        (lambda text: text.replace("0.0", "1.0", 1), "differs from the reference by 1 steps"),
        (lambda text: text.replace('{"logits": 0.0}', "{}", 1), "expected those of opcheck"),
    ],
)  # fmt: skip
def test_reports_of_opcheck_that_are_none(tmp_path, capsys, report, change, message):
    report.write_text(change(report.read_text()))
    assert message in _refused(capsys, DEFAULT_BUNDLE, "--target", "c", "--opcheck", report, "-o", tmp_path / "new")


def test_a_report_that_cannot_be_read(tmp_path, capsys):
    for path in (tmp_path / "no.json", tmp_path):
        line = _refused(capsys, DEFAULT_BUNDLE, "--target", "c", "--opcheck", path, "-o", tmp_path / "new")
        assert "cannot be read" in line
        assert "vivavoce quantize opcheck --json" in line


@pytest.mark.parametrize("changes", [{"smoothing_steps": 16}, {"stride_frames": 256}])
def test_settings_that_c_has_no_room_for(bundle, changes):
    odd = replace(bundle, wake=replace(bundle.wake, **changes))
    with pytest.raises(DataError, match=f"{next(iter(changes))}: got"):
        export_c(odd, "c", checked(bundle))


def test_opcheck_says_which_network_it_is_about(tmp_path, bundle, capsys):
    pytest.importorskip("tflite_micro", reason="needs the extra `micro`")
    pytest.importorskip("ai_edge_litert")
    assert main(["quantize", "opcheck", "--json", "--runs", "3", str(bundle.path)]) == 0
    report = tmp_path / "opcheck.json"
    report.write_text(capsys.readouterr().out)
    found = read_opcheck(report, bundle)
    assert set(found) == {bundle.wake.file, bundle.liveness.file}
    # The state, in and out, at least.
    assert found[bundle.wake.file].arena_bytes > 2 * 4224


def test_the_c_sources_come_with_the_package():
    import configparser

    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    patterns = config["options.package_data"]["firmware_bridge"].split()
    assert all(any(Path("c", name).match(pattern) for pattern in patterns) for name in C_SOURCES)
