/* What a peer has to send until it is acknowledged (selective repeat), and what it has received, in order and once. */
#include "vivavoce_link_window.h"

#include <string.h>

/* Whether a sequence number comes before another one, round the end of 16 bits. */
static bool before(uint16_t one, uint16_t another)
{
    const uint16_t ahead = (uint16_t)(another - one);

    return (ahead != 0U) && (ahead < 0x8000U);
}

static vv_outgoing_t *at(vv_sending_t *sending, uint8_t place)
{
    return &sending->slots[sending->order[place]];
}

static uint8_t on_their_way(const vv_sending_t *sending)
{
    const uint8_t window = (sending->credit < VV_WINDOW_MAX) ? sending->credit : (uint8_t)VV_WINDOW_MAX;

    return (sending->count < window) ? sending->count : window;
}

static void remove_at(vv_sending_t *sending, uint8_t place)
{
    const uint8_t slot = sending->order[place];

    for (uint8_t i = place; (i + 1U) < sending->count; i++) {
        sending->order[i] = sending->order[i + 1U];
    }
    sending->count--;
    sending->order[sending->count] = slot;
}

static void drop_before(vv_sending_t *sending, uint16_t sequence)
{
    while ((sending->count > 0U) && at(sending, 0U)->sent && before(at(sending, 0U)->sequence, sequence)) {
        remove_at(sending, 0U);
    }
}

void vv_sending_reset(vv_sending_t *sending)
{
    sending->count = 0U;
    sending->credit = 0U;
    sending->next_sequence = 0U;
    sending->sent_as = 0U;
    sending->payload_max = (uint16_t)VV_PAYLOAD_MAX;
    for (size_t i = 0U; i < VV_PEER_QUEUE; i++) {
        sending->order[i] = (uint8_t)i;
    }
}

vv_outgoing_t *vv_sending_place(vv_sending_t *sending)
{
    return (sending->count < VV_PEER_QUEUE) ? at(sending, sending->count) : NULL;
}

void vv_sending_add(vv_sending_t *sending)
{
    vv_outgoing_t *const one = at(sending, sending->count);

    one->sent = false;
    one->acknowledged = false;
    sending->count++;
}

void vv_sending_begin(vv_sending_t *sending, uint16_t session, const vv_hello_t *hello, vv_counts_t *counts)
{
    uint8_t place = 0U;

    if ((hello->resume_session != 0U) && (hello->resume_session == sending->sent_as)) {
        drop_before(sending, hello->resume_next);
    }
    sending->payload_max = hello->payload_max;
    while (place < sending->count) {
        vv_outgoing_t *const one = at(sending, place);

        if (one->size > sending->payload_max) {
            counts->too_long++;
            remove_at(sending, place);
        } else {
            one->sent = false;
            one->acknowledged = false;
            place++;
        }
    }
    sending->sent_as = session;
    sending->next_sequence = 0U;
    sending->credit = hello->window;
}

void vv_sending_take_ack(vv_sending_t *sending, const vv_ack_t *ack, uint64_t now_ms, vv_counts_t *counts)
{
    const bool any = (sending->count > 0U) && at(sending, 0U)->sent;
    const uint16_t oldest = any ? at(sending, 0U)->sequence : sending->next_sequence;
    const uint64_t soon_ms = now_ms + (VV_RESEND_MS / 3U);

    /* Older than what was acknowledged since, or of frames that were never sent; or overtaken: its credit is old. */
    if (((uint16_t)(sending->next_sequence - ack->next) > VV_WINDOW_MAX) || before(ack->next, oldest)) {
        counts->stale++;
        return;
    }
    drop_before(sending, ack->next);
    for (uint8_t place = 0U; (place < sending->count) && at(sending, place)->sent; place++) {
        vv_outgoing_t *const one = at(sending, place);
        const uint16_t ahead = (uint16_t)(one->sequence - ack->next - 1U);
        const uint16_t behind = (uint16_t)(one->sequence - ack->next);

        if ((ahead < 32U) && (((ack->have >> ahead) & 1U) != 0U)) {
            one->acknowledged = true;
        } else if ((behind < 32U) && ((ack->have >> behind) != 0U) && (one->due_ms > soon_ms)) {
            /* One that was sent later has come: this one is lost, unless the wire changes the order. */
            one->due_ms = soon_ms;
        } else {
            /* Nothing is known about it. */
        }
    }
    sending->credit = ack->credit;
}

vv_outgoing_t *vv_sending_due(vv_sending_t *sending, uint8_t place, uint64_t now_ms)
{
    vv_outgoing_t *one = NULL;

    if (place < on_their_way(sending)) {
        one = at(sending, place);
        if (one->acknowledged || (one->sent && (one->due_ms > now_ms))) {
            one = NULL;
        } else if (!one->sent) {
            one->sequence = sending->next_sequence;
        } else {
            /* It is sent again as it was. */
        }
    }
    return one;
}

