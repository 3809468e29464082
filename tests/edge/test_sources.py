"""Sources: the samples that come out are those that went in, whatever the format and the block size."""

import io
import os
import struct
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.errors import AudioError, UsageError
from edge.raw_formats import RAW_FORMATS
from edge.sources import FileSource, PipeSource

RNG = np.random.default_rng(1)
NOISE = RNG.integers(-20_000, 20_000, 8_000).astype(np.int16)


def everything(source):
    blocks = list(source.blocks())
    return np.concatenate(blocks) if blocks else np.zeros(0, np.int16)


def up_to_fault(source):
    """Return what a source delivers before it fails, and the message."""
    blocks = []
    with pytest.raises(AudioError) as fault:
        blocks.extend(source.blocks())
    return np.concatenate(blocks) if blocks else np.zeros(0, np.int16), str(fault.value)


def tone(rate_hz, hz, seconds=1.0, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * hz * np.arange(round(rate_hz * seconds)) / rate_hz)


def write(path, samples, rate_hz=16_000, **options):
    soundfile.write(path, samples, rate_hz, **options)
    return path


# ------------------------------------------------------------------------------------------ exactness


@pytest.mark.parametrize(
    ("name", "subtype"),
    [
        *[(f"a.{kind}", "PCM_16") for kind in ("wav", "flac", "aiff", "caf", "w64")],
        *[("a.wav", subtype) for subtype in ("PCM_24", "PCM_32", "FLOAT", "DOUBLE")],
        ("a.flac", "PCM_24"),
    ],
)
def test_16_khz_mono_of_16_bits_is_exact_in_any_container(tmp_path, name, subtype):
    # libsndfile writes integers into a file of floats without scaling them to 1.
    samples = NOISE / 32_768 if subtype in ("FLOAT", "DOUBLE") else NOISE
    path = write(tmp_path / name, samples, subtype=subtype)
    np.testing.assert_array_equal(everything(FileSource(path)), NOISE)


def test_8_bits_are_the_upper_half_of_16(tmp_path):
    path = write(tmp_path / "a.wav", (NOISE >> 8) << 8, subtype="PCM_U8")
    np.testing.assert_array_equal(everything(FileSource(path)), (NOISE >> 8) << 8)


def test_floats_are_rounded_and_saturated_not_wrapped(tmp_path):
    given_ = np.array([0.0, 0.6, 1.4, -0.6, 32_766.7, 32_768.0, 50_000.0, -32_768.0, -90_000.0]) / 32_768
    path = write(tmp_path / "a.wav", given_, subtype="DOUBLE")
    assert everything(FileSource(path)).tolist() == [0, 1, 1, -1, 32_767, 32_767, 32_767, -32_768, -32_768]


def test_the_mean_of_all_channels_or_one_of_them(tmp_path):
    both = np.stack((NOISE, NOISE[::-1]), axis=1)
    path = write(tmp_path / "a.wav", both)
    np.testing.assert_array_equal(everything(FileSource(path, channel=0)), NOISE)
    np.testing.assert_array_equal(everything(FileSource(path, channel=1)), NOISE[::-1])
    mean = both.astype(float).mean(axis=1)
    assert np.abs(everything(FileSource(path)) - mean).max() <= 0.5


def test_a_source_can_be_read_again(tmp_path):
    source = FileSource(write(tmp_path / "a.wav", NOISE, 44_100))
    np.testing.assert_array_equal(everything(source), everything(source))


@pytest.mark.parametrize(("name", "subtype"), [("a.ogg", "VORBIS"), ("a.ogg", "OPUS"), ("a.mp3", "MPEG_LAYER_III")])
def test_lossy_formats_are_read(tmp_path, name, subtype):
    path = write(tmp_path / name, tone(48_000, 1_000), 48_000, subtype=subtype)
    got = everything(FileSource(path)).astype(float) / 32_768
    assert got.size == pytest.approx(16_000, abs=200)
    assert np.std(got[4_000:12_000]) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


