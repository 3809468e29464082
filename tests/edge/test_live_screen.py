"""The loop of the live demo, its keys, and the command on terminals of all kinds."""

import logging
import os
import pty
import select
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fake_portaudio import FakeAudio

pytest.importorskip("rich", reason="the demo in the terminal needs rich (the extra `live`)")

import edge
from edge import portaudio
from edge.bundle import open_bundle
from edge.capture import Block, Capture, Ended, Gap, Idle, Lost, Nothing, Opened
from edge.health import Health
from edge.live_demo.keys import Keys, pressed_keys
from edge.live_demo.listener import Listener
from edge.live_demo.notes import Notes
from edge.live_demo.screen import follow
from edge.live_sources import microphone

SCENE = Path(edge.__file__).parent / "data" / "scene.flac"
LONG_S = 60.0


class Items:
    """Gives items like a capture, and presses a key after them."""

    def __init__(self, *items) -> None:
        self._items = list(items)

    def take(self, timeout_s: float):
        return self._items.pop(0)


class Pressed:
    """Presses these keys, one a look."""

    def __init__(self, *keys: str) -> None:
        self._keys = list(keys)

    def take(self) -> str:
        return self._keys.pop(0) if self._keys else ""


@pytest.fixture(scope="module")
def bundle():
    return open_bundle()


@pytest.fixture
def listener(bundle):
    return Listener(bundle)


def run(listener: Listener, *items, keys=None) -> list[str]:
    """Follow items to the last of them, and return what was shown of the source after each."""
    shown: list[str] = []
    ticks = iter(range(10_000))
    follow(
        Items(*items),
        Health(),
        listener,
        keys or Pressed(*[""] * len(items), "q"),
        lambda: shown.append(listener.state.source),
        clock=lambda: float(next(ticks)),
    )
    return shown


def test_what_becomes_of_the_source_is_shown(listener):
    block = Block(np.zeros(160, np.int16))
    shown = run(listener, Nothing(), Opened("USB", 48_000), Idle(), block, Lost("USB: gone", 1, 4.0), Nothing())
    assert shown == ["opening", "opening", "USB: waits for sound", "USB", *["lost, tried again in 4 s"] * 2]
    assert listener.state.note == "USB: gone"
    run(listener, Opened("USB", 48_000), block)
    assert (listener.state.source, listener.state.note) == ("USB", "")


def test_the_end_of_a_file_ends_it_with_the_decisions_that_were_waited_for(listener):
    scene = soundfile.read(SCENE, dtype="int16")[0]
    # Cut between the word and its decision.
    cut = scene[: 44_320 + 320]
    shown = run(listener, Opened("a.wav", 16_000), Block(cut), Ended())
    assert shown[-1] == "a.wav: ended"
    assert [ruled.word for ruled in listener.state.decisions] == ["snowboy"]


def test_sound_that_was_lost_begins_a_new_stream(listener):
    scene = soundfile.read(SCENE, dtype="int16")[0]
    cut = 38_000  # within the word
    run(listener, Opened("USB", 8_000), Block(scene[:cut]), Gap(4800, "slow"), Block(scene[cut : 3 * 16_000]))
    assert not listener.state.decisions
    assert listener.state.note == "slow: 4800 samples are lost"
    run(listener, Block(scene[: 3 * 16_000]))
    assert listener.state.decisions[0].reasons == ("band_limited",), "the rate of the recording was forgotten"


@pytest.mark.parametrize("key", ["q", "Q", "xq", "\x03"])
def test_a_key_ends_it(listener, key):
    run(listener, Nothing(), Nothing(), keys=Pressed("", "x", key))


def test_pictures_come_ten_times_a_second_at_most(listener):
    shown: list[int] = []
    times = iter(np.arange(1000) * 0.004)
    items = [Opened("a", 16_000), *[Block(np.zeros(16, np.int16))] * 200]
    follow(
        Items(*items),
        Health(),
        listener,
        Pressed(*[""] * len(items), "q"),
        lambda: shown.append(1),
        clock=lambda: next(times),
    )
    took_s = 1000 * 0.004 - 0.004 * len(list(times))
    assert 0.8 * took_s * 10 <= len(shown) <= took_s * 10 + 1


def test_log_entries_become_notes():
    told: list[str] = []
    notes = Notes(told.append)
    log = logging.Logger("edge.test")
    log.addHandler(notes)
    log.info("no")
    log.warning("careful %d", 1)
    log.error("broken")
    log.error("broken")
    assert told == ["careful 1", "broken", "broken"]
    assert notes.faults == ["broken"]


