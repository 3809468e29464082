"""The parts of the generated C that no field of the table changes: types of frames, bytes of integers, UTF-8."""

__all__ = ["HEADER_END", "HEADER_FRAMES", "HEADER_TOP", "MESSAGE_HELPERS"]

HEADER_TOP = """\
#ifndef VIVAVOCE_LINK_H
#define VIVAVOCE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

"""

HEADER_FRAMES = """
#define VV_HEADER_SIZE 8U
#define VV_PLAIN_MAX (VV_HEADER_SIZE + VV_PAYLOAD_MAX + 2U)
/* With COBS, and the zero byte at the end. */
#define VV_ENCODED_MAX (VV_PLAIN_MAX + (VV_PLAIN_MAX / 254U) + 2U)

typedef struct {
    uint8_t version;
    uint8_t kind;
    uint16_t session;
    uint16_t sequence;
    uint16_t length;
    const uint8_t *payload;
} vv_frame_t;

/* A stream of bytes being cut into frames; begin with vv_reader_reset. */
typedef struct {
    uint8_t plain[VV_PLAIN_MAX];
    size_t size;
    uint8_t left;      /* bytes of the COBS group that are to come */
    bool zero;         /* the group before stands for a zero, if another follows */
    bool any;          /* there was a byte since the last zero */
    bool skipping;     /* damaged: skipped up to the next zero */
    uint32_t damaged;  /* frames that were skipped */
} vv_reader_t;

uint16_t vv_crc16(const uint8_t *data, size_t size);

/* Writes a frame with its zero byte; bytes written, or 0 if there is no room or the payload is too long. */
size_t vv_frame_encode(const vv_frame_t *frame, uint8_t *out, size_t room);

void vv_reader_reset(vv_reader_t *reader);

/* Forgets a frame that was cut off, as a transport that is gone leaves one; it counts as damaged. */
void vv_reader_fresh(vv_reader_t *reader);

/* Takes one byte. True if it ended a frame whose CRC is right; its payload is good until the next call. */
bool vv_reader_push(vv_reader_t *reader, uint8_t byte, vv_frame_t *frame);

"""

HEADER_END = """\
#ifdef __cplusplus
}
#endif

#endif
"""

MESSAGE_HELPERS = """\
#include "vivavoce_link.h"

typedef struct {
    uint8_t *out;
    size_t room;
    size_t at;
    bool ok;
} writer_t;

typedef struct {
    const uint8_t *in;
    size_t size;
    size_t at;
    bool ok;
} reader_t;

static void put(writer_t *w, uint64_t value, size_t size)
{
    if ((w->room - w->at) < size) {
        w->ok = false;
        return;
    }
    for (size_t i = 0U; i < size; i++) {
        w->out[w->at] = (uint8_t)((value >> (8U * i)) & 0xFFU);
        w->at++;
    }
}

static void put_bytes(writer_t *w, const uint8_t *data, size_t size)
{
    for (size_t i = 0U; i < size; i++) {
        put(w, data[i], 1U);
    }
}

static uint64_t get(reader_t *r, size_t size)
{
    uint64_t value = 0U;

    if ((r->size - r->at) < size) {
        r->ok = false;
        return 0U;
    }
    for (size_t i = 0U; i < size; i++) {
        value |= (uint64_t)r->in[r->at] << (8U * i);
        r->at++;
    }
    return value;
}

static void get_bytes(reader_t *r, uint8_t *out, size_t size)
{
    for (size_t i = 0U; i < size; i++) {
        out[i] = (uint8_t)get(r, 1U);
    }
}

/* A cast of what is too large for the type would be left to the compiler. */
static int16_t to_i16(uint16_t value)
{
    return (value < 0x8000U) ? (int16_t)value : (int16_t)((int32_t)value - 65536);
}

static bool follows(uint8_t byte, uint8_t low, uint8_t high)
{
    return (byte >= low) && (byte <= high);
}

/* UTF-8 as RFC 3629 has it: nothing overlong, no surrogates, nothing above U+10FFFF. */
static bool is_utf8(const uint8_t *text, size_t size)
{
    size_t at = 0U;

    while (at < size) {
        const uint8_t lead = text[at];
        uint8_t low = 0x80U;
        uint8_t high = 0xBFU;
        size_t more = 0U;

        if (lead >= 0x80U) {
            if (follows(lead, 0xC2U, 0xDFU)) {
                more = 1U;
            } else if (follows(lead, 0xE0U, 0xEFU)) {
                more = 2U;
                low = (lead == 0xE0U) ? 0xA0U : 0x80U;
                high = (lead == 0xEDU) ? 0x9FU : 0xBFU;
            } else if (follows(lead, 0xF0U, 0xF4U)) {
                more = 3U;
                low = (lead == 0xF0U) ? 0x90U : 0x80U;
                high = (lead == 0xF4U) ? 0x8FU : 0xBFU;
            } else {
                return false;
            }
        }
        if ((size - at - 1U) < more) {
            return false;
        }
        for (size_t i = 1U; i <= more; i++) {
            if (!follows(text[at + i], (i == 1U) ? low : 0x80U, (i == 1U) ? high : 0xBFU)) {
                return false;
            }
        }
        at += more + 1U;
    }
    return true;
}

"""
