"""The sink that keeps events, and sound where the owner asked for it: always there while ``[store]`` is enabled."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

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
        if audio.keep and not settings.enabled:
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
        self._due = threading.Event()
        self._closing = False
        self._housekeeper: threading.Thread | None = None
        # All of them at once: whoever reads goes through the mapping meanwhile.
        self._gauges.update(dict.fromkeys(("store_events", "store_bytes", "audio_files", "audio_bytes"), 0.0))
        self._tell_losses()

    def open(self) -> None:
        """Open the store, write what waits, and begin to look after what is too old.

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
        self._closing = False
        self._due.set()
        self._housekeeper = threading.Thread(target=self._keep_house, args=(self._store,), name="store", daemon=True)
        self._housekeeper.start()

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
            if self._store is None:
                raise StoreError(f"{self._settings.file}: is closed, expected it to be open; open it again")
            self._store.add(message, audio)
        except StoreError:
            if len(self._held) >= _HELD:
                self._held.popleft()
                self._lost += 1
                self._tell_losses()
            self._held.append((message, audio))
            raise
        self._since_tidied += 1
        if self._since_tidied >= _TIDY_EVENTS:
            self._since_tidied = 0
            self._due.set()

    def close(self) -> None:
        """Close the store."""
        self._closing = True
        self._due.set()
        if self._store is not None:
            self._store.close()
            self._store = None
        if self._housekeeper is not None:
            self._housekeeper.join()
            self._housekeeper = None

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

    def _keep_house(self, store: EventStore) -> None:
        """Delete what is too old or too much, as long as the store is open."""
        while True:
            self._due.wait(_TIDY_S)
            self._due.clear()
            if self._closing:
                return
            try:
                self._tidy(store)
                self._tidy_told = False
            except (VivavoceError, OSError) as error:
                if not self._tidy_told and not self._closing:
                    _log.error("what is too old is not deleted: %s", error)
                    self._tidy_told = True

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