class TestKeys:
    def test_they_are_read_without_a_line_end_and_the_terminal_is_as_it_was(self):
        master, slave = pty.openpty()
        try:
            before = termios.tcgetattr(slave)
            with pressed_keys(os.ttyname(slave)) as keys:
                assert keys.take() == ""
                os.write(master, b"xq")
                select.select([slave], [], [], LONG_S)
                assert keys.take() == "xq"
                assert keys.take() == ""
                assert not termios.tcgetattr(slave)[3] & (termios.ICANON | termios.ECHO)
            assert termios.tcgetattr(slave) == before
        finally:
            os.close(master)
            os.close(slave)

    def test_without_a_terminal_there_are_none(self, tmp_path):
        with pressed_keys(str(tmp_path / "none")) as keys:
            assert keys.take() == ""
        (tmp_path / "file").write_text("q")
        with pressed_keys(str(tmp_path / "file")) as keys:
            assert keys.take() == ""

    def test_a_terminal_that_hung_up_says_nothing_more(self):
        read, write = os.pipe()
        os.close(write)
        keys = Keys(read)
        assert [keys.take(), keys.take()] == ["", ""]
        os.close(read)


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, *arguments: str, stdin=None, columns: int = 100, rows: int = 30, **environment: str) -> None:
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (rows, columns))
        self.process = subprocess.Popen(
            [sys.executable, "-c", "import sys\nfrom edge.cli import main\nsys.exit(main())", *arguments],
            stdin=slave if stdin is None else stdin,
            stdout=slave,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=os.environ | {"TERM": "xterm-256color", "PYTHONUTF8": "1"} | environment,
            # A session of its own without a terminal gets the one that it opens first.
            preexec_fn=lambda: os.close(os.open(os.ttyname(1), os.O_RDWR)),
        )
        os.close(slave)
        self.text = ""

    def until(self, wanted: str | None) -> str:
        """Read until this text came; to the end without."""
        end = time.monotonic() + LONG_S
        seen = b""
        while wanted is None or wanted not in self.text:
            assert select.select([self.master], [], [], end - time.monotonic())[0], self.text
            try:
                piece = os.read(self.master, 1 << 16)
            except OSError:
                piece = b""
            if not piece:
                assert wanted is None, self.text
                break
            seen += piece
            self.text += piece.decode("utf-8", "replace")
        return self.text

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def end(self) -> tuple[int, str]:
        """Return the exit code, and what it said on stderr."""
        self.until(None)
        said = self.process.stderr.read().decode()
        self.process.stderr.close()
        code = self.process.wait(LONG_S)
        os.close(self.master)
        return code, said


def last_picture(text: str) -> str:
    """Return what stays on the terminal: all that comes after the other screen was left."""
    return text.rpartition("\x1b[?1049l")[2]


def test_a_file_on_a_terminal():
    terminal = Terminal("live", str(SCENE), "--pace", "fast")
    code, said = terminal.end()
    assert (code, said) == (0, "")
    assert "\x1b[?1049h" in terminal.text
    left = last_picture(terminal.text)
    assert "scene.flac: ended" in left
    assert left.index("SHUT") < left.index("OPEN"), "the newest is not above"


def test_forty_columns():
    terminal = Terminal("live", str(SCENE), "--pace", "fast", columns=40)
    assert terminal.end() == (0, "")
    left = last_picture(terminal.text)
    assert "  snowboy  loudspeaker" in left
    assert "loudspeaker ─" not in left
    assert " you" in left


def test_q_ends_it_before_the_file_does():
    terminal = Terminal("live", str(SCENE))
    terminal.until("scene.flac")
    terminal.press(b"q")
    assert terminal.end() == (0, "")
    assert "ended" not in last_picture(terminal.text)


def test_sound_is_kept_where_it_was_asked_for_and_only_then(tmp_path):
    terminal = Terminal("live", str(SCENE), "--pace", "fast", "--keep", str(tmp_path / "kept"))
    assert terminal.end() == (0, "")
    left = last_picture(terminal.text)
    assert "sound of decisions is kept: 2 in " in left
    assert "nothing is recorded" not in terminal.text
    assert len(list((tmp_path / "kept").glob("*.flac"))) == 2
    plain = Terminal("live", str(SCENE), "--pace", "fast")
    assert plain.end() == (0, "")
    assert "nothing is recorded" in last_picture(plain.text)


def test_a_folder_to_keep_sound_in_that_others_may_use(tmp_path):
    tmp_path.chmod(0o755)
    terminal = Terminal("live", str(SCENE), "--keep", str(tmp_path))
    code, said = terminal.end()
    assert (code, said.count("\n")) == (2, 1)
    assert "--keep" in said


def test_ctrl_c_ends_it_too():
    terminal = Terminal("live", str(SCENE))
    terminal.until("scene.flac")
    terminal.press(b"\x03")
    assert terminal.end() == (0, "")
    assert "q quits" in last_picture(terminal.text)