def test_a_flac_that_does_not_say_how_long_it_is(tmp_path):
    content = bytearray(write(tmp_path / "a.flac", NOISE).read_bytes())
    content[21] &= 0xF0  # STREAMINFO: 36 bits of total samples, 0 for unknown
    content[22:26] = bytes(4)
    path = tmp_path / "b.flac"
    path.write_bytes(content)
    np.testing.assert_array_equal(everything(FileSource(path)), NOISE)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_a_wav_written_into_a_pipe_promises_more_than_there_is(tmp_path, size):
    content = bytearray(write(tmp_path / "a.wav", NOISE).read_bytes())
    at = content.find(b"data") + 4
    content[at : at + 4] = struct.pack("<I", size)
    path = tmp_path / "b.wav"
    path.write_bytes(content)
    np.testing.assert_array_equal(everything(FileSource(path)), NOISE)


@pytest.mark.parametrize("name", ["a.raw", "nofixe", "ni\udcf1o.wav", "two  blanks.wav"])
def test_the_name_does_not_matter(tmp_path, name):
    path = os.path.join(tmp_path, name)
    os.replace(write(tmp_path / "plain.wav", NOISE), path)
    np.testing.assert_array_equal(everything(FileSource(path)), NOISE)


# ------------------------------------------------------------------------------------------- blocks


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate_hz=st.sampled_from([8_000, 11_025, 16_000, 44_100, 48_000]),
    n=st.integers(1, 20_000),
    channels=st.integers(1, 3),
    block=st.integers(1, 16_000),
)
def test_the_samples_do_not_depend_on_the_block_size(tmp_path, rate_hz, n, channels, block):
    samples = np.random.default_rng(n).integers(-32_768, 32_767, (n, channels)).astype(np.int16)
    path = write(tmp_path / "a.wav", samples, rate_hz)
    sizes = []
    joined = []
    for piece in FileSource(path, block=block).blocks():
        assert piece.dtype == np.int16
        assert piece.ndim == 1
        sizes.append(piece.size)
        joined.append(piece)
    assert set(sizes[:-1]) <= {block}
    assert not sizes or 0 < sizes[-1] <= block
    whole = np.concatenate(joined) if joined else np.zeros(0, np.int16)
    np.testing.assert_array_equal(whole, everything(FileSource(path, block=160)))
    assert whole.size == pytest.approx(n * 16_000 / rate_hz, abs=1)


@settings(deadline=None, max_examples=40)
@given(
    rate_hz=st.sampled_from([8_000, 11_025, 16_000, 44_100, 48_000]),
    block=st.integers(1, 16_000),
    cuts=st.lists(st.integers(1, 5_000), min_size=1, max_size=8),
)
def test_a_pipe_and_a_file_give_the_same_however_the_bytes_arrive(tmp_path_factory, rate_hz, block, cuts):
    path = write(tmp_path_factory.mktemp("a") / "a.wav", NOISE, rate_hz)
    stream = Portions(NOISE.tobytes(), cuts)
    piped = everything(PipeSource(stream, rate_hz=rate_hz, block=block))
    np.testing.assert_array_equal(piped, everything(FileSource(path)))


class Portions(io.RawIOBase):
    """A stream that delivers portions of given sizes, over and over."""

    def __init__(self, data, sizes):
        self._rest, self._sizes, self._turn = data, sizes, 0
        self.taken = 0

    def readinto(self, buffer):
        n = min(self._sizes[self._turn % len(self._sizes)], len(buffer), len(self._rest))
        self._turn += 1
        buffer[:n], self._rest = self._rest[:n], self._rest[n:]
        self.taken += n
        return n

    def readable(self):
        return True


@pytest.mark.parametrize("block", [0, -3])
def test_a_block_has_at_least_one_sample(tmp_path, block):
    with pytest.raises(UsageError, match="at least 1"):
        FileSource(write(tmp_path / "a.wav", NOISE), block=block)


