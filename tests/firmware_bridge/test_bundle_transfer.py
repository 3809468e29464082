"""A model image from the host's driver to the C slots, by two peers."""

import socket
import threading
import time

import pytest
from link_wire import Wire
from slots_device import Device, build_slots, small_image
from slots_proof import install

from edge.__main__ import main
from edge.bundle import DEFAULT_BUNDLE, open_bundle
from edge.errors import BundleError, BundleVersionError, DataError
from firmware_bridge.commands import bridge_send
from firmware_bridge.link.bundle_image import image_bytes, image_of, numbers_of, read_image
from firmware_bridge.link.bundle_sender import BUNDLE_SLOTS, BundleSender
from firmware_bridge.link.messages import Message
from firmware_bridge.link.peer import Peer
from firmware_bridge.link.peer_state import Settings
from firmware_bridge.link.table import kind_named

OLD, NEW = small_image(1), small_image(2, 5800)
ROOMY = {"slot_size": 1 << 18, "sector": 4096}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build_slots(tmp_path_factory.mktemp("slots"))


@pytest.fixture(scope="module")
def shipped():
    return image_bytes(image_of(open_bundle()))


def serve(peer: Peer, device: Device) -> None:
    """Join a peer and the slots as a firmware does."""
    for message in peer.messages():
        if kind_named(message.kind).name.startswith("bundle"):
            device.take(message)
    if device.verified():
        for said in device.say():
            peer.send(said)
        device.activate()
    for said in device.say():
        peer.send(said)


class Line:
    """Host and device on a wire."""

    def __init__(self, device: Device, image: bytes) -> None:
        self.wire = Wire()
        self.wire.taking = False
        self.wire.device = Peer(Settings(role=1, capabilities=BUNDLE_SLOTS), session=7)
        self.wire.got[self.wire.device] = []
        self.device, self.sender = device, BundleSender(image)

    def step(self) -> None:
        self.wire.step()
        for message in self.wire.host.messages():
            self.sender.take(message)
        self.sender.push(self.wire.host)
        serve(self.wire.device, self.device)

    def until(self, condition, limit: int = 20_000) -> None:
        for _ in range(limit):
            if condition():
                return
            self.step()
        raise AssertionError("the transfer is stuck")


def test_sent_and_activated(library):
    line = Line(install(Device(library).power_on(), OLD), NEW)
    line.until(lambda: line.sender.finished)
    assert (line.sender.state, line.sender.sent_bytes, line.sender.starts) == ("active", len(NEW), [0])
    assert line.device.power_on().running() == NEW


def test_a_link_that_breaks_at_each_chunk_sends_nothing_again(library):
    line = Line(install(Device(library).power_on(), OLD), NEW)
    broken = 0
    while not line.sender.finished:
        before = line.sender.sent_bytes
        line.until(lambda before=before: line.sender.finished or line.sender.sent_bytes > before)
        line.wire.reconnect()
        broken += 1
    assert broken > 1
    assert line.sender.sent_bytes == len(NEW)
    assert line.device.power_on().running() == NEW


def test_a_device_that_starts_anew_goes_on_with_whole_sectors(library, shipped):
    line = Line(Device(library, **ROOMY).power_on(), shipped)
    line.until(lambda: line.sender.stored > 60_000)
    line.device.power_on()
    line.wire.device = Peer(Settings(role=1, capabilities=BUNDLE_SLOTS), session=9)
    line.wire.got[line.wire.device] = []
    line.wire.reconnect()
    line.until(lambda: line.sender.finished)
    assert line.sender.state == "active"
    assert line.sender.starts[0] == 0
    assert line.sender.starts[-1] % 4096 == 0
    assert line.sender.starts[-1] > 40_000
    assert line.device.power_on().running() == shipped


def test_a_want_that_comes_twice_sends_nothing_again(library):
    line = Line(install(Device(library).power_on(), OLD), NEW)
    line.until(lambda: line.sender.sent_bytes)
    line.sender.take(Message("bundle_want", {"offset": 0, "sha256": line.sender.sha256}))
    line.until(lambda: line.sender.finished)
    assert (line.sender.state, line.sender.sent_bytes) == ("active", len(NEW))


def test_refused_with_a_reason(library):
    line = Line(Device(library, slot_size=4096).power_on(), NEW)
    line.until(lambda: line.sender.finished)
    assert (line.sender.state, line.sender.reason) == ("refused", "it is larger than a slot")


def test_a_device_without_slots(library):
    line = Line(Device(library).power_on(), NEW)
    line.wire.device = Peer(Settings(role=1, name="lamp"), session=9)
    line.wire.got[line.wire.device] = []
    with pytest.raises(DataError, match="lamp has no slots"):
        line.until(lambda: False, 200)


