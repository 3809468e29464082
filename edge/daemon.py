"""The daemon: a source that may come and go, the gate, and everybody who is told, for months.

One thread, the caller's of :meth:`Daemon.run`, takes sound from the capture and decides; sinks have threads of their
own behind the bus, and whatever they ask of the house is a flag that this thread looks at between two blocks.
"""

import functools
import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from edge.answers import SOURCE, Answer, Audio, SourceState, Status
from edge.bundle import Bundle
from edge.bundle_parts import Word
from edge.bus import Bus, Sink, SinkCounts
from edge.capture import Block, Capture, Ended, Gap, Idle, Lost, Opened
from edge.daemon_settings import DaemonSettings, load, needs_restart, rules_of, update_settings
from edge.drift_monitor import MonitorSink
from edge.errors import UsageError, VivavoceError
from edge.events import Wake
from edge.health import Health
from edge.live import WordHeard
from edge.mute import Mute
from edge.pipeline import FAILED
from edge.policy import Circumstances
from edge.reference import ReferenceGuard
from edge.replay_memory import ReplayMemory
from edge.sample_time import SAMPLE_RATE_HZ
from edge.session import GateSession, Rules
from edge.sinks.metrics import MetricsSink
from edge.sinks.store import StoreSink
from edge.slots import Slots
from edge.systemd import Notifier
from edge.update import open_slots
from edge.update_watch import UpdateWatch

__all__ = ["Daemon"]

T = TypeVar("T")

_log = logging.getLogger(__name__)

_LOOK_S = 0.25
"""How long nothing may come before flags are looked at anyway, s."""
_MOST_SESSIONS = 8
"""Streams of others at a time: each has networks of its own, some megabytes."""
_LEVEL_SAMPLES = SAMPLE_RATE_HZ // 2


