"""The sink that keeps events, and sound where the owner asked for it: always there while ``[store]`` is enabled."""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from edge.answers import Answer, Message, Status
from edge.errors import StoreError, UsageError, VivavoceError
from edge.event_store import EventStore, StoreSettings
from edge.health import Health
from edge.kept_audio import AudioSettings, KeptAudio

__all__ = ["SUMMARY", "StoreSink"]

SUMMARY = "keeps events on this device, and sound where the owner asked for it"

_log = logging.getLogger(__name__)

_TIDY_S = 600.0
"""How often what is too old is looked for, s."""
_TIDY_EVENTS = 64
"""Events after which it is looked for at once."""
_HELD = 64
"""Events that could not be written and wait until they can be."""


class StoreSink:
    """Keep every answer, and every change of how the daemon is.

    Of an event that cannot be written (a full disk) the bus is told by the error; it is kept in memory, and written
    first when the store can be opened again. Sound that cannot be written does not hold back its event.

    Parameters
    ----------
    settings : StoreSettings
    audio : AudioSettings
    health : Health
        Gets the gauges ``store_events``, ``store_bytes``, ``store_lost_events``, ``store_lost_audio``, ``audio_files``
        and ``audio_bytes``.
    clock : callable
        Returns seconds since 1970, UTC.

    Raises
    ------
    UsageError
        If sound is to be kept and events are not: nobody could find it.
    """

    name = "store"
    wants: tuple[type[Message], ...] = (Answer, Status)

    def __init__(
        self, settings: StoreSettings, audio: AudioSettings, health: Health, *, clock: Callable[[], float] = time.time
    ) -> None:
        if audio.kept and not settings.enabled:
            raise UsageError(
                "audio.keep: got sound to keep while store.enabled is false, expected events to be kept, too; turn "
                "[store] on, or keep no sound"
            )
        self._settings = settings
        self._audio_settings = audio
        self._audio = KeptAudio(audio)
        self._gauges = health.gauges
        self._clock = clock
        self._store: EventStore | None = None
        self._held: deque[tuple[Answer | Status, str]] = deque()
        self._lost = self._lost_audio = 0
        self._audio_told = self._tidy_told = False
        self._since_tidied = 0
        self._tidied_s = -_TIDY_S
        # All of them at once: whoever reads goes through the mapping meanwhile.
        self._gauges.update(dict.fromkeys(("store_events", "store_bytes", "audio_files", "audio_bytes"), 0.0))
        self._tell_losses()

    def open(self) -> None:
        """Open the store, and write what waits.

        Raises
        ------
        StoreError, UsageError
            If it cannot be opened or written.
        """
        self.close()
        if self._audio.enabled:
            self._audio.open()
        self._store = EventStore(self._settings.file)
        if self._audio.enabled:
            self._store.remember_folder(self._audio.folder)
        while self._held:
            self._store.add(*self._held[0])
            self._held.popleft()
        self._tidied_s = -_TIDY_S

    def push(self, message: Message) -> None:
        """Keep an answer, or a change of how the daemon is.

        Raises
        ------
        StoreError
            If it cannot be written; it waits for the next :meth:`open`.
        """
        if not isinstance(message, (Answer, Status)):
            return
        audio = self._sound_of(message) if isinstance(message, Answer) else ""
        try:
            self._opened().add(message, audio)
        except StoreError:
            self._hold(message, audio)
            raise
        self._since_tidied += 1
        if self._since_tidied >= _TIDY_EVENTS:
            self._tidied_s = -_TIDY_S
            self.check()

    def check(self) -> None:
        """Delete what is too old or too much, when it is time to.

        That it cannot be deleted is told once, and closes nothing: new events may be written all the same.
        """
        if self._store is None or time.monotonic() - self._tidied_s < _TIDY_S:
            return
        self._tidied_s = time.monotonic()
        self._since_tidied = 0
        try:
            self._tidy(self._store)
            self._tidy_told = False
        except (VivavoceError, OSError) as error:
            if not self._tidy_told:
                _log.error("what is too old is not deleted: %s", error)
            self._tidy_told = True

    def close(self) -> None:
        """Close the store."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _opened(self) -> EventStore:
        if self._store is None:
            raise StoreError(f"{self._settings.file}: is closed, expected it to be open; open it again")
        return self._store

    def _hold(self, message: Answer | Status, audio: str) -> None:
        """Let a message wait; of many the oldest is lost. The bus may bring the same one again."""
        if isinstance(message, Answer):
            if any(isinstance(one, Answer) and one.id == message.id for one, _ in self._held):
                return
            message = replace(message, pre_roll=np.zeros(0, np.int16))
        if len(self._held) >= _HELD:
            self._held.popleft()
            self._lost += 1
            self._tell_losses()
        self._held.append((message, audio))

    def _sound_of(self, answer: Answer) -> str:
        """Keep the sound of an answer, and return its path; empty if none is kept."""
        if not self._audio.enabled or not self._audio.wanted(answer):
            return ""
        try:
            path = self._audio.keep(answer)
        except (VivavoceError, OSError) as error:
            self._lost_audio += 1
            self._tell_losses()
            if not self._audio_told:
                _log.error("sound is not kept: %s", error)
            self._audio_told = True
            return ""
        self._audio_told = False
        return str(path)

    def _tell_losses(self) -> None:
        self._gauges.update(store_lost_events=float(self._lost), store_lost_audio=float(self._lost_audio))

    def _tidy(self, store: EventStore) -> None:
        now_s = self._clock()
        settings = self._settings
        store.retain(now_s, max_age_days=settings.max_age_days, max_mb=settings.max_mb)
        events, store_bytes = store.size()
        self._gauges.update(store_events=float(events), store_bytes=float(store_bytes))
        # What was kept before leaves in its time, where nothing is kept any more, too.
        self._audio.retain(now_s)
        files, audio_bytes = self._audio.size()
        self._gauges.update(audio_files=float(files), audio_bytes=float(audio_bytes))
