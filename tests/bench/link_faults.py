"""The link under faults, fuzzed frames, and over a slow line.

    python tests/bench/link_faults.py

Faults run on a clock that is set by hand, so that times are those of the protocol: 5 ms in each direction. The line is
a pseudoterminal with the device in a process of its own, which writes 92,160 bytes/s at most: 921,600 baud.
"""

import argparse
import json
import multiprocessing
import random
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from processes import ROOT, summary, write_result

sys.path.insert(0, str(ROOT / "tests"))

from link_c_peer import build_peer, c_peers
from link_fuzz import build_fuzzer
from link_messages import draw, fuzzed
from link_wire import Wire, audio, bit_errors, log
from tqdm import tqdm

from edge.errors import AudioError, DataError
from firmware_bridge.link.framing import Frame, cobs_decode, cobs_encode, crc16, frame_bytes, parse_frame
from firmware_bridge.link.messages import Message, decode, encode
from firmware_bridge.link.peer import Peer
from firmware_bridge.link.peer_state import Settings
from firmware_bridge.link.table import MESSAGES, kind_named
from firmware_bridge.link.transports import Transport, pty_pair

BYTES_S = 92_160
SECONDS = 10.0
BLOCK = 320


def under(fault: Any, count: int, makes: Any = (Peer, Peer), *, reconnect_every: int = 0) -> dict[str, Any]:
    """Send messages in both directions; count what was lost, doubled, out of order or wrong."""
    wire = Wire(fault, makes=makes)
    sent = 0
    while sent < count or wire.device.waiting or wire.host.waiting:
        assert wire.now_s < 3600, "the link is stuck"
        while sent < count and wire.device.waiting < 64 and wire.host.waiting < 64:
            assert wire.device.send(audio(sent))
            assert wire.host.send(log(sent))
            sent += 1
            if reconnect_every and sent % reconnect_every == 0:
                wire.reconnect()
        wire.step()
    wrong = lost = doubled = 0
    for peer, make in ((wire.host, audio), (wire.device, log)):
        indices = [message.values["index"] for message in wire.got[peer]]
        wrong += sum(message != make(message.values["index"]) for message in wire.got[peer])
        lost += len(set(range(count)) - set(indices))
        doubled += len(indices) - len(set(indices))
        wrong += indices != sorted(indices)
    return {
        "messages": 2 * count,
        "lost": lost,
        "doubled": doubled,
        "wrong": wrong,
        "frames_damaged": wire.host.damaged + wire.device.damaged,
        "frames_resent": wire.host.counts.resent + wire.device.counts.resent,
        "frames_stale": wire.host.counts.stale + wire.device.counts.stale,
        "sessions": wire.host.counts.sessions,
        "seconds": round(wire.now_s, 2),
    }


def faults(seed: int, count: int, makes: Any = (Peer, Peer)) -> dict[str, Any]:
    """Try each fault."""
    dice = random.Random(seed)
    old: list[bytes] = []

    def replayed(data: bytes) -> list[bytes]:
        old.append(data)
        return [data, dice.choice(old)] if dice.random() < 0.2 else [data]

    return {
        "none": under(lambda data: [data], count, makes),
        "bit_errors_1e-4": under(bit_errors(1e-4, dice), count, makes),
        "drops_10_percent": under(lambda data: [] if dice.random() < 0.1 else [data], count, makes),
        "duplicates_20_percent": under(lambda data: [data] * (1 + (dice.random() < 0.2)), count, makes),
        "old_bytes_of_any_session_20_percent": under(replayed, count, makes, reconnect_every=100),
    }


def c_faults(seed: int, count: int) -> dict[str, Any]:
    """Try each fault with the peer in C on one side, and on both."""
    with tempfile.TemporaryDirectory() as folder:
        in_c = c_peers(build_peer(Path(folder)))
        pairs = {"host_python_device_c": (Peer, in_c), "host_c_device_python": (in_c, Peer), "both_c": (in_c, in_c)}
        return {f"faults_{name}": faults(seed, count, makes) for name, makes in pairs.items()}


