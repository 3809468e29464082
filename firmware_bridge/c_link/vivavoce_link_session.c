/* How a session begins and ends: the hellos of both sides, and from where each goes on. */
#include "vivavoce_link_session.h"

#include <string.h>

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

void vv_session_fill_hello(const vv_peer_t *peer, vv_hello_t *hello)
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

void vv_session_end(vv_peer_t *peer)
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
        vv_session_end(peer); /* takes the number that was echoed */
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

void vv_session_take_hello(vv_peer_t *peer, const vv_frame_t *frame)
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

bool vv_session_put(vv_output_t *o, uint8_t version, uint16_t session, uint8_t kind, uint16_t sequence,
                    const uint8_t *payload, size_t size)
{
    const vv_frame_t frame = {version, kind, session, sequence, (uint16_t)size, payload};
    const size_t written = vv_frame_encode(&frame, &o->out[o->at], o->room - o->at);

    o->at += written;
    return written > 0U;
}

static bool say_hello(vv_peer_t *peer, vv_output_t *o, uint16_t session, uint16_t echo, uint8_t established)
{
    vv_hello_t hello;
    uint8_t payload[VV_HELLO_MAX];
    size_t size;
    bool said;

    keep_resume(peer);
    vv_session_fill_hello(peer, &hello);
    hello.echo = echo;
    hello.established = established;
    size = vv_hello_encode(&hello, payload, sizeof(payload));
    said = vv_session_put(o, 1U, session, (uint8_t)VV_KIND_HELLO, 0U, payload, size);
    if (said) {
        peer->hello_ms = peer->now_ms;
        peer->hello_at_once = false;
    }
    return said;
}

void vv_session_say_hellos(vv_peer_t *peer, vv_output_t *o)
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
