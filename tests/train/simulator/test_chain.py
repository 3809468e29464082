import dataclasses

import numpy as np
import pytest
import scipy.stats

from edge.endpoint import speech_span
from train.corpus import Clip
from train.simulator.chain import LABELS, Simulator, clip_rng
from train.simulator.levels import rms, speech_rms, to_int16
from train.simulator.noise import NoisePool, coloured_noise

QUIET = {"snr_db": 60.0, "tv_ratio_db": None, "codec": "none"}


def _band_db(samples: np.ndarray, low_hz: float, high_hz: float) -> float:
    power = np.abs(np.fft.rfft(samples.astype(np.float64))) ** 2
    hz = np.fft.rfftfreq(samples.size, 1 / 16000)
    return float(10 * np.log10(power[(hz >= low_hz) & (hz < high_hz)].sum()))


def test_same_source_and_seed_give_the_same_bytes(simulator: Simulator, word: np.ndarray):
    for label in LABELS:
        first = simulator.render(word, label, clip_rng("a.flac", 5, 2))
        again = simulator.render(word, label, clip_rng("a.flac", 5, 2))
        other = simulator.render(word, label, clip_rng("a.flac", 6, 2))
        assert first.samples.tobytes() == again.samples.tobytes()
        assert first.conditions == again.conditions
        assert first.samples.tobytes() != other.samples.tobytes()


def test_level_duration_and_silence_do_not_tell_the_class(simulator: Simulator, words: list[np.ndarray]):
    measured: dict[str, dict[str, list[float]]] = {label: {} for label in LABELS}
    for number in range(120):
        label = LABELS[number % 2]
        source = number // 2 % len(words)
        rendered = simulator.render(words[source], label, clip_rng(str(source), 3, number))
        silence = rendered.samples[: rendered.speech_start - 1600].astype(np.float64)
        row = {
            "level": speech_rms(rendered.samples / 32768.0),
            "duration": float(rendered.samples.size),
            "silence": rms(silence),
            "silence colour": _band_db(silence, 100, 500) - _band_db(silence, 2000, 6000),
            "zeros": float(np.mean(silence == 0)),
        }
        for name, value in row.items():
            measured[label].setdefault(name, []).append(value)
    for name in measured["live"]:
        test = scipy.stats.ks_2samp(measured["live"][name], measured["replay"][name])
        assert test.pvalue > 0.01, name


def test_speech_lies_where_it_is_said_to_lie(simulator: Simulator, words: list[np.ndarray]):
    for number, source in enumerate(words):
        rendered = simulator.render(
            source,
            LABELS[number % 2],
            clip_rng("x", 1, number),
            conditions={**QUIET, "distance_m": 0.3, "kind": "tv"},
        )
        span = speech_span(rendered.samples)
        assert abs(span.start - rendered.speech_start) < 1600
        late = span.stop - rendered.speech_stop
        assert late > -800
        assert late < 6400  # reverberation prolongs a word
        assert rendered.speech_start >= 0.5 * 16000
        assert rendered.samples.size - rendered.speech_stop >= 0.4 * 16000


def test_replay_by_a_phone_loses_the_bass_and_a_live_talker_does_not(simulator: Simulator, words: list[np.ndarray]):
    def bass_db(label: str, **conditions: object) -> float:
        levels = []
        for number, source in enumerate(4 * words):
            rendered = simulator.render(
                source,
                label,
                clip_rng("b", 2, number),
                conditions={**QUIET, **conditions},  # type: ignore[arg-type]
            )
            speech = rendered.samples[rendered.speech_start : rendered.speech_stop]
            levels.append(_band_db(speech, 150, 350) - _band_db(speech, 1200, 3500))
        return float(np.median(levels))

    plain = bass_db("live", variant="plain")
    assert bass_db("replay", kind="phone") < plain - 8
    assert abs(bass_db("replay", kind="standalone", variant="programme") - plain) < 4
    assert abs(bass_db("live", variant="two_rooms") - plain) < 3


def test_fixed_conditions_hold_and_leave_the_rest_as_drawn(simulator: Simulator, word: np.ndarray):
    free = simulator.render_replay(word, clip_rng("c", 1))
    fixed = simulator.render_replay(word, clip_rng("c", 1), conditions={"snr_db": 30.0, "level_dbfs": -30.0})
    assert (fixed.conditions["snr_db"], fixed.conditions["level_dbfs"]) == (30.0, -30.0)
    for name in ("loudspeaker", "room", "codec", "variant", "distance_m"):
        assert fixed.conditions[name] == free.conditions[name]
    speech = fixed.samples[fixed.speech_start : fixed.speech_stop] / 32768.0
    assert 20 * np.log10(speech_rms(speech)) == pytest.approx(-30, abs=0.7)
    with pytest.raises(ValueError, match="cannot fix"):
        simulator.render_live(word, clip_rng("c", 1), conditions={"loudness": 1})


@pytest.mark.parametrize("label", LABELS)
def test_background_has_the_drawn_level(simulator: Simulator, word: np.ndarray, label: str):
    rendered = simulator.render(
        word,
        label,  # type: ignore[arg-type]
        clip_rng("d", 9),
        conditions={"snr_db": 10.0, "tv_ratio_db": None, "level_dbfs": -20.0},
    )
    floor_db = 20 * np.log10(rms(rendered.samples[: rendered.speech_start - 1600] / 32768.0))
    assert floor_db == pytest.approx(-30, abs=2.5)


