"""Scenes of a device that plays sound itself: what its microphone hears, and what it plays, by clocks of their own.

    own      it plays a wake word, half of the time over music or speech, by a loudspeaker in its own case
    apart    the same by a loudspeaker that stands in the room
    live     a person says the word while it plays music or speech by a loudspeaker in its own case
    silent   a person says the word, and nothing is played
    foreign  a television says the word, and what the device plays is not heard, as by a headphone

All is simulated by the parts of the replay simulator, from recordings, loudspeakers, rooms and noise of one split.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from edge.endpoint import speech_span
from edge.sample_time import SAMPLE_RATE_HZ
from train.clip import Clip
from train.corpus import content_hash, read_clip
from train.liveness_scenes import generator, world
from train.population import Population
from train.simulator.chain import Simulator
from train.simulator.directivity import place_source, talker_directivity_db
from train.simulator.filters import apply_responses
from train.simulator.levels import decibels_to_gain, rms, speech_rms, to_int16
from train.simulator.loudspeakers import GRID_HZ, realise
from train.simulator.microphone import Microphone, draw_microphone
from train.simulator.noise import coloured_noise
from train.simulator.playback import play
from train.simulator.recipe import shipped_recipe
from train.simulator.rooms import DIRECT_SAMPLE

__all__ = ["KINDS", "RANGES", "PlaybackScene", "Playing", "recordings"]

KINDS = ("own", "apart", "live", "silent", "foreign")

RANGES: dict[str, tuple[float, float]] = {
    "word_at_s": (2.0, 2.6),
    "delay_s": (0.0, 0.5),
    "clock_ppm": (-100.0, 100.0),
    "reference_peak_dbfs": (-30.0, -1.0),
    "word_over_bed_db": (5.0, 20.0),
    "live_over_playback_db": (-10.0, 10.0),
    "apart_m": (0.5, 3.0),
    "block_samples": (160, 1024),
    "late_s": (0.0, 0.03),
}
"""What is drawn beside the ranges of the simulator's recipe; uniform, but for distances."""

_LENGTH = 5 * SAMPLE_RATE_HZ
_LEAST_PLAYED_DB = -6.0
"""Over the word, what is played is at most so far below its level elsewhere: a pause in it would be no playback."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PlaybackScene:
    """A scene with what is known of it."""

    heard: npt.NDArray[np.int16]
    """By the microphone ``(n,) int16``."""
    reference: npt.NDArray[np.int16]
    """What the device plays ``(n,) int16``, as its monitor delivers it."""
    start: int
    """Where the word lies in what is heard, samples."""
    stop: int
    conditions: dict[str, Any]

    def blocks(self, rng: np.random.Generator) -> Iterator[tuple[npt.NDArray[np.int16], int]]:
        """Yield the reference in blocks of drawn sizes, each with the microphone's sample at which it comes."""
        at = 0
        while at < self.reference.size:
            block = self.reference[at : at + int(rng.integers(*RANGES["block_samples"]))]
            at += block.size
            yield block, at + round(rng.uniform(*RANGES["late_s"]) * SAMPLE_RATE_HZ)


def recordings(data: Path, split: str, cache: Path) -> tuple[list[Clip], Simulator]:
    """Return the recordings of wake words of a split, and the simulator with its loudspeakers, rooms and noise."""
    clips, simulator = world(data, Population.of_split(split), cache, shipped_recipe(), content_hash(data))
    return [clip for clip in clips if clip.role == "wake"], simulator