class Daemon:
    """Listen, decide and tell, until :meth:`stop`, or until a source that has an end is at it.

    It is the :class:`~edge.house.House` of its sinks, and the :class:`~edge.session.Home` of its sessions.

    Parameters
    ----------
    settings : DaemonSettings
    notifier : Notifier, optional
        Tells systemd; by default whoever the environment names, or nobody.
    checking : bool
        True to see whether it can work, and nothing more: the start is not counted against a new bundle.

    Raises
    ------
    VivavoceError
        If the bundle, the source or a sink cannot work as the settings say. What fails later is told in the log, and
        tried again.
    """

    def __init__(self, settings: DaemonSettings, *, notifier: Notifier | None = None, checking: bool = False) -> None:
        self._settings = settings
        self._notifier = Notifier() if notifier is None else notifier
        self.health = Health(started_at_s=time.time())
        self._counted = False
        heard = _made(settings, "source", lambda: settings.source.plugin.make(settings.source.settings))
        # A source that hears the words itself tells of them.
        self._listens = not getattr(heard, "hears_words", False)
        update = update_settings(settings)
        slots = None if update is None else open_slots(update)
        self._watch: UpdateWatch | None = None
        if update is not None and slots is not None:
            self._watch = UpdateWatch(
                slots,
                update,
                lambda bundle: rules_of(self._settings, opened=bundle).pipeline(listen=self._listens, watched=False),
            )
        self._rules: Rules = self._first_rules(slots, checking)
        self._failing = ""
        self._changing = threading.Lock()
        self._status = Status(
            at_s=self.health.started_at_s,
            source="opening",
            source_name="",
            muted=False,
            playing=False,
            words=self._rules.heard_words,
            bundle=self._rules.bundle.bundle_version,
        )
        # Set by signal handlers, and looked at by the thread that listens: plain values, as locks could be held.
        self._stopping = False
        self._reloading = False
        self._ready = False
        self._native_rate_hz = SAMPLE_RATE_HZ
        self._level = _Level()
        self._sessions: set[GateSession] = set()
        self._mute = Mute()
        self._own = GateSession(SOURCE, self._rules, self, listen=self._listens)
        self._bus = Bus([], lambda: self.status)
        sinks: list[Sink] = [
            _made(settings, f"sinks.{name}", functools.partial(one.plugin.make, one.settings, name, self))
            for name, one in settings.sinks.items()
        ]
        if settings.store.enabled or settings.audio.kept:
            sinks.append(StoreSink(settings.store, settings.audio, self.health))
        if settings.monitor.enabled:
            sinks.append(MonitorSink(settings.monitor, self.health, self._rules.unfitted))
        if settings.tables.metrics.enabled:
            sinks.append(MetricsSink(settings.tables.metrics, self))
        self._memory = ReplayMemory(settings.tables.memory)
        self._guard: ReferenceGuard | None = None
        if settings.reference is not None and settings.tables.guard.enabled:
            reference = settings.reference
            played = _made(settings, "reference", lambda: reference.plugin.make(reference.settings))
            self._guard = ReferenceGuard(played, settings.tables.guard, self.health.gauges)
        self._bus = Bus(sinks, lambda: self.status)
        self._capture = Capture(heard, health=self.health, checked=heard.live)
        if not checking:
            self._count_start()

    def _first_rules(self, slots: Slots | None, checking: bool) -> Rules:
        """Open the bundle; one on probation that does not fit the settings is rolled back, and not the end."""
        if self._watch is None or slots is None:
            return rules_of(self._settings)
        try:
            return self._tried(slots.open_active())
        except VivavoceError:
            if checking:
                raise
        self._counted = True
        rules, fault = self._fitting(self._watch, self._watch.start())
        if rules is None:
            assert fault is not None, "what does not fit has a fault"
            raise fault
        return rules

    def _tried(self, bundle: Bundle) -> Rules:
        """Return rules with a bundle whose networks run."""
        rules = rules_of(self._settings, opened=bundle)
        rules.pipeline()
        return rules

    def _fitting(self, watch: UpdateWatch, bundle: Bundle) -> tuple[Rules | None, VivavoceError | None]:
        """Go back from a bundle until one fits the settings; if none does, what the last one lacks."""
        while True:
            try:
                return self._tried(bundle), None
            except VivavoceError as error:
                _log.error("bundle %s cannot be used here: %s", bundle.bundle_version, error)
                other = watch.failed(str(error))
                if other is None:
                    return None, error
                bundle = other

    def _count_start(self) -> None:
        """Count this start against a bundle on probation, now that nothing but the bundle can be at fault."""
        if self._watch is None or self._counted:
            return
        bundle = self._watch.start()
        if bundle.contents != self._rules.unfitted.contents or bundle.path != self._rules.unfitted.path:
            self._follow(rules_of(self._settings, opened=bundle))

    # ------------------------------------------------------------------------------------ for its process

    def run(self) -> None:
        """Work until the end; whatever happens, everything is closed."""
        _log.info("bundle %s, words: %s", self._rules.bundle.path, ", ".join(self.status.words))
        self._bus.start()
        if self._guard is not None:
            self._guard.start()
        try:
            self._listen()
        finally:
            self._notifier.stopping()
            self._capture.close()
            if self._guard is not None:
                self._guard.close()
            self._bus.close()
        _log.info("ended after %.0f s of sound", self._own.position / SAMPLE_RATE_HZ)

    def stop(self) -> None:
        """End soon; may be called from a signal handler or another thread."""
        self._stopping = True

    def reload(self) -> None:
        """Read the settings again soon; may be called from a signal handler or another thread."""
        self._reloading = True

    def _listen(self) -> None:
        while not self._stopping:
            if self._reloading:
                self._reloading = False
                self._reload()
            item = self._capture.take(_LOOK_S)
            match item:
                case Block(samples=samples):
                    self._hear(samples)
                    self._progress()
                case Gap(lost_samples=lost, reason=reason):
                    if lost:
                        _log.warning("%d samples were lost: %s", lost, reason)
                    self._skip(lost)
                case WordHeard(word=word, score=score):
                    self._take_word(word, score)
                case Opened(name=name, native_rate_hz=rate_hz):
                    _log.info("listening to %s (%d Hz)", name, rate_hz)
                    self._skip(0, native_rate_hz=rate_hz)
                    self._change(source="listening", source_name=name)
                case Lost(reason=reason, attempt=attempt, next_in_s=next_in_s):
                    if attempt == 1:
                        _log.error("%s; tried again from now on, next in %.1f s", reason, next_in_s)
                    # A word that waits for its answer gets it now: hours later a command would come out of nowhere.
                    self._skip(0)
                    self._change(source="lost", source_name=reason)
                    # A finished attempt is progress, too: a microphone that is unplugged is no reason to be killed.
                    self._progress()
                case Idle():
                    self._progress()
                case Ended():
                    for _ in self._own.finish():
                        pass
                    self._change(source="ended")
                    return
        for _ in self._own.finish():
            pass

    def _hear(self, samples: npt.NDArray[np.int16]) -> None:
        health = self.health
        health.samples += samples.size
        health.last_block_at_s = time.monotonic()
        self._level.push(samples)
        health.level_dbfs = self._level.dbfs
        if self._status.muted:
            # Nothing of it is kept: when the mute ends, what was said before it is gone, too.
            self._skip(samples.size)
            return
        start = self._own.position
        began = time.perf_counter()
        if self._guard is not None:
            self._guard.push(samples)
        try:
            events = list(self._own.push(samples))
        except Exception as error:
            # Nothing can go on without it; but a bundle on probation is not the one to start with again.
            if self._watch is not None:
                self._watch.failed(f"{type(error).__name__}: {error}")
            raise
        health.busy_s += time.perf_counter() - began
        if self._watch is not None:
            self._update(self._watch, samples, events, start)
        if self._bus.wanted(Audio):
            self._bus.push(Audio(start, samples))

    def _take_word(self, word: str, score: float) -> None:
        """Answer for a word that the source heard itself."""
        if self._status.muted:
            return
        wake = self._own.heard(word, score)
        if self._watch is not None:
            self._watch.told(wake)

    def _update(
        self, watch: UpdateWatch, samples: npt.NDArray[np.int16], events: list[Wake | Answer], start: int
    ) -> None:
        """Let a bundle on trial hear the same, and use another one when it is time to."""
        failing, self._failing = self._failing, ""
        bundle = watch.failed(failing) if failing else watch.heard(samples, events, start_sample=start)
        if bundle is not None:
            rules, _ = self._fitting(watch, bundle)
            if rules is not None:
                self._follow(rules)

    def _skip(self, samples: int, *, native_rate_hz: int | None = None) -> None:
        """Go on after samples that were not heard; what was heard before them is decided first."""
        if self._own.busy:
            for _ in self._own.finish():
                pass
        self._own.skip(samples, native_rate_hz=native_rate_hz)
        if self._guard is not None:
            self._guard.skip(self._own.position)
        if self._watch is not None:
            self._watch.restarted(native_rate_hz=native_rate_hz or self._native_rate_hz)
        self._native_rate_hz = native_rate_hz or self._native_rate_hz

    def _progress(self) -> None:
        if not self._ready:
            self._ready = True
            self._notifier.ready()
        self._notifier.watchdog()

    def _reload(self) -> None:
        """Read the settings again; where they cannot be used, those that hold go on."""
        self._notifier.reloading()
        try:
            settings = load(self._settings.path)
            # Which bundle is used, where there are slots, is not for the settings to say.
            rules = rules_of(settings, opened=None if self._watch is None else self._rules.unfitted)
            rules.pipeline()  # what does not fit is told now, and nothing is changed
        except VivavoceError as error:
            self.health.reload_faults += 1
            _log.error("reload: %s; everything goes on as it was", error)
        except Exception:
            # Of a plug-in, or what nobody thought of: whoever edits a file must not end what listens.
            self.health.reload_faults += 1
            _log.exception("reload: failed; everything goes on as it was")
        else:
            self.health.reloads += 1
            waiting = needs_restart(self._settings, settings)
            if self._watch is not None:
                # Whose bundles are taken into the slots was read at the start.
                old, new = self._settings.tables, settings.tables
                waiting += [name for name in ("trust", "bundle") if getattr(old, name) != getattr(new, name)]
            if waiting:
                _log.warning("reload: changes of %s need a restart", ", ".join(waiting))
            self._follow(rules)
            # What needs a restart is compared with what runs, also next time.
            kept = {name: getattr(self._settings.tables, name) for name in waiting}
            tables = replace(settings.tables, **kept)
            self._settings = replace(self._settings, tables=tables, calibration=settings.calibration)
            _log.info("reload: bundle %s, words: %s", rules.bundle.path, ", ".join(self.status.words))
        self._notifier.ready()

    def _follow(self, rules: Rules) -> None:
        with self._changing:
            self._rules = rules
            sessions = [self._own, *self._sessions]
        for session in sessions:
            session.follow(rules)
        self._change(words=rules.heard_words, bundle=rules.bundle.bundle_version)

    def _change(
        self,
        *,
        source: SourceState | None = None,
        source_name: str | None = None,
        playing: bool | None = None,
        words: tuple[str, ...] | None = None,
        bundle: str | None = None,
    ) -> None:
        """Say that something of the status is another now; who wants it is told if it is."""
        with self._changing:
            old = self._status
            new = replace(
                old,
                source=old.source if source is None else source,
                source_name=old.source_name if source_name is None else source_name,
                muted=self._mute.on,
                mute_switch=self._mute.held,
                playing=old.playing if playing is None else playing,
                words=old.words if words is None else words,
                bundle=old.bundle if bundle is None else bundle,
            )
            if new == old:
                return
            self._status = replace(new, at_s=time.time())
            # Under the lock, so that the last change is told last.
            self._bus.push(self._status)
        self._notifier.status(_told(self._status))

    # ------------------------------------------------------------------------------------ for its sinks

    @property
    def status(self) -> Status:
        """See :class:`edge.house.House`."""
        return self._status

    @property
    def words(self) -> tuple[Word, ...]:
        """See :class:`edge.house.House`."""
        rules = self._rules
        return tuple(word for word in rules.bundle.words if word.id in rules.heard_words)

    @property
    def sinks(self) -> dict[str, SinkCounts]:
        """See :class:`edge.house.House`."""
        return self._bus.counts

    def mute(self, muted: bool) -> None:
        """See :class:`edge.house.House`."""
        with self._changing:
            self._mute.ask(muted)
        self._change()

    def mute_switch(self, name: str, on: bool) -> None:
        """See :class:`edge.house.House`."""
        with self._changing:
            self._mute.turn(name, on)
        self._change()

    def playing(self, playing: bool) -> None:
        """See :class:`edge.house.House`."""
        self._change(playing=playing)

    def session(self, origin: str, *, words: tuple[str, ...] | None = None, listen: bool = True) -> GateSession:
        """See :class:`edge.house.House`."""
        with self._changing:
            if len(self._sessions) >= _MOST_SESSIONS:
                raise UsageError(
                    f"{origin}: got one stream more than the {_MOST_SESSIONS} that may be sent at a time; end another"
                )
            session = GateSession(origin, self._rules, self, words=words or (), listen=listen, on_close=self._left)
            self._sessions.add(session)
        return session

    def _left(self, session: GateSession) -> None:
        with self._changing:
            self._sessions.discard(session)

    # ------------------------------------------------------------------------------------ for its sessions

    def publish(self, answer: Answer) -> None:
        """See :class:`edge.session.Home`."""
        _log.info(
            "%s %s: %s (%s) live %s score %.2f id %s",
            answer.origin,
            answer.word,
            answer.action,
            ",".join(answer.reasons),
            "-" if math.isnan(answer.live_probability) else f"{answer.live_probability:.2f}",
            answer.wake_score,
            answer.id,
            extra={"record": answer.to_dict()},
        )
        if answer.origin == SOURCE and FAILED in answer.reasons:
            self._failing = "the liveness network fails"
        self._bus.push(answer)

    def circumstances(
        self, origin: str, samples: npt.NDArray[np.int16], start: int, stop: int, at_s: float
    ) -> Circumstances:
        """See :class:`edge.session.Home`."""
        own = origin == SOURCE
        heard_before = self._memory.match(samples, at_s).hit
        # Whoever spoke it: what a person says now may be played tomorrow.
        self._memory.add(samples, at_s)
        return Circumstances(
            own_playback=own and self._guard is not None and self._guard.own(start, stop),
            # A reference that is lost compares nothing: then what is said counts.
            playing=own and self._status.playing and (self._guard is None or not self._guard.up),
            heard_before=heard_before,
        )


