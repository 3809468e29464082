/* Handshake, acknowledgement, heartbeat and resuming of one side of the link; the twin of link/peer.py. */
#include "vivavoce_link_peer.h"

#include <string.h>

typedef struct {
    uint8_t *out;
    size_t room;
    size_t at;
} output_t;

/* The clock of the peer does not come round. */
static void tell_time(vv_peer_t *peer, uint32_t now_ms)
{
    peer->now_ms += (uint32_t)(now_ms - (uint32_t)(peer->now_ms & 0xFFFFFFFFU));
}

static uint16_t following(uint16_t session)
{
    return (session == 0xFFFFU) ? 1U : (uint16_t)(session + 1U);
}

/* From where the other side shall go on; a session in which nothing came changes nothing about it. */
static void keep_resume(vv_peer_t *peer)
{
    if (peer->established && peer->receiving.came) {
        peer->resume_session = peer->other.session;
        peer->resume_next = peer->receiving.expected;
    }
}

static void begin(vv_peer_t *peer, const vv_other_t *other)
{
    peer->other = *other;
    peer->established = true;
    peer->challenged = false;
    peer->foreign = false;
    peer->hello_due = false;
    vv_sending_begin(&peer->sending, peer->session, &other->hello, &peer->counts);
    vv_receiving_begin(&peer->receiving);
    peer->heard_ms = peer->now_ms;
    peer->begun_ms = peer->now_ms;
    peer->counts.sessions++;
}

static void end(vv_peer_t *peer)
{
    if (!peer->established) {
        return;
    }
    keep_resume(peer);
    peer->established = false;
    peer->challenged = false;
    peer->hello_due = false;
    peer->established_due = false;
    peer->session = following(peer->session);
    peer->counts.lost++;
}

