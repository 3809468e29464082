/* See vivavoce_slots.h: a model that comes over the link. */
#include <string.h>

#include "vivavoce_image.h"
#include "vivavoce_link.h"
#include "vivavoce_slots.h"
#include "vivavoce_slots_log.h"

/* Records of a log that are kept free of marks: an activation, its trials, confirmed or rejected, and as many that
 * power cuts may spoil. */
#define RESERVE 12U
/* Free records without which a reception begins with an empty log. */
#define LEAST_FREE 8U

static void refuse(vv_slots_t *slots, const char *reason)
{
    slots->phase = VV_SLOTS_REFUSED;
    slots->reason = reason;
    slots->state_due = true;
}

static void refuse_flash(vv_slots_t *slots)
{
    refuse(slots, "the flash could not be written");
}

static uint32_t data_address(const vv_slots_t *slots)
{
    return slots->flash->slots[slots->target] + slots->flash->sector;
}

static uint32_t capacity(const vv_flash_t *flash)
{
    return flash->slot_size - flash->sector;
}

/* Bytes between two marks: as few sectors as the log has room for, twice. */
static uint32_t mark_step(const vv_flash_t *flash)
{
    const uint32_t marks = (vv_log_places(flash) - RESERVE) / 2U;
    const uint32_t sectors = capacity(flash) / flash->sector;

    return (((sectors + marks) - 1U) / marks) * flash->sector;
}

static bool add(const vv_slots_t *slots, uint32_t kind)
{
    vv_record_t record;

    (void)memset(&record, 0, sizeof(record));
    record.kind = kind;
    record.size = slots->size;
    record.offset = slots->stored;
    (void)memcpy(record.sha256, slots->sha256, VV_SHA256_BYTES);
    return vv_slot_log_add(slots->flash, slots->target, &record);
}

static bool erase_log(const vv_slots_t *slots)
{
    return slots->flash->erase(slots->flash->context, slots->flash->slots[slots->target]);
}

/* Forgets what was received: the next offer begins anew. */
static void discard(vv_slots_t *slots, const char *reason)
{
    slots->stored = 0U;
    if (erase_log(slots)) {
        refuse(slots, reason);
    } else {
        refuse_flash(slots);
    }
}

/* Looks at the table of sections as it is in flash: NULL if all of them can be used. */
static const char *table_fault(vv_slots_t *slots, uint32_t count)
{
    const vv_flash_t *flash = slots->flash;
    const uint32_t table = data_address(slots) + VV_IMAGE_HEADER_BYTES;
    const char *fault = NULL;

    for (uint32_t place = 0U; (fault == NULL) && (place < count); place++) {
        if (!flash->read(flash->context, table + (place * VV_IMAGE_SECTION_BYTES), slots->page,
                         VV_IMAGE_SECTION_BYTES)) {
            fault = "the flash could not be read";
        } else {
            fault = vv_image_section_fault(slots->page, slots->size);
        }
    }
    return fault;
}

/* All is in flash: is it what was offered? */
static void finish(vv_slots_t *slots)
{
    const vv_flash_t *flash = slots->flash;
    const uint32_t head = (slots->size < VV_SLOTS_PAGE) ? slots->size : VV_SLOTS_PAGE;
    const char *fault;

    if (!vv_slot_holds(flash, slots->target, slots->size, slots->sha256, slots->page)) {
        discard(slots, "the hash of what came is not the one that was offered; send it again");
        return;
    }
    if (!flash->read(flash->context, data_address(slots), slots->page, head)) {
        refuse(slots, "the flash could not be read");
        return;
    }
    fault = vv_image_fault(slots->page, head, slots->size, flash->contract);
    if (fault == NULL) {
        fault = table_fault(slots, vv_image_sections(slots->page));
    }
    if (fault != NULL) {
        discard(slots, fault);
        return;
    }
    if ((flash->verify != NULL)
        && !flash->verify(flash->context, data_address(slots), slots->size, slots->sha256)) {
        discard(slots, "the firmware does not trust it; sign it for this device");
        return;
    }
    slots->phase = VV_SLOTS_VERIFIED;
    slots->state_due = true;
}