# --------------------------------------------------------------------------------------- resampling


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 12_000, 22_050, 32_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("hz", [100.0, 1_000.0, 3_400.0, 7_000.0])
def test_a_tone_keeps_its_frequency_and_level(tmp_path, rate_hz, hz):
    if hz > 0.45 * rate_hz:
        pytest.skip("the source cannot hold this tone")
    path = write(tmp_path / "a.wav", tone(rate_hz, hz, 2.0), rate_hz, subtype="FLOAT")
    got = everything(FileSource(path)).astype(float)[8_000:24_000] / 32_768
    # Fit the tone itself: what is left is everything that the resampler and the rounding added.
    t = np.arange(8_000, 24_000) / 16_000
    basis = np.stack((np.sin(2 * np.pi * hz * t), np.cos(2 * np.pi * hz * t)), axis=1)
    fit, *_ = np.linalg.lstsq(basis, got, rcond=None)
    assert 20 * np.log10(np.hypot(*fit) / 0.5) == pytest.approx(0.0, abs=0.1)
    # In time, too: a tone that comes late would have its phase turned.
    late = -np.arctan2(fit[1], fit[0]) / (2 * np.pi * hz) * 16_000
    assert late == pytest.approx(0.0, abs=0.2 if rate_hz < 16_000 else 0.01)
    assert 20 * np.log10(np.std(got - basis @ fit) / 0.5) < -75


def test_nothing_folds_back_from_above_8_khz(tmp_path):
    path = write(tmp_path / "a.wav", tone(48_000, 11_000, 1.0), 48_000, subtype="FLOAT")
    assert np.abs(everything(FileSource(path))[2_000:-2_000]).max() <= 2


# -------------------------------------------------------------------------------------------- faults


def test_nan_after_the_part_before_it(tmp_path):
    for bad in (np.nan, np.inf, -np.inf):
        for channels in (1, 2):
            samples = np.repeat(tone(16_000, 440)[:, None], channels, axis=1)
            samples[12_345, channels - 1] = bad
            path = write(tmp_path / "a.wav", samples, subtype="FLOAT")
            got, message = up_to_fault(FileSource(path, block=1_000))
            assert got.size == 12_345
            assert str(path) in message
            assert "at 0.772 s" in message


def test_nan_in_a_channel_that_is_not_used_does_no_harm(tmp_path):
    samples = np.zeros((100, 2))
    samples[50, 1] = np.nan
    path = write(tmp_path / "a.wav", samples, subtype="FLOAT")
    assert everything(FileSource(path, channel=0)).size == 100


def test_nan_when_resampling_delivers_what_came_before(tmp_path):
    samples = tone(48_000, 440)
    samples[24_000] = np.nan
    got, message = up_to_fault(FileSource(write(tmp_path / "a.wav", samples, 48_000, subtype="FLOAT")))
    assert got.size == 8_000
    assert "at 0.500 s" in message


@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
def test_floats_of_any_size_saturate(tmp_path, rate_hz):
    samples = np.tile(np.repeat([3e38, -3e38], 200), 20).astype(np.float32)
    got = everything(FileSource(write(tmp_path / "a.wav", np.stack((samples, samples), 1), rate_hz, subtype="FLOAT")))
    assert {int(got.max()), int(got.min())} == {32_767, -32_768}


