"""A device at the link as the source of the daemon: its microphone, and its wake words if it detects them itself."""

import bisect
import logging
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edge.errors import AudioError
from edge.live import LiveItem, SoundLost, WordHeard
from edge.sample_time import SAMPLE_RATE_HZ
from firmware_bridge.link.messages import Message
from firmware_bridge.link.table import kind_named
from firmware_bridge.link_host import ANSWER_S, LinkHost
from firmware_bridge.link_items import Began, Over, Switched
from firmware_bridge.link_port import LinkSettings
from firmware_bridge.link_shared import shared

__all__ = ["SUMMARY", "FirmwareSource", "Settings", "make"]

SUMMARY = "the microphone of a microcontroller, which may hear the wake words, too"

_log = logging.getLogger(__name__)

_LOOK_S = 0.25
_SOUND_S = 10.0
"""A device that sends no sound for so long, and is not muted, does not listen, s."""
_REST_S = 0.5
"""Where no sound comes for so long after a word, there will be no more of it, s."""
_WORD_S = 5.0
"""The sound of a word comes within this time, s."""
_WORDS_MOST = 64
"""Words that may wait for their sound; a device that says more of them counts wrongly."""
_SCORE_MAX = kind_named("wake").field("score").limits[1]
_SILENCE = np.zeros(0, np.int16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(LinkSettings):
    """Table of a source of the kind ``firmware``."""

    words: Literal["host", "device"] = "host"
    """Who detects the wake words: the bundle on this machine, or the device, whose words are then taken."""


@dataclass(frozen=True, slots=True)
class _Word:
    """A word whose end is not there yet."""

    values: dict[str, Any]
    came_s: float


class FirmwareSource:
    """A device; see :class:`edge.live.LiveSource`.

    Parameters
    ----------
    settings : Settings

    Raises
    ------
    UsageError
        If the settings cannot work.
    MissingExtraError
        If they take pyserial, which is not installed.
    """

    live = True
    endless = True
    native_rate_hz = SAMPLE_RATE_HZ
    longest_retry_s = 2.0
    """Looking again costs next to nothing."""

    def __init__(self, settings: Settings) -> None:
        self.hears_words = settings.words == "device"
        self.overflows = 0
        self.name = settings.port
        self._link: LinkHost = shared(settings, "source")
        self._link.source_tells = True
        # The sink may be the first to open the link: what comes then waits for the first look.
        self._link.listen(True)
        self._words: list[_Word] = []
        """Those that wait for their sound, the one that ends first before the others."""
        self._told_of_words = False
        self._starts = -1
        """Starts of the device that were met when its last block came."""
        self._closing = threading.Lock()
        self._joined = self._switched = self._was_muted = False
        self._resting = True
        """Whether no word waits for sound that follows it."""

    def blocks(self) -> Generator[LiveItem, None, None]:
        """Join the link, and yield what the device hears; see :class:`edge.live.LiveSource`.

        Raises
        ------
        AudioError
            If no device answers or its session ends, it cannot do what it is for, or sends no sound.
        """
        self._link.listen(True)
        if not self._joined:
            self._joined = True
            self._link.join()
        try:
            yield from self._items()
        except AudioError:
            # The link stays open while the daemon waits to call this again: what comes meanwhile is not lost.
            self._link.listen(False)
            raise
        except GeneratorExit:
            self.close()
            raise

    def close(self) -> None:
        """Leave the link; it is closed, if the sink is not there either."""
        with self._closing:
            joined, self._joined = self._joined, False
        if joined:
            self._link.listen(False)
            self._link.leave()

    def _items(self) -> Iterator[LiveItem]:
        self._words.clear()
        self._resting, up = True, False
        sound_s = time.monotonic()
        while True:
            items = self._link.take(_LOOK_S)
            now_s = time.monotonic()
            for item in items:
                if isinstance(item, Over):
                    raise AudioError(item.reason)
                if isinstance(item, Began):
                    self._begin(item)
                    up, sound_s = True, now_s
                elif isinstance(item, Switched):
                    # What was sent before it is heard, what comes after it is not: the order is the device's.
                    self._switched = item.on
                    if item.on:
                        self._words.clear()
                elif item.kind == "wake":
                    yield from self._wake(item.values, now_s)
                elif self._switched:
                    self._was_muted = True  # whatever it sends, nobody is to hear it
                else:
                    yield from self._audio(item, now_s)
                    sound_s = now_s
            if not up and now_s - sound_s > ANSWER_S:
                raise AudioError(self._link.why)
            if self._link.muted:
                self._was_muted, sound_s = True, now_s
            elif up and not self.hears_words and now_s - sound_s > _SOUND_S:
                raise AudioError(f"{self.name}: the device is there, and sends no sound; check its microphone")
            self._forget(now_s)
            if not items:
                yield from self._rest(now_s - sound_s)
                yield _SILENCE

    def _begin(self, began: Began) -> None:
        named = str(began.hello["name"]).strip() or "device"
        for capability in ("audio", "wake words") if self.hears_words else ("audio",):
            if not self._link.can(capability):
                raise AudioError(
                    f"{self._link.settings.port}: {named} does not offer {capability!r}, expected a device that does; "
                    "check its firmware" + (', or set words = "host"' if capability == "wake words" else "")
                )
        self.name = f"{named} at {self._link.settings.port}"

    def _wake(self, values: dict[str, Any], now_s: float) -> Iterator[LiveItem]:
        if not self.hears_words:
            if not self._told_of_words:
                self._told_of_words = True
                _log.info("%s hears words itself, which are not used: source.words is host", self.name)
            return
        if self._switched:
            return
        bisect.insort(self._words, _Word(values, now_s), key=_end)
        if len(self._words) > _WORDS_MOST:
            word = self._words.pop().values["word"]
            _log.warning("%s heard %r, and %d words before it wait for their sound", self.name, word, _WORDS_MOST)
        if self._starts == self._link.starts:  # otherwise its index is of a count that no sound has come of yet
            yield from self._due(self._link.clock.position)

    def _audio(self, message: Message, now_s: float) -> Iterator[LiveItem]:
        samples: npt.NDArray[np.int16] = np.frombuffer(message.values["samples"], "<i2").astype(np.int16)
        if not samples.size:
            return
        anew = self._starts != self._link.starts
        self._starts = self._link.starts
        placed = self._link.clock.place(message.values["index"], samples.size, now_s, anew=anew)
        if placed.lost:
            self.overflows += not self._was_muted
            yield SoundLost(placed.lost, "the device was muted" if self._was_muted else "the device did not send them")
        self._was_muted = False
        samples = samples[placed.known :]
        at = 0
        while at < samples.size:
            # Up to the end of the next word, so that it is told of exactly there.
            stop = samples.size
            if self._words:
                stop = max(at, min(stop, at + self._until(self._words[0], placed.start + at)))
            if stop > at:
                yield samples[at:stop]
            yield from self._due(placed.start + stop)
            at = stop

    def _until(self, word: _Word, position: int) -> int:
        """Return how many samples after this one a word ends; at most 0 if it has."""
        return _end(word) - self._link.clock.device_index(position)

    def _due(self, position: int) -> Iterator[WordHeard]:
        """Yield the words that end at this index of the daemon's stream at the latest."""
        while self._words and self._until(self._words[0], position) <= 0:
            values = self._words.pop(0).values
            self._link.clock.heard(position, values["index"], values["word"])
            self._resting = False
            yield WordHeard(values["word"], values["score"] / _SCORE_MAX)

    def _rest(self, silent_s: float) -> Iterator[SoundLost]:
        """End what waits for sound that does not come."""
        if not self._resting and silent_s > _REST_S:
            self._resting = True
            yield SoundLost(0, "the device sends no more after a word")

    def _forget(self, now_s: float) -> None:
        """Drop the words whose sound did not come in time, whether other sound comes or not."""
        for one in [one for one in self._words if now_s - one.came_s > _WORD_S]:
            self._words.remove(one)
            word = one.values["word"]
            _log.warning("%s heard %r, and did not send its sound within %g s", self.name, word, _WORD_S)


def _end(word: _Word) -> int:
    return int(word.values["index"])


def make(settings: Settings) -> FirmwareSource:
    """Make the source; see :class:`edge.plugins.SourcePlugin`."""
    return FirmwareSource(settings)
