"""Calls of ``vivavoce update``, a bundle for them, and archives of it."""

import json
import tarfile
import zipfile

import pytest
from updating import make_bundle

from edge.cli import main


@pytest.fixture(name="bundle")
def bundle_fixture(tmp_path):
    return make_bundle(tmp_path, "1.0")


@pytest.fixture(name="call")
def call_fixture(capsys, tmp_path):
    """Return a function that runs a step and gives code, JSON lines and lines on stderr."""

    def run(*words):
        code = main(["update", *map(str, words), "--slots", str(tmp_path / "slots"), "--json"])
        told = capsys.readouterr()
        return code, [json.loads(line) for line in told.out.splitlines()], told.err.splitlines()

    return run


def pack(bundle, path, prefix="bundle"):
    """Pack a bundle as people do: its folder, or what is in it."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(bundle.iterdir()):
                archive.write(file, f"{prefix}/{file.name}" if prefix else file.name)
    else:
        kind = {".gz": "gz", ".tgz": "gz", ".xz": "xz", ".bz2": "bz2"}.get(path.suffix, "")
        with tarfile.open(path, f"w:{kind}") as archive:
            archive.add(bundle, prefix or ".")
    return path