class Playing:
    """Makes scenes of one split.

    Parameters
    ----------
    clips : list of Clip
        Recordings of wake words.
    simulator : Simulator
    """

    def __init__(self, clips: list[Clip], simulator: Simulator) -> None:
        self._clips = clips
        self._simulator = simulator
        self._recipe = simulator.recipe
        self._own_kinds = tuple(kind for kind, ranges in self._recipe.loudspeakers.items() if ranges.own)

    def scene(self, kind: str, number: int, seed: int) -> PlaybackScene:
        """Make a scene; the same for the same arguments."""
        rng = generator(f"playback {kind} {self._simulator.split}", seed, number)
        clip = self._clips[int(rng.integers(len(self._clips)))]
        microphone = draw_microphone(rng, self._recipe.microphone)
        word, start, stop = self._word(clip, rng)
        conditions: dict[str, Any] = {"kind": kind, "talker": clip.talker, "word": clip.word, "loudspeaker": "none"}
        reference = np.zeros(_LENGTH, np.float32)
        if kind in ("own", "apart"):
            reference = word.copy()
            conditions["bed"] = bool(rng.random() < 0.5)
            if conditions["bed"]:
                bed = self._simulator.noise_pool.programme(_LENGTH, rng)[0]
                reference += bed * np.float32(decibels_to_gain(-rng.uniform(*RANGES["word_over_bed_db"])))
            limits_m = self._recipe.placement.own_m if kind == "own" else RANGES["apart_m"]
            heard = self._played(reference, self._own_kinds, limits_m, microphone, rng, conditions)
            heard /= np.float32(speech_rms(heard[start:stop]))
        elif kind == "foreign":
            heard = self._played(word, ("tv",), RANGES["apart_m"], microphone, rng, conditions)
            heard /= np.float32(speech_rms(heard[start:stop]))
            reference = self._simulator.noise_pool.programme(_LENGTH, rng)[0]
        else:
            heard = self._spoken(word, microphone, rng)
            heard /= np.float32(speech_rms(heard[start:stop]))
            if kind == "live":
                over_db = float(rng.uniform(*RANGES["live_over_playback_db"]))
                conditions["live_over_playback_db"] = over_db
                reference, sound = self._programme(start, stop, microphone, rng, conditions)
                ratio = rms(heard[start:stop]) / rms(sound[start:stop])
                heard += sound * np.float32(ratio * decibels_to_gain(-over_db))
        return self._recorded(heard, reference, (start, stop), microphone, rng, conditions)

    def _word(self, clip: Clip, rng: np.random.Generator) -> tuple[Floats, int, int]:
        """Return a word in silence, at level 1, and where it lies."""
        samples = read_clip(clip)
        span = speech_span(to_int16(samples * np.float32(0.5 / max(1e-9, float(np.abs(samples).max())))))
        margin = round(self._recipe.layout.margin_s * SAMPLE_RATE_HZ)
        stop = min(span.stop, span.start + round(self._recipe.layout.longest_speech_s * SAMPLE_RATE_HZ))
        first, last = max(0, span.start - margin), min(samples.size, stop + margin)
        at = round(rng.uniform(*RANGES["word_at_s"]) * SAMPLE_RATE_HZ)
        word = np.zeros(_LENGTH, np.float32)
        word[at : at + last - first] = samples[first:last]
        start, stop = at + span.start - first, at + stop - first
        return word / np.float32(speech_rms(word[start:stop])), start, stop

    def _played(
        self,
        sound: Floats,
        kinds: tuple[str, ...],
        limits_m: tuple[float, float],
        microphone: Microphone,
        rng: np.random.Generator,
        conditions: dict[str, Any],
    ) -> Floats:
        loudspeaker = self._simulator.loudspeakers.draw(rng, self._simulator.split, kinds)
        room, _ = self._simulator.bank.draw_pair_at(rng, float(np.exp(rng.uniform(*np.log(limits_m)))))
        conditions |= {"loudspeaker": loudspeaker.name, "room": room.room, "distance_m": room.distance_m}
        there = place_source(room, GRID_HZ, loudspeaker.directivity_db, float(rng.beta(1.0, 4.0)))
        return apply_responses(
            play(sound, loudspeaker), realise(loudspeaker), there, microphone.taps, delay=DIRECT_SAMPLE
        )

    def _spoken(self, word: Floats, microphone: Microphone, rng: np.random.Generator) -> Floats:
        talker = talker_directivity_db(rng, self._recipe.directivity, GRID_HZ)
        limits_m = self._recipe.placement.distance_m
        room, _ = self._simulator.bank.draw_pair_at(rng, float(np.exp(rng.uniform(*np.log(limits_m)))))
        there = place_source(room, GRID_HZ, talker, float(rng.beta(1.0, 4.0)))
        return apply_responses(word, there, microphone.taps, delay=DIRECT_SAMPLE)

    def _programme(
        self, start: int, stop: int, microphone: Microphone, rng: np.random.Generator, conditions: dict[str, Any]
    ) -> tuple[Floats, Floats]:
        """Draw music or speech that sounds while the word is said: as it is given out, and as it is heard."""
        while True:
            programme, name = self._simulator.noise_pool.programme(_LENGTH, rng)
            conditions["programme"] = name
            limits_m = self._recipe.placement.own_m
            sound = self._played(programme, self._own_kinds, limits_m, microphone, rng, conditions)
            if rms(sound[start:stop]) > speech_rms(sound) * decibels_to_gain(_LEAST_PLAYED_DB):
                return programme, sound

    def _recorded(
        self,
        heard: Floats,
        reference: Floats,
        span: tuple[int, int],
        microphone: Microphone,
        rng: np.random.Generator,
        conditions: dict[str, Any],
    ) -> PlaybackScene:
        """Add noise, and give both streams their levels, clocks and delay."""
        background, layout = self._recipe.background, self._recipe.layout
        noise = apply_responses(self._simulator.noise_pool.draw(_LENGTH, rng), microphone.taps)
        snr_db = float(rng.uniform(*background.snr_db))
        heard = heard + noise * np.float32(decibels_to_gain(-snr_db) / rms(noise))
        ppm = float(rng.uniform(*RANGES["clock_ppm"]))
        rate_hz = SAMPLE_RATE_HZ * (1.0 + 1e-6 * ppm)
        heard = np.resize(soxr.resample(heard, SAMPLE_RATE_HZ, rate_hz), _LENGTH)
        heard = heard * np.float32(decibels_to_gain(rng.uniform(*layout.level_dbfs)))
        own_noise = decibels_to_gain(rng.uniform(*background.self_noise_dbfs))
        heard += coloured_noise(_LENGTH, rng, 0.0) * np.float32(own_noise)
        # The device gives out its sound so long before it is heard.
        delay = round(rng.uniform(*RANGES["delay_s"]) * SAMPLE_RATE_HZ)
        early = np.concatenate((reference[delay:], np.zeros(delay, np.float32)))
        peak = decibels_to_gain(rng.uniform(*RANGES["reference_peak_dbfs"]))
        early *= np.float32(peak / max(1e-9, float(np.abs(reference).max())))
        conditions |= {"delay_s": delay / SAMPLE_RATE_HZ, "clock_ppm": ppm, "snr_db": snr_db}
        return PlaybackScene(to_int16(heard), to_int16(early), *span, conditions)
