"""The pictures of the live demo, as text."""

import io
import math

import numpy as np
import pytest

pytest.importorskip("rich", reason="the demo in the terminal needs rich (the extra `live`)")
from rich.console import Console

from edge.live_demo.drawing import LEAST_COLUMNS, LEAST_ROWS, NARROW, draw
from edge.live_demo.state import Ruled, State
from edge.quality import Quality
from edge.stages import NEVER

QUALITY = Quality(28.0, -20.0, 0.0, 0.8, 8000.0, 3.0, ())


def ruled(**other) -> Ruled:
    given = {
        "at_sample": 46_400,
        "word": "snowboy",
        "verdict": "accept",
        "reasons": ("live",),
        "wake_score": 0.98,
        "probability": 0.75,
        "quality": QUALITY,
        "delay_s": 0.1,
        "judging_s": 0.006,
    } | other
    return Ruled(**given)


def state(**other) -> State:
    given = {"source": "kitchen.wav", "heard_samples": 56_000, "level_dbfs": -45.0, "peak_dbfs": -20.0} | other
    shown = State(("snowboy", "jarvis"), (0.9, NEVER), 0.6, 0.4, 40, **given)
    shown.scores, shown.best_scores = (0.5, 0.0), (0.95, 0.0)
    return shown


def columns(n: int) -> list[np.ndarray]:
    """Return columns whose strength rises with the channel."""
    return [np.linspace(0, 1, 40, dtype=np.float32)] * n


def lines(shown: State, width: int, height: int, encoding: str = "utf-8") -> list[str]:
    console = Console(record=True, width=width, height=height, file=io.StringIO(), legacy_windows=False)
    console.print(draw(shown, width=width, height=height, encoding=encoding), highlight=False)
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_a_wide_terminal():
    shown = state()
    shown.rule(ruled())
    shown.rule(ruled(at_sample=110_400, verdict="reject", reasons=("loudspeaker",), probability=0.07))
    shown.columns.extend(columns(3))
    assert lines(shown, 80, 20) == [
        "vivavoce live  3.5 s  kitchen.wav",
        "level   ██████████████████████████████················│·············  -45 dB",
        "snowboy ██████████████████████████████·······················│······ 0.50 0.95",
        "jarvis  ···························································· 0.00 0.00",
        "                                                                             ███",
        "                                                                             ███",
        "                                                                             ▓▓▓",
        "                                                                             ▒▒▒",
        "                                                                             ▒▒▒",
        "                                                                             ░░░",
        "",
        "loudspeaker ────────────────────────│───────────│──────────────────────── person",
        "                ▲",
        "SHUT  it sounded like a loudspeaker",
        "live 0.07  SNR 28 dB  level -20 dB  speech 0.8 s  8.0 kHz  took 6 ms",
        "last decisions",
        "    6.9 s  SHUT    snowboy 0.98  live 0.07  after 0.10 s  loudspeaker",
        "    2.9 s  OPEN    snowboy 0.98  live 0.75  after 0.10 s  live",
        "",
        "q quits   nothing is recorded",
    ]


def test_forty_columns_have_a_smaller_picture():
    shown = state(note="lost: the microphone was unplugged, and is waited for")
    shown.rule(ruled())
    shown.columns.extend(columns(3))
    assert lines(shown, 40, 14) == [
        "live  3.5 s  kitchen.wav",
        "level   ██████████·····│····  -45 dB",
        "snowboy ██████████·······│·· 0.50 0.95",
        "jarvis  ···················· 0.00 0.00",
        "TV ─────────────│─────│───────────── you",
        "                           ▲",
        "OPEN  live",
        "live 0.75  SNR 28 dB  6 ms",
        "last",
        "    2.9 s  OPEN    snowboy  live",
        "lost: the microphone was unplugged, and",
        "is waited for",
        "q quits",
    ]


