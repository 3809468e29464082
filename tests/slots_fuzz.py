"""A target for libFuzzer over the C slots: messages, starts and power cuts as the bytes say, with the sanitizers."""

import subprocess
from pathlib import Path

from slots_device import C_FOLDERS

__all__ = ["build_slots_fuzzer"]

_SOURCE = """
#include "flash_simulation.c"
#include "vivavoce_link.h"
int LLVMFuzzerTestOneInput(const uint8_t *in, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *in, size_t size)
{
    static uint8_t memory[4 * 2 * 2048];
    static uint64_t state[(sizeof(vv_slots_t) + sizeof(vv_flash_t)) / 8 + 1];
    static uint8_t out[VV_PAYLOAD_MAX];
    sim_t sim = {.memory = memory, .size = sizeof memory, .sector = 2048, .left = -1, .guarded = 2, .slots = {0, 8192},
                 .slot_size = 8192, .trusted = 1, .dice = 1};
    vv_slots_t *slots = (vv_slots_t *)(void *)state;
    vv_sha256_t hash;
    memset(memory, 0xFF, sizeof memory);
    if (size > 0 && in[0] & 1) { /* a flash full of anything */
        for (size_t i = 0; i < sizeof memory; i++) memory[i] = in[i % size];
    }
    slots_start(slots, &sim, NULL);
    for (size_t at = 1; at + 2 < size;) {
        const uint8_t what = in[at] % 8;
        size_t take = in[at + 1] * 3u;
        at += 2;
        if (take > size - at) take = size - at;
        uint8_t *payload = malloc(take + 1), kind;
        if (payload == NULL) return 0;
        memcpy(payload, in + at, take);
        at += take;
        if (what == 0) vv_slots_message(slots, VV_KIND_BUNDLE_OFFER, payload, take);
        else if (what == 1) vv_slots_message(slots, VV_KIND_BUNDLE_CHUNK, payload, take);
        else if (what == 2) vv_slots_message(slots, 0, payload, take);
        else if (what == 3) { /* an offer that may come true: of an image with these bytes */
            uint8_t image[1024] = "VVMODEL", offer[36] = {0};
            vv_bundle_chunk_t chunk = {0};
            const uint32_t whole = 64u + (uint32_t)take;
            image[8] = 1; image[12] = 1; image[16] = (uint8_t)whole; image[17] = (uint8_t)(whole >> 8);
            memcpy(image + 64, payload, take);
            vv_sha256_begin(&hash); vv_sha256_push(&hash, image, whole); vv_sha256_end(&hash, offer + 4);
            memcpy(offer, image + 16, 4);
            vv_slots_message(slots, VV_KIND_BUNDLE_OFFER, offer, sizeof offer);
            while (chunk.offset < whole) {
                chunk.data_count = (uint16_t)(whole - chunk.offset < 512u ? whole - chunk.offset : 512u);
                memcpy(chunk.data, image + chunk.offset, chunk.data_count);
                vv_slots_message(slots, VV_KIND_BUNDLE_CHUNK, out, vv_bundle_chunk_encode(&chunk, out, sizeof out));
                chunk.offset += chunk.data_count;
            }
        } else if (what == 4) vv_slots_activate(slots);
        else if (what == 5) (void)(take % 2 ? vv_slots_confirm(slots) : vv_slots_reject(slots));
        else if (what == 6) { sim.dead = 0; sim.left = -1; slots_start(slots, &sim, NULL); }
        else sim.left = take > 0 ? payload[0] : 0;
        while (vv_slots_poll(slots, &kind, out, sizeof out) != 0) { }
        free(payload);
        uint32_t address, bytes;
        if (vv_slots_running(slots, &address, &bytes)) { /* what runs stays as it was hashed */
            uint8_t found[32];
            if (bytes > sizeof memory || address > sizeof memory - bytes) abort();
            vv_sha256_begin(&hash); vv_sha256_push(&hash, memory + address, bytes); vv_sha256_end(&hash, found);
            if (memcmp(found, slots->running_sha256, 32) != 0) abort();
        }
        if (sim.violations) abort();
    }
    return 0;
}
"""


def build_slots_fuzzer(folder: Path) -> Path:
    """Compile the target with clang and the sanitizers for addresses and undefined behaviour; return the program."""
    source = folder / "fuzz_slots.c"
    source.write_text(_SOURCE)
    program = folder / "fuzz_slots"
    flags = ["-std=c11", "-g", "-O1", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]
    sources = [source, *sorted(C_FOLDERS[0].glob("*.c")), C_FOLDERS[1] / "vivavoce_link_messages.c"]
    includes = [f"-I{one}" for one in (*C_FOLDERS, Path(__file__).parent)]
    subprocess.run(["clang", *flags, *includes, *map(str, sources), "-o", str(program)], check=True)
    return program
