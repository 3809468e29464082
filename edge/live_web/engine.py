"""The loop of the demo in a browser: sound into what listens, and what is seen of it to every page that is open.

One thread owns all of the state. Connections ask it by :meth:`Engine.ask`, and pages are told by :meth:`Page.tell`,
which waits for nobody.
"""

import io
import logging
import queue
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import soundfile

from edge.bundle import Bundle
from edge.capture import Block, Capture, Ended, Gap, Idle, Lost, Nothing, Opened
from edge.errors import UsageError
from edge.health import Health
from edge.live import LiveSource
from edge.live_demo.listener import Listener
from edge.live_demo.state import Ruled
from edge.live_web.browser_source import BrowserMicrophone
from edge.live_web.records import columns_record, decision_record, hello_record, miss_record, state_record
from edge.live_web.what_if import Cutoffs, Miss, MissWatch, would_be
from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["HISTORY", "Engine", "Page"]

_log = logging.getLogger(__name__)

HISTORY = 50
"""Decisions that a page can look back on, and sound that is kept of them if it was asked for."""
_MISSES = 100
_PICTURES_PER_S = 15
_WAIT_S = 1 / _PICTURES_PER_S
_GAP_SAMPLES = 10 * SAMPLE_RATE_HZ
"""Sound after which it is no longer told that some was lost."""
_PIECE = 480
"""Samples that are pushed at a time: between two of its runs the wake network changes no score."""


class Page(Protocol):
    """A page that is open."""

    def tell(self, record: dict[str, Any]) -> None:
        """Send a record, without waiting."""