def test_forty_columns_have_room_for_why_a_microphone_is_not_heard_and_what_to_do():
    told = (
        "USB PnP Sound Device: Audio 2 (hw:1,0): cannot be opened (Device unavailable), expected a microphone that is "
        "free; stop what else uses it, or name another (see: vivavoce collect --list-devices)"
    )
    shown = lines(state(note=told), 40, 24)
    assert told in " ".join(shown)
    assert len(shown) <= 24
    assert shown[-1] == "q quits"


def test_with_room_a_decision_is_told_in_words():
    shown = state()
    shown.rule(ruled(reasons=("loudspeaker", "quiet")))
    assert (
        "    2.9 s  OPEN    snowboy 0.98  live 0.75  after 0.10 s  it sounded like a loudspeaker; "
        "a very low level: raise the gain or come closer"
    ) in lines(shown, 160, 24)


@pytest.mark.parametrize("mode", ["both", "wake", "liveness"])
@pytest.mark.parametrize("width", [1, 10, 40, NARROW - 1, NARROW, 100, 300])
@pytest.mark.parametrize("height", [1, 5, 10, 24, 60])
def test_no_line_is_too_long_and_there_are_not_too_many(mode, width, height):
    shown = state(note="x" * 500, queue_s=3.0, mode=mode, source="电影" * 40)
    shown.words = ("a" * 100, "小爱同学" * 10)
    for reasons in (("live",), ("clipped", "noisy"), ("a reason of tomorrow",)):
        shown.rule(ruled(word="w" * 80, reasons=reasons))
    shown.columns.extend(columns(500))
    for shown.candidates in (None, (0.3, NEVER)):
        picture = draw(shown, width=width, height=height).split("\n", allow_blank=True)
        assert len(picture) <= height
        assert max(line.cell_len for line in picture) <= width


def test_a_terminal_without_unicode_gets_ascii():
    shown = state(source="küche.wav", note="getrennt → neu")
    shown.rule(ruled())
    shown.columns.extend(columns(80))
    text = draw(shown, width=80, height=24, encoding="ascii").plain
    assert text.isascii()
    assert "k?che.wav" in text
    assert "\n" + "#" * 80 + "\n" in text
    assert not draw(shown, width=80, height=24, encoding="UTF-8").plain.isascii()


def test_names_move_no_cursor():
    text = draw(state(source="a\x1b[2Jb\nc", note="d\x07\r\udce4"), width=80, height=24).plain
    assert "a?[2Jb?c" in text
    assert "d???" in text
    assert not set(text) & set("\x1b\x07\r")


def test_the_spectrogram_scrolls_to_the_left_with_high_frequencies_above():
    shown = state()
    low, high = np.zeros(40, np.float32), np.zeros(40, np.float32)
    low[:3] = high[-3:] = 1.0
    shown.columns.extend([low, high])
    picture = [line for line in lines(shown, 80, 40) if "█" in line and len(line) >= 79 and "dB" not in line]
    assert [line[78:] for line in picture] == [" █", "█"]


def test_the_needle_stands_where_the_probability_is():
    at = {}
    for probability in (0.0, 0.4, 0.6, 1.0):
        shown = state()
        shown.rule(ruled(probability=probability))
        picture = lines(shown, 80, 24)
        at[probability] = next(line.index("▲") for line in picture if "▲" in line)
    scale = next(line for line in picture if line.startswith("loudspeaker"))
    assert scale[at[0.4]] == scale[at[0.6]] == "│"
    assert scale.count("│") == 2
    assert scale[at[0.0] - 1 : at[0.0] + 1] == " ─"
    assert scale[at[1.0] : at[1.0] + 2] == "─ "


def test_what_could_not_be_judged_has_no_needle():
    shown = state()
    shown.rule(ruled(verdict="unsure", reasons=("failed",), probability=math.nan, quality=None))
    picture = lines(shown, 80, 24)
    assert not any("▲" in line for line in picture)
    assert "not judged  took 6 ms" in picture
    assert "UNSURE  judging it failed: the log says why" in picture
    assert any("judging it failed" in line for line in lines(shown, 120, 24))


