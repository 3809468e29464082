"""A call whose standard error is closed from the start: complaints go nowhere, and the exit code still tells."""

import subprocess
import sys
from pathlib import Path

import pytest

import edge

SCENE = Path(edge.__file__).parent / "data" / "scene.flac"
LONG_S = 60.0


def command(*arguments: str) -> tuple[int, str]:
    call = ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-m", "edge", *arguments]
    done = subprocess.run(call, stdout=subprocess.PIPE, text=True, timeout=LONG_S, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout


def test_what_is_heard_is_still_told():
    code, shown = command("run", str(SCENE))
    assert code == 0
    assert "ACCEPT" in shown
    assert "REJECT" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "nowhere.wav"],
        ["live", str(SCENE)],
        ["run", "--no-such-option"],
        ["run", str(SCENE), "--word", "nobody"],
    ],
)
def test_a_fault_has_its_exit_code_and_no_traceback(arguments):
    assert command(*arguments) == (2, "")


def test_a_file_that_is_missing_keeps_none_from_being_heard():
    code, shown = command("run", "nowhere.wav", str(SCENE))
    assert code == 2
    assert "ACCEPT" in shown
