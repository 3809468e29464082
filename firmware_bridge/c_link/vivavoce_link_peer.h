/* One side of the link, without input or output: bytes and the time go in, bytes and messages come out. The twin of
 * link/peer.py; docs/link.md has the protocol. C99, no heap, no library but <string.h>.
 *
 *     static vv_peer_t peer;                    VV_PEER_QUEUE and VV_PEER_WINDOW say how large, about 46 kB as they are
 *     static vv_message_t message;
 *     uint8_t out[VV_ENCODED_MAX];
 *
 *     vv_peer_init(&peer, &settings);
 *     for (;;) {
 *         vv_peer_receive(&peer, bytes, count, now_ms());           what the wire has brought
 *         while (vv_peer_take(&peer, &message)) { ... }
 *         vv_peer_send(&peer, &message);                            VV_SEND_FULL: keep it, and try again
 *         write(out, vv_peer_poll(&peer, now_ms(), out, sizeof(out)));
 *         wait for bytes, or for vv_peer_wait_ms(&peer)
 *     }
 *
 * What vv_peer_poll returned counts as sent; bytes that were lost after it are sent again. One thread may use a peer at
 * a time; several peers do not disturb each other.
 */
#ifndef VIVAVOCE_LINK_PEER_H
#define VIVAVOCE_LINK_PEER_H

#include "vivavoce_link.h"
#include "vivavoce_link_window.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    uint32_t capabilities; /* VV_CAN_... */
    uint16_t session;      /* to begin with, drawn at random where there are random numbers */
    uint8_t role;          /* VV_HELLO_ROLE_DEVICE, or ..._HOST */
    uint8_t lowest;        /* oldest and newest version that is spoken; VV_LINK_VERSION */
    uint8_t highest;
    uint8_t window;        /* at most VV_PEER_WINDOW */
    uint8_t name_count;    /* bytes of name, at most 32 */
    uint8_t name[32];      /* UTF-8 */
} vv_peer_settings_t;

/* What the other side said of itself. */
typedef struct {
    uint16_t session;
    uint8_t version;
    vv_hello_t hello;
} vv_other_t;

/* The fields are its own business, but for counts and reader.damaged, which may be read. */
typedef struct {
    vv_peer_settings_t settings;
    vv_counts_t counts;
    vv_reader_t reader;
    vv_sending_t sending;
    vv_receiving_t receiving;
    vv_other_t other;            /* while established */
    vv_other_t candidate;        /* while challenged: may have started anew */
    uint64_t now_ms;
    uint64_t hello_ms;           /* last times */
    uint64_t ack_ms;
    uint64_t heard_ms;
    uint64_t begun_ms;
    uint64_t challenged_ms;
    uint16_t session;
    uint16_t resume_session;
    uint16_t resume_next;
    uint16_t echo;               /* of the hello that is due */
    uint8_t foreign_lowest;      /* versions of a peer that does not speak ours, while foreign */
    uint8_t foreign_highest;
    bool established;
    bool challenged;
    bool foreign;
    bool hello_at_once;          /* no hello was sent yet */
    bool hello_due;
    bool established_due;        /* a hello that says so */
} vv_peer_t;

typedef enum {
    VV_SEND_QUEUED,
    VV_SEND_FULL,    /* not taken: try again when something was acknowledged */
    VV_SEND_REFUSED  /* a value is out of its range, it is too long for the other side, or no reliable message */
} vv_send_t;

/* To be called first. False if the settings cannot work; the peer is then not to be used. */
bool vv_peer_init(vv_peer_t *peer, const vv_peer_settings_t *settings);

/* Queues a reliable message. */
vv_send_t vv_peer_send(vv_peer_t *peer, const vv_message_t *message);

/* The same for a payload that is encoded already, as that of a kind by itself. */
vv_send_t vv_peer_send_payload(vv_peer_t *peer, uint8_t kind, const uint8_t *payload, size_t size);

/* Takes sound back, as when the microphone is muted: blocks that were not sent are dropped, and those that may have to be
 * sent again are then sent without their samples. Returns how many blocks that were. */
uint8_t vv_peer_withdraw_audio(vv_peer_t *peer);

/* Takes the next message that came; false if there is none. What is not taken is not acknowledged beyond the window. */
bool vv_peer_take(vv_peer_t *peer, vv_message_t *message);

/* The same without a copy: the oldest message as it came, or NULL; not yet decoded, and good until vv_peer_drop. */
const vv_incoming_t *vv_peer_oldest(const vv_peer_t *peer);
void vv_peer_drop(vv_peer_t *peer);

/* Takes bytes as they came. The clock may come round after 32 bits; one that goes back otherwise stands still. */
void vv_peer_receive(vv_peer_t *peer, const uint8_t *data, size_t size, uint32_t now_ms);

/* Says that the transport is gone: the session is over, and a frame that was cut off is forgotten. */
void vv_peer_disconnected(vv_peer_t *peer, uint32_t now_ms);

/* Writes what is to be sent now, as whole frames; returns how many bytes that are. With room for less than
 * VV_ENCODED_MAX a long message may have to wait for ever. */
size_t vv_peer_poll(vv_peer_t *peer, uint32_t now_ms, uint8_t *out, size_t room);

/* Time after the last call with a time until vv_peer_poll has something to do, at the latest. */
uint32_t vv_peer_wait_ms(const vv_peer_t *peer);

/* Whether there is a session; then peer->other is what the other side said of itself. */
bool vv_peer_established(const vv_peer_t *peer);

/* Messages that are not acknowledged yet, and how many more can be queued. */
uint8_t vv_peer_waiting(const vv_peer_t *peer);
uint8_t vv_peer_room(const vv_peer_t *peer);

#ifdef __cplusplus
}
#endif

#endif
