"""Sending a model image over a transport, which may break and come back meanwhile."""

import random
import select
import time
from collections.abc import Callable

from edge.errors import AudioError, DataError
from firmware_bridge.link.bundle_sender import BundleSender
from firmware_bridge.link.peer import Peer
from firmware_bridge.link.peer_state import Settings
from firmware_bridge.link.transports import Transport

__all__ = ["send_image"]

_RETRY_S = 0.5
_OFFER_AGAIN_S = 5.0
_LONGEST_WAIT_S = 0.05


def send_image(
    connect: Callable[[], Transport],
    sender: BundleSender,
    told: Callable[[BundleSender], None],
    *,
    patience_s: float = 30.0,
) -> None:
    """Send an image; returns once it is active or refused, or the device keeps it without activating it.

    Parameters
    ----------
    connect : callable
        Opens the transport; called again after the link was lost.
    sender : BundleSender
    told : callable
        Called now and then, with the sender.
    patience_s : float
        Time without any progress after which it is given up, s.

    Raises
    ------
    AudioError
        If the port cannot be opened at the start, or nothing comes from the device any more.
    DataError
        If the device takes no models, or speaks another version of the link.
    """
    peer = Peer(Settings(role=0, name="vivavoce bridge send"), session=random.randrange(65_535))
    transport: Transport | None = connect()
    lost: AudioError | None = None
    unsent = b""
    seen, since_s, asked_s = (), time.monotonic(), time.monotonic()
    try:
        while not sender.finished:
            now_s = time.monotonic()
            if transport is None:
                time.sleep(_RETRY_S)
                try:
                    transport, unsent = connect(), b""
                except AudioError as error:
                    lost = error
            if transport is not None:
                try:
                    unsent = _turn(peer, transport, sender, unsent, now_s)
                except AudioError as error:
                    lost = error
                    transport.close()
                    transport = None
                    peer.disconnected(now_s)
            if peer.fault:
                raise DataError(f"device: {peer.fault}")
            told(sender)
            progress = (sender.state, sender.stored, sender.sent_bytes, len(sender.starts))
            if progress != seen:
                seen, since_s, asked_s = progress, now_s, now_s
            elif now_s - asked_s > _OFFER_AGAIN_S and sender.state != "verified":
                sender.offer_again()
                asked_s = now_s
            if now_s - since_s > patience_s:
                if sender.state == "verified":
                    return
                why = str(lost) if transport is None and lost else "it was connected"
                raise AudioError(
                    f"device: nothing came for {patience_s:g} s ({why}), expected an answer to the offer of a model; "
                    "check that the device runs, then send it again: it goes on with what is stored"
                )
    finally:
        if transport is not None:
            transport.close()


def _turn(peer: Peer, transport: Transport, sender: BundleSender, unsent: bytes, now_s: float) -> bytes:
    """Read, think, write, and wait for more; returns what there was no room for."""
    peer.receive(transport.read(), now_s)
    for message in peer.messages():
        sender.take(message)
    sender.push(peer)
    if not unsent:
        unsent = peer.poll(now_s, room=4096)
    if unsent:
        unsent = unsent[transport.write(unsent) :]
    wait_s = min(_LONGEST_WAIT_S, max(0.0, peer.next_poll_s() - now_s))
    if transport.fileno() < 0 or unsent:
        time.sleep(min(wait_s, 0.002))
    else:
        waiting = select.poll()
        waiting.register(transport.fileno(), select.POLLIN)
        waiting.poll(max(1, round(wait_s * 1000)))
    return unsent