class Engine:
    """Listen while a page is open, and tell all of them what is heard.

    Parameters
    ----------
    listener : Listener
    bundle : Bundle
        That it listens with.
    source : LiveSource or None
        Of the server; None where it has none, and pages bring their own.
    note : str, optional
        What pages are told of that.
    clock : callable, optional
        Returns seconds.
    """

    def __init__(
        self,
        listener: Listener,
        bundle: Bundle,
        source: LiveSource | None,
        *,
        note: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listener = listener
        self._source = source
        self._clock = clock
        self._due = clock()
        self._asked: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._pages: list[Page] = []
        self._alone_since = clock()
        self._capture: Capture | None = None
        self._health = Health()
        self._owner: Page | None = None
        self._kind = "none"
        self._ended = False
        self._hears = False
        self._gap = ("", 0)
        self._name = ""
        self._entries: deque[tuple[int, Ruled]] = deque(maxlen=HISTORY)
        self._newest: Ruled | None = None
        self._count = 0
        self._misses: deque[Miss] = deque(maxlen=_MISSES)
        self._column: npt.NDArray[np.float32] | None = None
        state = listener.state
        self._watch = MissWatch(state.words, state.cutoffs)
        self._hello = hello_record(state, bundle, listener.reference)
        state.source, state.note = "off", note

    def ask(self, do: Callable[[], None]) -> None:
        """Have something done between two blocks, by the thread that listens."""
        self._asked.put(do)

    def run(self, going: Callable[[], bool]) -> None:
        """Listen, for as long as `going` says so."""
        try:
            while going():
                self.step()
        finally:
            self._stop()

    def step(self) -> None:
        """Do what was asked, take one item of the source, and tell the pages if it is time."""
        try:
            if self._capture is None:
                # Without a source, questions are all that there is to wait for.
                self._asked.get(timeout=_WAIT_S)()
            while True:
                self._asked.get_nowait()()
        except queue.Empty:
            pass
        if self._capture is not None:
            self._take(self._capture)
        if self._clock() >= self._due:
            self._tell_state()
            self._due = self._clock() + _WAIT_S

    def over(self, alone_s: float) -> bool:
        """Tell whether the server's source is at its end, and no page has been open for so long, s."""
        return self._ended and not self._pages and self._clock() - self._alone_since >= alone_s

    # ------------------------------------------------------------------------------------------ asked by a page

    def join(self, page: Page) -> None:
        """Take in a page: it is told all that there is, and the server's source is opened for the first one."""
        self._tell_state()
        self._pages.append(page)
        columns = list(self._listener.state.columns)
        page.tell(
            self._hello
            | {
                "server": None if self._source is None else self._source.name,
                "columns": columns_record(columns),
                "history": [decision_record(number, ruled) for number, ruled in self._entries],
                "misses": [miss_record(miss) for miss in self._misses],
            }
        )
        self._tell_source([page])
        if self._kind == "none" and self._source is not None and len(self._pages) == 1:
            self.use_server()
        page.tell(state_record(self._listener.state, self._hears))

    def leave(self, page: Page) -> None:
        """Let a page go, and its microphone with it; nothing is listened to while nobody looks."""
        if page not in self._pages:
            return
        self._pages.remove(page)
        self._alone_since = self._clock()
        if self._owner is page:
            self.use_nothing("the page whose microphone was used is gone")
        elif not self._pages and self._source is not None and self._source.live:
            self.use_nothing("")

    def use_server(self) -> None:
        """Listen to the server's source; a file begins again.

        Raises
        ------
        UsageError
            If there is none.
        """
        if self._source is None:
            raise UsageError("the server has no source: use the browser's microphone, or start it with a file")
        self._start(self._source, "server", None)

    def use_browser(self, page: Page, microphone: BrowserMicrophone) -> None:
        """Listen to the microphone of a page."""
        self._start(microphone, "browser", page)

    def use_nothing(self, why: str) -> None:
        """Listen to nothing."""
        self._stop()
        self._listener.state.source, self._listener.state.note = "off", why
        self._tell_source(self._pages)

    def keep(self, on: bool) -> None:
        """Keep the sound of decisions from now on, in memory; or no more, and forget what was kept."""
        self._listener.keeps_sound = on
        if not on:
            self._forget_sound()
        self._tell_source(self._pages)
        self._tell_history()

    def clear(self) -> None:
        """Forget all decisions, and their sound."""
        self._entries.clear()
        self._misses.clear()
        state = self._listener.state
        state.decisions.clear()
        state.needle = self._newest = None
        self._tell_history()

    def what_if(self, page: Page, cutoffs: Cutoffs) -> None:
        """Tell a page what other cut-offs would have changed."""
        words = self._listener.state.words
        unknown = sorted(set(cutoffs.words) - set(words))
        if unknown:
            raise UsageError(f"words: got {unknown[0]!r}, expected one of {', '.join(words) or 'none'}")
        verdicts = {number: would_be(ruled, cutoffs) for number, ruled in self._entries}
        more = [miss for miss in self._misses if miss.score > cutoffs.words.get(miss.word, 1.0)]
        page.tell(
            {
                "type": "what_if",
                "changed": {
                    number: verdicts[number] for number, ruled in self._entries if verdicts[number] != ruled.verdict
                },
                "also_heard": [miss_record(miss) for miss in more],
            }
        )

    def sound(self, number: int) -> bytes | None:
        """Return the sound that is kept of a decision, as WAV; None if there is none. From any thread."""
        for kept, ruled in tuple(self._entries):
            if kept == number and ruled.sound is not None:
                content = io.BytesIO()
                soundfile.write(content, ruled.sound, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
                return content.getvalue()
        return None

    def _forget_sound(self) -> None:
        state = self._listener.state
        for i, (number, ruled) in enumerate(self._entries):
            self._entries[i] = number, replace(ruled, sound=None)
        for i, ruled in enumerate(state.decisions):
            state.decisions[i] = replace(ruled, sound=None)
        self._newest = state.decisions[0] if state.decisions else None
        if state.needle is not None:
            state.needle = replace(state.needle, sound=None)

    # ---------------------------------------------------------------------------------------------------- sound

    def _start(self, source: LiveSource, kind: str, owner: Page | None) -> None:
        self._stop()
        self._kind, self._owner, self._name, self._ended = kind, owner, source.name, False
        self._listener.state.source, self._listener.state.note = "opening", ""
        self._capture = Capture(source, health=self._health, checked=source.live and kind == "server")
        self._tell_source(self._pages)

    def _stop(self) -> None:
        capture, self._capture = self._capture, None
        self._kind, self._owner, self._hears = "none", None, False
        if capture is not None:
            capture.close()
            self._listener.begin(self._listener.native_rate_hz)

    def _take(self, capture: Capture) -> None:
        state = self._listener.state
        item = capture.take(_WAIT_S)
        if isinstance(item, Opened):
            self._listener.begin(item.native_rate_hz)
            self._name, state.source, state.note = item.name, item.name, ""
        elif isinstance(item, Block):
            state.source, self._hears = self._name, True
            self._push(item.samples)
            told, until = self._gap
            if state.note == told and state.heard_samples >= until:
                state.note = ""
        elif isinstance(item, Gap):
            # What follows does not join what came before.
            self._listener.begin(self._listener.native_rate_hz)
            state.note = f"{item.reason}: {item.lost_samples} samples are lost"
            self._gap = state.note, state.heard_samples + _GAP_SAMPLES
        elif isinstance(item, Lost):
            state.source, state.note = f"lost, tried again in {item.next_in_s:.0f} s", item.reason
            self._hears = False
        elif isinstance(item, Idle):
            state.source, self._hears = f"{self._name}: waits for sound", False
        elif isinstance(item, Ended):
            for _ in self._listener.finish():
                pass
            # What a verifier had not looked at yet, it has now.
            self._misses.extend(self._watch.push(state.deciding, state.heard_samples))
            self._misses.extend(self._watch.finish())
            self._collect()
            self._ended = self._kind == "server"
            self._stop()
            state.source = f"{self._name}: ended"
            self._tell_source(self._pages)
        else:
            assert isinstance(item, Nothing)
        state.queue_s = self._health.queue_s

    def _push(self, samples: npt.NDArray[np.int16]) -> None:
        state = self._listener.state
        for at in range(0, samples.size, _PIECE):
            for _ in self._listener.push(samples[at : at + _PIECE]):
                pass
            self._misses.extend(self._watch.push(state.deciding, state.heard_samples))
        self._collect()

    def _collect(self) -> None:
        """Give the decisions that are new a number, oldest first, and tell them."""
        fresh: list[Ruled] = []
        for ruled in self._listener.state.decisions:
            if ruled is self._newest:
                break
            fresh.append(ruled)
        for ruled in reversed(fresh):
            self._count += 1
            self._newest = ruled
            self._entries.append((self._count, ruled))
            self._tell({"type": "decision", "decision": decision_record(self._count, ruled)})

    # ----------------------------------------------------------------------------------------------------- told

    def _tell_state(self) -> None:
        columns = self._listener.state.columns
        fresh: list[npt.NDArray[np.float32]] = []
        for column in reversed(columns):
            if column is self._column:
                break
            fresh.append(column)
        if fresh:
            self._column = fresh[0]
        self._tell(state_record(self._listener.state, self._hears) | {"columns": columns_record(fresh[::-1])})

    def _tell_source(self, pages: list[Page]) -> None:
        for page in tuple(pages):
            page.tell(
                {
                    "type": "source",
                    "kind": self._kind,
                    "ended": self._ended,
                    "yours": self._owner is page,
                    "keeps_sound": self._listener.keeps_sound,
                }
            )

    def _tell_history(self) -> None:
        self._tell({"type": "history", "history": [decision_record(number, ruled) for number, ruled in self._entries]})

    def _tell(self, record: dict[str, Any]) -> None:
        for page in tuple(self._pages):
            page.tell(record)
