import copy
import csv
import os
import pickle
from pathlib import Path

import naive
import numpy as np
import pytest
import soundfile
from c_tables import frontend_as_compiled
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import FrontendError
from edge.frontend import FEATURE_SCALE, Frontend, quantise_features
from edge.frontend_tables import FrontendSettings, build_tables
from edge.offline import features_of_clips

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("VIVAVOCE_DATA", ROOT.parent / "shared" / "data"))

# ------------------------------------------------------------------------------------------------ signals


def _speech_like(rng, n):
    """Pulses of a gliding pitch through three resonances, with pauses and hissing consonants."""
    t = np.arange(n) / 16000
    pitch = 120 + 60 * np.sin(2 * np.pi * 0.7 * t + rng.uniform(0, 6))
    pulses = (np.diff(np.floor(np.cumsum(pitch) / 16000), prepend=0) > 0).astype(float)
    voiced = np.zeros(n)
    for hz, width in (
        (rng.uniform(300, 800), 80),
        (rng.uniform(900, 2200), 120),
        (rng.uniform(2300, 3400), 180),
    ):
        m = np.arange(400)
        voiced += np.convolve(pulses, np.exp(-np.pi * width * m / 16000) * np.sin(2 * np.pi * hz * m / 16000))[:n]
    hiss = np.diff(rng.normal(size=n), prepend=0)
    syllables = np.clip(np.sin(2 * np.pi * 3.1 * t + rng.uniform(0, 6)), 0, 1)
    x = voiced * syllables + 0.3 * hiss * np.clip(np.sin(2 * np.pi * 2.3 * t), 0, 1) ** 4
    return x / np.abs(x).max()