static void fill_hello(const vv_peer_t *peer, vv_hello_t *hello)
{
    const vv_peer_settings_t *const settings = &peer->settings;

    (void)memset(hello, 0, sizeof(*hello));
    hello->lowest = settings->lowest;
    hello->highest = settings->highest;
    hello->role = settings->role;
    hello->resume_session = peer->resume_session;
    hello->resume_next = peer->resume_next;
    hello->window = settings->window;
    hello->payload_max = (uint16_t)VV_PAYLOAD_MAX;
    hello->capabilities = settings->capabilities;
    hello->name_count = settings->name_count;
    (void)memcpy(hello->name, settings->name, settings->name_count);
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
    fill_hello(peer, &hello);
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

/* Sorts out a hello that fits; docs/link.md, "A session", has the rules. */
static void answer(vv_peer_t *peer, const vv_other_t *other)
{
    const uint16_t echo = other->hello.echo;
    /* A device that draws no random numbers starts anew with the number that it had. */
    const bool recent = (peer->now_ms - peer->begun_ms) < (4U * VV_HELLO_MS);
    const bool same = peer->established && (other->session == peer->other.session);

    if (same && ((echo == peer->session) || (recent && (echo == 0U)))) {
        peer->heard_ms = peer->now_ms;
        peer->established_due = peer->established_due || (other->hello.established == 0U);
    } else if (peer->challenged && (echo == following(peer->session)) &&
               (other->session == peer->candidate.session)) {
        end(peer); /* takes the number that was echoed */
        begin(peer, other);
        peer->established_due = other->hello.established == 0U;
    } else if (!peer->established && (echo == peer->session)) {
        begin(peer, other);
        peer->established_due = other->hello.established == 0U;
    } else if (echo != 0U) {
        peer->counts.stale++;
    } else {
        if (peer->established && (!peer->challenged || (other->session != peer->candidate.session))) {
            /* It may have started anew, or this was held up since long ago: only an answer to a new number tells. */
            peer->candidate = *other;
            peer->challenged = true;
            peer->challenged_ms = peer->now_ms;
        }
        peer->echo = other->session;
        peer->hello_due = true;
    }
}

static void take_hello(vv_peer_t *peer, const vv_frame_t *frame)
{
    const vv_peer_settings_t *const settings = &peer->settings;
    vv_other_t other;
    uint8_t lowest;

    if (!vv_hello_decode(&other.hello, frame->payload, frame->length) || (other.hello.role == settings->role) ||
        (frame->session == 0U)) {
        peer->counts.refused++;
        return;
    }
    other.session = frame->session;
    other.version = (other.hello.highest < settings->highest) ? other.hello.highest : settings->highest;
    lowest = (other.hello.lowest > settings->lowest) ? other.hello.lowest : settings->lowest;
    if (other.version < lowest) {
        peer->foreign = true;
        peer->foreign_lowest = other.hello.lowest;
        peer->foreign_highest = other.hello.highest;
        return;
    }
    answer(peer, &other);
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
            take_hello(peer, &frame);
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
    end(peer);
    peer->hello_due = false;
    peer->established_due = false;
    peer->hello_at_once = true;
}

static bool put(output_t *o, uint8_t version, uint16_t session, uint8_t kind, uint16_t sequence, const uint8_t *payload,
                size_t size)
{
    const vv_frame_t frame = {version, kind, session, sequence, (uint16_t)size, payload};
    const size_t written = vv_frame_encode(&frame, &o->out[o->at], o->room - o->at);

    o->at += written;
    return written > 0U;
}

static bool say_hello(vv_peer_t *peer, output_t *o, uint16_t session, uint16_t echo, uint8_t established)
{
    vv_hello_t hello;
    uint8_t payload[VV_HELLO_MAX];
    bool said;

    keep_resume(peer);
    fill_hello(peer, &hello);
    hello.echo = echo;
    hello.established = established;
    said = put(o, 1U, session, (uint8_t)VV_KIND_HELLO, 0U, payload, vv_hello_encode(&hello, payload, sizeof(payload)));
    if (said) {
        peer->hello_ms = peer->now_ms;
        peer->hello_at_once = false;
    }
    return said;
}

static void say_hellos(vv_peer_t *peer, output_t *o)
{
    if (peer->established_due && say_hello(peer, o, peer->session, peer->other.session, 1U)) {
        peer->established_due = false;
    }
    if (!peer->hello_due && (!peer->established || peer->challenged) &&
        (peer->hello_at_once || ((peer->now_ms - peer->hello_ms) >= VV_HELLO_MS))) {
        peer->hello_due = true;
        peer->echo = peer->challenged ? peer->candidate.session : 0U;
    }
    if (peer->hello_due) {
        const uint16_t session = peer->established ? following(peer->session) : peer->session;

        peer->hello_due = !say_hello(peer, o, session, peer->echo, 0U);
    }
}

static void say_ack(vv_peer_t *peer, output_t *o)
{
    const vv_receiving_t *const receiving = &peer->receiving;
    const vv_ack_t ack = {receiving->expected, receiving->early >> 1, vv_receiving_credit(receiving)};
    uint8_t payload[VV_ACK_MAX];
    const size_t size = vv_ack_encode(&ack, payload, sizeof(payload));

    if (put(o, peer->other.version, peer->session, (uint8_t)VV_KIND_ACK, 0U, payload, size)) {
        peer->receiving.ack_due = false;
        peer->ack_ms = peer->now_ms;
    }
}

static void send_due(vv_peer_t *peer, output_t *o)
{
    bool room = true;

    for (uint8_t place = 0U; room && (place < peer->sending.count); place++) {
        vv_outgoing_t *const one = vv_sending_due(&peer->sending, place, peer->now_ms);

        if (one != NULL) {
            room = put(o, peer->other.version, peer->session, one->kind, one->sequence, one->payload, one->size);
            if (room) {
                vv_sending_sent(&peer->sending, one, peer->now_ms, &peer->counts);
            }
        }
    }
}

size_t vv_peer_poll(vv_peer_t *peer, uint32_t now_ms, uint8_t *out, size_t room)
{
    output_t o = {out, room, 0U};

    tell_time(peer, now_ms);
    if (peer->established && (((peer->now_ms - peer->heard_ms) > VV_SILENCE_MS) ||
                              vv_sending_stuck(&peer->sending, peer->now_ms))) {
        end(peer);
    }
    if (peer->challenged && ((peer->now_ms - peer->challenged_ms) > VV_SILENCE_MS)) {
        peer->challenged = false;
        peer->hello_due = false;
    }
    say_hellos(peer, &o);
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
