"""The picture of the decay of power, and what it says in words."""

from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("rich", reason="the demo in the terminal needs rich (the extra `live`)")

from edge.decay import DecayReference, Envelope, Placement, edges_hz
from edge.live_demo.decay_drawing import SPAN_HZ, decay_in_words, decay_picture
from edge.live_demo.drawing import NARROW, draw
from edge.live_demo.glyphs import Glyphs
from edge.live_demo.state import Ruled, State
from edge.void import VoidSettings

VOID = VoidSettings()
EDGES = edges_hz(VOID)
UNICODE, ASCII = Glyphs.of("utf-8"), Glyphs.of("ascii")


def rising_to(hz: float) -> np.ndarray:
    return np.minimum(EDGES / hz, 1.0)


@pytest.fixture
def reference() -> DecayReference:
    """Return people who reach 1 between 0.4 and 1 kHz, and loudspeakers that do between 0.8 and 3 kHz."""
    live = Envelope(rising_to(1000), rising_to(600), rising_to(400), 30)
    replay = Envelope(rising_to(3000), rising_to(1500), rising_to(800), 30)
    return DecayReference(VOID, live, replay, 0.7, 0.6, "made up")


def picture(curve, reference, width=30, rows=7, glyphs=ASCII) -> list[str]:
    return [line.plain for line in decay_picture(curve, reference, width, rows, glyphs)]


def state(reference) -> State:
    return State(("hey",), (0.5,), 0.6, 0.4, 40, reference=reference)


def ruled(**other) -> Ruled:
    placed = Placement(0.58, 0.79, "live", 420.0, 431.0, 634.0)
    return Ruled(16_000, "hey", "accept", ("live",), 0.9, 0.7, placement=placed, **{"curve": rising_to(600)} | other)


def test_people_are_above_and_loudspeakers_to_the_right(reference):
    # 100 Hz a column.
    assert picture(None, reference) == [
        r"   \\\\xxxx///////////////////",
        r"   \\xxx/////////////////     ",
        r"  \\xxx/////////////          ",
        r" \\xx//////////               ",
        r" xx///////                    ",
        r"xx///                         ",
        r"0         1         2    3 kHz",
    ]


def test_envelopes_are_where_their_values_are(reference):
    drawn = picture(None, reference, 60, 21)
    for column, hz in ((10, 525.0), (20, 1025.0), (40, 2025.0)):
        kinds = [row[column] for row in drawn[:-1]]
        for row, kind in enumerate(kinds):
            top, bottom = 1 - row / 20, 1 - (row + 1) / 20
            inside = {}
            for name, one in (("live", reference.live), ("replay", reference.replay)):
                low, high = (np.interp(hz, EDGES, values) for values in (one.low, one.high))
                inside[name] = low < top and high >= bottom
            expected = {(True, True): "x", (True, False): "\\", (False, True): "/", (False, False): " "}
            assert kind == expected[inside["live"], inside["replay"]], (hz, row)


@pytest.mark.parametrize(("width", "rows"), [(30, 7), (31, 5), (60, 12), (10, 3), (1, 1)])
def test_it_has_the_rows_and_columns_that_it_was_given(reference, width, rows):
    for curve in (None, rising_to(500)):
        drawn = picture(curve, reference, width, rows)
        assert [len(line) for line in drawn] == [width] * rows


@pytest.mark.parametrize("hz", [250, 700, 4000])
def test_the_curve_runs_through_its_values_without_gaps(reference, hz):
    curve = rising_to(hz)
    drawn = picture(curve, reference, 60, 11)[:-1]
    columns = ["".join(row[i] for row in drawn) for i in range(60)]
    rows = [[i for i, cell in enumerate(column) if cell == "o"] for column in columns]
    for column, found in enumerate(rows):
        share = np.interp((column + 0.5) / 60 * SPAN_HZ, EDGES, curve)
        # The lowest of a column is its value, in tenths.
        assert 1 - (found[-1] + 1) / 10 - 1e-9 <= share <= 1 - found[-1] / 10 + 1e-9
    for here, there in pairwise(rows):
        assert here[0] == min(here[-1], there[-1] + 1), "the curve has a gap, or is thicker than a line"


