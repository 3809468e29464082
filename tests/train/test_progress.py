import io

import pytest

from train.progress import with_progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_a_line_that_is_cleaned_before_a_fault_is_told(monkeypatch):
    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setattr("train.progress._EVERY_S", -1.0)
    import sys

    assert list(with_progress([5, 6], "reading")) == [5, 6]
    written = sys.stderr.getvalue()
    assert "\rreading: 0 of 2" in written
    assert "\rreading: 1 of 2" in written
    assert written.endswith("\r\x1b[K")
    assert "\n" not in written


def test_progress_is_silent_where_nobody_watches(capsys):
    assert list(with_progress(["x"], "reading")) == ["x"]
    assert capsys.readouterr() == ("", "")


def test_an_interruption_cleans_the_line(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    walk = with_progress([1, 2], "reading")
    next(walk)
    with pytest.raises(KeyboardInterrupt):
        walk.throw(KeyboardInterrupt)
    assert terminal.getvalue().endswith("\r\x1b[K")