def test_truncated_flac_gives_its_readable_part_first(tmp_path):
    whole = RNG.integers(-20_000, 20_000, 16_000 * 3).astype(np.int16)
    content = write(tmp_path / "a.flac", whole).read_bytes()
    path = tmp_path / "b.flac"
    path.write_bytes(content[: len(content) // 2])
    got, message = up_to_fault(FileSource(path))
    assert 1.2 * 16_000 < got.size < 1.5 * 16_000
    np.testing.assert_array_equal(got, whole[: got.size])
    assert f"got {got.size / 16_000:.2f} s, expected 3.00 s" in message


def test_damaged_flac_gives_the_part_before_the_damage(tmp_path):
    content = bytearray(write(tmp_path / "a.flac", np.tile(NOISE, 6)).read_bytes())
    content[len(content) // 2] ^= 0x55
    path = tmp_path / "b.flac"
    path.write_bytes(content)
    got, message = up_to_fault(FileSource(path))
    np.testing.assert_array_equal(got[:16_000], np.tile(NOISE, 2))
    assert "damaged" in message


@pytest.mark.parametrize("name", ["a.wav", "a.mp3"])
def test_other_truncated_files_give_their_readable_part_first(tmp_path, name):
    content = write(tmp_path / name, np.tile(NOISE, 6)).read_bytes()
    path = tmp_path / f"b{name}"
    path.write_bytes(content[: len(content) // 2])
    got, message = up_to_fault(FileSource(path))
    assert got.size == pytest.approx(24_000, rel=0.2)  # the bit rate of MP3 varies
    assert "expected 3.00 s" in message


def missing(folder):
    return folder / "missing.wav"


def folder(folder):
    return folder


def text(folder):
    path = folder / "text.wav"
    path.write_text("this is not audio, it only says so\n" * 20)
    return path


def empty(folder):
    path = folder / "empty.wav"
    path.touch()
    return path


def header_only(folder):
    return write(folder / "header.wav", np.zeros(0, np.int16))


def named_pipe(folder):
    path = folder / "pipe.wav"
    os.mkfifo(path)
    return path


def unreadable(folder):
    return folder / "file.txt" / "below.wav"


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (missing, "no such file"),
        (folder, "got a folder"),
        (text, "not readable audio"),
        (empty, "empty (0 bytes)"),
        (header_only, "a header without samples"),
        (named_pipe, "a pipe or device"),
        (unreadable, "cannot be opened"),
    ],
)
def test_unusable_files_are_refused_at_once_with_one_line(tmp_path, make, problem):
    (tmp_path / "file.txt").touch()
    path = make(tmp_path)
    with pytest.raises(AudioError) as fault:
        FileSource(path)
    message = str(fault.value)
    assert message.startswith(f"{path}: ")
    assert problem in message
    assert ";" in message, "no remedy"


def test_refusing_leaves_no_file_open(tmp_path):
    path, before = text(tmp_path), len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(AudioError):
            FileSource(path)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("channel", [-1, 2])
def test_a_channel_that_is_not_there(tmp_path, channel):
    path = write(tmp_path / "a.wav", np.zeros((10, 2), np.int16))
    with pytest.raises(UsageError, match=f"got channel {channel}, expected a channel from 0 to 1"):
        FileSource(path, channel=channel)


# --------------------------------------------------------------------------------------------- pipes


def encode(samples, raw):
    """Encode int16 samples in a raw format, exactly where the format can."""
    wide = samples.astype(np.int64)
    if raw == "u8":
        return ((wide >> 8) + 128).astype(np.uint8).tobytes()
    if raw == "s24le":
        return b"".join(int(value << 8).to_bytes(3, "little", signed=True) for value in wide)
    if raw == "s32le":
        return (wide << 16).astype("<i4").tobytes()
    if raw == "f32le":
        return (wide / 32_768).astype("<f4").tobytes()
    return samples.astype("<i2").tobytes()


EXTREMES = np.array([0, 1, -1, 255, -256, 32_767, -32_768, 12_345], np.int16)


@pytest.mark.parametrize("raw", RAW_FORMATS)
def test_raw_formats_are_decoded_exactly(raw):
    expected = (EXTREMES >> 8) << 8 if raw == "u8" else EXTREMES
    got = everything(PipeSource(io.BytesIO(encode(EXTREMES, raw)), sample_format=raw))
    assert got.tolist() == expected.tolist()


@pytest.mark.parametrize("raw", RAW_FORMATS)
def test_a_part_of_a_sample_at_the_end_is_told_after_the_samples(raw):
    both = np.stack((EXTREMES, EXTREMES), axis=1).reshape(-1)
    data = encode(both, raw) + b"\1" * (2 * RAW_FORMATS[raw] - 1)
    got, message = up_to_fault(PipeSource(io.BytesIO(data), sample_format=raw, channels=2, block=3))
    assert got.size == EXTREMES.size
    assert f"got {2 * RAW_FORMATS[raw] - 1} bytes, expected {2 * RAW_FORMATS[raw]}" in message


def test_a_pipe_with_nan_in_it():
    samples = np.zeros(1_000, "<f4")
    samples[400] = np.nan
    got, message = up_to_fault(PipeSource(io.BytesIO(samples.tobytes()), sample_format="f32le"))
    assert got.size == 400
    assert "at 0.025 s" in message


def test_an_empty_pipe():
    assert "without a sample" in up_to_fault(PipeSource(io.BytesIO(b"")))[1]


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_a_file_in_a_pipe_is_not_taken_for_samples(tmp_path, name):
    content = write(tmp_path / name, NOISE).read_bytes()
    assert "give the file by its name" in up_to_fault(PipeSource(Portions(content, [1])))[1]


@pytest.mark.parametrize(
    "options",
    [
        {"sample_format": "s8"},
        {"rate_hz": 0},
        {"rate_hz": 10**7},
        {"channels": 0},
        {"channels": 65},
        {"channel": 1},
        {"block": 0},
    ],
    ids=str,
)
def test_impossible_pipes(options):
    with pytest.raises(UsageError):
        PipeSource(io.BytesIO(b""), **options)


def test_16_khz_blocks_come_as_soon_as_their_last_sample_is_there():
    reading, writing = os.pipe()
    with open(reading, "rb") as stream, open(writing, "wb", buffering=0) as feed:
        blocks = PipeSource(stream, block=160).blocks()
        for i in range(5):
            # Would hang if the source waited for more than the block.
            feed.write(NOISE[160 * i : 160 * (i + 1)].tobytes())
            np.testing.assert_array_equal(next(blocks), NOISE[160 * i : 160 * (i + 1)])


@pytest.mark.parametrize(
    "rate_hz", [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000]
)
def test_a_live_stream_of_any_rate_is_late_by_less_than_100_ms(rate_hz):
    feed = Portions(np.zeros(rate_hz, np.int16).tobytes(), [rate_hz // 100 * 2])
    got, late = 0, 0.0
    for block in PipeSource(feed, rate_hz=rate_hz).blocks():
        # From the first sample of a block being there to the block being delivered.
        late = max(late, feed.taken / 2 / rate_hz - got / 16_000)
        got += block.size
    assert late < 0.1


def test_a_stream_that_does_not_wait_is_waited_for():
    reading, writing = os.pipe()
    os.set_blocking(reading, False)

    def feed():
        with open(writing, "wb", buffering=0) as stream:
            for i in range(3):
                time.sleep(0.05)
                stream.write(NOISE[100 * i : 100 * (i + 1)].tobytes())

    thread = threading.Thread(target=feed)
    thread.start()
    with open(reading, "rb", buffering=0) as stream:
        got = everything(PipeSource(stream))
    thread.join()
    np.testing.assert_array_equal(got, NOISE[:300])


# -------------------------------------------------------------------------------------------- memory


GROWTH = """
import resource, sys
from edge.sources import FileSource
def most():
    for _ in FileSource(sys.argv[1]).blocks():
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
short = most()
sys.argv[1] = sys.argv[2]
print(most() - short)
"""


def test_memory_does_not_grow_with_the_file(tmp_path):
    minute = np.tile(NOISE, 6 * 60)[: 44_100 * 60]
    short = write(tmp_path / "short.flac", minute[:441_000], 44_100)
    long = tmp_path / "long.flac"
    with soundfile.SoundFile(long, "w", 44_100, 1) as file:
        for _ in range(10):
            file.write(minute)
    done = subprocess.run(
        [sys.executable, "-c", GROWTH, short, long], capture_output=True, text=True, check=True, timeout=120
    )
    # Ten minutes are 53 MB as int16, and 106 MB as float32.
    assert int(done.stdout) < 2_000, "kB"
