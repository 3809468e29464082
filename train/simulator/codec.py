"""Lossy codecs between recording and playback, by real encoders that libsndfile brings.

AAC and AMR-WB of the recipe are left out: no encoder for them comes with a Python package.
"""

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["CODECS", "Codec", "draw_codec", "transcode"]

_PEAK = 0.5  # the encoders clip at full scale; speech recordings keep about this much headroom
_PADDING = 1024


@dataclass(frozen=True, slots=True)
class Codec:
    """An encoder at one setting.

    Attributes
    ----------
    name : str
        E.g. ``mp3-16`` for MP3 at roughly 16 kbit/s (speech at 16 kHz).
    container, encoding : str
        Format and subtype of libsndfile.
    compression_level : float
        Of libsndfile: 0 is the highest quality, 1 the smallest file.
    """

    name: str
    container: str
    encoding: str
    compression_level: float


CODECS = (
    Codec("mp3-56", "MP3", "MPEG_LAYER_III", 0.0),
    Codec("mp3-34", "MP3", "MPEG_LAYER_III", 0.3),
    Codec("mp3-16", "MP3", "MPEG_LAYER_III", 0.6),
    Codec("mp3-13", "MP3", "MPEG_LAYER_III", 0.9),
    Codec("vorbis-54", "OGG", "VORBIS", 0.3),
    Codec("vorbis-38", "OGG", "VORBIS", 0.6),
    Codec("vorbis-30", "OGG", "VORBIS", 0.8),
    Codec("vorbis-24", "OGG", "VORBIS", 1.0),
    Codec("opus-60", "OGG", "OPUS", 0.8),
    Codec("opus-20", "OGG", "OPUS", 0.9),
)
"""Bit rates in the names were measured on wake words at 16 kHz."""


def draw_codec(rng: np.random.Generator, opus_weight: float) -> Codec:
    """Draw a codec; one of Opus with a weight, against 1 of each other."""
    weights = np.array([opus_weight if codec.encoding == "OPUS" else 1.0 for codec in CODECS])
    return CODECS[rng.choice(len(CODECS), p=weights / weights.sum())]


def transcode(samples: npt.NDArray[np.float32], codec: Codec) -> npt.NDArray[np.float32]:
    """Encode and decode.

    Parameters
    ----------
    samples : float32 array, shape (n,)
    codec : Codec

    Returns
    -------
    float32 array, shape (n,)
        Same level and timing: the decoders take the encoders' delay back (held by a test).
    """
    import soundfile

    peak = float(np.abs(samples).max()) if samples.size else 0.0
    if peak == 0.0:
        return samples.copy()
    gain = np.float32(_PEAK / peak)
    file = io.BytesIO()
    soundfile.write(
        file,
        np.pad(samples * gain, (_PADDING, _PADDING)),
        SAMPLE_RATE_HZ,
        format=codec.container,
        subtype=codec.encoding,
        compression_level=codec.compression_level,
    )
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    result = np.zeros_like(samples)
    kept = decoded[_PADDING : _PADDING + samples.size]
    result[: kept.size] = kept / gain
    return result
