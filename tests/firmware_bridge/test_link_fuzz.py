"""The generated C under libFuzzer, with the sanitizers."""

import shutil
import subprocess

import pytest
from link_fuzz import C_FOLDER, OWN_MEMORY, build_fuzzer


@pytest.mark.skipif(shutil.which("clang") is None, reason="clang is not installed")
def test_nothing_is_found_in_a_short_run(tmp_path):
    program = build_fuzzer(tmp_path)
    command = [
        str(program),
        "-runs=30000",
        "-max_len=900",
        "-len_control=0",
        "-seed=1",
        *OWN_MEMORY,
        f"-artifact_prefix={tmp_path}/",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done 30000 runs" in done.stderr


@pytest.mark.skipif(shutil.which("clang") is None, reason="clang is not installed")
def test_nothing_is_found_in_the_peer(tmp_path):
    target = C_FOLDER.parents[1] / "tests" / "link_peer_fuzz.c"
    flags = ["-std=c99", "-g", "-O1", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]
    sources = map(str, sorted(C_FOLDER.glob("*.c")))
    subprocess.run(["clang", *flags, f"-I{C_FOLDER}", str(target), *sources, "-o", str(tmp_path / "fuzz")], check=True)
    command = [str(tmp_path / "fuzz"), "-runs=20000", "-max_len=2000", "-len_control=0", "-seed=1", *OWN_MEMORY]
    done = subprocess.run(
        [*command, f"-artifact_prefix={tmp_path}/"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
