"""The decay of power over frequency: the curve, where it lies, and the file of the envelopes."""

import json

import numpy as np
import pytest

from edge.decay import DecayReference, Envelope, decay_curve, edges_hz, place_curve
from edge.decay_reference import DEFAULT_DECAY, decay_table, read_decay_reference
from edge.errors import BundleError, FrontendError
from edge.void import VoidSettings, void_features

VOID = VoidSettings()
POINTS = VOID.segments + 1


def tone(frequency_hz: float, amplitude: float = 8000) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(16_000) / 16_000)).round().astype(np.int16)


def step(at: int) -> np.ndarray:
    """Return the curve of power that lies all in one segment."""
    return np.where(np.arange(POINTS) > at, 1.0, 0.0)


def ramp() -> np.ndarray:
    return np.linspace(0.0, 1.0, POINTS)


def envelope(middle: np.ndarray, width: float = 0.1) -> Envelope:
    # Where all is said and done, it has no width.
    within = width * ((middle > 0) & (middle < 1))
    low, high = np.clip(middle - within, 0, 1), np.clip(middle + within, 0, 1)
    return Envelope(low, middle, high, 30)


@pytest.fixture
def reference() -> DecayReference:
    """Return people with power at 1 kHz, and loudspeakers with even power."""
    early = np.minimum(np.arange(POINTS) / 10, 1.0)
    return DecayReference(VOID, envelope(early), envelope(ramp()), 0.7, 0.6, "made up")


class TestCurve:
    def test_a_tone_is_a_step_where_it_is(self):
        curve = decay_curve(tone(1000), VOID)
        frequencies = edges_hz(VOID)
        assert curve.shape == frequencies.shape == (75,)
        assert curve[frequencies < 850].max() < 0.01
        assert curve[frequencies > 1150].min() > 0.99

    def test_two_tones_share_the_power(self):
        both = tone(500, 6000) + tone(4000, 3000)
        at_2_khz = np.interp(2000, edges_hz(VOID), decay_curve(both, VOID))
        assert at_2_khz == pytest.approx(36 / 45, abs=0.005)

    def test_even_power_is_a_line(self):
        noise = np.random.default_rng(1).normal(0, 3000, 64_000).round().astype(np.int16)
        assert np.abs(decay_curve(noise, VOID) - ramp()).max() < 0.02

    def test_it_runs_from_0_to_1_and_never_falls_at_any_level(self):
        for amplitude in (3, 30_000):
            curve = decay_curve(tone(300, amplitude), VOID)
            assert (curve[0], curve[-1]) == (0.0, 1.0)
            assert (np.diff(curve) >= 0).all()

    def test_it_is_what_linearity_is_made_of(self):
        speech = tone(400) // 2 + tone(2500) // 4
        correlation = np.corrcoef(edges_hz(VOID), decay_curve(speech, VOID))[0, 1]
        assert void_features(speech, VOID)[VOID.groups["ldf"]][0] == pytest.approx(correlation, abs=1e-6)

    def test_silence_has_none(self, reference):
        for silence in (np.zeros(16_000, np.int16), np.full(16_000, 77, np.int16), np.zeros(0, np.int16)):
            curve = decay_curve(silence, VOID)
            assert not curve.any()
            assert place_curve(curve, reference) is None

    def test_other_samples_are_refused(self):
        with pytest.raises(FrontendError, match="int16"):
            decay_curve(np.zeros(100), VOID)


class TestPlace:
    def test_a_curve_lies_wholly_in_the_envelope_of_its_own_kind(self, reference):
        people = place_curve(reference.live.middle, reference)
        assert (people.live_share, people.nearer) == (1.0, "live")
        assert people.replay_share < 0.2
        played = place_curve(ramp(), reference)
        assert (played.replay_share, played.nearer) == (1.0, "replay")
        assert played.live_share < 0.2

    def test_frequencies_at_which_all_curves_meet_do_not_count(self, reference):
        # Both envelopes are 1 from segment 12 on: only the 11 edges below tell anything.
        early = envelope(np.minimum(np.arange(POINTS) / 10, 1.0))
        late = envelope(np.minimum(np.arange(POINTS) / 11, 1.0), 0.02)
        both = DecayReference(VOID, early, late, 0.7, 0.6, "made up")
        placed = place_curve(step(40), both)
        assert placed.live_share < 0.2
        assert placed.replay_share < 0.2

    def test_frequencies_at_which_one_of_them_still_tells_count(self, reference):
        # People have reached 1 at the tenth edge; this curve stays below until the last.
        placed = place_curve(
            np.where(np.arange(POINTS) < POINTS - 1, np.minimum(reference.live.middle, 0.8), 1.0), reference
        )
        assert placed.live_share < 0.2

    def test_half_of_the_power_has_a_frequency(self, reference):
        placed = place_curve(step(20), reference)
        assert placed.half_hz == pytest.approx(20.5 * VOID.segment_hz)
        assert placed.live_half_hz == pytest.approx(5 * VOID.segment_hz)
        assert placed.replay_half_hz == pytest.approx(37 * VOID.segment_hz)

    def test_a_curve_of_other_settings_is_a_mistake(self, reference):
        with pytest.raises(ValueError, match=r"\(10,\)"):
            place_curve(np.ones(10), reference)


