"""The C slots under libFuzzer, with the sanitizers."""

import shutil
import subprocess

import pytest
from link_fuzz import OWN_MEMORY
from slots_fuzz import build_slots_fuzzer


@pytest.mark.skipif(shutil.which("clang") is None, reason="clang is not installed")
def test_nothing_is_found_in_a_short_run(tmp_path):
    program = build_slots_fuzzer(tmp_path)
    command = [
        str(program),
        "-runs=10000",
        "-max_len=4000",
        "-len_control=0",
        "-seed=1",
        *OWN_MEMORY,
        f"-artifact_prefix={tmp_path}/",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done 10000 runs" in done.stderr
