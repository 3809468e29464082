"""Every probe sees its leaks, and finds nothing in what the simulator renders."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from edge.errors import DataError
from tests.train.small_world import whole_renderings
from train.leaks import LEAKS, leaked
from train.probe_report import probe_faults, probe_report
from train.probes import (
    COMPARED,
    CREST,
    HEARD,
    PROBES,
    WholeClip,
    chance_band,
    distances,
    fit_probe,
    measure_all,
    whole_clips,
)
from train.task import load_task

pytest.importorskip("sklearn", reason="needs scikit-learn (the extra `train`)")

N = 320
LIMITS = load_task().protocol
FEW = replace(LIMITS, stratum_clips=20, distance_clips=N // 2)
"""Judges sets as small as those here."""
WHOLE = [probe.name for probe in PROBES if probe.stratum is None]
STRATA = [probe.name for probe in PROBES if probe.stratum is not None]


@pytest.fixture(scope="module")
def sets():
    return whole_renderings("train", N), whole_renderings("dev", N)


@pytest.fixture(scope="module")
def report(sets):
    return probe_report(*sets, limits=FEW, seed=0, rounds=50)


@pytest.mark.parametrize("name", WHOLE)
def test_a_probe_finds_nothing_in_what_the_simulator_renders(name, report):
    low, high = chance_band(N // 2, N // 2, 0.999)
    assert low <= report["judged"][name]["eer"] <= high


@pytest.mark.parametrize("name", WHOLE + STRATA)
def test_a_probe_sees_every_leak_that_is_its_business(name, report):
    entry = (report["judged"] | report["strata"])[name]
    assert entry["leaks"]
    assert [leak["what"] for leak in entry["leaks"] if leak["eer"] > LIMITS.most_on_leak] == []
    assert entry["sees"]


def test_strata_part_the_clips_by_their_first_room(sets, report):
    of = {name: (sets[1]["first_room"] == "none") == (name == STRATA[1]) for name in STRATA}
    assert STRATA == ["silence and level, first room", "silence and level, no first room"]
    for name, chosen in of.items():
        live = int((sets[1]["live"][chosen] == 1).sum())
        entry = report["strata"][name]
        assert entry["clips"] == {"live": live, "replay": int(chosen.sum()) - live}
        low, high = chance_band(**{f"n_{label}": n for label, n in entry["clips"].items()})
        assert entry["allowed"] == pytest.approx(max(LIMITS.most_off_chance, (high - low) / 2))
        assert entry["at_chance"] == (abs(entry["eer"] - 0.5) <= entry["allowed"])


def test_a_stratum_of_few_clips_is_not_judged(sets, capsys):
    found = probe_report(*sets, limits=LIMITS, seed=0, rounds=10, probes=[p for p in PROBES if p.name in STRATA])
    for entry in found["strata"].values():
        assert (entry["at_chance"], entry["sees"]) == (None, None)
        assert entry["clips"].keys() == entry["fitted"].keys() == {"live", "replay"}
    assert probe_faults(found) == []
    assert f"{STRATA[0]}: not judged, fewer than {LIMITS.stratum_clips} clips" in capsys.readouterr().out


def _with_recorder_noise(clips: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Let live clips that no recorder has heard have the noise of one, as loud as what sounds there anyway."""
    parts = []
    for number, clip in enumerate(whole_clips(clips)):
        samples = clip.samples.astype(np.float64)
        if clips["live"][number] and clip.first_room == "none":
            before = samples[: clip.start // 2]
            noise = np.random.default_rng(number).standard_normal(samples.size)
            samples += 2 * np.sqrt(np.mean(before**2)) * noise
        parts.append(np.clip(np.rint(samples), -32768, 32767).astype(np.int16))
    return {**clips, "samples": np.concatenate(parts)}


def test_noise_of_a_recorder_that_was_not_there_is_found(sets):
    noisy = [_with_recorder_noise(clips) for clips in sets]
    found = probe_report(*noisy, limits=FEW, seed=0, rounds=10, probes=[p for p in PROBES if p.name in STRATA])
    assert found["strata"][STRATA[1]]["at_chance"] is False
    assert any(f"the probe {STRATA[1]!r} tells live from replayed" in fault for fault in probe_faults(found))
    # The other stratum is untouched.
    assert not any(f"{STRATA[0]!r} tells" in fault for fault in probe_faults(found))


def test_the_report_is_plain_and_says_what_it_measured(report):
    assert report["clips"]["live"] == report["clips"]["replay"] == N // 2
    assert set(report["distances"]) == set(COMPARED) == {"level", "duration", "silence"}
    assert all(set(report["distances"][name]) == set(measures) for name, measures in COMPARED.items())
    worst = max(value for far in report["distances"].values() for value in far.values())
    assert report["alike"] is (worst <= LIMITS.most_distance)
    assert set(report["not_judged"]) == {CREST.name}
    for entry in report["judged"].values():
        low, high = entry["eer_interval_95"]
        assert 0 <= low <= high <= 1


def test_a_simulator_that_leaks_is_found_out(sets):
    """Replays are 34 dB quieter than live clips, as rendered: the report must say so."""
    louder = []
    for clips in sets:
        gain = np.repeat(np.where(clips["live"] == 1, 1.0, 0.02), clips["size"])
        louder.append({**clips, "samples": np.rint(clips["samples"] * gain).astype(np.int16)})
    level = [probe for probe in PROBES if probe.name == "level"]
    found = probe_report(*louder, limits=FEW, seed=0, rounds=10, probes=level)
    assert not found["judged"]["level"]["at_chance"]
    assert found["alike"] is False
    assert any(
        "live and replayed clips differ in 'active level of the word, dBFS'" in fault for fault in probe_faults(found)
    )
    assert any("the probe 'level' tells live from replayed" in fault for fault in probe_faults(found))


def test_distances_of_few_clips_are_not_judged(sets, capsys):
    level = [probe for probe in PROBES if probe.name == "level"]
    found = probe_report(*sets, limits=replace(FEW, distance_clips=N // 2 + 1), seed=0, rounds=10, probes=level)
    assert found["alike"] is None
    assert found["distances"]["level"]
    assert probe_faults(found | {"judged": {}}) == []
    assert "distances: not judged, fewer than" in capsys.readouterr().out


def test_a_distance_alone_is_a_fault():
    report = {"limits": asdict(LIMITS), "judged": {}, "strata": {}, "alike": False}
    (fault,) = probe_faults(report | {"distances": {"level": {"loud": 0.06, "quiet": 0.05}}})
    assert fault == "live and replayed clips differ in 'loud' (Kolmogorov-Smirnov 0.060, expected at most 0.05)"


def test_a_blind_probe_is_a_fault():
    fine = {"eer": 0.5, "at_chance": True, "sees": True, "leaks": [{"what": "louder", "eer": 0.01}]}
    blind = {**fine, "sees": False, "leaks": [{"what": "louder", "eer": 0.01}, {"what": "longer", "eer": 0.3}]}
    rest = {"limits": asdict(LIMITS), "strata": {}, "distances": {}, "alike": True}
    (fault,) = probe_faults({"judged": {"level": fine, "duration": blind}, **rest})
    assert fault == "the probe 'duration' misses a leak (longer: EER 30.0 %, expected at most 10)"


def _clip(samples: np.ndarray, start: int, stop: int) -> WholeClip:
    return WholeClip(samples.astype(np.int16), start, stop, "c")


def _measured(name: str, clip: WholeClip) -> dict[str, float]:
    probe = next(probe for probe in PROBES if probe.name == name)
    return dict(zip(probe.measures, probe.measure(clip), strict=True))


def test_silence_is_what_lies_before_the_word_and_at_the_very_end():
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 100, 32000)
    # The word, what its recording holds before it, and the decay behind it are no silence.
    samples[8000 - 1600 : 32000 - 1600] *= 100
    found = _measured("silence", _clip(samples, 8000, 20000))
    quiet_dbfs = 20 * np.log10(100 / 32768)
    assert found["level before the word, dBFS"] == pytest.approx(quiet_dbfs, abs=0.5)
    assert found["level of the last 0.1 s, dBFS"] == pytest.approx(quiet_dbfs, abs=0.5)
    # White noise has its power where the bands are wide.
    assert found["4000-8000 Hz before, dB re the level"] == pytest.approx(-3.0, abs=0.5)
    samples[:3200] *= 2
    found = _measured("silence", _clip(samples, 8000, 20000))
    assert found["500-1500 Hz, second half before less first half, dB"] == pytest.approx(-6.0, abs=1.5)


def test_zeros_are_counted_in_the_silences_and_not_in_the_word():
    samples = np.arange(32000) % 7 + 1
    samples[9000:9500] = 0
    samples[100:150] = 0
    found = _measured("zeros", _clip(samples, 8000, 20000))
    assert found["share of zeros"] == pytest.approx(50 / 8000)
    assert found["longest run of zeros, samples"] == 50
    assert found["share of repeated samples"] == pytest.approx(49 / 7998)
    assert found["longest such run, samples"] == 49


def test_duration_counts_clip_and_word():
    samples = np.random.default_rng(0).normal(0, 3, 32000)
    samples[8000:16000] *= 1000
    found = _measured("duration", _clip(samples, 8000, 15200))
    assert (found["clip, s"], found["word as labelled, s"]) == (2.0, 0.45)
    assert found["word as the device's endpointer hears it, s"] == pytest.approx(0.5, abs=0.02)
    assert found["end of the word as heard less as labelled, s"] == pytest.approx(0.05, abs=0.02)


def test_level_is_that_of_the_word_while_it_sounds():
    samples = np.zeros(32000)
    samples[8000:16000] = 3276.8 * np.sqrt(2) * np.sin(np.arange(8000) * 0.3)
    samples[9600:14400] = 0
    found = _measured("level", _clip(samples, 8000, 16000))
    assert found["active level of the word, dBFS"] == pytest.approx(-20.0, abs=0.2)
    assert found["level of the clip, dBFS"] == pytest.approx(-30.0, abs=0.2)
    assert _measured("peak", _clip(samples, 8000, 16000))["peak, dBFS"] == pytest.approx(-17.0, abs=0.1)


def test_the_corpus_is_the_same_number_in_every_set(sets):
    probe = next(probe for probe in PROBES if probe.name == "corpus")
    one, other = (measure_all(probe, whole_clips(clips)) for clips in sets)
    assert set(one.ravel()) == set(other.ravel())
    assert len(set(one.ravel())) == 3


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: f"{leak.probe}: {leak.what}")
def test_a_leak_touches_one_class_and_leaves_the_original(leak, sets):
    clips = whole_clips(sets[1])[:4]
    live = sets[1]["live"][:4].astype(bool)
    before = [clip.samples.copy() for clip in clips]
    copies = leaked(leak, clips, live)
    assert all(np.array_equal(clip.samples, old) for clip, old in zip(clips, before, strict=True))
    for clip, copy, one in zip(clips, copies, live, strict=True):
        changed = not np.array_equal(clip.samples, copy.samples) or clip.corpus != copy.corpus
        assert changed == (one == (leak.label == "live"))
        assert 0 <= copy.start < copy.stop <= copy.samples.size


def test_a_set_of_one_class_is_refused():
    with pytest.raises(DataError, match="expected some of both"):
        fit_probe(np.zeros((4, 1)), np.ones(4, bool), seed=0)


def test_chance_is_narrower_with_more_clips():
    assert chance_band(2000, 2000) == pytest.approx((0.4845, 0.5155), abs=1e-3)
    # As often inside as promised, when scores are drawn blindly.
    from train.metrics import equal_error_rate

    rng = np.random.default_rng(1)
    low, high = chance_band(100, 100)
    eers = [equal_error_rate(rng.normal(size=100), rng.normal(size=100)) for _ in range(400)]
    assert 0.91 <= np.mean([(low <= eer <= high) for eer in eers]) <= 0.99


def test_clips_come_apart_where_they_were_joined(sets):
    clips = whole_clips(sets[0])
    assert [clip.samples.size for clip in clips] == sets[0]["size"].tolist()
    assert np.array_equal(np.concatenate([clip.samples for clip in clips]), sets[0]["samples"])
    assert [clip.corpus for clip in clips] == sets[0]["corpus"].tolist()


def test_what_a_limiter_prolongs_is_compared_without_it():
    (duration,) = (probe for probe in PROBES if probe.name == "duration")
    rng = np.random.default_rng(0)
    live = np.repeat([True, False], 400)
    compressed = ~live & (np.arange(800) % 2 == 0)
    measured = rng.normal(size=(800, len(duration.measures)))
    measured[compressed] += 2.0
    everything, without = distances(duration, measured, live), distances(duration, measured, live, compressed)
    assert {name for name in everything if without[name] != everything[name]} == set(HEARD)
    assert all(without[name] < 0.12 < 0.3 < everything[name] for name in HEARD)
