"""A model over the link into the slots of a device: power cuts, broken links, wrong content, and how long it takes.

    python tests/bench/transfer_faults.py

The C of the device is compiled for this machine, over a simulated NOR flash. Times are those of a simulated line and
a clock set by hand; erasing and programming take no time in it.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from processes import ROOT, write_result

sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "tests"))

from slots_device import Device, build_slots, small_image
from slots_fuzz import build_slots_fuzzer
from slots_proof import Proof, chains, install, mark_step, offer, power_cuts, same_cut, send

from edge.bundle import open_bundle
from firmware_bridge.link.bundle_image import image_bytes, image_of, sha256_of
from firmware_bridge.link.bundle_sender import BUNDLE_SLOTS, BundleSender
from firmware_bridge.link.peer import Peer
from firmware_bridge.link.peer_state import Settings
from firmware_bridge.link.table import kind_named

BYTES_S = 92_160
STEP_S = 0.005
ROOMY = {"slot_size": 1 << 18, "sector": 4096}


def told(proof: Proof) -> dict[str, Any]:
    """Return a proof as a result."""
    return {**{key: value for key, value in vars(proof).items() if key != "faults"}, "faults": len(proof.faults)}


def over_a_line(device: Device, image: bytes, *, break_every: int = 0) -> dict[str, Any]:
    """Send an image over a line of 92,160 bytes/s in each direction, which breaks every so many chunks."""
    host = Peer(Settings(role=0), session=1)
    other = Peer(Settings(role=1, capabilities=BUNDLE_SLOTS), session=2)
    sender, now_s, breaks, last = BundleSender(image), 0.0, 0, 0
    lines = {host: b"", other: b""}
    while not sender.finished:
        now_s += STEP_S
        assert now_s < 3600, "the transfer is stuck"
        for peer, to in ((host, other), (other, host)):
            if len(lines[peer]) < 1024:
                lines[peer] += peer.poll(now_s, room=1024)
            sent, lines[peer] = lines[peer][: int(BYTES_S * STEP_S)], lines[peer][int(BYTES_S * STEP_S) :]
            to.receive(sent, now_s)
        for message in host.messages():
            sender.take(message)
        sender.push(host)
        for message in other.messages():
            if kind_named(message.kind).name.startswith("bundle"):
                device.take(message)
        for said in device.say():
            other.send(said)
        if device.verified():
            device.activate()
        if break_every and sender.sent_bytes - last >= 512 * break_every:
            last, breaks = sender.sent_bytes, breaks + 1
            lines = {host: b"", other: b""}
            host.disconnected(now_s)
            other.disconnected(now_s)
    assert device.power_on().running() == image
    return {
        "bytes": len(image), "seconds": round(now_s, 2), "links_broken": breaks, "bytes_sent": sender.sent_bytes,
        "state": sender.state,
    }  # fmt: skip


def refusals(library: Any, old: bytes, new: bytes) -> dict[str, str]:
    """Return what is said of what is wrong."""
    damaged = new[:-100] + b"?" + new[-99:]
    tried = {
        "corrupted_content": (damaged, offer(new)),
        "wrong_sha256": (new, offer(new, sha256=bytes(32))),
        "size_too_small": (new, offer(new, size=len(new) - 1)),
        "size_too_large": (new, offer(new, size=len(new) + 1)),
        "larger_than_a_slot": (new, offer(new, size=1 << 30)),
        "newer_format": (new[:8] + b"\x63\0" + new[10:],) * 2,
        "no_image": (bytes(len(new)),) * 2,
    }
    found = {}
    for name, (content, offered) in tried.items():
        device = install(Device(library).power_on(), old)
        sent = send(device, content, offered=offered if not isinstance(offered, bytes) else offer(offered))
        assert sent.state == 3
        assert device.power_on().running() == old
        install(device, new)
        found[name] = sent.reason
    return found


def fuzz(folder: Path, runs: int) -> dict[str, Any]:
    """Run the fuzzer."""
    began = time.monotonic()
    done = subprocess.run(
        [build_slots_fuzzer(folder), f"-runs={runs}", "-max_len=4000", "-seed=1", f"-artifact_prefix={folder}/"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return {"runs": runs, "exit": done.returncode, "seconds": round(time.monotonic() - began)}


def main() -> int:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "transfer.json")
    parser.add_argument("--cuts", type=int, default=300, help="of the shipped bundle (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=20_000, help="of the fuzzer (default: %(default)s)")
    args = parser.parse_args()
    old, new, other = small_image(1), small_image(2), small_image(3)
    shipped = image_bytes(image_of(open_bundle()))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        library = build_slots(folder)

        def one() -> Device:
            return install(Device(library).power_on(), old)

        def two() -> Device:
            return install(install(Device(library).power_on(), other), old)

        def large() -> Device:
            return install(Device(library, **ROOMY).power_on(), old)

        dice = random.Random(5)
        sampled = sorted(dice.randrange(len(shipped) + 8000) for _ in range(args.cuts))
        results = {
            "small_image_bytes": len(new),
            "cut_at_every_byte": told(power_cuts(one, old, new)),
            "cut_at_every_byte_over_an_older_model": told(power_cuts(two, old, new, seed=1000)),
            "cut_again_and_again": told(chains(two, old, new, 500)),
            "cut_at_the_same_place": told(same_cut(one, new, range(0, 3800, 50), (10, 74, 1230, 1250, 2200))),
            "shipped_bundle_sampled": told(power_cuts(large, old, shipped, sampled)),
            "shipped_bundle_sector_bytes": 4096,
            "shipped_bundle_mark_every_bytes": mark_step(large()),
            "shipped_bundle_sha256": sha256_of(shipped).hex(),
            "line_92160_bytes_s": over_a_line(large(), shipped),
            "line_that_breaks_every_10_chunks": over_a_line(large(), shipped, break_every=10),
            "line_that_breaks_at_every_chunk": over_a_line(one(), small_image(2, 5800), break_every=1),
            "refused": refusals(library, old, new),
            "c_under_libfuzzer": fuzz(folder, args.runs),
        }
    body = {
        "method": (
            "cuts: power is cut after each byte programmed (and at 64 places of each erasing) of an update: transfer, "
            "activation, start, confirmation; what is interrupted is left torn at random. After each the device must "
            "run the old image, or the new one if it was being activated, and the next update must go through; "
            "nothing may be programmed twice, nor the slot that runs be touched. faults: how often that failed. "
            "line: both directions at 92,160 bytes/s on a clock set by hand; flash takes no time"
        ),
        "results": results,
    }
    write_result(args.out, "python tests/bench/transfer_faults.py", body)
    print(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
