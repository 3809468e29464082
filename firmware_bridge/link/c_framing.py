"""The parts of the generated C that no field of the table changes: CRC, COBS, reading a stream, bytes of integers."""

__all__ = ["FRAMES", "HEADER_END", "HEADER_FRAMES", "HEADER_TOP", "MESSAGE_HELPERS"]

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

/* Takes one byte. True if it ended a frame whose CRC is right; its payload is good until the next call. */
bool vv_reader_push(vv_reader_t *reader, uint8_t byte, vv_frame_t *frame);

"""

HEADER_END = """\
#ifdef __cplusplus
}
#endif

#endif
"""

FRAMES = """\
#include "vivavoce_link.h"

static uint16_t crc_byte(uint16_t crc, uint8_t byte)
{
    uint16_t value = (uint16_t)(crc ^ (uint16_t)((uint16_t)byte << 8));

    for (uint8_t bit = 0U; bit < 8U; bit++) {
        const bool carry = (value & 0x8000U) != 0U;
        value = (uint16_t)(value << 1);
        if (carry) {
            value = (uint16_t)(value ^ 0x1021U);
        }
    }
    return value;
}

uint16_t vv_crc16(const uint8_t *data, size_t size)
{
    uint16_t crc = 0xFFFFU;

    for (size_t i = 0U; i < size; i++) {
        crc = crc_byte(crc, data[i]);
    }
    return crc;
}

typedef struct {
    uint8_t *out;
    size_t room;
    size_t at;    /* next byte to write */
    size_t code;  /* place of the length of the group */
    bool full;    /* the group before had 254 bytes and a new one was not begun */
    bool ok;
} stuffer_t;

static void begin_group(stuffer_t *s)
{
    s->code = s->at;
    if (s->at < s->room) {
        s->out[s->at] = 1U;
        s->at++;
    } else {
        s->ok = false;
    }
}

static void stuff(stuffer_t *s, uint8_t byte)
{
    if (s->full) {
        s->full = false;
        begin_group(s);
    }
    if (!s->ok) {
        return;
    }
    if (byte == 0U) {
        begin_group(s);
    } else if (s->at < s->room) {
        s->out[s->at] = byte;
        s->at++;
        s->out[s->code]++;
        s->full = s->out[s->code] == 255U;
    } else {
        s->ok = false;
    }
}

size_t vv_frame_encode(const vv_frame_t *frame, uint8_t *out, size_t room)
{
    stuffer_t s = {out, room, 0U, 0U, false, true};
    uint16_t crc = 0xFFFFU;
    uint8_t head[VV_HEADER_SIZE];

    if (frame->length > VV_PAYLOAD_MAX) {
        return 0U;
    }
    head[0] = frame->version;
    head[1] = frame->kind;
    head[2] = (uint8_t)(frame->session & 0xFFU);
    head[3] = (uint8_t)(frame->session >> 8);
    head[4] = (uint8_t)(frame->sequence & 0xFFU);
    head[5] = (uint8_t)(frame->sequence >> 8);
    head[6] = (uint8_t)(frame->length & 0xFFU);
    head[7] = (uint8_t)(frame->length >> 8);
    begin_group(&s);
    for (size_t i = 0U; i < VV_HEADER_SIZE; i++) {
        crc = crc_byte(crc, head[i]);
        stuff(&s, head[i]);
    }
    for (size_t i = 0U; i < frame->length; i++) {
        crc = crc_byte(crc, frame->payload[i]);
        stuff(&s, frame->payload[i]);
    }
    stuff(&s, (uint8_t)(crc & 0xFFU));
    stuff(&s, (uint8_t)(crc >> 8));
    if (!s.ok || (s.at >= room)) {
        return 0U;
    }
    out[s.at] = 0U;
    return s.at + 1U;
}

static void begin_frame(vv_reader_t *reader)
{
    reader->size = 0U;
    reader->left = 0U;
    reader->zero = false;
    reader->any = false;
    reader->skipping = false;
}

void vv_reader_reset(vv_reader_t *reader)
{
    begin_frame(reader);
    reader->damaged = 0U;
}

static void keep(vv_reader_t *reader, uint8_t byte)
{
    if (reader->size < VV_PLAIN_MAX) {
        reader->plain[reader->size] = byte;
        reader->size++;
    } else {
        reader->skipping = true;
    }
}

static uint16_t two_bytes(const uint8_t *at)
{
    return (uint16_t)((uint32_t)at[0] | ((uint32_t)at[1] << 8));
}

static bool whole(const vv_reader_t *reader, vv_frame_t *frame)
{
    const size_t size = reader->size;

    if (reader->skipping || (reader->left != 0U) || (size < (VV_HEADER_SIZE + 2U))) {
        return false;
    }
    frame->version = reader->plain[0];
    frame->kind = reader->plain[1];
    frame->session = two_bytes(&reader->plain[2]);
    frame->sequence = two_bytes(&reader->plain[4]);
    frame->length = two_bytes(&reader->plain[6]);
    frame->payload = &reader->plain[VV_HEADER_SIZE];
    return (vv_crc16(reader->plain, size - 2U) == two_bytes(&reader->plain[size - 2U])) &&
           ((size_t)frame->length == (size - VV_HEADER_SIZE - 2U));
}

bool vv_reader_push(vv_reader_t *reader, uint8_t byte, vv_frame_t *frame)
{
    if (byte == 0U) {
        const bool any = reader->any;
        const bool good = any && whole(reader, frame);

        begin_frame(reader);
        if (any && !good) {
            reader->damaged++;
        }
        return good;
    }
    reader->any = true;
    if (reader->skipping) {
        return false;
    }
    if (reader->left == 0U) {
        if (reader->zero) {
            keep(reader, 0U);
        }
        reader->left = (uint8_t)(byte - 1U);
        reader->zero = byte != 255U;
    } else {
        reader->left--;
        keep(reader, byte);
    }
    return false;
}
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
