"""The pack for ESPHome, read by ESPHome's own schemas (``VIVAVOCE_ESPHOME`` names the command)."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "firmware"))

from esphome_pack import device, make_pack, refuses_damaged, validate, words_of  # noqa: E402

from edge.errors import DataError  # noqa: E402

ESPHOME = os.environ.get("VIVAVOCE_ESPHOME") or shutil.which("esphome")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the exported pack of the shipped bundle."""
    pytest.importorskip("tflite_micro", reason="packs are made with tflite-micro, which is not installed")
    return make_pack(tmp_path_factory.mktemp("esphome"))


def test_a_manifest_names_no_website_unless_told(pack: Path) -> None:
    """ESPHome refuses an empty address."""
    assert len(words_of(pack)) == 6
    for word in words_of(pack):
        assert "website" not in json.loads((pack / f"{word}.json").read_text())


@pytest.mark.skipif(ESPHOME is None, reason="no esphome: install it elsewhere, and name it in VIVAVOCE_ESPHOME")
def test_esphome_takes_the_pack_and_refuses_a_damaged_one(pack: Path) -> None:
    """ESPHome's own reading of its manifests is the judge."""
    valid, said = validate(Path(str(ESPHOME)), pack, words_of(pack))
    assert valid, said
    assert refuses_damaged(Path(str(ESPHOME)), pack, words_of(pack))


def test_the_device_has_every_word(tmp_path: Path) -> None:
    """The configuration names each manifest."""
    text = device(tmp_path, ["alexa", "jarvis"])
    assert [line.rsplit("/", 1)[1] for line in text.splitlines() if "- model:" in line] == [
        'alexa.json"',
        'jarvis.json"',
    ]


def test_a_folder_without_models_is_no_pack(tmp_path: Path) -> None:
    """The message says what to do."""
    with pytest.raises(DataError, match="expected an exported pack"):
        words_of(tmp_path)
