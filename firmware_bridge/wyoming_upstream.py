"""The wake service that stands behind the proxy: reached when needed, described, and told of once where it is away."""

import asyncio
import json
import logging
import time
from typing import Any

from wyoming.info import Describe, Info

from edge.errors import VivavoceError
from firmware_bridge.wyoming_connection import Connection, LinkError, connect
from firmware_bridge.wyoming_framing import SERVICES, FrameError
from firmware_bridge.wyoming_listening import address_of

__all__ = ["AwayError", "Upstream"]

_log = logging.getLogger(__name__)

_DESCRIBE_S = 0.8
"""Home Assistant waits for a description for 1 s."""
_RETRY_S = 1.0
"""Time until a service that is away is tried again, s."""


class AwayError(VivavoceError):
    """The service is away."""


class Upstream:
    """A wake service, for all clients of a proxy.

    Parameters
    ----------
    name : str
        Of the sink, for logs.
    uri : str
        See :func:`~firmware_bridge.wyoming_listening.address_of`.
    timeout_s : float
        Time in which it must take a connection, and what it is sent, s.
    """

    def __init__(self, name: str, uri: str, timeout_s: float) -> None:
        self._name = name
        self._address = address_of(uri)
        self._timeout_s = timeout_s
        self._retry_at_s = 0.0
        self._away = False
        # What it said of itself last, for while it is away.
        self._info: dict[str, Any] | None = None

    @property
    def due(self) -> bool:
        """Whether it may be tried now."""
        return time.monotonic() >= self._retry_at_s

    async def connect(self) -> Connection:
        """Connect.

        Raises
        ------
        LinkError
            If it is away; that is told to the log once.
        """
        try:
            link = await connect(*self._address, SERVICES, timeout_s=self._timeout_s)
        except LinkError as error:
            self.lost(error)
            raise
        if self._away:
            _log.info("%s: the wake service behind it is there again", self._name)
        self._away = False
        return link

    def lost(self, fault: Exception) -> None:
        """Take note that it is away."""
        self._retry_at_s = time.monotonic() + _RETRY_S
        if not self._away:
            _log.warning("%s: the wake service behind it is away, which is tried again: %s", self._name, fault)
        self._away = True

    async def info(self) -> dict[str, Any] | None:
        """Return the data of its ``info``: of now, or the last one that was seen; None if none ever was."""
        try:
            async with asyncio.timeout(_DESCRIBE_S):
                self._info = await self._described()
        except (LinkError, FrameError, TimeoutError) as error:
            self.lost(error)
        return self._info

    async def _described(self) -> dict[str, Any]:
        link = await self.connect()
        try:
            await link.write(Describe().event())
            while (event := await link.read()) is not None:
                if Info.is_type(event.type):
                    data: dict[str, Any] = event.data
                    return _sayable(data)
        finally:
            await link.close()
        raise LinkError("it closed the connection before it described itself")


def _sayable(data: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(data, allow_nan=False)
    except ValueError as error:
        raise FrameError(f"info: got what cannot be said again ({error})") from error
    return data