def test_silence_has_no_curve(reference):
    assert picture(np.zeros(75), reference) == picture(None, reference)


def test_the_axis_has_whole_khz_at_their_places(reference):
    axis = picture(None, reference, 60, 5)[-1]
    assert (axis.index("0"), axis.index("1"), axis.index("2")) == (0, 20, 40)
    assert axis.endswith("3 kHz")


class TestWords:
    PLACED = Placement(0.58, 0.79, "live", 420.0, 431.0, 634.0)
    FULL = Placement(1.0, 1.0, "live", 420.0, 431.0, 634.0)

    @pytest.mark.parametrize(
        ("width", "told"),
        [
            (
                120,
                "● half below 0.42 kHz  ╲ people 0.43, 58 % in  ╱ loudspeakers 0.63, 79 % in"  # noqa: RUF001
                "  (an illustration: the network decides)",
            ),
            (80, "● half below 0.42 kHz  ╲ people 0.43, 58 % in  ╱ loudspeakers 0.63, 79 % in"),  # noqa: RUF001
            (64, "● half below 0.42 kHz  ╲ you 0.43 58 %  ╱ TV 0.63 79 %"),  # noqa: RUF001
            (40, "●0.42 kHz ╲you 0.43 58% ╱TV 0.63 79%"),  # noqa: RUF001
            (32, "●0.42 ╲0.43 58% ╱0.63 79% kHz"),  # noqa: RUF001
        ],
    )
    def test_the_more_room_the_more_words(self, width, told):
        assert decay_in_words(self.PLACED, width, UNICODE).plain == told

    @pytest.mark.parametrize("width", range(32, 130))
    def test_it_always_fits(self, width):
        for placed in (self.PLACED, self.FULL, None):
            assert decay_in_words(placed, width, ASCII).cell_len <= width

    def test_before_anything_was_judged_it_is_a_legend(self):
        assert decay_in_words(None, 80, ASCII).plain == (
            "\\ people  / loudspeakers  x both  share of the power below each frequency"
        )


class TestInTheDemo:
    @pytest.mark.parametrize(("width", "height"), [(64, 24), (80, 24), (120, 40), (300, 60)])
    def test_it_stands_beside_the_spectrogram_where_there_are_columns(self, reference, width, height):
        shown = state(reference)
        shown.rule(ruled())
        shown.columns.extend([np.ones(40, np.float32)] * 400)
        rows = draw(shown, width=width, height=height).plain.splitlines()
        both = [row for row in rows if row.startswith("█" * 20) and "●" in row]
        assert len(both) >= 3
        assert any(row.endswith("3 kHz") for row in rows)

    def test_it_stands_below_where_there_are_rows_and_is_told_in_words_where_there_are_not(self, reference):
        shown = state(reference)
        shown.rule(ruled())
        high, low = (draw(shown, width=40, height=height).plain.splitlines() for height in (40, 20))
        assert any("●●●●" in row for row in high)
        assert not any("●●●●" in row for row in low)
        words = "●0.42 kHz ╲you 0.43 58% ╱TV 0.63 79%"  # noqa: RUF001
        assert words in high
        assert words in low

    def test_with_few_rows_the_spectrogram_has_them_all(self, reference):
        assert "3 kHz" in draw(state(reference), width=80, height=20).plain
        assert "3 kHz" not in draw(state(reference), width=80, height=16).plain

    def test_without_a_judgement_the_envelopes_are_there_and_no_curve(self, reference):
        text = draw(state(reference), width=80, height=24).plain
        assert "╳╳" in text  # noqa: RUF001
        assert "●" not in text

    @pytest.mark.parametrize("width", [1, 31, 32, 40, NARROW - 1, NARROW, 80, 120, 300])
    @pytest.mark.parametrize("height", [1, 9, 10, 24, 60])
    def test_no_line_is_too_long_and_there_are_not_too_many(self, reference, width, height):
        shown = state(reference)
        shown.rule(ruled())
        lines = draw(shown, width=width, height=height).split("\n", allow_blank=True)
        assert len(lines) <= height
        assert max(line.cell_len for line in lines) <= width
