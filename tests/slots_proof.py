"""What must hold of the two slots wherever the power is cut; for tests and for the bench."""

import itertools
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from slots_device import Device

from firmware_bridge.link.bundle_image import sha256_of
from firmware_bridge.link.messages import Message

__all__ = ["CHUNK", "Proof", "chains", "install", "mark_step", "offer", "power_cuts", "same_cut", "send"]

CHUNK = 500
"""Bytes of a chunk: no divisor of a page."""


def offer(image: bytes, **values) -> Message:
    """Return the offer of an image; ``values`` are lies."""
    return Message("bundle_offer", {"size": len(image), "sha256": sha256_of(image)} | values)


@dataclass
class Sent:
    """What a transfer came to."""

    start: int = -1
    at: int = 0
    said: list[Message] = field(default_factory=list)

    @property
    def state(self) -> int:
        """The last state; -1 without one."""
        states = [message.values["state"] for message in self.said if message.kind == "bundle_state"]
        return states[-1] if states else -1

    @property
    def reason(self) -> str:
        """What was said of the last state."""
        return [message.values["reason"] for message in self.said if message.kind == "bundle_state"][-1]


def send(device: Device, image: bytes, *, offered: Message | None = None, until: int | None = None) -> Sent:
    """Send an image as a host does, up to a place if one is named; ends where the power does."""
    sent = Sent()
    device.take(offered or offer(image))
    sent.said += device.say()
    if device.dead:
        return sent
    wants = [message.values["offset"] for message in sent.said if message.kind == "bundle_want"]
    assert len(wants) == 1
    sent.start = sent.at = wants[0]
    end = len(image) if until is None else until
    while sent.at < end and sent.state not in (2, 3) and not device.dead:
        piece = image[sent.at : min(end, sent.at + CHUNK)]
        device.take(Message("bundle_chunk", {"offset": sent.at, "data": piece}))
        sent.at += len(piece)
        sent.said += device.say()
    return sent


def install(device: Device, image: bytes) -> Device:
    """Send an image, start with it and confirm it."""
    sent = send(device, image)
    assert sent.state == 1, sent.said
    assert device.activate()
    device.power_on()
    assert device.running() == image
    assert device.confirm()
    return device


