"""A session of the house for code that must not wait: its work is done in a thread of a pool, one task at a time."""

import asyncio
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from edge.answers import Answer
from edge.errors import VivavoceError
from edge.events import Wake
from edge.house import House, Session

__all__ = ["AsyncSession", "BusyError"]

T = TypeVar("T")


class BusyError(VivavoceError):
    """The house has no room for another session."""


class AsyncSession:
    """A session, one caller at a time.

    Whoever waits for it may be cancelled: the work in its thread goes on, and what is asked next waits for it.

    Parameters
    ----------
    pool : ThreadPoolExecutor
        With two threads for every session: one for its work, and one in which its end waits for that.
    house : House
    origin : str
        See :meth:`edge.house.House.session`.
    """

    def __init__(self, pool: ThreadPoolExecutor, house: House, origin: str) -> None:
        self._pool = pool
        self._house = house
        self._origin = origin
        self._session: Session | None = None
        self._key: tuple[tuple[str, ...], bool] | None = None
        self._closed = False
        self._one = threading.Lock()
        self._running: asyncio.Future[Any] | None = None

    async def begin(self, native_rate_hz: int, *, words: tuple[str, ...] = (), listen: bool = True) -> None:
        """Begin a stream; a session is made where there is none, or one for other words.

        Raises
        ------
        BusyError
            If the house makes no further one.
        """

        def work() -> None:
            if self._closed:
                return
            if self._session is None or self._key != (words, listen):
                self._let_go()
                try:
                    self._session = self._house.session(self._origin, words=words or None, listen=listen)
                except VivavoceError as error:
                    raise BusyError(str(error)) from error
                self._key = (words, listen)
            self._session.reset(native_rate_hz=native_rate_hz)

        await self._run(work)

    async def push(self, blocks: Iterable[npt.NDArray[np.int16]]) -> list[Answer]:
        """Push blocks, which are made in the thread, too, and return the answers."""

        def work() -> list[Answer]:
            session = self._begun()
            return [event for block in blocks for event in session.push(block) if isinstance(event, Answer)]

        return await self._run(work)

    async def heard(self, word: str, score: float) -> Wake:
        """Tell of a word that somebody else heard."""
        return await self._run(lambda: self._begun().heard(word, score))

    async def finish(self) -> list[Answer]:
        """End the stream, and return the answers that were waited for."""
        return await self._run(lambda: list(self._begun().finish()))

    def close(self) -> "asyncio.Future[None]":
        """Let go of the session for good, after what is still at work; nobody has to wait for it, or can stop it."""

        def work() -> None:
            with self._one:
                self._closed = True
                self._let_go()

        # Without the shield, whoever is cancelled while he waits for it would take it out of the queue of the pool.
        return asyncio.shield(asyncio.wrap_future(self._pool.submit(work)))

    def _begun(self) -> Session:
        assert self._session is not None, "a stream has begun"
        return self._session

    def _let_go(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    async def _run(self, work: Callable[[], T]) -> T:
        if self._running is not None and not self._running.done():
            await asyncio.wait([self._running])
        running = asyncio.get_running_loop().run_in_executor(self._pool, self._alone, work)
        # Where nobody waits for it any more, nobody looks at its error, of which asyncio would complain.
        running.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._running = running
        return await asyncio.shield(running)

    def _alone(self, work: Callable[[], T]) -> T:
        with self._one:
            return work()
