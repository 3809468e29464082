"""10,000 requests to the metrics, half of them damaged, beside somebody who asks as one should."""

import errno
import os
import socket
import threading

import numpy as np
import pytest

from tests.edge.test_metrics import ask, house, sink  # noqa: F401  # fixtures

REQUESTS = 10_000
CLIENTS = 4

GONE = (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN)
"""What a client is told that sends to a server that has closed the connection."""

VALID = (
    b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    b"GET /healthz HTTP/1.0\r\n\r\n",
    b"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\nConnection: close\r\n\r\n",
    b"POST /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
)


def damaged(request, random):
    """Return a request with some bytes changed, removed, or repeated."""
    data = bytearray(request)
    for _ in range(random.integers(1, 6)):
        at = int(random.integers(len(data)))
        match random.integers(4):
            case 0:
                data[at] = random.integers(256)
            case 1:
                del data[at : at + int(random.integers(1, 20))]
            case 2:
                data[at:at] = data[at : at + 10] * int(random.integers(1, 40))
            case _:
                data[at:at] = random.bytes(int(random.integers(1, 30)))
        if not data:
            data = bytearray(b"\0")
    return bytes(data)


def send(port, request):
    """Send a request and its end; return what came back, which may be nothing.

    A server that has answered and gone resets the connection: what it said before is there to be read all the same, so
    the reading is not skipped where the sending fails.
    """
    found = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        try:
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno not in GONE:
                raise
        try:
            while part := client.recv(65_536):
                found += part
        except ConnectionResetError:
            pass
    return found


@pytest.mark.slow
def test_no_request_ends_it_or_keeps_another_from_an_answer(house, sink, caplog):  # noqa: F811
    before = len(os.listdir("/proc/self/fd"))
    faults: list[BaseException] = []
    answered = [0] * CLIENTS

    def flood(number):
        random = np.random.default_rng(number)
        try:
            for i in range(REQUESTS // CLIENTS):
                request = VALID[i % len(VALID)]
                found = send(sink.port, damaged(request, random) if i % 2 else request)
                if i % 2 == 0:
                    answered[number] += found.startswith(b"HTTP/1.")
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=flood, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    asked = 0
    while any(thread.is_alive() for thread in threads):
        status, text = ask(sink)[:2]
        assert status == 200
        assert "vivavoce_audio_seconds_total" in text
        asked += 1
    assert faults == []
    assert asked > 10
    assert sum(answered) == REQUESTS // 2, "a valid request was not answered"
    assert "Traceback" not in caplog.text
    assert len(os.listdir("/proc/self/fd")) <= before + 2
