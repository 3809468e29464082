/* Two slots in flash for models that come over the link, so that a power cut at any byte leaves one that runs.
 *
 * C99, no heap, no stdio. Flash is behind three functions with the semantics of NOR: erasing a sector makes all of it
 * 0xFF, programming only clears bits, and what is interrupted leaves anything in the sector or page that it was about.
 * Everything that is programmed is a multiple of VV_SLOTS_RECORD bytes at such a multiple, within a page, and erased
 * before: flash with ECC, which may be programmed only once, will do.
 *
 * The first sector of a slot is a log of records of VV_SLOTS_RECORD bytes with a CRC each, which are only ever added;
 * the model image (vivavoce_image.h) begins in the second, where it can be read in place. A model is received into the
 * slot that does not run, its hash is checked over what is in flash, and one record makes it the newest. Who runs is
 * found out by vv_slots_open: the slot that was activated last, whose hash is right, and that was not given up. See
 * docs/transfer.md.
 *
 *     static vv_slots_t slots;
 *
 *     vv_slots_open(&slots, &flash);                    at each start; hashes the model: takes its time
 *     if (vv_slots_running(&slots, &address, &size)) { run it; when it is seen to run: vv_slots_confirm(&slots) }
 *     ...                                               for each message of the link:
 *     vv_slots_message(&slots, kind, payload, size);    others than those of bundles are ignored
 *     ...                                               while there is room to send:
 *     size = vv_slots_poll(&slots, &kind, payload, sizeof(payload));    0: nothing is to be said
 *     ...                                               when the time is right:
 *     if (vv_slots_verified(&slots)) { vv_slots_activate(&slots); start anew }
 *
 * To be called from one thread.
 */
#ifndef VIVAVOCE_SLOTS_H
#define VIVAVOCE_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vivavoce_sha256.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VV_SLOTS_RECORD 64U
#define VV_SLOTS_PAGE 256U         /* most that is programmed at once */
#define VV_SLOTS_LEAST_SECTOR 2048U
#define VV_SLOTS_TRIALS 3U         /* starts that a new model has to be confirmed in */
#define VV_SLOTS_NONE 2U

/* The flash of the firmware. Functions return whether it was done. */
typedef struct {
    bool (*read)(void *context, uint32_t address, uint8_t *out, uint32_t size);
    bool (*erase)(void *context, uint32_t address); /* the sector that begins there */
    bool (*program)(void *context, uint32_t address, const uint8_t *data, uint32_t size);
    /* Whether the firmware trusts an image that is whole, e.g. because its signature is right; NULL: each is trusted.
     * There is no public-key cryptography here: a firmware that wants it brings it. */
    bool (*verify)(void *context, uint32_t address, uint32_t size, const uint8_t sha256[VV_SHA256_BYTES]);
    void *context;            /* given to the functions */
    const uint8_t *contract;  /* 32 bytes that an image must have been made for; NULL: any */
    uint32_t slots[2];        /* address of each slot, that of a sector */
    uint32_t slot_size;       /* bytes, a multiple of the sector */
    uint32_t sector;          /* bytes, a multiple of VV_SLOTS_PAGE, at least VV_SLOTS_LEAST_SECTOR */
} vv_flash_t;

typedef enum {
    VV_SLOTS_IDLE,
    VV_SLOTS_RECEIVING,
    VV_SLOTS_VERIFIED, /* whole, and its hash is right: vv_slots_activate makes it the next to run */
    VV_SLOTS_ACTIVE,   /* runs from the next vv_slots_open on, or runs already */
    VV_SLOTS_REFUSED
} vv_slots_phase_t;

typedef struct {
    const vv_flash_t *flash;
    uint32_t running;          /* slot, or VV_SLOTS_NONE */
    uint32_t running_size;
    uint8_t running_sha256[VV_SHA256_BYTES];
    bool trial;                /* what runs is not confirmed yet */
    vv_slots_phase_t phase;    /* of what was offered last, below */
    uint32_t target;           /* slot that it is received into */
    uint32_t size;
    uint32_t stored;           /* bytes of it in flash */
    uint32_t filled;           /* bytes in page, which follow those */
    uint8_t sha256[VV_SHA256_BYTES];
    uint8_t offered[VV_SHA256_BYTES]; /* what was offered last */
    const char *reason;        /* why it was refused */
    bool pending;              /* it was activated and runs from the next start on */
    bool asked;                /* for a place that is still awaited */
    bool want_due;
    bool state_due;
    uint8_t page[VV_SLOTS_PAGE];
} vv_slots_t;

/* Finds the model that is to run, and counts the start if it is on trial. False if the flash is described wrongly;
 * then nothing may be called but this. */
bool vv_slots_open(vv_slots_t *slots, const vv_flash_t *flash);

/* Where the image is that runs; false if there is none. */
bool vv_slots_running(const vv_slots_t *slots, uint32_t *address, uint32_t *size);

/* Says that the model that runs does: it is kept. After VV_SLOTS_TRIALS starts without this the other slot runs. False
 * if it could not be written down. */
bool vv_slots_confirm(vv_slots_t *slots);

/* Says that the model that runs does not: from the next vv_slots_open on, the other slot runs, if there is a model. */
bool vv_slots_reject(vv_slots_t *slots);

/* Takes a message of the host; each kind but bundle_offer and bundle_chunk is ignored, as is what cannot be decoded. */
void vv_slots_message(vv_slots_t *slots, uint8_t kind, const uint8_t *payload, size_t size);

/* Writes the message that is due for the host; returns its size, or 0 if there is none, or no room for it. */
size_t vv_slots_poll(vv_slots_t *slots, uint8_t *kind, uint8_t *payload, size_t room);

/* Whether a model is whole and waits for vv_slots_activate. */
bool vv_slots_verified(const vv_slots_t *slots);

/* Makes the verified model the one that runs from the next vv_slots_open on. False if there is none, or the flash
 * failed. */
bool vv_slots_activate(vv_slots_t *slots);

#ifdef __cplusplus
}
#endif

#endif