def test_the_shipped_bundle(shipped):
    bundle = open_bundle()
    image = read_image("shipped", shipped)
    assert image_bytes(image_of(bundle)) == shipped
    assert image.sections["wake"] == bundle.content(bundle.wake.file)
    assert image.sections["liveness"] == bundle.content(bundle.liveness.file)
    assert image.sections["manifest"] == (DEFAULT_BUNDLE / "manifest.json").read_bytes()
    assert numbers_of(image)["words"] == len(bundle.words)
    for content in (image.sections["wake"], image.sections["liveness"]):
        assert shipped.index(content) % 16 == 0


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (lambda c: b"x" + c[1:], BundleError, "expected a model image"),
        (lambda c: c[:40], BundleError, "expected a model image"),
        (lambda c: c[:8] + b"\x02\0" + c[10:], BundleVersionError, "format 2"),
        (lambda c: c[:-1], BundleError, f"got {len(NEW) - 1} bytes"),
        (lambda c: c[:10] + b"\xff\xff" + c[12:], BundleError, "65535 sections"),
        (lambda c: c[:68] + b"\x01" + c[69:], BundleError, "boundary of 16"),
        (lambda c: c[:64] + b"\x09" + c[65:], BundleError, "no section 'settings'"),
    ],
)
def test_images_that_are_none(change, error, says):
    with pytest.raises(error, match=says):
        read_image("file", change(NEW))


def serving(listening, library, ended):
    """Be a device at a socket."""
    listening.listen()
    device = Device(library, **ROOMY).power_on()

    def work():
        connection, _ = listening.accept()
        connection.settimeout(0.01)
        peer = Peer(Settings(role=1, capabilities=BUNDLE_SLOTS), session=3)
        while not ended.is_set():
            try:
                data = connection.recv(1 << 14)
                if not data:
                    break
            except TimeoutError:
                data = b""
            peer.receive(data, time.monotonic())
            serve(peer, device)
            connection.sendall(peer.poll(time.monotonic()))
        connection.close()
        listening.close()

    thread = threading.Thread(target=work)
    thread.start()
    return device, thread


@pytest.mark.parametrize("way", ["unix", "tcp"])
def test_the_command(library, shipped, tmp_path, capsys, way):
    ended = threading.Event()
    listening = socket.socket(socket.AF_UNIX if way == "unix" else socket.AF_INET)
    listening.bind(str(tmp_path / "s") if way == "unix" else ("127.0.0.1", 0))
    port = str(tmp_path / "s") if way == "unix" else f"127.0.0.1:{listening.getsockname()[1]}"
    device, thread = serving(listening, library, ended)
    try:
        assert main(["bridge", "send", str(DEFAULT_BUNDLE), "--port", port]) == 0
    finally:
        ended.set()
        thread.join()
    assert f"{len(shipped)} of {len(shipped)} bytes were sent" in capsys.readouterr().out
    assert device.power_on().running() == shipped


def test_the_command_writes_an_image(shipped, tmp_path):
    assert main(["bridge", "send", str(DEFAULT_BUNDLE), "--image", str(tmp_path / "m")]) == 0
    assert (tmp_path / "m").read_bytes() == shipped


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "--port"),
        (["--port", "/dev/nothing"], "/dev/nothing"),
        (["--port", "x", "--patience", "0"], "--patience"),
        (["--image", "/dev/null/x"], "/dev/null/x"),
        (["--port", "/dev/x", "--require-signature"], "require_signature"),
    ],
)
def test_one_line_for_each_failure(options, says, capsys):
    assert main(["bridge", "send", str(DEFAULT_BUNDLE), *options]) == 2
    error = capsys.readouterr().err.strip()
    assert says in error
    assert "\n" not in error


@pytest.mark.parametrize(
    ("named", "port"),
    [
        ("tcp:localhost:1", "tcp:localhost:1"),
        ("localhost:1", "tcp:localhost:1"),
        ("unix:/run/x", "unix:/run/x"),
        ("/dev/none", "/dev/none"),
        ("/dev/none:1", "/dev/none:1"),
    ],
)
def test_ports_are_named_as_in_the_daemon(named, port):
    assert bridge_send._port(named) == port


def test_a_socket_is_known_by_its_path(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        assert bridge_send._port(str(tmp_path / "s")) == f"unix:{tmp_path}/s"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port", "tcp:x"], "--port: got 'tcp:x', expected the path of a serial port, tcp:HOST:PORT"),
        (["--port", "tcp:127.0.0.1:1"], "127.0.0.1:1: Connection refused"),
        (["--port", "/dev/none", "--baud", "5"], "--baud: got 5, expected 1200 to 12000000 bit/s"),
    ],
)
def test_a_port_that_cannot_be_is_one_line(options, said, capsys):
    assert main(["bridge", "send", str(DEFAULT_BUNDLE), *options]) == 2
    assert said in capsys.readouterr().err
