"""Words as one device hears them again: spoken anew, replayed, or broadcast twice, in one room with one microphone.

A *way* is what a sound goes through: a mouth or a loudspeaker, a place in the room, the microphone of the device. Two
hearings by one way differ in noise and level alone; so a person who says the word again is heard as
is hardest to tell from a replay. All is simulated by the parts of the replay simulator.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from edge.endpoint import speech_span
from edge.sample_time import SAMPLE_RATE_HZ
from train.clip import Clip
from train.corpus import read_clip
from train.liveness_scenes import generator
from train.simulator.chain import Simulator
from train.simulator.codec import draw_codec, transcode
from train.simulator.directivity import place_source, talker_directivity_db
from train.simulator.filters import apply_responses
from train.simulator.levels import decibels_to_gain, rms, speech_rms, to_int16
from train.simulator.loudspeakers import GRID_HZ, LoudspeakerSpec, realise
from train.simulator.microphone import Microphone, draw_microphone
from train.simulator.noise import coloured_noise
from train.simulator.playback import play
from train.simulator.rooms import DIRECT_SAMPLE

__all__ = ["RANGES", "Home"]

RANGES: dict[str, tuple[float, float]] = {
    "snr_db": (10.0, 40.0),
    "before_s": (0.0, 0.6),
    "behind_s": (-0.05, 0.15),
    "clock_ppm": (-100.0, 100.0),
}
"""What is drawn beside the ranges of the simulator's recipe; uniform."""

_PAD = SAMPLE_RATE_HZ

Floats = npt.NDArray[np.float32]
Samples = npt.NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Way:
    """What a sound goes through until the device has it."""

    loudspeaker: LoudspeakerSpec | None
    """None where a mouth speaks."""
    responses: tuple[Floats, ...]


class Home:
    """One device in one room, with two places from which sound comes.

    Parameters
    ----------
    simulator : Simulator
    seed : int
    number : int
        Which home.
    """

    def __init__(self, simulator: Simulator, seed: int, number: int) -> None:
        self._simulator = simulator
        self._recipe = simulator.recipe
        self._rng = generator(f"home {simulator.split}", seed, number)
        limits_m = self._recipe.placement.distance_m
        distance_m = float(np.exp(self._rng.uniform(*np.log(limits_m))))
        self._places = simulator.bank.draw_pair_at(self._rng, distance_m)
        self._microphone = draw_microphone(self._rng, self._recipe.microphone)
        self._noises: set[str] = set()

    def mouth(self, place: int) -> Way:
        """Return the way from a person at a place; another person each time, who may turn away."""
        talker = talker_directivity_db(self._rng, self._recipe.directivity, GRID_HZ)
        return Way(None, (self._placed(place, talker), self._microphone.taps))

    def loudspeaker(self, place: int, kinds: tuple[str, ...] = ()) -> Way:
        """Return the way from a loudspeaker of some kinds at a place."""
        drawn = self._simulator.loudspeakers.draw(self._rng, self._simulator.split, kinds)
        return Way(drawn, (realise(drawn), self._placed(place, drawn.directivity_db), self._microphone.taps))

    def moved(self, way: Way, place: int) -> Way:
        """Return the way from the same loudspeaker at another place."""
        assert way.loudspeaker is not None
        placed = self._placed(place, way.loudspeaker.directivity_db)
        return Way(way.loudspeaker, (way.responses[0], placed, self._microphone.taps))

    def _placed(self, place: int, directivity_db: npt.NDArray[np.float64]) -> Floats:
        turned = float(self._rng.beta(1.0, 4.0))
        return place_source(self._places[place], GRID_HZ, directivity_db, turned)

    def recorded(self, clip: Clip) -> Floats:
        """Return an attacker's recording of what a person says: another room, a recorder, a codec."""
        rng, recorder = self._rng, self._recipe.recorder
        word = _word(clip)
        room = self._simulator.bank.draw(rng).at_distance(float(rng.uniform(*recorder.distance_m)))
        microphone: Microphone = draw_microphone(rng, self._recipe.microphone, highpass_hz=recorder.highpass_hz)
        talker = talker_directivity_db(rng, self._recipe.directivity, GRID_HZ)
        there = place_source(room, GRID_HZ, talker, float(rng.beta(1.0, 4.0)))
        heard = apply_responses(word, there, microphone.taps, delay=DIRECT_SAMPLE)
        heard /= np.float32(speech_rms(heard))
        noise = decibels_to_gain(-float(rng.uniform(*recorder.snr_db)))
        heard += coloured_noise(heard.size, rng, float(rng.uniform(0.0, 1.0))) * np.float32(noise)
        if rng.random() < self._recipe.codec.share:
            heard = transcode(heard, draw_codec(rng, self._recipe.codec.opus_weight))
        return heard

    def programme(self, clip: Clip) -> Floats:
        """Return what is broadcast: the word, as it was recorded."""
        return _word(clip)

    def heard(self, sound: Floats, way: Way, conditions: dict[str, Any] | None = None) -> Samples:
        """Return what the device hands over: the word, and about 0.3 s before it, ``(n,) int16``.

        Parameters
        ----------
        sound : (n,) float32
        way : Way
        conditions : dict, optional
            Fixed in place of drawn: ``snr_db``, ``clock_ppm``; what was drawn is entered.
        """
        rng = self._rng
        fixed = conditions if conditions is not None else {}
        for name in ("snr_db", "clock_ppm"):
            fixed.setdefault(name, float(rng.uniform(*RANGES[name])))
        driven = sound if way.loudspeaker is None else play(sound, way.loudspeaker)
        heard = apply_responses(driven, *way.responses, delay=DIRECT_SAMPLE)
        rate_hz = SAMPLE_RATE_HZ * (1.0 + 1e-6 * fixed["clock_ppm"])
        heard = soxr.resample(heard, SAMPLE_RATE_HZ, rate_hz).astype(np.float32)
        heard /= np.float32(speech_rms(heard))
        span = speech_span(to_int16(heard * np.float32(0.05)))
        noise = apply_responses(self._noise(heard.size), self._microphone.taps)
        heard += noise * np.float32(decibels_to_gain(-fixed["snr_db"]) / rms(noise))
        heard *= np.float32(decibels_to_gain(float(rng.uniform(*self._recipe.layout.level_dbfs))))
        own = decibels_to_gain(float(rng.uniform(*self._recipe.background.self_noise_dbfs)))
        samples = to_int16(heard + coloured_noise(heard.size, rng, 0.0) * np.float32(own))
        first = span.start - round(rng.uniform(*RANGES["before_s"]) * SAMPLE_RATE_HZ)
        last = span.stop + round(rng.uniform(*RANGES["behind_s"]) * SAMPLE_RATE_HZ)
        return samples[max(0, first) : last]

    def _noise(self, n: int) -> Floats:
        """Draw noise, no recording twice: short ones are played round and round, and only the word is to repeat."""
        while True:
            noise, name = self._simulator.noise_pool.draw_named(n, self._rng)
            if name == "generated" or name not in self._noises:
                self._noises.add(name)
                return noise


def _word(clip: Clip) -> Floats:
    """Return a recording with a second of silence on either side, at level 1 while it sounds."""
    samples = read_clip(clip)
    return np.pad(samples / np.float32(speech_rms(samples)), _PAD).astype(np.float32)