def _made(settings: DaemonSettings, table: str, make: Callable[[], T]) -> T:
    """Make a plug-in; what a third party's raises is one line, too."""
    try:
        return make()
    except VivavoceError:
        raise
    except Exception as error:
        raise UsageError(
            f"{settings.path}: {table}: the plug-in failed ({type(error).__name__}: {error}), expected it to be made; "
            "ask whoever made it, or leave the table out"
        ) from error


class _Level:
    """Level of the last half second."""

    def __init__(self) -> None:
        self.dbfs = -120.0
        self._sum = 0.0
        self._n = 0

    def push(self, samples: npt.NDArray[np.int16]) -> None:
        x = samples.astype(np.float32)
        self._sum += float(x @ x)
        self._n += samples.size
        if self._n >= _LEVEL_SAMPLES:
            power = self._sum / self._n / 32768.0**2
            self.dbfs = max(-120.0, 10.0 * math.log10(power)) if power > 0 else -120.0
            self._sum, self._n = 0.0, 0


def _told(status: Status) -> str:
    """Return a status as the line that ``systemctl status`` shows."""
    state = (
        ("muted by its switch" if status.mute_switch else "muted")
        if status.muted
        else {"listening": "listening to", "lost": "microphone lost:"}.get(status.source, "")
    )
    return f"{state or status.source} {status.source_name}".strip()