def test_too_small_a_terminal_is_told_with_a_way_on():
    told = " ".join(lines(state(), LEAST_COLUMNS - 1, 24))
    assert f"too small: {LEAST_COLUMNS - 1} x 24, needs {LEAST_COLUMNS} x {LEAST_ROWS}" in told
    assert "vivavoce run FILE" in told
    assert "too small" in lines(state(), 80, LEAST_ROWS - 1)[0]
    assert "live" in lines(state(), LEAST_COLUMNS, LEAST_ROWS)[0]


def test_figures_that_do_not_fit_are_left_out_and_not_cut():
    shown = state()
    shown.rule(ruled())
    assert "live 0.75  SNR 28 dB  level -20 dB  speech 0.8 s  8.0 kHz" in lines(shown, 64, 24)


def test_a_list_of_words_that_is_too_long_is_not_cut():
    shown = state()
    shown.words, shown.cutoffs = ("a_long_word_" * 3, "b_long_word_" * 3), (0.5, 0.5)
    assert "  say one of these words; then play it from a phone" in lines(shown, 80, 24)


def test_before_anything_was_heard_it_says_what_to_say():
    assert "  say: snowboy; then play it from a phone" in lines(state(), 80, 24)
    assert "  say: snowboy" in lines(state(mode="wake"), 80, 24)
    assert "  say something" in lines(state(mode="liveness"), 40, 24)
    assert "judging" in lines(state(waiting=True), 80, 24)


def test_wake_only_has_no_needle():
    shown = state(mode="wake")
    shown.rule(Ruled(46_400, "snowboy", "heard", (), 0.98))
    picture = lines(shown, 80, 24)
    assert not any("loudspeaker" in line for line in picture)
    assert "    2.9 s  HEARD   snowboy 0.98" in picture


def test_it_says_whether_sound_is_kept_and_where():
    assert lines(state(), 80, 24)[-1] == "q quits   nothing is recorded"
    kept = state(keeps="/home/me/kept", kept=3)
    assert lines(kept, 80, 24)[-1] == "q quits   sound of decisions is kept: 3 in /home/me/kept"
    assert lines(kept, 40, 24)[-1] == "q quits  keeps sound: 3 in /home/me/kept"
    kept.keeps = "/home/me/a/very/long/name/of/a/folder"
    assert lines(kept, 40, 24)[-1] == "q quits  keeps sound: 3 in ...f/a/folder"
    assert "recorded" not in "".join(lines(kept, 80, 24))


def test_it_says_when_it_falls_behind():
    assert "behind" not in lines(state(queue_s=0.05), 80, 24)[0]
    assert lines(state(queue_s=2.04), 80, 24)[0].endswith("2.0 s behind")


def test_with_a_verifier_the_marks_are_those_from_which_it_listens_again_and_it_says_so():
    shown = state(candidates=(0.25, NEVER))
    shown.best_scores = (0.3, 0.0)
    picture = lines(shown, 80, 24)
    bar = picture[2].split()[1]
    assert bar.index("│") == round(0.25 * (len(bar) - 1))
    assert "│" not in picture[3]
    assert picture[4] == "        │ from here on it listens again, and that decides"
    assert lines(shown, 40, 24)[4] == "        │ listens again from here"
    assert "from here on" not in "".join(lines(state(), 80, 24))
    over = draw(shown, width=80, height=24).split("\n")[2]
    assert any("bold cyan" in str(span.style) for span in over.spans), "what it listens to again is shown as such"


@pytest.mark.parametrize("height", range(LEAST_ROWS, 14))
def test_where_rows_are_few_a_decision_goes_before_what_the_marks_mean(height):
    plain, verified = state(), state(candidates=(0.25, NEVER))
    for shown in (plain, verified):
        shown.rule(ruled())
    assert any("OPEN    snowboy" in line for line in lines(verified, 80, height))
    told = [line for line in lines(verified, 80, height) if "from here on" in line]
    assert len(told) == (1 if height > 11 else 0)
    assert len(lines(verified, 80, height)) <= height
    assert lines(verified, 80, height)[-1] == lines(plain, 80, height)[-1]
