/* See vivavoce_slots_log.h. */
#include "vivavoce_slots_log.h"

#include <string.h>

#define MAGIC 0x4C535656U /* "VVSL" */
#define LAYOUT 1U
#define AT_KIND 4U
#define AT_LAYOUT 5U
#define AT_SEQUENCE 8U
#define AT_SIZE 12U
#define AT_OFFSET 16U
#define AT_SHA256 20U
#define AT_CRC (VV_SLOTS_RECORD - 4U)

static uint32_t get32(const uint8_t *from)
{
    return (uint32_t)from[0] | ((uint32_t)from[1] << 8U) | ((uint32_t)from[2] << 16U) | ((uint32_t)from[3] << 24U);
}

static void put32(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value & 0xFFU);
    to[1] = (uint8_t)((value >> 8U) & 0xFFU);
    to[2] = (uint8_t)((value >> 16U) & 0xFFU);
    to[3] = (uint8_t)(value >> 24U);
}

/* CRC-32 (IEEE 802.3), bit by bit: records are short and few. */
static uint32_t crc32(const uint8_t *data, uint32_t size)
{
    uint32_t crc = 0xFFFFFFFFU;
    uint32_t i;

    for (i = 0U; i < size; i++) {
        unsigned bit;

        crc ^= data[i];
        for (bit = 0U; bit < 8U; bit++) {
            crc = ((crc & 1U) != 0U) ? ((crc >> 1U) ^ 0xEDB88320U) : (crc >> 1U);
        }
    }
    return ~crc;
}

static bool is_erased(const uint8_t *data)
{
    uint32_t i;

    for (i = 0U; i < VV_SLOTS_RECORD; i++) {
        if (data[i] != 0xFFU) {
            return false;
        }
    }
    return true;
}

static bool parse(const uint8_t *data, vv_record_t *record)
{
    if ((get32(data) != MAGIC) || (data[AT_LAYOUT] != LAYOUT) || (get32(&data[AT_CRC]) != crc32(data, AT_CRC))) {
        return false;
    }
    record->kind = data[AT_KIND];
    record->sequence = get32(&data[AT_SEQUENCE]);
    record->size = get32(&data[AT_SIZE]);
    record->offset = get32(&data[AT_OFFSET]);
    (void)memcpy(record->sha256, &data[AT_SHA256], VV_SHA256_BYTES);
    return true;
}

bool vv_same_hash(const uint8_t *one, const uint8_t *another)
{
    return memcmp(one, another, VV_SHA256_BYTES) == 0;
}

uint32_t vv_log_places(const vv_flash_t *flash)
{
    return flash->sector / VV_SLOTS_RECORD;
}

static void take(const vv_flash_t *flash, vv_slot_log_t *log, const vv_record_t *record)
{
    const bool fits = (record->size > 0U) && (record->size <= (flash->slot_size - flash->sector));
    const bool of_newest = log->active && (record->sequence == log->newest.sequence);

    if ((record->kind == VV_LOG_RECEIVING) && fits) {
        log->receiving = true;
        log->image = *record;
        log->marked = 0U;
    } else if ((record->kind == VV_LOG_MARK) && log->receiving && vv_same_hash(record->sha256, log->image.sha256)
               && (record->offset <= log->image.size)) {
        log->marked = record->offset;
    } else if ((record->kind == VV_LOG_ACTIVE) && fits) {
        log->active = true;
        log->newest = *record;
        log->confirmed = false;
        log->rejected = false;
        log->boots = 0U;
    } else if ((record->kind == VV_LOG_BOOT) && of_newest) {
        log->boots++;
    } else if ((record->kind == VV_LOG_CONFIRMED) && of_newest) {
        log->confirmed = true;
    } else if ((record->kind == VV_LOG_REJECTED) && of_newest) {
        log->rejected = true;
    } else {
        /* of a newer program, or of an image that is no more */
    }
}

bool vv_slot_log_read(const vv_flash_t *flash, uint32_t slot, vv_slot_log_t *log)
{
    uint32_t place;

    (void)memset(log, 0, sizeof(*log));
    for (place = 0U; place < vv_log_places(flash); place++) {
        uint8_t data[VV_SLOTS_RECORD];
        vv_record_t record;

        if (!flash->read(flash->context, flash->slots[slot] + (place * VV_SLOTS_RECORD), data, VV_SLOTS_RECORD)) {
            return false;
        }
        if (!is_erased(data)) {
            log->next = place + 1U; /* what is damaged has no room for another one */
            if (parse(data, &record)) {
                take(flash, log, &record);
            }
        }
    }
    return true;
}

bool vv_slot_log_add(const vv_flash_t *flash, uint32_t slot, const vv_record_t *record)
{
    uint8_t data[VV_SLOTS_RECORD];
    uint8_t found[VV_SLOTS_RECORD];
    vv_slot_log_t log;
    uint32_t address;

    if (!vv_slot_log_read(flash, slot, &log) || (log.next >= vv_log_places(flash))) {
        return false;
    }
    (void)memset(data, 0, sizeof(data));
    put32(data, MAGIC);
    data[AT_KIND] = (uint8_t)record->kind;
    data[AT_LAYOUT] = (uint8_t)LAYOUT;
    put32(&data[AT_SEQUENCE], record->sequence);
    put32(&data[AT_SIZE], record->size);
    put32(&data[AT_OFFSET], record->offset);
    (void)memcpy(&data[AT_SHA256], record->sha256, VV_SHA256_BYTES);
    put32(&data[AT_CRC], crc32(data, AT_CRC));
    address = flash->slots[slot] + (log.next * VV_SLOTS_RECORD);
    return flash->program(flash->context, address, data, VV_SLOTS_RECORD)
        && flash->read(flash->context, address, found, VV_SLOTS_RECORD)
        && (memcmp(data, found, VV_SLOTS_RECORD) == 0);
}

bool vv_slot_log_given_up(const vv_slot_log_t *log)
{
    return log->rejected || (!log->confirmed && (log->boots >= VV_SLOTS_TRIALS));
}

bool vv_slot_holds(const vv_flash_t *flash, uint32_t slot, uint32_t size, const uint8_t *sha256, uint8_t *page)
{
    const uint32_t begin = flash->slots[slot] + flash->sector;
    uint8_t found[VV_SHA256_BYTES];
    vv_sha256_t hash;
    uint32_t at = 0U;

    vv_sha256_begin(&hash);
    while (at < size) {
        const uint32_t piece = ((size - at) < VV_SLOTS_PAGE) ? (size - at) : VV_SLOTS_PAGE;

        if (!flash->read(flash->context, begin + at, page, piece)) {
            return false;
        }
        vv_sha256_push(&hash, page, piece);
        at += piece;
    }
    vv_sha256_end(&hash, found);
    return vv_same_hash(found, sha256);
}