class TestFile:
    def test_the_one_that_ships_is_read(self):
        shipped = read_decay_reference()
        assert shipped.live.clips == shipped.replay.clips == 2000
        assert shipped.frequencies_hz.shape == shipped.live.middle.shape == (75,)
        below_500_hz = [np.interp(500, shipped.frequencies_hz, one.middle) for one in (shipped.live, shipped.replay)]
        assert below_500_hz[0] > below_500_hz[1] + 0.1, "people have no more power in the bass than loudspeakers"
        # It is far from what the network reaches, and must not be shown as if it was not.
        assert 0.5 < shipped.replay_right < shipped.live_right < 0.8

    def test_it_says_where_it_comes_from(self):
        record = json.loads(DEFAULT_DECAY.read_text())
        assert record["set"]["state"] == "frozen"
        assert sum(record["replays_of_kind"].values()) == 2000
        assert {"commit", "data_hash", "recipe_sha256", "talkers", "made_by"} <= record.keys()

    def test_what_is_written_is_read(self, tmp_path, reference):
        path = tmp_path / "decay.json"
        path.write_text(json.dumps(decay_table(reference)))
        found = read_decay_reference(path)
        for one, other in ((found.live, reference.live), (found.replay, reference.replay)):
            for name in ("low", "middle", "high"):
                np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=5.1e-5)
            assert one.clips == 30
        assert (found.settings, found.source, found.live_right, found.replay_right) == (VOID, "made up", 0.7, 0.6)

    @pytest.mark.parametrize(
        ("place", "value", "told"),
        [
            (("format",), "other", "format: got 'other'"),
            (("format_version",), 2, "format_version: got 2"),
            (("settings", "segment_hz"), "x", "settings: "),
            (("settings", "surprise"), 1, "surprise"),
            (("frequencies_hz", 3), 5.0, "frequencies_hz: got others"),
            (("frequencies_hz",), [1.0], "a list of 1"),
            (("envelopes", "live", "low", 4), 0.9, "envelopes.live.low: "),
            (("envelopes", "live", "low"), [0.0] * POINTS, "envelopes.live.low: "),
            (("envelopes", "replay", "high"), [0.0] * (POINTS - 1) + [1.0], "envelopes.replay.high: "),
            (("envelopes", "replay", "middle", 4), None, "envelopes.replay.middle: "),
            (("envelopes", "replay", "clips"), 0, "envelopes.replay.clips: got 0"),
            (("envelopes", "neither"), {}, "envelopes.neither: "),
            (("right", "live"), 1.5, "right.live: got 1.5"),
            (("source",), "two\nlines", "source: "),
            (("envelopes",), [], "envelopes: got a list"),
        ],
    )
    def test_a_damaged_one_is_told_in_one_line(self, tmp_path, reference, place, value, told):
        record = decay_table(reference)
        within = record
        for name in place[:-1]:
            within = within[name]
        within[place[-1]] = value
        path = tmp_path / "decay.json"
        path.write_text(json.dumps(record))
        with pytest.raises(BundleError) as caught:
            read_decay_reference(path)
        assert told in str(caught.value)
        assert str(caught.value).startswith(f"{path}: ")
        assert "install vivavoce again" in str(caught.value)

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"format": NaN}'])
    def test_what_is_no_such_file_is_told_in_one_line(self, tmp_path, content):
        path = tmp_path / "decay.json"
        path.write_bytes(content)
        with pytest.raises(BundleError, match=r"decay\.json: got"):
            read_decay_reference(path)
        with pytest.raises(BundleError, match="none: cannot be read"):
            read_decay_reference(tmp_path / "none")