def recovery() -> dict[str, Any]:
    """Cut the connection at every byte, fall silent, start anew: time until a message that waited has come, s."""
    wire = Wire()
    times, sent = [], 0
    size = len(frame_bytes(Frame(1, 16, 1, 1, encode(audio(0)))))
    for cut in range(size + 1):
        wire.fault = lambda data, cut=cut: [data[:cut]]
        wire.device.send(audio(sent))
        sent += 1
        wire.run(0.02)
        wire.reconnect()
        wire.fault = lambda data: [data]
        times.append(wire.until(lambda: not wire.device.waiting))
    assert wire.got[wire.host] == [audio(index) for index in range(sent)]
    silent = []
    for gap_s in (0.1, 1.0, 3.0, 10.0):
        wire.connected = False
        wire.device.send(audio(sent))
        sent += 1
        wire.run(gap_s)
        wire.connected = True
        silent.append(round(wire.until(lambda: not wire.device.waiting), 3))
    anew = []
    for session in range(20):
        wire.device = Peer(Settings(role=1), session=session)
        wire.got[wire.device] = []
        wire.device.send(audio(0))
        anew.append(wire.until(lambda: not wire.device.waiting))
    return {
        "cuts": size + 1,
        "after_a_cut_at_any_byte_s": summary(times, 3),
        "after_silence_of_0.1_1_3_10_s": silent,
        "after_a_device_that_starts_anew_s": summary(anew, 3),
    }


def newer() -> dict[str, Any]:
    """Meet a peer that speaks more, and one that does not speak ours."""
    wire = Wire()
    wire.device = Peer(Settings(role=1, highest=9), session=1)
    wire.got[wire.device] = []
    wire.device.send(audio(0))
    took_s = wire.until(lambda: not wire.device.waiting)
    stranger = Wire()
    stranger.device = Peer(Settings(role=1, lowest=2, highest=9), session=1)
    stranger.got[stranger.device] = []
    stranger.run(5.0)
    return {"speaks_1_to_9_s": round(took_s, 3), "speaks_2_to_9": stranger.host.fault}


