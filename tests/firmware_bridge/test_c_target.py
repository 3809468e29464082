"""The exported code on an emulated Cortex-M, by the program that ``make firmware`` runs."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import open_bundle
from firmware_bridge.export.golden import read_recordings
from firmware_bridge.export.package import export_c
from tests.firmware_bridge.exported_c import checked

ROOT = Path(__file__).resolve().parents[2]

pytest.importorskip("pymicro_features", reason="pymicro-features is not installed")
for tool in ("arm-none-eabi-gcc", "arm-none-eabi-size", "qemu-system-arm"):
    if shutil.which(tool) is None:
        pytest.skip(f"no {tool} on this machine; 'make firmware' installs it", allow_module_level=True)


@pytest.fixture(scope="module")
def prove():
    spec = importlib.util.spec_from_file_location("prove", ROOT / "tests" / "firmware" / "prove.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("target") / "export"
    bundle = open_bundle()
    pcm = read_recordings([ROOT / "edge" / "data" / "scene.flac"])
    for name, content in export_c(bundle, "c", checked(bundle), pcm).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def program(prove, source):
    return prove.compile_board("cortex-m4", source, source.parent)[0]


def differences(found):
    return [found[f"{what}_differences"] for what in ("feature", "input", "word")]


def test_computes_the_golden_vectors(prove, program, source):
    found = prove.prove("mps2-an386", program, source)
    pcm = np.fromfile(source / "golden" / "pcm.s16", "<i2")
    assert differences(found) == [0, 0, 0]
    assert (found["samples"], found["frames"]) == (len(pcm), (len(pcm) - 480) // 160 + 1)
    assert found["words"] == len(np.fromfile(source / "golden" / "words.u32", "<u4")) // 3 > 0
    # Counted, and not timed: the same on every machine, and again.
    assert found["instructions_per_tick"] == pytest.approx(1.25, rel=1e-3)
    assert found["frontend_instructions_per_hop"] == pytest.approx(72_700, rel=0.2)
    assert prove.prove("mps2-an386", program, source) == found


def test_link_slots_and_device_are_compiled_for_a_microcontroller(prove, source, tmp_path):
    found = prove.compile_link(source, tmp_path)
    c_files = [path for folder in prove.LINK_FOLDERS for path in (ROOT / "firmware_bridge" / folder).glob("*.c")]
    assert set(found["sizes"]) == {path.stem for path in c_files if "simulated" not in path.name}
    assert {"vivavoce_link_peer", "vivavoce_slots_receive", "vivavoce_device"} <= set(found["sizes"])
    assert all(size["code_bytes"] > 100 and size["data_bytes"] == 0 for size in found["sizes"].values())
    # A device has a peer, with room for its queue.
    assert found["state_bytes"]["vv_device_t"] > found["state_bytes"]["vv_peer_t"] > 32 * 700
    assert 256 < found["state_bytes"]["vv_slots_t"] < 1024


def test_a_warning_in_them_ends_it(prove, source, tmp_path):
    package = tmp_path / "package"
    for name in prove.LINK_FOLDERS:
        shutil.copytree(ROOT / "firmware_bridge" / name, package / name)
    with open(package / "c_slots" / "vivavoce_slots.c", "a") as file:
        file.write("static int nobody_calls(long value) { return value; }\n")
    with pytest.raises(SystemExit, match="conversion"):
        prove.compile_link(source, tmp_path, package)


@pytest.mark.parametrize(
    ("file", "at", "expected"),
    [("features.u16", 2 * 40 * 700 + 6, [1, 0, 0]), ("input.s8", 40 * 600, [0, 1, 0]), ("words.u32", 0, [0, 0, 1])],
)
def test_notices_a_single_number_that_differs(prove, program, source, tmp_path, file, at, expected):
    shutil.copytree(source / "golden", tmp_path / "golden")
    content = bytearray((tmp_path / "golden" / file).read_bytes())
    content[at] ^= 1
    (tmp_path / "golden" / file).write_bytes(content)
    assert differences(prove.prove("mps2-an386", program, tmp_path)) == expected


@pytest.mark.parametrize("file", ["features.u16", "input.s8", "logits.s8", "words.u32"])
@pytest.mark.parametrize("more", [False, True])
def test_notices_vectors_that_end_early_or_late(prove, program, source, tmp_path, file, more):
    shutil.copytree(source / "golden", tmp_path / "golden")
    content = (tmp_path / "golden" / file).read_bytes()
    (tmp_path / "golden" / file).write_bytes(content + b"\0" if more else content[:-1])
    assert sum(differences(prove.prove("mps2-an386", program, tmp_path))) > 0