def test_sound_on_standard_input_and_keys_from_the_terminal():
    scene = soundfile.read(SCENE, dtype="int16")[0]
    read, write = os.pipe()
    terminal = Terminal("live", "-", stdin=read)
    os.close(read)
    # In a thread: who draws waits for the reader of the terminal, and the writer of the sound for who draws.
    writer = threading.Thread(target=os.write, args=(write, scene[: 3 * 16_000].astype("<i2").tobytes()))
    writer.start()
    terminal.until("OPEN")
    terminal.press(b"q")
    assert terminal.end() == (0, "")
    writer.join(LONG_S)
    os.close(write)
    assert "standard input" in last_picture(terminal.text)


def test_a_file_that_is_cut_short_is_shown_to_there_and_told(tmp_path):
    cut = tmp_path / "cut.flac"
    cut.write_bytes(SCENE.read_bytes()[:90_000])
    terminal = Terminal("live", str(cut), "--pace", "fast")
    code, said = terminal.end()
    assert code == 2
    assert said.count("\n") == 1
    assert str(cut) in said
    assert "OPEN" in last_picture(terminal.text)


def command(*arguments: str, **options) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "edge", "live", *arguments], capture_output=True, text=True, timeout=LONG_S, **options
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([str(SCENE)], "got no terminal, expected one to draw on; for lines of text run: vivavoce run FILE"),
        (["nowhere.wav"], "nowhere.wav: "),
        ([""], "FILE: got an empty name"),
        (["-", str(SCENE)], "-: got other files, too"),
        ([str(SCENE), "--microphone", "USB"], "--microphone: got one, and the file"),
        ([str(SCENE), "--channel", "-1"], "--channel: got -1"),
        ([str(SCENE), "--channel", "7"], "7"),
        (["-", "--rate", "0"], "0"),
        (["-", "--channels", "0"], "0"),
        (["--word", "alexa", "--liveness-only"], "--word: got one with --liveness-only"),
        ([str(SCENE), "--open"], "--open: got it without --web"),
        ([str(SCENE), "--port", "8000"], "--port: got it without --web"),
        ([str(SCENE), "--rate", "48000"], "--rate: got it with the file"),
        ([str(SCENE), "--web", "--channels", "2"], "--channels: got it with the file"),
        (["--raw", "s32le"], "--raw: got it with a microphone"),
        (["--pace", "fast"], "--pace: got it without a file"),
        (["-", "--pace", "real"], "--pace: got it without a file"),
    ],
)
def test_what_cannot_work_is_told_in_one_line(arguments, told):
    code, shown, said = command(*arguments, input="")
    assert (code, shown) == (2, "")
    assert told in said
    assert said.count("\n") == 1


def test_a_word_that_the_bundle_does_not_have():
    terminal = Terminal("live", str(SCENE), "--word", "nobody")
    code, said = terminal.end()
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith("vivavoce: word: got 'nobody', expected one of alexa, ")


def test_without_a_microphone_it_is_told_what_else_there_is(monkeypatch, capsys):
    from edge import cli

    audio = FakeAudio(np.zeros(1600, np.int16), rate_hz=16_000, channels=0)
    monkeypatch.setattr(portaudio, "load", lambda: audio)
    monkeypatch.setattr(portaudio, "require", lambda: None)
    assert cli.main(["live"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("vivavoce: microphone: no input is there, expected at least one; connect one")
    assert "vivavoce live FILE" in said
    assert "vivavoce live --web" in said
    assert said.count("\n") == 1


def test_a_microphone_that_is_busy_is_waited_for_and_the_picture_says_why(listener, monkeypatch):
    audio = FakeAudio(np.zeros(1600, np.int16), rate_hz=16_000, channels=1)
    audio.busy = True
    monkeypatch.setattr(portaudio, "load", lambda: audio)
    monkeypatch.setattr(portaudio, "require", lambda: None)
    health = Health()
    capture = Capture(microphone.make(microphone.Settings()), health=health, checked=True)
    end = time.monotonic() + LONG_S
    seen: list[str] = []

    class UntilSeen:
        def take(self) -> str:
            return "q" if listener.state.note or time.monotonic() > end else ""

    try:
        follow(capture, health, listener, UntilSeen(), lambda: seen.append(listener.state.source))
    finally:
        capture.close()
    assert listener.state.note.startswith("fake: cannot be opened (Device unavailable)")
    assert "stop what else uses it" in listener.state.note
    assert listener.state.source.startswith("lost, tried again in ")


def test_a_terminal_that_cannot_move_its_cursor():
    terminal = Terminal("live", str(SCENE), TERM="dumb")
    code, said = terminal.end()
    assert code == 2
    assert said.startswith("vivavoce: TERM: got a terminal that cannot move its cursor")
    assert said.count("\n") == 1


def test_help_teaches():
    code, shown, _ = command("--help")
    assert code == 0
    assert "vivavoce live --list-devices" in shown
