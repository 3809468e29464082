/* One side of the link: queueing, taking, acknowledgement, heartbeat; the twin of link/peer.py. */
#include "vivavoce_link_peer.h"
#include "vivavoce_link_session.h"

#include <string.h>

/* The clock of the peer does not come round. A time that was read before an earlier call, as by an interrupt, would be
 * 49.7 days ahead: it is taken as no time that passed. */
static void tell_time(vv_peer_t *peer, uint32_t now_ms)
{
    const uint32_t step = now_ms - (uint32_t)(peer->now_ms & 0xFFFFFFFFU);

    if ((peer->now_ms == 0U) || (step < 0x80000000U)) { /* it begins anywhere */
        peer->now_ms += step;
    }
}

bool vv_peer_init(vv_peer_t *peer, const vv_peer_settings_t *settings)
{
    vv_hello_t hello;
    uint8_t payload[VV_HELLO_MAX];

    (void)memset(peer, 0, sizeof(*peer));
    if ((settings->window < 1U) || (settings->window > VV_PEER_WINDOW) || (settings->lowest > settings->highest) ||
        (settings->name_count > sizeof(settings->name))) {
        return false;
    }
    peer->settings = *settings;
    peer->session = (settings->session == 0xFFFFU) ? 1U : (uint16_t)(settings->session + 1U);
    peer->hello_at_once = true;
    vv_reader_reset(&peer->reader);
    vv_sending_reset(&peer->sending);
    vv_receiving_reset(&peer->receiving, settings->window);
    vv_session_fill_hello(peer, &hello);
    return vv_hello_encode(&hello, payload, sizeof(payload)) > 0U;
}

bool vv_peer_established(const vv_peer_t *peer)
{
    return peer->established;
}

uint8_t vv_peer_waiting(const vv_peer_t *peer)
{
    return peer->sending.count;
}

uint8_t vv_peer_room(const vv_peer_t *peer)
{
    return (uint8_t)(VV_PEER_QUEUE - peer->sending.count);
}

static bool fits(const vv_peer_t *peer, uint8_t kind, size_t size)
{
    return (kind >= VV_FIRST_RELIABLE) && (size <= VV_PAYLOAD_MAX) &&
           (!peer->established || (size <= peer->sending.payload_max));
}

vv_send_t vv_peer_send(vv_peer_t *peer, const vv_message_t *message)
{
    vv_outgoing_t *const place = vv_sending_place(&peer->sending);
    size_t size;

    if (place == NULL) {
        return VV_SEND_FULL;
    }
    size = vv_message_encode(message, place->payload, sizeof(place->payload));
    if ((size == 0U) || !fits(peer, message->kind, size)) {
        return VV_SEND_REFUSED;
    }
    place->kind = message->kind;
    place->size = (uint16_t)size;
    vv_sending_add(&peer->sending);
    return VV_SEND_QUEUED;
}

vv_send_t vv_peer_send_payload(vv_peer_t *peer, uint8_t kind, const uint8_t *payload, size_t size)
{
    vv_outgoing_t *const place = vv_sending_place(&peer->sending);

    if (!fits(peer, kind, size)) {
        return VV_SEND_REFUSED;
    }
    if (place == NULL) {
        return VV_SEND_FULL;
    }
    (void)memcpy(place->payload, payload, size);
    place->kind = kind;
    place->size = (uint16_t)size;
    vv_sending_add(&peer->sending);
    return VV_SEND_QUEUED;
}

uint8_t vv_peer_withdraw_audio(vv_peer_t *peer)
{
    return vv_sending_withdraw_audio(&peer->sending);
}

const vv_incoming_t *vv_peer_oldest(const vv_peer_t *peer)
{
    return vv_receiving_oldest(&peer->receiving);
}

void vv_peer_drop(vv_peer_t *peer)
{
    if (vv_receiving_oldest(&peer->receiving) != NULL) {
        vv_receiving_drop(&peer->receiving);
    }
}

bool vv_peer_take(vv_peer_t *peer, vv_message_t *message)
{
    bool found = false;
    const vv_incoming_t *oldest = vv_receiving_oldest(&peer->receiving);

    while (!found && (oldest != NULL)) {
        found = vv_message_decode(message, oldest->kind, oldest->payload, oldest->size);
        if (!found) {
            peer->counts.refused++; /* Sent again it would be the same: it counts as received. */
        }
        vv_receiving_drop(&peer->receiving);
        oldest = vv_receiving_oldest(&peer->receiving);
    }
    return found;
}

static void take_ack(vv_peer_t *peer, const vv_frame_t *frame)
{
    vv_ack_t ack;

    if (vv_ack_decode(&ack, frame->payload, frame->length)) {
        vv_sending_take_ack(&peer->sending, &ack, peer->now_ms, &peer->counts);
    } else {
        peer->counts.refused++;
    }
}