void vv_sending_sent(vv_sending_t *sending, vv_outgoing_t *one, uint64_t now_ms, vv_counts_t *counts)
{
    if (one->sent) {
        counts->resent++;
    } else {
        one->sent = true;
        one->first_ms = now_ms;
        sending->next_sequence = (uint16_t)(sending->next_sequence + 1U);
    }
    one->due_ms = now_ms + VV_RESEND_MS;
}

uint8_t vv_sending_withdraw_audio(vv_sending_t *sending)
{
    uint8_t place = 0U;
    uint8_t count = 0U;

    while (place < sending->count) {
        vv_outgoing_t *const one = at(sending, place);
        vv_audio_t audio;

        if ((one->kind != VV_KIND_AUDIO) || !vv_audio_decode(&audio, one->payload, one->size)) {
            place++;
        } else if (!one->sent) {
            count++;
            remove_at(sending, place);
        } else {
            count = (uint8_t)(count + ((audio.samples_count > 0U) ? 1U : 0U));
            audio.samples_count = 0U;
            (void)memset(one->payload, 0, sizeof(one->payload));
            one->size = (uint16_t)vv_audio_encode(&audio, one->payload, sizeof(one->payload));
            place++;
        }
    }
    return count;
}

uint64_t vv_sending_next_ms(const vv_sending_t *sending, uint64_t now_ms, uint64_t limit_ms)
{
    const uint8_t window = on_their_way(sending);
    uint64_t next_ms = limit_ms;

    for (uint8_t place = 0U; place < window; place++) {
        const vv_outgoing_t *const one = &sending->slots[sending->order[place]];

        if (!one->sent) {
            next_ms = now_ms;
        } else if (!one->acknowledged && (one->due_ms < next_ms)) {
            next_ms = one->due_ms;
        } else {
            /* It is not to be sent before that. */
        }
    }
    return next_ms;
}

bool vv_sending_stuck(const vv_sending_t *sending, uint64_t now_ms)
{
    const vv_outgoing_t *const oldest = &sending->slots[sending->order[0]];

    return (sending->count > 0U) && oldest->sent && (sending->credit > 0U) &&
           ((now_ms - oldest->first_ms) > VV_STUCK_MS);
}

void vv_receiving_reset(vv_receiving_t *receiving, uint8_t window)
{
    receiving->early = 0U;
    receiving->expected = 0U;
    receiving->window = window;
    receiving->head = 0U;
    receiving->inbox = 0U;
    receiving->came = false;
    receiving->ack_due = false;
}

void vv_receiving_begin(vv_receiving_t *receiving)
{
    receiving->early = 0U;
    receiving->expected = 0U;
    receiving->came = false;
    receiving->ack_due = true;
}

uint8_t vv_receiving_credit(const vv_receiving_t *receiving)
{
    return (uint8_t)(receiving->window - receiving->inbox);
}

static size_t ring(const vv_receiving_t *receiving, size_t place)
{
    return ((size_t)receiving->head + place) % VV_PEER_WINDOW;
}

void vv_receiving_take(vv_receiving_t *receiving, const vv_frame_t *frame, vv_counts_t *counts)
{
    const uint16_t ahead = (uint16_t)(frame->sequence - receiving->expected);
    vv_incoming_t *slot;

    receiving->ack_due = true;
    if (ahead >= VV_WINDOW_MAX) {
        counts->repeated++;
        return;
    }
    if (ahead >= vv_receiving_credit(receiving)) {
        return; /* There is no room: it is sent again. */
    }
    if (((receiving->early >> ahead) & 1U) != 0U) {
        counts->repeated++;
        return;
    }
    slot = &receiving->slots[ring(receiving, (size_t)receiving->inbox + ahead)];
    slot->kind = frame->kind;
    slot->size = frame->length;
    (void)memcpy(slot->payload, frame->payload, frame->length);
    receiving->early |= (uint32_t)1U << ahead;
    while ((receiving->early & 1U) != 0U) {
        receiving->early >>= 1;
        receiving->expected = (uint16_t)(receiving->expected + 1U);
        receiving->inbox++;
        receiving->came = true;
    }
}

const vv_incoming_t *vv_receiving_oldest(const vv_receiving_t *receiving)
{
    return (receiving->inbox > 0U) ? &receiving->slots[receiving->head] : NULL;
}

void vv_receiving_drop(vv_receiving_t *receiving)
{
    /* Room is told only when it was scarce: otherwise the next acknowledgement does. */
    if (vv_receiving_credit(receiving) < (receiving->window / 2U)) {
        receiving->ack_due = true;
    }
    receiving->head = (uint8_t)ring(receiving, 1U);
    receiving->inbox--;
}