def _signal(kind, rng, n):
    match kind:
        case "random":
            x = rng.integers(-32768, 32768, n)
        case "silence":
            x = np.zeros(n)
        case "full scale":
            x = rng.choice([-32768, 32767], n)
        case "lowest":
            x = np.full(n, -32768)
        case "impulses":
            x = np.zeros(n)
            x[rng.integers(0, n, max(1, n // 700))] = rng.choice([-32768, 32767, 1])
        case "offset":
            x = np.full(n, rng.integers(-32768, 32768))
        case "square":
            x = np.where(np.arange(n) // rng.integers(1, 400) % 2, 32767, -32768)
        case "tiny":
            x = rng.integers(-2, 3, n)
        case "bursts":
            x = rng.normal(size=n) * np.repeat(10.0 ** rng.uniform(0, 4.3, n // 800 + 1), 800)[:n]
        case "speech":
            x = _speech_like(rng, n) * 10 ** rng.uniform(1.0, 4.515)
    return np.clip(np.rint(x), -32768, 32767).astype(np.int16)


KINDS = (
    "random", "silence", "full scale", "lowest", "impulses", "offset", "square", "tiny", "bursts", "speech",
)  # fmt: skip


def _reference(samples, micro=None):
    """Frames of pymicro-features 2.0.2: the C code of the definition, in 10 ms pushes.

    It is compared with a frontend that has the tables of that very wheel on this machine (``c_tables`` says why); what
    tables are to be, and that they are the definition's here, is in ``test_frontend_tables.py``.
    """
    if micro is None:
        micro = pytest.importorskip("pymicro_features", reason="pymicro-features is not installed").MicroFrontend()
    rows = [
        micro.process_samples(samples[at : at + 160].tobytes()).features for at in range(0, samples.size - 159, 160)
    ]
    # It returns integers times 10/256.
    return np.rint(np.array([row for row in rows if row]).reshape(-1, 40) * 25.6).astype(np.int64)


def _push(frontend, samples, sizes):
    """Push samples in blocks of the given sizes, over and over; return all frames."""
    out, at, i = [], 0, 0
    while at < samples.size:
        out.append(frontend.push(samples[at : at + sizes[i % len(sizes)]]))
        at += sizes[i % len(sizes)]
        i += 1
    return np.concatenate(out)


# ------------------------------------------------------------------------------------------------ equality


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(480, 16000),
    sizes=st.lists(st.integers(1, 4000), min_size=1, max_size=5),
)
def test_equals_the_reference(kind, seed, n, sizes):
    samples = _signal(kind, np.random.default_rng(seed), n)
    features = _push(frontend_as_compiled(), samples, sizes)
    assert features.dtype == np.uint16
    np.testing.assert_array_equal(features, _reference(samples))


def test_equals_the_reference_when_the_kind_of_sound_changes():
    # The noise estimate carries what was heard across every change.
    rng = np.random.default_rng(3)
    samples = np.concatenate([_signal(kind, rng, 4000) for kind in rng.permutation(KINDS * 3)])
    np.testing.assert_array_equal(frontend_as_compiled().push(samples), _reference(samples))


@pytest.mark.slow
def test_equals_the_reference_on_an_hour_of_speech():
    manifest = DATA / "manifest.csv"
    if not manifest.exists():
        pytest.skip(f"no recordings at {DATA}: set VIVAVOCE_DATA to a folder with manifest.csv")
    with manifest.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["role"] in ("wake", "speech", "longform")]
    rng = np.random.default_rng(11)
    frontend, heard, differing, compared = frontend_as_compiled(), 0, 0, 0
    micro = pytest.importorskip("pymicro_features", reason="pymicro-features is not installed").MicroFrontend()
    left = np.zeros(0, np.int16)
    # One stream without a reset: the noise estimate of each recording goes into the next.
    for i in rng.permutation(len(rows)):
        samples = soundfile.read(DATA / rows[i]["path"], dtype="int16")[0]
        heard += samples.size
        samples = np.concatenate((left, samples))
        left = samples[samples.size - samples.size % 160 :]
        samples = samples[: samples.size - left.size]
        found = _push(frontend, samples, rng.integers(1, 20000, 5))
        expected = _reference(samples, micro)
        assert found.shape == expected.shape
        differing += np.count_nonzero(found != expected)
        compared += found.size
        if heard >= 3600 * 16000:
            break
    assert heard >= 3600 * 16000, "less than an hour of speech"
    assert compared > 40 * 100 * 3590
    assert differing == 0


@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_naive_twin(kind):
    samples = _signal(kind, np.random.default_rng(5), 480 + 160 * 5)
    np.testing.assert_array_equal(Frontend().push(samples), naive.frames(samples.tolist()))


@pytest.mark.parametrize(
    "changes",
    [
        {"pcan": False},
        {"window_ms": 25, "step_ms": 20},
        {"window_ms": 32, "channels": 24, "lower_band_hz": 0.0, "upper_band_hz": 3800.0},
        {"smoothing_bits": 8, "even_smoothing": 0.5, "odd_smoothing": 0.01, "min_signal_remaining": 0.0},
        {"pcan_strength": 0.6, "pcan_offset": 20.0, "pcan_gain_bits": 20},
        {"log_shift": 4},
    ],
    ids=lambda changes: ",".join(changes),
)
def test_other_settings_equal_the_naive_twin(changes):
    samples = _signal("speech", np.random.default_rng(6), 480 + 320 * 5)
    features = Frontend(FrontendSettings(**changes)).push(samples)
    np.testing.assert_array_equal(features, naive.frames(samples.tolist(), **changes))
    assert not np.array_equal(features, naive.frames(samples.tolist())), "the setting made no difference"


# ------------------------------------------------------------------------------------------------ behaviour


def test_first_frame_comes_with_the_480th_sample_and_then_one_every_160():
    frontend = Frontend()
    counts = [frontend.push(np.ones(1, np.int16)).shape[0] for _ in range(480 + 320)]
    assert [i for i, n in enumerate(counts) if n] == [479, 639, 799]


def test_reset_forgets_audio_and_noise():
    rng = np.random.default_rng(1)
    frontend, samples = Frontend(), _signal("speech", rng, 8000)
    first = frontend.push(samples)
    again = frontend.push(samples)
    assert not np.array_equal(again[: len(first)], first), "the noise estimate had no effect"
    frontend.push(samples[:333])
    frontend.reset()
    np.testing.assert_array_equal(frontend.push(samples), first)


def test_pushed_samples_are_copied():
    frontend = Frontend()
    block = np.full(479, 5000, np.int16)
    frontend.push(block)
    block[:] = 0
    np.testing.assert_array_equal(
        frontend.push(np.full(1, 5000, np.int16)), Frontend().push(np.full(480, 5000, np.int16))
    )


def test_views_of_other_audio_are_read_correctly():
    stereo = np.random.default_rng(2).integers(-9000, 9000, (4000, 2)).astype(np.int16)
    np.testing.assert_array_equal(Frontend().push(stereo[:, 1]), Frontend().push(stereo[:, 1].copy()))


def test_closed_frontend_refuses():
    frontend = Frontend()
    frontend.close()
    with pytest.raises(FrontendError, match="got a push after close"):
        frontend.push(np.zeros(160, np.int16))


@pytest.mark.parametrize(
    ("samples", "got"),
    [
        (np.zeros(160, np.float32), "got float32 of shape"),
        (np.zeros((160, 1), np.int16), r"got int16 of shape \(160, 1\)"),
        (np.zeros(160, ">i2"), "got >i2"),
        (b"\0" * 320, "got bytes"),
        ([0] * 160, "got list"),
    ],
    ids=["float", "two axes", "other byte order", "bytes", "list"],
)
def test_wrong_samples_are_refused_with_what_was_expected(samples, got):
    frontend = Frontend()
    with pytest.raises(FrontendError, match=f"{got}.*expected int16 samples"):
        frontend.push(samples)
    assert frontend.push(np.zeros(480, np.int16)).shape == (1, 40), "a refused push left something behind"


def test_not_a_number_is_refused():
    with pytest.raises(FrontendError, match="got float64 of shape"):
        Frontend().push(np.full(480, np.nan))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_goes_on_by_itself(copied):
    rng = np.random.default_rng(10)
    first, then, other = (_signal("speech", rng, n) for n in (8333, 5000, 5000))
    frontend = Frontend(FrontendSettings(step_ms=20))
    frontend.push(first)
    twin = copied(frontend)
    twin.push(other)
    found = frontend.push(then)
    alone = Frontend(FrontendSettings(step_ms=20))
    alone.push(first)
    np.testing.assert_array_equal(found, alone.push(then))
    frontend.close()
    assert twin.push(other).size


def test_results_belong_to_the_caller():
    frontend = Frontend()
    first = frontend.push(_signal("speech", np.random.default_rng(8), 16000))
    kept = first.copy()
    frontend.push(_signal("random", np.random.default_rng(9), 16000))
    np.testing.assert_array_equal(first, kept)


@settings(max_examples=30, deadline=None)
@given(lengths=st.lists(st.integers(0, 30000), max_size=6), seed=st.integers(0, 2**32 - 1), threads=st.integers(1, 3))
def test_clips_at_once_equal_clips_by_themselves(lengths, seed, threads):
    rng = np.random.default_rng(seed)
    clips = [_signal("bursts", rng, n) for n in lengths]
    wanted = FrontendSettings(step_ms=20)
    found = features_of_clips(clips, wanted, threads=threads)
    assert len(found) == len(clips)
    for clip, features in zip(clips, found, strict=True):
        np.testing.assert_array_equal(features, Frontend(wanted).push(clip))


def test_a_clip_of_another_type_is_refused_from_a_thread():
    with pytest.raises(FrontendError, match="got float64"):
        features_of_clips([np.zeros(480, np.int16), np.zeros(480)], threads=2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("window_ms", 16), ("window_ms", 33), ("step_ms", 0), ("step_ms", 31), ("channels", 0),
        ("channels", 129), ("lower_band_hz", -1.0), ("lower_band_hz", 7500.0), ("upper_band_hz", 8000.0),
        ("upper_band_hz", 7999.9999), ("smoothing_bits", 2), ("smoothing_bits", 17), ("even_smoothing", 0.0),
        ("even_smoothing", float("nan")), ("odd_smoothing", 1.0), ("min_signal_remaining", 1.0),
        ("pcan_strength", 0.0), ("pcan_offset", 0.0), ("pcan_gain_bits", 31), ("log_shift", 13),
        ("step_ms", 10.0), ("channels", 40.0), ("log_shift", 3.5), ("pcan_offset", float("inf")),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_realised_are_refused_by_name(name, value):
    with pytest.raises(FrontendError, match=rf"{name}: got {value:.4g}.*expected"):
        Frontend(FrontendSettings(**{name: value}))


def test_a_gain_too_steep_for_the_table_is_refused():
    with pytest.raises(FrontendError, match=r"pcan_offset, pcan_strength: got 1\.0, 2\.0.*expected at most 32767"):
        FrontendSettings(pcan_offset=1.0, pcan_strength=2.0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 18), st.floats(1e-3, 1e6), st.floats(0.01, 2.0), st.integers(14, 31), st.floats(0.0, 0.1))
def test_settings_of_the_gain_are_realised_or_refused(smoothing_bits, offset, strength, gain_bits, floor):
    try:
        wanted = FrontendSettings(
            smoothing_bits=smoothing_bits,
            pcan_offset=offset,
            pcan_strength=strength,
            pcan_gain_bits=gain_bits,
            min_signal_remaining=floor,
        )
    except FrontendError:
        return
    gain = build_tables(wanted).part("gain")
    assert gain[0] == pytest.approx(min(32767, 2.0**gain_bits * offset**-strength), rel=1e-3, abs=1)


def test_settings_survive_the_manifest():
    changed = FrontendSettings(step_ms=20, pcan=False)
    assert FrontendSettings.from_dict(changed.to_dict()) == changed
    with pytest.raises(FrontendError, match=r"'hop_ms' is unknown; there are: .*step_ms"):
        FrontendSettings.from_dict({"hop_ms": 10})


# ------------------------------------------------------------------------------------------------ physics


@pytest.mark.parametrize("hz", [250.0, 500.0, 1000.0, 2000.0, 4000.0, 6500.0])
def test_tone_lands_in_the_channel_that_the_mel_axis_predicts(hz):
    def mel(f):
        return 1127 * np.log1p(f / 700)

    spacing = (mel(7500) - mel(125)) / 41
    expected = (mel(hz) - mel(125)) / spacing - 1  # channel c peaks at (c + 1) spacings above the lower edge
    tone = np.rint(8000 * np.sin(2 * np.pi * hz * np.arange(4800) / 16000)).astype(np.int16)
    # At the first frame the noise estimate is young, and no channel has been turned down yet.
    loudest = int(np.argmax(Frontend().push(tone)[0]))
    # A bin of the transform is 31.25 Hz wide: as wide as a whole channel at the lower end.
    assert abs(loudest - expected) <= max(0.5, 31.25 / 2 / (spacing * (700 + hz) / 1127) + 0.5)


@pytest.mark.parametrize("gain_db", [-30.0, -12.0, 12.0])
def test_a_change_of_gain_moves_the_features_as_it_moves_the_reference(gain_db):
    speech = 0.2 * 32767 * _speech_like(np.random.default_rng(12), 3 * 16000)
    plain, changed = (
        np.clip(np.rint(speech * gain), -32768, 32767).astype(np.int16) for gain in (1, 10 ** (gain_db / 20))
    )
    ours = frontend_as_compiled().push(changed).astype(int) - frontend_as_compiled().push(plain).astype(int)
    np.testing.assert_array_equal(ours, _reference(changed) - _reference(plain))
    # The gain control takes most of it away: 30 dB would be 221 units of a plain logarithm of amplitude.
    loud = Frontend().push(plain).mean(axis=1) > 300
    assert loud.sum() > 20
    assert 0 < np.sign(gain_db) * ours[loud].mean() < 0.75 * abs(gain_db) / 20 * np.log(10) * 64


@pytest.mark.parametrize("hz", [300.0, 1000.0, 3333.0, 6500.0])
def test_a_tone_has_the_level_that_physics_predicts(hz):
    def mel(f):
        return 1127 * np.log1p(f / 700)

    # Without gain control, and with next to no noise suppression, a feature is 64 times the logarithm of 8 times the
    # amplitude in its band: triangles on the mel axis, weights in units of 1/4096, transform divided by its length.
    wanted = FrontendSettings(pcan=False, even_smoothing=1e-4, odd_smoothing=1e-4)
    k = np.arange(1, 256)
    position = (mel(k * 31.25) - mel(125)) / (mel(7500) - mel(125)) * 41
    loudest = []
    for amplitude in (16000, 8000, 2000):
        tone = np.rint(amplitude * np.sin(2 * np.pi * hz * np.arange(480) / 16000)).astype(np.int16)
        spectrum = np.abs(np.fft.rfft(tone * np.hanning(482)[1:-1], 512))[1:256] / 512
        bands = [np.sum(np.clip(1 - np.abs(position - channel - 1), 0, 1) * spectrum**2) for channel in range(40)]
        expected = 64 * np.log(8 * np.sqrt(4096 * np.array(bands)))
        found = Frontend(wanted).push(tone)[0].astype(float)
        heard = expected > expected.max() - 64 * np.log(30)  # 30 dB: below are the transform's own rounding errors
        assert heard.sum() >= 2
        np.testing.assert_allclose(found[heard], expected[heard], atol=4)
        assert int(np.argmax(found)) == int(np.argmax(expected))
        loudest.append(found.max())
    assert np.diff(loudest).tolist() == pytest.approx([-64 * np.log(2), -64 * np.log(4)], abs=1.5)


def test_steady_noise_fades_into_the_estimate():
    noise = np.rint(np.random.default_rng(4).normal(0, 1000, 5 * 16000)).astype(np.int16)
    features = Frontend().push(noise).astype(float)
    assert features[300:].mean() < 0.8 * features[:10].mean()


def test_features_are_quantised_as_esphome_does():
    values = np.arange(65536).astype(np.uint16)
    expected = [max(-128, min(127, (v * 256 + 666 // 2) // 666 - 128)) for v in range(65536)]
    quantised = quantise_features(values)
    assert quantised.dtype == np.int8
    assert quantised.tolist() == expected
    assert quantise_features(values[:40].reshape(1, 40)).shape == (1, 40)
    # A step of the network's input, in units of the reference's float features (10/256 an integer).
    inside = slice(0, 660)
    real = values[inside] * (10 / 256)
    assert np.abs((quantised[inside].astype(float) + 128) * FEATURE_SCALE - real).max() <= FEATURE_SCALE