def test_a_television_is_heard_at_its_ratio_in_both_classes(simulator: Simulator, word: np.ndarray):
    for label in LABELS:
        loud, off = (
            simulator.render(word, label, clip_rng("e", 4), conditions={"snr_db": 60.0, "tv_ratio_db": ratio})
            for ratio in (0.0, None)
        )
        lead = slice(0, loud.speech_start - 1600)
        assert rms(loud.samples[lead]) > 3 * rms(off.samples[lead])
        assert loud.label == label
        assert loud.conditions["tv_loudspeaker"].startswith("tv-dev")


def test_the_devices_own_loudspeaker_is_near_and_a_talker_is_as_near_as_often(simulator: Simulator, word: np.ndarray):
    near: dict[str, int] = dict.fromkeys(LABELS, 0)
    own_m = simulator.recipe.placement.own_m
    for number in range(300):
        for label in LABELS:
            conditions = simulator.render(word, label, clip_rng("o", 8, number)).conditions
            inside = own_m[0] <= conditions["distance_m"] < simulator.recipe.placement.close_m[0]
            near[label] += inside
            if conditions["variant"] == "own_playback":
                assert own_m[0] <= conditions["distance_m"] <= own_m[1]
                assert simulator.recipe.loudspeakers[conditions["kind"]].own
                assert conditions["first_room"] == "none"
                assert label == "replay"
    # The same generator draws the same place for both.
    assert near["live"] == near["replay"] > 2


def test_what_sounds_besides_the_loudspeaker_is_drawn_before_the_class(simulator: Simulator, word: np.ndarray):
    """Jointly, too: a first room, its recorder's noise, and how near the sound begins come together in both."""
    shared = ("own", "first_room", "first_distance_m", "room", "distance_m", "idle_db", "codec", "snr_db", "level_dbfs",
              "noise", "tv_ratio_db", "tv_loudspeaker")  # fmt: skip
    rows = []
    for number in range(60):
        live, replay = (simulator.render(word, label, clip_rng("s", 5, number)) for label in LABELS)
        assert [live.conditions[name] for name in shared] == [replay.conditions[name] for name in shared]
        assert live.samples.size == replay.samples.size
        rows.append(live.conditions)
    # The recorder is louder than a hiss, and is heard where there was a room to record in, and nowhere else.
    loud = {row["first_room"] != "none" for row in rows if row["idle_db"] > -40.0}
    assert loud == {True}


def test_only_the_kinds_that_are_asked_for_replay(simulator: Simulator, word: np.ndarray):
    only = Simulator("dev", simulator.bank, simulator.loudspeakers, simulator.noise_pool, kinds=("phone",))
    rendered = [only.render_replay(word, clip_rng("k", 1, number)) for number in range(60)]
    assert {clip.conditions["kind"] for clip in rendered} == {"phone"}
    # A telephone is not built into the device.
    assert {clip.conditions["variant"] for clip in rendered} == {"recorded", "programme"}


def test_silent_source_is_refused(simulator: Simulator):
    with pytest.raises(ValueError, match="silence"):
        simulator.render_live(np.zeros(16000, np.float32), clip_rng("z", 1))


def test_to_int16_rounds_and_saturates():
    samples = np.array([0.0, 1.4 / 32768, 1.6 / 32768, 1.5, -1.5])
    np.testing.assert_array_equal(to_int16(samples), [0, 1, 2, 32767, -32768])


def test_active_level_ignores_pauses():
    tone = np.sin(np.arange(8000) * 0.3)
    assert speech_rms(np.concatenate((tone, np.zeros(16000)))) == pytest.approx(rms(tone), rel=0.02)


def test_coloured_noise_has_its_slope():
    noise = coloured_noise(1 << 17, np.random.default_rng(0), 1.0)
    assert rms(noise) == pytest.approx(1.0)
    # Pink: equal power in every octave.
    assert _band_db(noise, 200, 400) == pytest.approx(_band_db(noise, 3200, 6400), abs=0.5)


def test_recorded_noise_is_used_repeated_and_never_silent(tmp_path):
    import soundfile

    x = np.zeros(4000, np.float32)
    x[:2000] = np.sin(np.arange(2000) * 2 * np.pi * 1000 / 16000) * 0.3
    soundfile.write(tmp_path / "n.wav", x, 16000)
    clip = Clip("n.wav", tmp_path / "n.wav", "c", "", "train", "noise", "", 0.25, 16000, "CC0-1.0")
    pool = NoisePool([clip])
    names = set()
    rng = np.random.default_rng(0)
    for _ in range(30):
        noise, name = pool.draw_named(16000, rng)
        names.add(name)
        assert noise.shape == (16000,)
        assert rms(noise) == pytest.approx(1.0, rel=1e-3)
        assert min(rms(frame) for frame in noise.reshape(-1, 400)) > 0.001
        if name == "n.wav":
            assert _band_db(noise, 900, 1100) > _band_db(noise, 2000, 8000) + 10
    assert names == {"n.wav", "generated"}
    assert dataclasses.replace(clip, label="view glass").word == "view_glass"
