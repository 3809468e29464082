/* See vivavoce_slots.h: which slot runs, and what the firmware says of it. */
#include "vivavoce_slots.h"

#include <string.h>

#include "vivavoce_slots_log.h"

/* Sequence numbers may come round. */
static bool newer(uint32_t one, uint32_t another)
{
    return (one != another) && ((one - another) < 0x80000000U);
}

static bool is_right(const vv_flash_t *flash)
{
    const uint32_t sector = flash->sector;
    uint32_t apart;

    if ((flash->read == NULL) || (flash->erase == NULL) || (flash->program == NULL)) {
        return false;
    }
    if ((sector < VV_SLOTS_LEAST_SECTOR) || ((sector % VV_SLOTS_PAGE) != 0U) || (flash->slot_size < (2U * sector))
        || ((flash->slot_size % sector) != 0U) || ((flash->slots[0] % sector) != 0U)
        || ((flash->slots[1] % sector) != 0U)) {
        return false;
    }
    apart = (flash->slots[0] > flash->slots[1]) ? (flash->slots[0] - flash->slots[1])
                                                : (flash->slots[1] - flash->slots[0]);
    return (apart >= flash->slot_size) && (flash->slots[0] <= (0xFFFFFFFFU - flash->slot_size))
        && (flash->slots[1] <= (0xFFFFFFFFU - flash->slot_size));
}

/* Takes the slot as the one that runs if its image is whole and, on trial, the start can be counted. */
static bool start(vv_slots_t *slots, uint32_t slot, const vv_slot_log_t *log)
{
    const vv_record_t *image = &log->newest;

    if (!log->active || vv_slot_log_given_up(log)
        || !vv_slot_holds(slots->flash, slot, image->size, image->sha256, slots->page)) {
        return false;
    }
    if (!log->confirmed) {
        vv_record_t boot = *image;

        boot.kind = VV_LOG_BOOT;
        if (!vv_slot_log_add(slots->flash, slot, &boot)) {
            return false; /* a start that is not counted could be repeated for ever */
        }
    }
    slots->running = slot;
    slots->running_size = image->size;
    (void)memcpy(slots->running_sha256, image->sha256, VV_SHA256_BYTES);
    slots->trial = !log->confirmed;
    return true;
}

bool vv_slots_open(vv_slots_t *slots, const vv_flash_t *flash)
{
    vv_slot_log_t logs[2];
    uint32_t slot;
    uint32_t first;

    (void)memset(slots, 0, sizeof(*slots));
    slots->flash = flash;
    slots->running = VV_SLOTS_NONE;
    slots->phase = VV_SLOTS_IDLE;
    if (!is_right(flash)) {
        return false;
    }
    for (slot = 0U; slot < 2U; slot++) {
        if (!vv_slot_log_read(flash, slot, &logs[slot])) {
            (void)memset(&logs[slot], 0, sizeof(logs[slot]));
        }
    }
    first = (logs[1].active && (!logs[0].active || newer(logs[1].newest.sequence, logs[0].newest.sequence))) ? 1U : 0U;
    if (!start(slots, first, &logs[first])) {
        (void)start(slots, 1U - first, &logs[1U - first]);
    }
    return true;
}

bool vv_slots_running(const vv_slots_t *slots, uint32_t *address, uint32_t *size)
{
    if (slots->running == VV_SLOTS_NONE) {
        return false;
    }
    *address = slots->flash->slots[slots->running] + slots->flash->sector;
    *size = slots->running_size;
    return true;
}

/* Adds a record about the activation of the slot that runs. */
static bool say(vv_slots_t *slots, uint32_t kind)
{
    vv_slot_log_t log;
    vv_record_t record;

    if ((slots->running == VV_SLOTS_NONE) || !vv_slot_log_read(slots->flash, slots->running, &log) || !log.active) {
        return false;
    }
    record = log.newest;
    record.kind = kind;
    return vv_slot_log_add(slots->flash, slots->running, &record);
}

bool vv_slots_confirm(vv_slots_t *slots)
{
    if ((slots->running != VV_SLOTS_NONE) && !slots->trial) {
        return true;
    }
    if (!say(slots, VV_LOG_CONFIRMED)) {
        return false;
    }
    slots->trial = false;
    return true;
}

bool vv_slots_reject(vv_slots_t *slots)
{
    return say(slots, VV_LOG_REJECTED);
}

bool vv_slots_verified(const vv_slots_t *slots)
{
    return slots->phase == VV_SLOTS_VERIFIED;
}

bool vv_slots_activate(vv_slots_t *slots)
{
    vv_slot_log_t logs[2];
    vv_record_t record;

    if (slots->phase != VV_SLOTS_VERIFIED) {
        return false;
    }
    (void)memset(&record, 0, sizeof(record));
    record.kind = VV_LOG_ACTIVE;
    record.size = slots->size;
    (void)memcpy(record.sha256, slots->sha256, VV_SHA256_BYTES);
    slots->state_due = true;
    if (vv_slot_log_read(slots->flash, 0U, &logs[0]) && vv_slot_log_read(slots->flash, 1U, &logs[1])) {
        uint32_t last = logs[0].newest.sequence;

        if (logs[1].active && (!logs[0].active || newer(logs[1].newest.sequence, last))) {
            last = logs[1].newest.sequence;
        }
        record.sequence = last + 1U;
        if (vv_slot_log_add(slots->flash, slots->target, &record)) {
            slots->phase = VV_SLOTS_ACTIVE;
            slots->pending = true;
            return true;
        }
    }
    slots->phase = VV_SLOTS_REFUSED;
    slots->reason = "the flash could not be written";
    return false;
}
