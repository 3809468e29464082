import numpy as np
import pytest

from train.simulator.codec import CODECS, Codec, transcode


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_codec_changes_the_sound_and_keeps_length_level_and_time(codec: Codec, word: np.ndarray):
    noisy = word + np.float32(0.002) * np.random.default_rng(0).standard_normal(word.size).astype(np.float32)
    decoded = transcode(noisy, codec)
    assert decoded.shape == noisy.shape
    assert decoded.dtype == np.float32
    size = 2 * noisy.size
    cross = np.fft.irfft(np.fft.rfft(noisy, size).conj() * np.fft.rfft(decoded, size))
    delay = int(np.argmax(cross))
    assert min(delay, size - delay) < 16
    error = decoded - noisy
    error_db = 10 * np.log10(np.sum(error**2) / np.sum(noisy**2))
    # Lossy, but still the same word; re-quantising to 16 bit would leave less than -70 dB.
    assert -60 < error_db < -3
    assert np.sqrt(np.mean(decoded**2) / np.mean(noisy**2)) == pytest.approx(1.0, abs=0.15)


def test_silence_stays_silence():
    assert not transcode(np.zeros(1000, np.float32), CODECS[0]).any()