def fuzz(seed: int, count: int) -> dict[str, Any]:
    """Feed frames that are random, and frames that were damaged, and count what is taken for a message."""
    dice = random.Random(seed)
    found = {"random": dict.fromkeys(("crc_right", "frames", "messages"), 0)}
    for _ in tqdm(range(count), desc="random frames", mininterval=5):
        plain = dice.randbytes(dice.randrange(10, 80))
        one = found["random"]
        if crc16(plain[:-2]) == int.from_bytes(plain[-2:], "little"):
            one["crc_right"] += 1
            frame = taken(cobs_encode(plain))
            one["frames"] += frame is not None
            one["messages"] += frame is not None and meant(frame)
    kinds = [kind for kind in MESSAGES if kind.name != "audio"]
    wire = Wire()
    wire.until(lambda: wire.host.established and wire.device.established)
    session = wire.device._session
    messages = [(kind.code, n, encode(draw(kind, dice))) for n in range(20) for kind in kinds]
    originals = [frame_bytes(Frame(1, code, session, n, payload))[:-1] for code, n, payload in messages]
    known = set(originals)
    two = found["damaged"] = dict.fromkeys(("stuffing_right", "crc_right", "frames", "messages"), 0)
    delivered = fed = 0
    for turn in tqdm(range(count), desc="damaged frames", mininterval=5):
        encoded = fuzzed(dice.choice(originals), dice)
        # A zero byte inside cuts a frame in two.
        parts = [part for part in encoded.split(b"\0") if part and part not in known]
        if turn % 4 == 0:  # also to a peer with a session, and that goes on meanwhile
            fed += len(parts)
            wire.host.receive(b"\0".join(parts) + b"\0", wire.now_s)
            if turn % 400 == 0:
                wire.run(0.05)
            delivered += sum(1 for _ in wire.host.messages())
        for part in parts:
            try:
                plain = cobs_decode(part)
            except DataError:
                continue
            two["stuffing_right"] += 1
            two["crc_right"] += len(plain) > 2 and crc16(plain[:-2]) == int.from_bytes(plain[-2:], "little")
            frame = taken(part)
            two["frames"] += frame is not None
            two["messages"] += frame is not None and meant(frame)
    three = found["overwritten"] = dict.fromkeys(("crc_right", "frames", "messages"), 0)
    plains = [cobs_decode(one) for one in originals]
    for _ in tqdm(range(count), desc="overwritten frames", mininterval=5):
        original = dice.choice(plains)
        changed = bytearray(original)
        for at in dice.sample(range(len(changed)), min(len(changed), dice.randint(4, 8))):
            changed[at] = dice.randrange(256)
        if changed == original or crc16(changed[:-2]) != int.from_bytes(changed[-2:], "little"):
            continue
        three["crc_right"] += 1
        frame = taken(cobs_encode(bytes(changed)))
        three["frames"] += frame is not None
        three["messages"] += frame is not None and meant(frame)
    wire.device.send(audio(1))
    after_s = wire.until(lambda: not wire.device.waiting)
    return {
        "frames_each": count,
        "expected_crc_right_of_random_and_overwritten": round(count / 65536, 2),
        **found,
        "peer_in_session": {
            "frames": fed,
            "messages_delivered": delivered,
            "sessions": wire.host.counts.sessions,
            "works_after_s": round(after_s, 3),
        },
    }


def taken(encoded: bytes) -> Frame | None:
    """Return the frame, if it is taken for one."""
    try:
        return parse_frame(encoded)
    except DataError:
        return None


def meant(frame: Frame) -> bool:
    """Whether it would be taken for a message of version 1."""
    try:
        decode(frame.kind, frame.payload)
    except DataError:
        return False
    return frame.version == 1


class Line:
    """A peer on a transport, with no more bytes a second than the line carries."""

    def __init__(self, peer: Peer, transport: Transport, bytes_s: float) -> None:
        self.peer, self.transport, self.bytes_s = peer, transport, bytes_s
        self.unsent = b""
        self.free_s = time.monotonic()
        self.sent = 0
        self.waiting = select.poll()
        self.waiting.register(transport.fileno(), select.POLLIN)

    def turn(self) -> None:
        """Wait for bytes, or a little, and do what there is to do."""
        now_s = time.monotonic()
        # A full line is waited for; else for the next thing that the peer has to do.
        until_s = self.free_s if self.unsent else self.peer.next_poll_s()
        self.waiting.poll(1000 * min(0.02, max(0.001, until_s - now_s)))
        now_s = time.monotonic()
        self.peer.receive(self.transport.read(), now_s)
        if now_s < self.free_s:
            return
        if not self.unsent:
            self.unsent = self.peer.poll(now_s, room=512)
        if self.unsent:
            count = self.transport.write(self.unsent[: round(self.bytes_s * 0.02)])
            self.unsent = self.unsent[count:]
            self.sent += count
            self.free_s = max(self.free_s, now_s - 0.02) + count / self.bytes_s


def device(transport: Transport, rate: float) -> None:
    """Be the device: blocks of sound at a rate (samples/s; 0 for as fast as they go), each with its time as index."""
    line = Line(Peer(Settings(role=1, queue=64), session=3), transport, BYTES_S)
    samples = random.Random(1).randbytes(2 * BLOCK)
    began = time.monotonic()
    count = 0
    try:
        while time.monotonic() - began < SECONDS + 60:
            while not rate or count * BLOCK < (time.monotonic() - began) * rate:
                index = time.monotonic_ns() // 1000
                if not line.peer.send(Message("audio", {"index": index, "samples": samples})):
                    break
                count += 1
            line.turn()
    except AudioError:
        return  # the host has closed


