"""The whole way from a recording of speech to what the device's microphone hears, live or replayed.

::

    live    [first room, recorder]                 ("two rooms, no loudspeaker"; as often as in replays)
            [codec]                                             -> room -> background -> microphone -> level
    replay  [first room, recorder]                 (a programme, or the device's own voice: without)
            [codec]      -> limiter, harmonics -> loudspeaker   -> room -> background -> microphone -> level

Recorder noise and loudspeaker hiss are in *both* classes, through a loudspeaker of the same population (in a
live clip it stands in the room and plays nothing else), and a television may run behind both; so neither the
silence before a word nor its length or level tells the class. How often each way is taken, and all ranges, are the
recipe's (``recipe.toml``).

The device's own playback is a replay by a loudspeaker that sits where the microphone does; talkers come as near as
that as often, and as dry.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edge.endpoint import loudest_window, speech_span
from edge.sample_time import SAMPLE_RATE_HZ
from train.simulator.codec import CODECS, draw_codec, transcode
from train.simulator.directivity import place_source, talker_directivity_db
from train.simulator.filters import apply_responses
from train.simulator.levels import decibels_to_gain, rms, speech_rms, to_int16
from train.simulator.loudspeakers import GRID_HZ, Loudspeakers, realise
from train.simulator.microphone import draw_microphone
from train.simulator.noise import NoisePool, coloured_noise
from train.simulator.playback import play
from train.simulator.recipe import Layout, Recipe, shipped_recipe
from train.simulator.rooms import DIRECT_SAMPLE, RoomBank

__all__ = ["FORCED", "LABELS", "VARIANTS", "Label", "Rendered", "Simulator", "clip_rng", "spoken_part"]

Label = Literal["live", "replay"]
LABELS: tuple[Label, Label] = ("live", "replay")

FORCED = frozenset({"variant", "kind", "codec", "snr_db", "level_dbfs", "distance_m", "tv_ratio_db"})
"""Conditions that a caller may fix; all else is drawn as ever, so two renderings can differ in one thing."""

VARIANTS: dict[Label, tuple[str, ...]] = {
    "live": ("plain", "two_rooms"),
    "replay": ("recorded", "programme", "own_playback"),
}
"""Ways that a sound may take, for each label."""

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


def clip_rng(source: str, seed: int | str, number: int = 0, *, recipe: Recipe | None = None) -> np.random.Generator:
    """Return the generator of one rendering.

    Parameters
    ----------
    source : str
        What identifies the source clip: its path in the manifest.
    seed : int or str
    number : int
        Counts the renderings of one source.
    recipe : Recipe, optional
        Its version moves all draws; the shipped one by default.
    """
    text = f"{(recipe or shipped_recipe()).version}|{seed!r}|{source}|{number}"
    return np.random.default_rng(list(hashlib.sha256(text.encode()).digest()))


def _uniform(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    return float(rng.uniform(*limits))


def spoken_part(source: Samples, layout: Layout) -> tuple[Samples, int, int]:
    """Cut out of a recording what is rendered of it.

    Parameters
    ----------
    source : float32 array, shape (n,)
        Recording at 16 kHz that holds one utterance.
    layout : Layout

    Returns
    -------
    speech : float32 array, shape (m,)
        The word with a margin on either side, at active level 1.
    start, stop : int
        Where in it the word lies, samples.

    Raises
    ------
    ValueError
        If the source is digital silence.
    """
    peak = float(np.abs(source).max(initial=0.0))
    if peak == 0.0:
        raise ValueError("the source is digital silence")
    coarse = to_int16(source * np.float32(0.5 / peak))
    span = speech_span(coarse)
    longest = int(layout.longest_speech_s * SAMPLE_RATE_HZ)
    start, stop = span.start, span.stop
    if stop - start > longest:
        window = loudest_window(coarse[start:stop], longest)
        start, stop = start + window.start, start + window.stop
    margin = int(layout.margin_s * SAMPLE_RATE_HZ)
    first, last = max(0, start - margin), min(source.size, stop + margin)
    speech = source[first:last].astype(np.float32)
    speech /= np.float32(max(speech_rms(source[start:stop]), 1e-9))
    fade = min(_FADE, speech.size // 2)
    ramp = np.linspace(0.0, 1.0, fade, dtype=np.float32)
    speech[:fade] *= ramp
    speech[speech.size - fade :] *= ramp[::-1]
    return speech, start - first, stop - first


class Simulator:
    """Renders recordings.

    Parameters
    ----------
    split : str
        ``train``, ``dev`` or ``test``: which loudspeakers to use.
    bank : RoomBank
        Rooms to use.
    loudspeakers : Loudspeakers
        Of all splits; they bring the recipe.
    noise_pool : NoisePool
        Background sound.
    kinds : collection of str
        Kinds of loudspeakers that replay; all by default.
    """

    def __init__(
        self,
        split: str,
        bank: RoomBank,
        loudspeakers: Loudspeakers,
        noise_pool: NoisePool,
        *,
        kinds: Collection[str] = (),
    ) -> None:
        recipe = loudspeakers.recipe
        self.recipe = recipe
        self.split = split
        self.bank = bank
        self.loudspeakers = loudspeakers
        self.noise_pool = noise_pool
        self._kinds = tuple(kind for kind in recipe.loudspeakers if not kinds or kind in kinds)
        # With a kind left out, the device's own loudspeaker is of one of the others, if one of them can be.
        self._own_kinds = tuple(kind for kind in self._kinds if recipe.loudspeakers[kind].own)

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
            replay: ``recorded``, ``programme``, ``own_playback``), ``kind`` of the loudspeaker, ``codec`` (a name, or
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
        recipe = self.recipe
        variants, background, placement = recipe.variants, recipe.background, recipe.placement
        # One stream a stage: what one stage draws does not move the others.
        layout, first, coding, playing, placing, behind, hearing = rng.spawn(7)
        speech, word_start, word_stop = spoken_part(source, recipe.layout)
        lead = int(_uniform(layout, recipe.layout.lead_s) * SAMPLE_RATE_HZ)
        tail = int(_uniform(layout, recipe.layout.tail_s) * SAMPLE_RATE_HZ)
        n = lead + speech.size + tail
        start = lead + word_start
        stop = lead + word_stop
        level_dbfs = float(fixed.get("level_dbfs", _uniform(layout, recipe.layout.level_dbfs)))
        snr_db = float(fixed.get("snr_db", _uniform(layout, background.snr_db)))

        # Which way the sound takes: with and without a first room, and near, in both classes together as often.
        own = placing.random() < variants.own_playback and bool(self._own_kinds)
        recorded = first.random() >= variants.programme and not own
        if "variant" in fixed:
            variant = str(fixed["variant"])
            if variant not in VARIANTS[label]:
                raise ValueError(f"variant {variant!r} is none of {label}: {', '.join(VARIANTS[label])}")
            recorded = variant in ("two_rooms", "recorded")
            own = variant == "own_playback" or (own and variant == "plain")
        elif label == "live":
            variant = "two_rooms" if recorded else "plain"
        else:
            variant = "own_playback" if own else "recorded" if recorded else "programme"

        # First room and recorder.
        talker = talker_directivity_db(first, recipe.directivity, GRID_HZ)
        first_room = self.bank.draw(first).at_distance(_uniform(first, recipe.recorder.distance_m))
        x = np.zeros(n, np.float32)
        x[lead : lead + speech.size] = speech
        if recorded:
            recorder = draw_microphone(first, recipe.microphone, highpass_hz=recipe.recorder.highpass_hz)
            turned = float(first.beta(1.0, 4.0))
            x = apply_responses(
                x, place_source(first_room, GRID_HZ, talker, turned), recorder.taps, delay=DIRECT_SAMPLE
            )

        # Codec, on the part that is not silence.
        use_codec = coding.random() < recipe.codec.share
        codec = draw_codec(coding, recipe.codec.opus_weight)
        if "codec" in fixed:
            use_codec = fixed["codec"] != "none"
            if use_codec:
                codec = next(entry for entry in CODECS if entry.name == fixed["codec"])
        if use_codec:
            x[max(0, lead - _FADE) :] = transcode(x[max(0, lead - _FADE) :], codec)

        # Loudspeaker: heard playing, or (live) only hissing.
        kinds = (str(fixed["kind"]),) if "kind" in fixed else self._own_kinds if own else self._kinds
        spec = self.loudspeakers.draw(playing, self.split, kinds)
        loudspeaker = realise(spec)
        # The recorder's noise comes with the recorder's room, in live clips as if a replay had just gone silent.
        recorder_noise = decibels_to_gain(-_uniform(playing, recipe.recorder.snr_db)) if recorded else 0.0
        hiss = decibels_to_gain(_uniform(playing, background.hiss_db))
        idle_level = float(np.hypot(recorder_noise, hiss))
        idle = coloured_noise(n, playing, _uniform(playing, (0.0, 1.0)))

        # The device's room and microphone.
        close = placing.random() < placement.close_share
        limits_m = placement.own_m if own else placement.close_m if close else placement.distance_m
        distance_m = float(np.exp(_uniform(placing, (np.log(limits_m[0]), np.log(limits_m[1])))))
        room, other = self.bank.draw_pair_at(placing, float(fixed.get("distance_m", distance_m)))
        turned = float(placing.beta(1.0, 4.0))
        microphone = draw_microphone(hearing, recipe.microphone)
        from_loudspeaker = place_source(room, GRID_HZ, spec.directivity_db, turned)
        if label == "replay":
            x = play(x, spec)
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
        with_tv = behind.random() < recipe.television.share
        tv_ratio_db = float(behind.choice(recipe.television.ratios_db)) if with_tv else None
        tv_ratio_db = fixed.get("tv_ratio_db", tv_ratio_db)
        tv_name, tv_loudspeaker = "", ""
        if tv_ratio_db is not None:
            tv = self.loudspeakers.draw(behind, self.split, (recipe.television.kind,))
            programme, tv_name = self.noise_pool.programme(n, behind)
            tv_loudspeaker = tv.name
            sound = apply_responses(
                play(programme, tv),
                realise(tv),
                place_source(other, GRID_HZ, tv.directivity_db, float(behind.beta(1.0, 2.0))),
                microphone.taps,
                delay=DIRECT_SAMPLE,
            )
            add(sound, decibels_to_gain(-tv_ratio_db), speech_rms(sound))

        mixed = mixed * np.float32(decibels_to_gain(level_dbfs))
        self_noise_dbfs = _uniform(hearing, background.self_noise_dbfs)
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
                "own": own,
                "limiter": label == "replay" and spec.limiter is not None,
                "harmonics_db": spec.nonlinearity.harmonics_db[:2] if label == "replay" else None,
                "first_room": first_room.room if recorded else "none",
                "first_distance_m": first_room.distance_m if recorded else None,
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
