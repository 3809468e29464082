"""The logic of a device in C: texts that are too long, and a clock that goes back."""

import shutil
import subprocess
from pathlib import Path

import pytest
from link_c_peer import WARNINGS
from link_fuzz import C_FOLDER

DEVICE = Path(C_FOLDER).parent / "c_device"

PROGRAM = r"""
#include "vivavoce_device.h"
#include <stdio.h>
#include <string.h>

static vv_device_t device;
static vv_peer_t host;
static vv_message_t got;
static uint32_t now = 1000U;
static int states = 1;

static void told(void *c, const vv_message_t *m) { (void)c; (void)m; }
static void muted(void *c, bool on, uint8_t o) { (void)c; (void)on; (void)o; }
static void bundle(void *c, uint8_t k, const uint8_t *p, size_t n) { (void)c; (void)k; (void)p; (void)n; }
static size_t poll_bundle(void *c, uint8_t *kind, uint8_t *payload, size_t room)
{
    static vv_message_t m;
    (void)c;
    if (states-- <= 0) { return 0U; }
    m.kind = VV_KIND_BUNDLE_STATE;
    m.as.bundle_state.state = VV_BUNDLE_STATE_STATE_REFUSED;
    m.as.bundle_state.reason_count = 100U;
    memset(m.as.bundle_state.reason, 'a', 56);
    for (size_t i = 56U; i < 100U; i += 2U) { memcpy(&m.as.bundle_state.reason[i], "\xc3\xa9", 2); }
    *kind = m.kind;
    return vv_message_encode(&m, payload, room);
}

static void turn(int times)
{
    static uint8_t wire[8192];
    while (times-- > 0) {
        now += 5U;
        vv_device_run(&device, now);
        size_t n = vv_peer_poll(&device.peer, now, wire, sizeof(wire));
        vv_peer_receive(&host, wire, n, now);
        n = vv_peer_poll(&host, now, wire, sizeof(wire));
        vv_peer_receive(&device.peer, wire, n, now);
        while (vv_peer_take(&host, &got)) {
            if (got.kind == VV_KIND_LOG) {
                printf("log %u %02x\n", (unsigned)got.as.log.text_count, got.as.log.text[got.as.log.text_count - 1U]);
            }
            if (got.kind == VV_KIND_BUNDLE_STATE) {
                printf("state %u %02x\n", (unsigned)got.as.bundle_state.reason_count,
                       got.as.bundle_state.reason[got.as.bundle_state.reason_count - 1U]);
            }
        }
    }
}

int main(void)
{
    vv_peer_settings_t s;
    const vv_device_hooks_t hooks = {
        .told = told, .muted = muted, .bundle_message = bundle, .bundle_poll = poll_bundle};
    char text[300];

    memset(&s, 0, sizeof(s));
    s.lowest = 1U; s.highest = 1U; s.window = 8U; s.session = 3U; s.name_count = 1U; s.name[0] = 'd';
    if (!vv_device_init(&device, &s, &hooks)) { return 1; }
    s.role = VV_HELLO_ROLE_HOST; s.session = 9U;
    if (!vv_peer_init(&host, &s)) { return 1; }
    states = 0;
    turn(400);
    device.peer.sending.payload_max = 64U; /* as of a host that takes no more */
    states = 1;
    turn(50);
    device.peer.sending.payload_max = 704U;
    memset(text, 'a', 255U);
    memcpy(&text[255], "\xc3\xa9zz", 5U); /* byte 256 would be half of a letter */
    vv_device_log(&device, 1U, text);
    turn(50);
    const unsigned sessions = (unsigned)device.peer.counts.sessions;
    vv_device_run(&device, now - 1U); /* read before the last one, told after it */
    turn(50);
    printf("sessions %u %u\n", sessions, (unsigned)device.peer.counts.sessions);
    return 0;
}
"""


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    folder = tmp_path_factory.mktemp("device")
    (folder / "program.c").write_text(PROGRAM)
    include = [f"-I{C_FOLDER}", f"-I{DEVICE}"]
    ours = [str(DEVICE / "vivavoce_device.c"), *map(str, sorted(Path(C_FOLDER).glob("*.c")))]
    made = []
    for source in ours:
        made.append(str(folder / f"{Path(source).stem}.o"))
        subprocess.run(["gcc", *WARNINGS, "-fsanitize=undefined", *include, "-c", source, "-o", made[-1]], check=True)
    program = folder / "program"
    subprocess.run(
        ["gcc", "-fsanitize=undefined", *include, str(folder / "program.c"), *made, "-o", str(program)], check=True
    )
    done = subprocess.run([program], check=True, capture_output=True, text=True, timeout=30)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_a_line_of_the_log_is_cut_between_letters(lines):
    assert [line for line in lines if line.startswith("log ")] == ["log 255 61"]


def test_a_reason_is_cut_to_what_the_host_takes_and_between_letters(lines):
    # 64 bytes less 7 before it are 57; the letter of two bytes at 56 does not fit.
    assert [line for line in lines if line.startswith("state ")] == ["state 56 61"]


def test_a_clock_that_goes_back_ends_no_session(lines):
    assert lines[-1] == "sessions 1 1"