void vv_peer_receive(vv_peer_t *peer, const uint8_t *data, size_t size, uint32_t now_ms)
{
    vv_frame_t frame;

    tell_time(peer, now_ms);
    for (size_t i = 0U; i < size; i++) {
        if (!vv_reader_push(&peer->reader, data[i], &frame)) {
            continue;
        }
        if (frame.kind == VV_KIND_HELLO) {
            vv_session_take_hello(peer, &frame);
        } else if (!peer->established || (frame.session != peer->other.session) ||
                   (frame.version != peer->other.version)) {
            peer->counts.stale++;
        } else {
            peer->counts.received++;
            peer->heard_ms = peer->now_ms;
            if (frame.kind == VV_KIND_ACK) {
                take_ack(peer, &frame);
            } else if ((frame.kind > VV_KIND_ACK) && !peer->challenged) {
                /* While challenged, what was told to resume from must not change; it is sent again. */
                vv_receiving_take(&peer->receiving, &frame, &peer->counts);
            } else {
                /* Kind 0 is none. */
            }
        }
    }
}

void vv_peer_disconnected(vv_peer_t *peer, uint32_t now_ms)
{
    tell_time(peer, now_ms);
    vv_reader_fresh(&peer->reader);
    vv_session_end(peer);
    peer->hello_due = false;
    peer->established_due = false;
    peer->hello_at_once = true;
}

static void say_ack(vv_peer_t *peer, vv_output_t *o)
{
    const vv_receiving_t *const receiving = &peer->receiving;
    const vv_ack_t ack = {receiving->expected, receiving->early >> 1, vv_receiving_credit(receiving)};
    uint8_t payload[VV_ACK_MAX];
    const size_t size = vv_ack_encode(&ack, payload, sizeof(payload));

    if (vv_session_put(o, peer->other.version, peer->session, (uint8_t)VV_KIND_ACK, 0U, payload, size)) {
        peer->receiving.ack_due = false;
        peer->ack_ms = peer->now_ms;
    }
}

static void send_due(vv_peer_t *peer, vv_output_t *o)
{
    bool room = true;

    for (uint8_t place = 0U; room && (place < peer->sending.count); place++) {
        vv_outgoing_t *const one = vv_sending_due(&peer->sending, place, peer->now_ms);

        if (one != NULL) {
            room = vv_session_put(o, peer->other.version, peer->session, one->kind, one->sequence, one->payload,
                                  one->size);
            if (room) {
                vv_sending_sent(&peer->sending, one, peer->now_ms, &peer->counts);
            }
        }
    }
}

size_t vv_peer_poll(vv_peer_t *peer, uint32_t now_ms, uint8_t *out, size_t room)
{
    vv_output_t o = {out, room, 0U};

    tell_time(peer, now_ms);
    if (peer->established && (((peer->now_ms - peer->heard_ms) > VV_SILENCE_MS) ||
                              vv_sending_stuck(&peer->sending, peer->now_ms))) {
        vv_session_end(peer);
    }
    if (peer->challenged && ((peer->now_ms - peer->challenged_ms) > VV_SILENCE_MS)) {
        peer->challenged = false;
        peer->hello_due = false;
    }
    vv_session_say_hellos(peer, &o);
    if (peer->established) {
        if (peer->receiving.ack_due || ((peer->now_ms - peer->ack_ms) >= VV_HEARTBEAT_MS)) {
            say_ack(peer, &o);
        }
        send_due(peer, &o);
    }
    return o.at;
}

static uint64_t earlier(uint64_t one, uint64_t another)
{
    return (one < another) ? one : another;
}

uint32_t vv_peer_wait_ms(const vv_peer_t *peer)
{
    uint64_t next_ms = peer->now_ms;

    if (peer->hello_due || peer->established_due || (!peer->established && peer->hello_at_once)) {
        return 0U;
    }
    if (!peer->established) {
        next_ms = peer->hello_ms + VV_HELLO_MS;
    } else if (!peer->receiving.ack_due) {
        next_ms = earlier(peer->ack_ms + VV_HEARTBEAT_MS, peer->heard_ms + VV_SILENCE_MS + 1U);
        next_ms = vv_sending_next_ms(&peer->sending, peer->now_ms, next_ms);
        if (peer->challenged) {
            next_ms = earlier(next_ms, peer->hello_ms + VV_HELLO_MS);
        }
    } else {
        /* The acknowledgement is due now. */
    }
    return (next_ms > peer->now_ms) ? (uint32_t)(next_ms - peer->now_ms) : 0U;
}
