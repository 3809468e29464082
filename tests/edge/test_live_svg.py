"""The demo's last picture as SVG."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("rich", reason="the demo in the terminal needs rich (the extra `live`)")

import edge

SCENE = Path(edge.__file__).parent / "data" / "scene.flac"
LONG_S = 60.0


def command(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "edge", "live", *arguments],
        capture_output=True, text=True, timeout=LONG_S, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.returncode, done.stderr


def test_the_end_of_a_file_is_drawn_without_a_terminal(tmp_path):
    path = tmp_path / "picture.svg"
    assert command(str(SCENE), "--pace", "fast", "--svg", str(path)) == (0, "")
    text = "".join(ElementTree.parse(path).getroot().itertext()).replace("\xa0", " ")
    for wanted in ("vivavoce live", "SHUT", "OPEN", "half below", "loudspeakers", "3 kHz", "nothing is recorded"):
        assert wanted in text, wanted
    assert "url(http" not in path.read_text(), "something is fetched by whoever looks at it"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--svg", "x.svg"], "--svg: got no file to listen to"),
        ([str(SCENE), "--pace", "fast", "--svg", "/proc/none/x.svg"], "--svg: /proc/none/x.svg: cannot be written"),
        (["nowhere.wav", "--svg", "x.svg"], "nowhere.wav"),
        # Told of before any sound is looked for.
        (["nowhere.wav", "--svg", "/"], "--svg: /: cannot be written"),
    ],
)
def test_what_cannot_work_is_told_in_one_line(arguments, told):
    code, said = command(*arguments)
    assert (code, said.count("\n")) == (2, 1)
    assert told in said


def test_a_file_that_is_cut_short_is_drawn_to_there_and_told(tmp_path):
    cut = tmp_path / "cut.flac"
    cut.write_bytes(SCENE.read_bytes()[:90_000])
    code, said = command(str(cut), "--pace", "fast", "--svg", str(tmp_path / "picture.svg"))
    assert (code, said.count("\n")) == (2, 1)
    assert str(cut) in said
    assert "OPEN" in (tmp_path / "picture.svg").read_text()
