"""Models over the link into the flash of the simulated device, which dies on the way."""

import contextlib
import json
import os
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest

from edge.__main__ import main
from edge.bundle import DEFAULT_BUNDLE, open_bundle
from edge.errors import AudioError
from firmware_bridge.link.bundle_image import image_bytes, image_of, sha256_of
from firmware_bridge.link.bundle_sender import BundleSender
from firmware_bridge.link.bundle_transfer import send_image
from firmware_bridge.link.transports import open_serial
from firmware_bridge.simulated.build import build_device
from firmware_bridge.simulated.process import SimulatedDevice, readable
from firmware_bridge.simulated.sound import prepare

SANITIZED = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")

pytest.importorskip("serial", reason="needs pyserial: pip install 'vivavoce[bridge]'")
pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


@pytest.fixture(scope="module")
def bundle():
    return open_bundle()


@pytest.fixture(scope="module")
def program(bundle, tmp_path_factory):
    return build_device(bundle, folder=tmp_path_factory.mktemp("device"), flags=SANITIZED)


@pytest.fixture(scope="module")
def shipped(bundle):
    return image_bytes(image_of(bundle))


def variant(bundle, *, contract=None):
    """Return an image that is not the shipped one, for the same code."""
    image = image_of(bundle)
    changed = {**image.sections, "manifest": image.sections["manifest"] + b" "}
    return image_bytes(replace(image, sections=changed, contract=contract or image.contract))


class Bench:
    """Devices with one flash, one after the other, behind one name; what they told is in ``told``."""

    def __init__(self, program, sound, folder):
        self.program, self.sound = program, sound
        self.flash, self.port = folder / "flash", folder / "port"
        self.told = []

    @contextlib.contextmanager
    def device(self, *cuts):
        """Have a device run; with cuts, one that dies at each of them, and one more behind."""
        up = threading.Event()
        running = []

        def work():
            for cut in (*cuts, None):
                with SimulatedDevice(self.program, self.sound, flash=self.flash, cut=cut) as device:
                    running.append(device)
                    self.port.unlink(missing_ok=True)
                    os.symlink(device.pty, self.port)
                    up.set()
                    with contextlib.suppress(AudioError):
                        for event in device.events():
                            self.told.append(event)
                            assert readable(event)

        thread = threading.Thread(target=work)
        thread.start()
        assert up.wait(30)
        try:
            yield
        finally:
            running[-1].tell("quit")
            thread.join(30)
        assert not thread.is_alive()
        assert len(running) == len(cuts) + 1, "it was not cut"

    def send(self, content):
        sender = BundleSender(content)
        send_image(lambda: open_serial(str(self.port)), sender, lambda _: None)
        return sender

    def models(self):
        return [(one["what"], one["sha256"]) for one in self.told if one["event"] == "model"]


@pytest.fixture
def bench(program, bundle, tmp_path):
    return Bench(program, prepare(bundle, np.zeros(16_000, np.int16), tmp_path, hears=False), tmp_path)


def test_a_device_that_dies_on_the_way_goes_on_and_runs_what_was_sent(bench, bundle, shipped, capsys):
    old, new = sha256_of(variant(bundle)).hex(), sha256_of(shipped).hex()
    with bench.device():
        assert bench.send(variant(bundle)).state == "active"
    assert bench.models() == [("built in", ""), ("activated", old)]
    bench.told.clear()
    half = len(shipped) // 2
    # Erased and programmed: each byte is written twice.
    with bench.device(2 * half):
        assert main(["bridge", "send", str(DEFAULT_BUNDLE), "--port", str(bench.port), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    # The old one ran until then, and after the cut.
    assert bench.models() == [("runs", old), ("runs", old), ("activated", new)]
    assert (said["state"], said["sha256"]) == ("active", new)
    states = [one for one in bench.told if one["event"] == "bundle_state"]
    assert [one["state"] for one in states[-2:]] == ["verified", "active"]
    # What was stored was not sent again, but for sectors that were not marked, and what was on its way.
    assert len(shipped) < said["bytes_sent"] < len(shipped) + half // 2
    bench.told.clear()
    with bench.device():
        pass
    assert bench.models() == [("runs", new)]


def test_a_model_for_other_code_is_refused(bench, bundle):
    with bench.device():
        sender = bench.send(variant(bundle, contract=bytes(32)))
    assert sender.state == "refused"
    assert bench.models() == [("built in", "")]
    last = [one for one in bench.told if one["event"] == "bundle_state"][-1]
    assert (last["state"], last["reason"]) == ("refused", sender.reason)
    assert "refused: " in readable(last)


def test_files_that_are_no_flash(program, bench, tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"mine")
    with pytest.raises(AudioError, match=r"other: got 4 bytes, expected the \d+ of a simulated flash"):
        SimulatedDevice(program, bench.sound, flash=other)
    assert other.read_bytes() == b"mine"
    with pytest.raises(AudioError, match="No such file or directory"):
        SimulatedDevice(program, bench.sound, flash=tmp_path / "no" / "flash")
    with bench.device(), pytest.raises(AudioError, match="another device runs with it"):
        SimulatedDevice(program, bench.sound, flash=bench.flash)
