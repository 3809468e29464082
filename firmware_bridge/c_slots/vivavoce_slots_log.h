/* The log in the first sector of a slot; not for callers (vivavoce_slots.h is). */
#ifndef VIVAVOCE_SLOTS_LOG_H
#define VIVAVOCE_SLOTS_LOG_H

#include "vivavoce_slots.h"

/* Kinds of records. */
#define VV_LOG_RECEIVING 1U /* an image of this size and hash is received */
#define VV_LOG_MARK 2U      /* of it is in flash what comes before offset */
#define VV_LOG_ACTIVE 3U    /* it is whole and may run; the one with the highest sequence does */
#define VV_LOG_BOOT 4U      /* it was started without being confirmed */
#define VV_LOG_CONFIRMED 5U
#define VV_LOG_REJECTED 6U

typedef struct {
    uint32_t kind;
    uint32_t sequence;
    uint32_t size;
    uint32_t offset;
    uint8_t sha256[VV_SHA256_BYTES];
} vv_record_t;

/* What a log says. */
typedef struct {
    uint32_t next;      /* place of the next record */
    bool receiving;
    uint32_t marked;    /* bytes that are in flash */
    vv_record_t image;  /* that is received, or was */
    bool active;
    vv_record_t newest; /* record that activated it */
    bool confirmed;
    bool rejected;
    uint32_t boots;
} vv_slot_log_t;

/* Records that a log has room for. */
uint32_t vv_log_places(const vv_flash_t *flash);

/* Reads a log; what is damaged in it counts as not there. False if the flash cannot be read. */
bool vv_slot_log_read(const vv_flash_t *flash, uint32_t slot, vv_slot_log_t *log);

/* Adds a record behind whatever is there, and reads it again; false if there is no room or it cannot be written. */
bool vv_slot_log_add(const vv_flash_t *flash, uint32_t slot, const vv_record_t *record);

/* Whether an image was given up: by the firmware, or since it was started too often without being confirmed. */
bool vv_slot_log_given_up(const vv_slot_log_t *log);

/* Whether two hashes are the same. */
bool vv_same_hash(const uint8_t *one, const uint8_t *another);

/* Hashes an image in flash, piece by piece through page; whether it is this one. */
bool vv_slot_holds(const vv_flash_t *flash, uint32_t slot, uint32_t size, const uint8_t *sha256, uint8_t *page);

#endif