/* Writes the page that was filled. False if it was refused. */
static bool flush(vv_slots_t *slots)
{
    const vv_flash_t *flash = slots->flash;
    const uint32_t address = data_address(slots) + slots->stored;
    const uint32_t rounded = ((slots->filled + (VV_SLOTS_RECORD - 1U)) / VV_SLOTS_RECORD) * VV_SLOTS_RECORD;

    if (slots->stored == 0U) {
        const char *fault = vv_image_fault(slots->page, slots->filled, slots->size, flash->contract);

        if (fault != NULL) {
            refuse(slots, fault);
            return false;
        }
    }
    if (((slots->stored % flash->sector) == 0U) && !flash->erase(flash->context, address)) {
        refuse_flash(slots);
        return false;
    }
    (void)memset(&slots->page[slots->filled], 0xFF, VV_SLOTS_PAGE - slots->filled);
    if (!flash->program(flash->context, address, slots->page, rounded)) {
        refuse_flash(slots);
        return false;
    }
    slots->stored += slots->filled;
    slots->filled = 0U;
    if (((slots->stored % mark_step(flash)) == 0U) || (slots->stored == slots->size)) {
        vv_slot_log_t log;

        slots->state_due = true;
        /* Without room for a mark more has to be sent again after a power cut: nothing else. */
        if (vv_slot_log_read(flash, slots->target, &log) && ((log.next + RESERVE) < vv_log_places(flash))) {
            (void)add(slots, VV_LOG_MARK);
        }
    }
    return true;
}

static void begin(vv_slots_t *slots, const vv_bundle_offer_t *offer)
{
    vv_slot_log_t log;

    slots->target = (slots->running == 0U) ? 1U : 0U;
    slots->size = offer->size;
    slots->stored = 0U;
    slots->filled = 0U;
    (void)memcpy(slots->sha256, offer->sha256, VV_SHA256_BYTES);
    if (offer->size > capacity(slots->flash)) {
        refuse(slots, "it is larger than a slot");
        return;
    }
    if (slots->trial) {
        refuse(slots, "a new model is on trial; send it again when that is confirmed");
        return;
    }
    if (!vv_slot_log_read(slots->flash, slots->target, &log)) {
        refuse(slots, "the flash could not be read");
        return;
    }
    if (log.active && vv_slot_log_given_up(&log) && vv_same_hash(log.newest.sha256, offer->sha256)) {
        refuse(slots, "it was tried on this device and did not run; send another one");
        return;
    }
    if (log.receiving && (log.image.size == offer->size) && vv_same_hash(log.image.sha256, offer->sha256)
        && ((log.next + LEAST_FREE) <= vv_log_places(slots->flash))) {
        slots->stored = log.marked;
    } else if (!erase_log(slots) || !add(slots, VV_LOG_RECEIVING)) {
        refuse_flash(slots);
        return;
    } else {
        /* from the start */
    }
    slots->phase = VV_SLOTS_RECEIVING;
    if (slots->stored == slots->size) {
        finish(slots);
    }
}

static void take_offer(vv_slots_t *slots, const vv_bundle_offer_t *offer)
{
    const bool same = (slots->size == offer->size) && vv_same_hash(slots->sha256, offer->sha256);

    slots->asked = false;
    slots->want_due = true;
    (void)memcpy(slots->offered, offer->sha256, VV_SHA256_BYTES);
    if (slots->pending) {
        if (same) {
            slots->phase = VV_SLOTS_ACTIVE;
            slots->state_due = true;
        } else {
            refuse(slots, "another model waits for the next start of the device; start it, then send it again");
        }
    } else if (same && (slots->phase == VV_SLOTS_RECEIVING)) {
        /* a link that broke: it goes on where it was */
    } else if (same && ((slots->phase == VV_SLOTS_VERIFIED) || (slots->phase == VV_SLOTS_ACTIVE))) {
        slots->state_due = true;
    } else if ((slots->running != VV_SLOTS_NONE) && (offer->size == slots->running_size)
               && vv_same_hash(slots->running_sha256, offer->sha256)) {
        slots->phase = VV_SLOTS_ACTIVE;
        slots->size = offer->size;
        slots->stored = offer->size;
        slots->filled = 0U;
        (void)memcpy(slots->sha256, offer->sha256, VV_SHA256_BYTES);
        slots->state_due = true;
    } else {
        begin(slots, offer);
    }
}

