/* Frames on a wire of bytes: CRC-16/CCITT-FALSE, COBS, and cutting a stream; the twin of link/framing.py. */
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

void vv_reader_fresh(vv_reader_t *reader)
{
    if (reader->any) {
        reader->damaged++;
    }
    begin_frame(reader);
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