def slow_line(rate: float) -> dict[str, Any]:
    """Receive sound over the line; what it carried, what it cost here, and how late it was."""
    ours, theirs = pty_pair()
    child = multiprocessing.get_context("fork").Process(target=device, args=(theirs, rate), daemon=True)
    child.start()
    theirs.close()
    line = Line(Peer(Settings(role=0), session=4), ours, BYTES_S)
    while not line.peer.established:
        line.turn()
    latency: list[float] = []
    samples = 0
    began, cpu = time.monotonic(), time.process_time()
    while time.monotonic() - began < SECONDS:
        line.turn()
        now_us = time.monotonic_ns() // 1000
        for message in line.peer.messages():
            samples += len(message.values["samples"]) // 2
            latency.append((now_us - message.values["index"]) / 1000)
    took_s, cpu_s = time.monotonic() - began, time.process_time() - cpu
    ours.close()
    child.terminate()
    child.join()
    overhead = len(frame_bytes(Frame(1, kind_named("audio").code, 3, 1, bytes(10 + 2 * BLOCK)))) / (2 * BLOCK)
    return {
        "sound_bytes_per_s": round(2 * samples / took_s),
        "wire_bytes_per_sound_byte": round(overhead, 4),
        "times_real_time": round(samples / took_s / 16_000, 3),
        "host_cpu_ms_per_second_of_sound": round(1000 * cpu_s / (samples / 16_000), 2),
        "latency_ms": summary(latency, 2),
        "damaged": line.peer.damaged,
        "repeated": line.peer.counts.repeated,
    }


def c_fuzz(runs: int) -> dict[str, Any]:
    """Run the C under libFuzzer with the sanitizers."""
    with tempfile.TemporaryDirectory() as folder:
        program = build_fuzzer(Path(folder))
        began = time.monotonic()
        command = [
            str(program),
            f"-runs={runs}",
            "-max_len=900",
            "-len_control=0",
            "-seed=7",
            f"-artifact_prefix={folder}/",
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        last = [line for line in done.stderr.splitlines() if "cov:" in line][-1:]
        return {"runs": runs, "exit": done.returncode, "seconds": round(time.monotonic() - began), "last": last}


def main() -> int:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "link.json")
    parser.add_argument(
        "--frames", type=int, default=1_000_000, help="fuzzed frames of each kind (default: %(default)s)"
    )
    parser.add_argument("--messages", type=int, default=5_000, help="under each fault (default: %(default)s)")
    args = parser.parse_args()
    results = {
        "faults": faults(1, args.messages),
        **c_faults(1, args.messages),
        "recovery": recovery(),
        "newer_peer": newer(),
        "line_92160_bytes_s": {"real_time": slow_line(16_000.0), "as_fast_as_it_goes": slow_line(0.0)},
        "fuzzed": fuzz(2, args.frames),
        "c_under_libfuzzer": c_fuzz(args.frames),
    }
    body = {
        "method": (
            "faults: messages in both directions over a simulated wire of 5 ms each way, the clock set by hand; all "
            "must come once and in order. fuzzed: random: 10 to 79 random bytes, stuffed; damaged: 1 to 4 changes "
            "of bits or bytes, or a cut, in valid frames; overwritten: 4 to 8 bytes of valid frames before "
            "stuffing; crc_right is what the CRC lets through, frames what also has the right length, messages what "
            "also has a known kind, version and values in range; peer_in_session: a quarter of the damaged frames, "
            "of the session, fed to a peer. line: blocks of 20 ms; latency from the block being queued by the "
            "device to its being taken by the host"
        ),
        "results": results,
    }
    write_result(args.out, "python tests/bench/link_faults.py", body)
    print(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
