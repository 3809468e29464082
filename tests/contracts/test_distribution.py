"""What is shipped: a wheel of the four packages and nothing else; and pins that fit setup.cfg."""

import configparser
import email
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.contracts.conftest import PACKAGES, ROOT

SETTINGS = configparser.ConfigParser()
SETTINGS.read(ROOT / "setup.cfg", encoding="utf-8")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from a copy, so that nothing is written into the sources; needs no network."""
    source = tmp_path_factory.mktemp("source")
    skip = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    for name in (*PACKAGES, "tests"):
        shutil.copytree(ROOT / name, source / name, ignore=skip)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", target, source], check=True, timeout=120)
    (path,) = target.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_the_wheel_holds_every_module_and_no_tests(wheel, module_files):
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    sources = {str(path.relative_to(ROOT)) for path in module_files.values()}
    assert {name for name in wheel.namelist() if name.endswith(".py")} == sources


def test_the_wheel_holds_all_data_of_the_package(wheel):
    data = {str(p.relative_to(ROOT)) for p in (ROOT / "edge" / "data").rglob("*") if p.is_file()}
    assert "edge/data/scene.flac" in data
    assert data <= set(wheel.namelist())
    assert {"edge/py.typed", "train/task.toml"} <= set(wheel.namelist())


def test_the_metadata_is_complete(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = email.message_from_bytes(wheel.read(name))
    assert (metadata["Name"], metadata["Version"]) == ("vivavoce", SETTINGS["metadata"]["version"])
    assert metadata["Requires-Python"] == "<3.14,>=3.11"
    assert set(metadata.get_all("Provides-Extra")) >= {"litert", "tflite", "mic", "train", "scale", "test", "dev"}
    assert metadata.get_payload().strip(), "the description (README.md) is missing"
    assert any(entry.endswith("LICENSE") for entry in wheel.namelist())


def pins(*files: str) -> dict[str, Version]:
    """Return the versions that constraint files fix, following ``-c``."""
    found = {}
    for file in files:
        for line in (ROOT / "constraints" / f"{file}.txt").read_text(encoding="utf-8").splitlines():
            if line.startswith("-c "):
                found |= pins(line.removeprefix("-c ").removesuffix(".txt"))
            elif line and not line.startswith("#"):
                name, version = re.fullmatch(r"([\w.-]+)==([\w.]+)", line).groups()
                found[canonicalize_name(name)] = Version(version)
    return found


@pytest.mark.parametrize(
    ("extras", "files"),
    [
        (("litert", "mic"), ("device-litert",)),
        (("tflite", "mic"), ("device-tflite",)),
        (("train", "litert", "test"), ("train", "test")),
        (("scale", "test"), ("scale", "test")),
        (("litert", "dev"), ("device-litert", "dev")),
    ],
    ids=["litert", "tflite", "train", "scale", "dev"],
)
def test_every_requirement_is_pinned_within_its_bounds(extras, files):
    lines = SETTINGS["options"]["install_requires"].splitlines()
    for extra in extras:
        lines += SETTINGS["options.extras_require"][extra].splitlines()
    fixed = pins(*files)
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert len(requirements) >= 5
    for requirement in requirements:
        assert requirement.specifier.contains(fixed[canonicalize_name(requirement.name)]), requirement


def test_files_used_together_agree():
    for one, other in [("train", "test"), ("device-litert", "dev"), ("train", "dev"), ("scale", "test")]:
        first, second = pins(one), pins(other)
        assert {name: first[name] for name in first.keys() & second} == {
            name: second[name] for name in first.keys() & second
        }


def test_a_machine_that_renders_differs_from_a_device_in_protobuf_alone():
    device, scale = pins("device-litert"), pins("scale")
    assert {name for name in device.keys() & scale if device[name] != scale[name]} == {"protobuf"}