static void take_chunk(vv_slots_t *slots, const vv_bundle_chunk_t *chunk)
{
    const uint32_t expected = slots->stored + slots->filled;
    const uint8_t *data = chunk->data;
    uint32_t left = chunk->data_count;
    uint32_t known;

    /* After a start nothing is taken without an offer: it may be of a model that was offered before. */
    if ((slots->phase != VV_SLOTS_RECEIVING) || (left == 0U)) {
        return;
    }
    if (chunk->offset > expected) {
        if (!slots->asked) {
            slots->asked = true;
            slots->want_due = true;
        }
        return;
    }
    /* Of what was sent again, only what is new: to ask for a place then would make the host go back once more. */
    known = expected - chunk->offset;
    if (left <= known) {
        return;
    }
    data = &data[known];
    left -= known;
    slots->asked = false;
    if (left > (slots->size - expected)) {
        refuse(slots, "more came than was offered");
        return;
    }
    while (left > 0U) {
        const uint32_t taken = (left < (VV_SLOTS_PAGE - slots->filled)) ? left : (VV_SLOTS_PAGE - slots->filled);

        (void)memcpy(&slots->page[slots->filled], data, taken);
        slots->filled += taken;
        data = &data[taken];
        left -= taken;
        if (((slots->filled == VV_SLOTS_PAGE) || ((slots->stored + slots->filled) == slots->size)) && !flush(slots)) {
            return;
        }
    }
    if (slots->stored == slots->size) {
        finish(slots);
    }
}

void vv_slots_message(vv_slots_t *slots, uint8_t kind, const uint8_t *payload, size_t size)
{
    if (kind == VV_KIND_BUNDLE_OFFER) {
        vv_bundle_offer_t offer;

        if (vv_bundle_offer_decode(&offer, payload, size)) {
            take_offer(slots, &offer);
        }
    } else if (kind == VV_KIND_BUNDLE_CHUNK) {
        vv_bundle_chunk_t chunk;

        if (vv_bundle_chunk_decode(&chunk, payload, size)) {
            take_chunk(slots, &chunk);
        }
    } else {
        /* not about bundles */
    }
}

static size_t state_of(const vv_slots_t *slots, uint8_t *payload, size_t room)
{
    vv_bundle_state_t state;

    (void)memset(&state, 0, sizeof(state));
    state.offset = slots->stored;
    switch (slots->phase) {
    case VV_SLOTS_VERIFIED:
        state.state = VV_STATE_VERIFIED;
        break;
    case VV_SLOTS_ACTIVE:
        state.state = VV_STATE_ACTIVE;
        break;
    case VV_SLOTS_REFUSED:
        state.state = VV_STATE_REFUSED;
        state.reason_count = (uint16_t)strlen(slots->reason);
        (void)memcpy(state.reason, slots->reason, state.reason_count);
        break;
    case VV_SLOTS_IDLE:
    case VV_SLOTS_RECEIVING:
    default:
        state.state = VV_STATE_RECEIVING;
        break;
    }
    return vv_bundle_state_encode(&state, payload, room);
}

size_t vv_slots_poll(vv_slots_t *slots, uint8_t *kind, uint8_t *payload, size_t room)
{
    size_t size = 0U;

    /* First the one that names what was offered: a state before it was about something else. */
    if (slots->want_due) {
        vv_bundle_want_t want;

        *kind = VV_KIND_BUNDLE_WANT;
        want.offset = slots->stored + slots->filled;
        (void)memcpy(want.sha256, slots->offered, VV_SHA256_BYTES);
        size = vv_bundle_want_encode(&want, payload, room);
        slots->want_due = (size == 0U);
    } else if (slots->state_due) {
        *kind = VV_KIND_BUNDLE_STATE;
        size = state_of(slots, payload, room);
        slots->state_due = (size == 0U);
    } else {
        /* nothing is due */
    }
    return size;
}
