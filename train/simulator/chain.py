"""The whole way from a recording of speech to what the device's microphone hears, live or replayed.

::

    live    [first room, recorder]                 (15 %: "two rooms, no loudspeaker")
            codec (60 %)                                        -> room -> background -> microphone -> level
    replay  first room, recorder                   (80 %; the rest is a programme: direct)
            codec (60 %) -> limiter, harmonics -> loudspeaker   -> room -> background -> microphone -> level

Recorder noise and loudspeaker hiss are in *both* classes, through a loudspeaker of the same population (in a
live clip it stands in the room and plays nothing else), and a television may run behind both; so neither the
silence before a word nor its length or level tells the class.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edge.endpoint import loudest_window, speech_span
from edge.events import SAMPLE_RATE_HZ
from train.simulator import RECIPE_VERSION
from train.simulator.codec import CODECS, draw_codec, transcode
from train.simulator.directivity import place_source, talker_directivity_db
from train.simulator.filters import apply_responses
from train.simulator.levels import decibels_to_gain, rms, speech_rms, to_int16
from train.simulator.loudspeakers import GRID_HZ, Curves, LoudspeakerSpec, draw_spec, realise
from train.simulator.microphone import DEVICE_HIGHPASS_HZ, RECORDER_HIGHPASS_HZ, draw_microphone
from train.simulator.noise import NoisePool, coloured_noise
from train.simulator.nonlinearity import apply_limiter, apply_nonlinearity
from train.simulator.rooms import DIRECT_SAMPLE, RoomBank

__all__ = ["FORCED", "LABELS", "Label", "Rendered", "Simulator", "clip_rng"]

Label = Literal["live", "replay"]
LABELS: tuple[Label, Label] = ("live", "replay")

FORCED = frozenset({"variant", "kind", "codec", "snr_db", "level_dbfs", "distance_m", "tv_ratio_db"})
"""Conditions that a caller may fix; all else is drawn as ever, so two renderings can differ in one thing."""

_LEAD_S = (0.5, 1.0)
_TAIL_S = (0.4, 0.8)
_MARGIN_S = 0.08
_MAX_SPEECH_S = 2.0
_TWO_ROOMS_SHARE = 0.15
_PROGRAMME_SHARE = 0.2
_CODEC_SHARE = 0.6
_CLOSE_SHARE = 0.15
_CLOSE_M = (0.1, 0.5)
_DISTANCE_M = (0.3, 5.0)
_FIRST_ROOM_M = (0.1, 1.5)
_TV_SHARE = 0.1
_TV_RATIOS_DB = (20.0, 10.0, 5.0, 0.0)
_RECORDER_SNR_DB = (20.0, 50.0)
_HISS_DB = (-70.0, -40.0)
_SNR_DB = (5.0, 40.0)
_LEVEL_DBFS = (-45.0, -15.0)
_SELF_NOISE_DBFS = (-92.0, -76.0)
_FADE = SAMPLE_RATE_HZ // 100

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Rendered:
    """One rendered clip.

    Attributes
    ----------
    samples : int16 array, shape (n,)
        Noise floor of 0.5-1 s, speech, noise floor of 0.4-0.8 s, at 16 kHz.
    label : str
        ``live`` or ``replay``.
    speech_start, speech_stop : int
        Where the speech lies, samples.
    conditions : dict
        What was drawn, by name, as plain data: to slice results, and to see what a clip is.
    """

    samples: npt.NDArray[np.int16]
    label: Label
    speech_start: int
    speech_stop: int
    conditions: dict[str, Any]


def clip_rng(source: str, seed: int, number: int = 0) -> np.random.Generator:
    """Return the generator of one rendering.

    Parameters
    ----------
    source : str
        What identifies the source clip: its path in the manifest.
    seed : int
    number : int
        Counts the renderings of one source.
    """
    text = f"{RECIPE_VERSION}|{seed}|{source}|{number}"
    return np.random.default_rng(list(hashlib.sha256(text.encode()).digest()))


def _uniform(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    return float(rng.uniform(*limits))


def _speech(source: Samples) -> tuple[Samples, int, int]:
    """Cut the word out of its recording; return it at active level 1, and where in it the word lies."""
    peak = float(np.abs(source).max(initial=0.0))
    if peak == 0.0:
        raise ValueError("the source is digital silence")
    coarse = to_int16(source * np.float32(0.5 / peak))
    span = speech_span(coarse)
    longest = int(_MAX_SPEECH_S * SAMPLE_RATE_HZ)
    start, stop = span.start, span.stop
    if stop - start > longest:
        window = loudest_window(coarse[start:stop], longest)
        start, stop = start + window.start, start + window.stop
    margin = int(_MARGIN_S * SAMPLE_RATE_HZ)
    first, last = max(0, start - margin), min(source.size, stop + margin)
    speech = source[first:last].astype(np.float32)
    speech /= np.float32(max(speech_rms(source[start:stop]), 1e-9))
    fade = min(_FADE, speech.size // 2)
    ramp = np.linspace(0.0, 1.0, fade, dtype=np.float32)
    speech[:fade] *= ramp
    speech[speech.size - fade :] *= ramp[::-1]
    return speech, start - first, stop - first


def _play(x: Samples, spec: LoudspeakerSpec) -> Samples:
    """Return what drives the linear part of the loudspeaker: limited, and with harmonics."""
    # Peak: that of 1 ms in a thousand, so that one click does not set the level.
    x = x / np.float32(max(float(np.quantile(np.abs(x[x != 0.0]), 0.999)), 1e-9))
    if spec.limiter is not None:
        x = apply_limiter(x, spec.limiter)
    drive = np.float32(decibels_to_gain(spec.nonlinearity.drive_db))
    return apply_nonlinearity(x * drive, spec.nonlinearity)


class Simulator:
    """Renders recordings of one split.

    Parameters
    ----------
    split : str
        ``train``, ``dev`` or ``test``: which loudspeakers to use.
    bank : RoomBank
        Rooms of that split.
    curves : Curves
        Measured loudspeakers, all splits.
    noise_pool : NoisePool
        Background sound of that split.
    """

    def __init__(self, split: str, bank: RoomBank, curves: Curves, noise_pool: NoisePool) -> None:
        self.split = split
        self.bank = bank
        self.curves = curves
        self.noise_pool = noise_pool

    def render_live(
        self, source: Samples, rng: np.random.Generator, *, conditions: Mapping[str, Any] | None = None
    ) -> Rendered:
        """Render a recording as spoken in a room; see :meth:`render`."""
        return self.render(source, "live", rng, conditions=conditions)

    def render_replay(
        self, source: Samples, rng: np.random.Generator, *, conditions: Mapping[str, Any] | None = None
    ) -> Rendered:
        """Render a recording as replayed by a loudspeaker in a room; see :meth:`render`."""
        return self.render(source, "replay", rng, conditions=conditions)

    def render(
        self,
        source: Samples,
        label: Label,
        rng: np.random.Generator,
        *,
        conditions: Mapping[str, Any] | None = None,
    ) -> Rendered:
        """Render one clip.

        Parameters
        ----------
        source : float32 array, shape (n,)
            Recording at 16 kHz that holds one utterance; its most energetic 2 s are used if it is longer.
        label : str
            ``live`` or ``replay``. With a generator in the same state, room, noise, level and duration of
            both are the same.
        rng : numpy.random.Generator
        conditions : mapping, optional
            Values to fix, by the names in :data:`FORCED`: ``variant`` (live: ``plain``, ``two_rooms``;
            replay: ``recorded``, ``programme``), ``kind`` of the loudspeaker, ``codec`` (a name, or
            ``none``), ``snr_db``, ``level_dbfs``, ``distance_m`` (kept where a room allows it), and
            ``tv_ratio_db`` (a number, or None for no television).

        Returns
        -------
        Rendered

        Raises
        ------
        ValueError
            If the source is digital silence, or a condition is unknown.
        """
        if label not in LABELS:
            raise ValueError(f"label is {label!r}, expected live or replay")
        fixed = dict(conditions or {})
        if not fixed.keys() <= FORCED:
            raise ValueError(f"cannot fix {sorted(fixed.keys() - FORCED)}; known are {sorted(FORCED)}")
        # One stream a stage: what one stage draws does not move the others.
        layout, first, coding, playing, placing, behind, hearing = rng.spawn(7)
        speech, word_start, word_stop = _speech(source)
        lead = int(_uniform(layout, _LEAD_S) * SAMPLE_RATE_HZ)
        tail = int(_uniform(layout, _TAIL_S) * SAMPLE_RATE_HZ)
        n = lead + speech.size + tail
        start = lead + word_start
        stop = lead + word_stop
        level_dbfs = float(fixed.get("level_dbfs", _uniform(layout, _LEVEL_DBFS)))
        snr_db = float(fixed.get("snr_db", _uniform(layout, _SNR_DB)))

        # First room and recorder.
        talker = talker_directivity_db(first, GRID_HZ)
        once_more = first.random() < (_TWO_ROOMS_SHARE if label == "live" else 1.0 - _PROGRAMME_SHARE)
        variant = {
            ("live", False): "plain",
            ("live", True): "two_rooms",
            ("replay", False): "programme",
            ("replay", True): "recorded",
        }[label, once_more]
        variant = str(fixed.get("variant", variant))
        if variant not in (("plain", "two_rooms") if label == "live" else ("recorded", "programme")):
            raise ValueError(f"variant {variant!r} is none of {label}")
        recorded = variant in ("two_rooms", "recorded")
        first_room = self.bank.draw(first).at_distance(_uniform(first, _FIRST_ROOM_M))
        x = np.zeros(n, np.float32)
        x[lead : lead + speech.size] = speech
        if recorded:
            recorder = draw_microphone(first, RECORDER_HIGHPASS_HZ)
            turned = float(first.beta(1.0, 4.0))
            x = apply_responses(
                x, place_source(first_room, GRID_HZ, talker, turned), recorder.taps, delay=DIRECT_SAMPLE
            )

        # Codec, on the part that is not silence.
        use_codec = coding.random() < _CODEC_SHARE
        codec = draw_codec(coding)
        if "codec" in fixed:
            use_codec = fixed["codec"] != "none"
            if use_codec:
                codec = next(entry for entry in CODECS if entry.name == fixed["codec"])
        if use_codec:
            x[max(0, lead - _FADE) :] = transcode(x[max(0, lead - _FADE) :], codec)

        # Loudspeaker: heard playing, or (live) only hissing.
        spec = draw_spec(playing, self.split, self.curves, kind=fixed.get("kind"))
        loudspeaker = realise(spec)
        # Recorder noise is heard as often in both classes: in live clips as if a replay had just gone silent.
        recorder_noise = decibels_to_gain(-_uniform(playing, _RECORDER_SNR_DB))
        as_if_recorded = playing.random() < 1.0 - _PROGRAMME_SHARE
        if not (recorded if label == "replay" else as_if_recorded):
            recorder_noise = 0.0
        idle_level = float(np.hypot(recorder_noise, decibels_to_gain(_uniform(playing, _HISS_DB))))
        idle = coloured_noise(n, playing, _uniform(playing, (0.0, 1.0)))

        # The device's room and microphone.
        limits_m = _CLOSE_M if placing.random() < _CLOSE_SHARE else _DISTANCE_M
        distance_m = float(np.exp(_uniform(placing, (np.log(limits_m[0]), np.log(limits_m[1])))))
        room, other = self.bank.draw_pair_at(placing, float(fixed.get("distance_m", distance_m)))
        turned = float(placing.beta(1.0, 4.0))
        microphone = draw_microphone(hearing, DEVICE_HIGHPASS_HZ)
        from_loudspeaker = place_source(room, GRID_HZ, spec.directivity_db, turned)
        if label == "replay":
            x = _play(x, spec)
            heard = apply_responses(x, loudspeaker, from_loudspeaker, microphone.taps, delay=DIRECT_SAMPLE)
        else:
            talking = place_source(room, GRID_HZ, talker, turned)
            heard = apply_responses(x, talking, microphone.taps, delay=DIRECT_SAMPLE)
        heard /= np.float32(max(speech_rms(heard[start : stop + _FADE]), 1e-9))
        mixed = heard

        def add(sound: Samples, gain: float, level: float) -> None:
            nonlocal mixed
            mixed = mixed + sound * np.float32(gain / max(level, 1e-9))

        idle = apply_responses(idle, loudspeaker, from_loudspeaker, microphone.taps)
        add(idle, idle_level, rms(idle))

        # Second noise floor, and a television in the same room.
        noise, noise_name = self.noise_pool.draw_named(n, behind)
        noise = apply_responses(noise, microphone.taps)
        add(noise, decibels_to_gain(-snr_db), rms(noise))
        with_tv = behind.random() < _TV_SHARE
        tv_ratio_db = float(behind.choice(_TV_RATIOS_DB)) if with_tv else None
        tv_ratio_db = fixed.get("tv_ratio_db", tv_ratio_db)
        tv_name, tv_loudspeaker = "", ""
        if tv_ratio_db is not None:
            tv = draw_spec(behind, self.split, self.curves, kind="tv")
            programme, tv_name = self.noise_pool.programme(n, behind)
            tv_loudspeaker = tv.name
            sound = apply_responses(
                _play(programme, tv),
                realise(tv),
                place_source(other, GRID_HZ, tv.directivity_db, float(behind.beta(1.0, 2.0))),
                microphone.taps,
                delay=DIRECT_SAMPLE,
            )
            add(sound, decibels_to_gain(-tv_ratio_db), speech_rms(sound))

        mixed = mixed * np.float32(decibels_to_gain(level_dbfs))
        self_noise_dbfs = _uniform(hearing, _SELF_NOISE_DBFS)
        mixed = mixed + coloured_noise(n, hearing, 0.0) * np.float32(decibels_to_gain(self_noise_dbfs))
        return Rendered(
            to_int16(mixed),
            label,
            start,
            stop,
            {
                "variant": variant,
                "kind": spec.kind if label == "replay" else "none",
                "loudspeaker": spec.name if label == "replay" else "none",
                "brand": spec.brand if label == "replay" else "",
                "limiter": label == "replay" and spec.limiter is not None,
                "harmonics_db": spec.nonlinearity.harmonics_db[:2] if label == "replay" else None,
                "first_room": first_room.room if recorded else "none",
                "codec": codec.name if use_codec else "none",
                "room": room.room,
                "t60_s": room.t60_s,
                "distance_m": room.distance_m,
                "snr_db": snr_db,
                "noise": noise_name,
                "idle_db": 20.0 * float(np.log10(idle_level)),
                "tv_ratio_db": tv_ratio_db,
                "tv_programme": tv_name,
                "tv_loudspeaker": tv_loudspeaker,
                "level_dbfs": level_dbfs,
            },
        )