def mark_step(device: Device) -> int:
    """Return how many bytes may have to be sent again after a power cut, by the documentation."""
    marks = (device.sector // 64 - 12) // 2
    sectors = device.slot_size // device.sector - 1
    return -(-sectors // marks) * device.sector


@dataclass
class Proof:
    """What was seen."""

    cuts: int = 0
    old_ran: int = 0
    new_ran: int = 0
    resumed: int = 0
    most_sent_again: int = 0
    faults: list[str] = field(default_factory=list)

    def expect(self, holds: bool, what: str) -> None:
        """Write down what does not hold."""
        if not holds:
            self.faults.append(what)


@dataclass
class Life:
    """How far an update came."""

    sent: Sent = field(default_factory=Sent)
    activating: bool = False
    done: bool = False


def life(device: Device, image: bytes) -> Life:
    """Update a device that is running, start it anew, and confirm; ends where the power does."""
    done = Life()
    done.sent = send(device, image)
    if device.dead:
        return done
    if done.sent.state == 1:
        done.activating = True
        if not device.activate() or device.dead:
            return done
        device.power_on(cut_after=device.sim.left, seed=device.sim.dice)
        if device.dead:
            return done
    done.done = device.running() == image and device.confirm() and not device.dead
    return done


def power_cuts(
    make: Callable[[], Device], old: bytes, new: bytes, cuts: Iterable[int] | None = None, *, seed: int = 0
) -> Proof:
    """Cut the power at each place of an update from one image to another.

    Parameters
    ----------
    make : callable
        Returns a device on which the old image runs.
    old, new : bytes
    cuts : iterable of int, optional
        Bytes after which it is cut; by default all, one after the other.
    seed : int
        Of what a cut leaves.
    """
    proof = Proof()
    device = make()
    before = device.flash.raw
    if cuts is None:
        device.power_on(cut_after=1 << 40, seed=seed)
        assert life(device, new).done
        cuts = range((1 << 40) - device.sim.left + 1)
    for cut in cuts:
        proof.cuts += 1
        device.flash.raw = before
        device.power_on(cut_after=cut, seed=seed + cut)
        where = f"cut after {cut} bytes: "
        proof.expect(device.running() == old, f"{where}the old one does not run before")
        first = life(device, new)
        device.power_on()
        ran = device.running()
        if ran == new:
            proof.new_ran += 1
            proof.expect(first.activating, f"{where}the new one runs though it was not activated")
        else:
            proof.old_ran += 1
            proof.expect(ran == old, f"{where}what runs is neither the old one nor the new")
        device.sim.left, device.sim.dice = -1, 1
        second = life(device, new)
        proof.expect(second.done, f"{where}the next transfer fails: {second.sent.said}")
        proof.resumed += second.sent.start > 0
        if second.sent.start >= 0 and not first.activating:
            again = first.sent.at - second.sent.start
            proof.most_sent_again = max(proof.most_sent_again, again)
            proof.expect(again <= mark_step(device) + CHUNK + 256, f"{where}{again} bytes are sent again")
        device.power_on()
        proof.expect(device.running() == new, f"{where}the new one does not run in the end")
        proof.expect(not device.sim.violations, f"{where}the flash was misused {device.sim.violations} times")
        device.sim.violations = 0
    return proof


def chains(make: Callable[[], Device], old: bytes, new: bytes, count: int, *, seed: int = 0, most: int = 3000) -> Proof:
    """Cut the power again and again at random places, until an update is through."""
    proof = Proof()
    dice = random.Random(seed)
    device = make()
    before = device.flash.raw
    for chain in range(count):
        device.flash.raw = before
        activating = False
        for turn in range(400):
            proof.cuts += 1
            device.power_on(cut_after=dice.randrange(most), seed=dice.randrange(1 << 30))
            if not device.dead:
                ran = device.running()
                where = f"chain {chain}, cut {turn}: "
                proof.expect(ran in (old, new), f"{where}what runs is neither the old one nor the new")
                proof.expect(ran != new or activating, f"{where}the new one runs though it was not activated")
                attempt = life(device, new)
                activating |= attempt.activating
                if attempt.done:
                    break
                proof.resumed += attempt.sent.start > 0
        device.power_on()
        proof.expect(device.running() == new, f"chain {chain}: the new one does not run in the end")
        proof.expect(not device.sim.violations, f"chain {chain}: the flash was misused")
        device.sim.violations = 0
    return proof


def same_cut(
    make: Callable[[], Device], new: bytes, cuts: Iterable[int], again: Iterable[int], *, turns: int = 60
) -> Proof:
    """Cut the power, and then after the same number of bytes again and again: the update after that goes through.

    What a log has room for is used up by what the cuts spoil.
    """
    proof = Proof()
    device = make()
    before = device.flash.raw
    for cut, later in itertools.product(cuts, tuple(again)):
        device.flash.raw = before
        for turn in range(turns):
            proof.cuts += 1
            device.power_on(cut_after=later if turn else cut, seed=cut * turns + turn)
            proof.resumed += life(device, new).sent.start > 0
        device.power_on()
        last = life(device, new)
        where = f"cut after {cut} bytes, and {turns} times after {later}: "
        # Started three times without being confirmed, it is given up as one that does not run.
        done = last.done or (last.sent.state == 3 and "was tried" in last.sent.reason)
        proof.expect(done, f"{where}the update fails: {last.sent.said}")
        proof.expect(not device.sim.violations, f"{where}the flash was misused")
        device.sim.violations = 0
    return proof
