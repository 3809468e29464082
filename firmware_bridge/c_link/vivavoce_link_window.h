/* The two directions of a peer: what it has to send, and what it has received. For vivavoce_link_peer.c, not for callers;
 * the twins of link/sending.py and link/receiving.py. Times are milliseconds of a clock that does not come round. */
#ifndef VIVAVOCE_LINK_WINDOW_H
#define VIVAVOCE_LINK_WINDOW_H

#include "vivavoce_link.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Messages that wait to be sent, those on their way included; each takes VV_PAYLOAD_MAX + 24 bytes. 2 to 255. */
#ifndef VV_PEER_QUEUE
#define VV_PEER_QUEUE 32U
#endif

/* Messages that are held until somebody takes them; each takes VV_PAYLOAD_MAX + 4 bytes. 1 to VV_WINDOW_MAX. */
#ifndef VV_PEER_WINDOW
#define VV_PEER_WINDOW VV_WINDOW_MAX
#endif

#if (VV_PEER_QUEUE < 2U) || (VV_PEER_QUEUE > 255U)
#error "VV_PEER_QUEUE must be 2 to 255"
#endif
#if (VV_PEER_WINDOW < 1U) || (VV_PEER_WINDOW > VV_WINDOW_MAX) || (VV_WINDOW_MAX > 32U)
#error "VV_PEER_WINDOW must be 1 to VV_WINDOW_MAX, and that at most 32"
#endif

/* What became of frames and messages since the peer was made. */
typedef struct {
    uint32_t received; /* frames of the session whose CRC was right */
    uint32_t stale;    /* frames of a session that is over, or of none */
    uint32_t repeated; /* reliable frames that had been received before */
    uint32_t refused;  /* messages of an unknown kind, or with a value out of its range */
    uint32_t too_long; /* messages that were dropped because the other side takes no payload so long */
    uint32_t resent;
    uint32_t sessions; /* how often a session began */
    uint32_t lost;     /* how often one ended */
} vv_counts_t;

/* A reliable message until it is acknowledged. */
typedef struct {
    uint64_t due_ms;
    uint64_t first_ms;
    uint16_t sequence;
    uint16_t size;
    uint8_t kind;
    bool sent;
    bool acknowledged;
    uint8_t payload[VV_PAYLOAD_MAX];
} vv_outgoing_t;

typedef struct {
    vv_outgoing_t slots[VV_PEER_QUEUE];
    uint8_t order[VV_PEER_QUEUE]; /* slots, the oldest message first; those behind count are free */
    uint8_t count;
    uint8_t credit;               /* frames that the other side has room for */
    uint16_t next_sequence;
    uint16_t sent_as;             /* session in which sequence numbers were given */
    uint16_t payload_max;         /* that the other side takes */
} vv_sending_t;

typedef struct {
    uint16_t size;
    uint8_t kind;
    uint8_t payload[VV_PAYLOAD_MAX];
} vv_incoming_t;

/* A ring: inbox messages from head on that nobody has taken, and behind them what came before its turn. */
typedef struct {
    vv_incoming_t slots[VV_PEER_WINDOW];
    uint32_t early;    /* bit i: expected + i was received */
    uint16_t expected; /* first sequence number that is missing */
    uint8_t window;    /* how many of the slots are used */
    uint8_t head;
    uint8_t inbox;
    bool came;         /* whether anything came in this session */
    bool ack_due;
} vv_receiving_t;

void vv_sending_reset(vv_sending_t *sending);

/* The place for a message that is then added with vv_sending_add; NULL if the queue is full. */
vv_outgoing_t *vv_sending_place(vv_sending_t *sending);
void vv_sending_add(vv_sending_t *sending);

/* Begins a session: forgets what the other side has, and has all else sent again. */
void vv_sending_begin(vv_sending_t *sending, uint16_t session, const vv_hello_t *hello, vv_counts_t *counts);

void vv_sending_take_ack(vv_sending_t *sending, const vv_ack_t *ack, uint64_t now_ms, vv_counts_t *counts);

/* The message at a place of the queue, if it is to be sent now; NULL if not. */
vv_outgoing_t *vv_sending_due(vv_sending_t *sending, uint8_t place, uint64_t now_ms);
void vv_sending_sent(vv_sending_t *sending, vv_outgoing_t *one, uint64_t now_ms, vv_counts_t *counts);

/* Drops blocks of sound that were not sent, and takes the samples out of those that were. */
uint8_t vv_sending_withdraw_audio(vv_sending_t *sending);

/* When something is to be sent, at the latest at limit_ms. */
uint64_t vv_sending_next_ms(const vv_sending_t *sending, uint64_t now_ms, uint64_t limit_ms);

/* Whether what was sent is never taken by a peer with room, as after a wrong frame whose CRC was right. */
bool vv_sending_stuck(const vv_sending_t *sending, uint64_t now_ms);

void vv_receiving_reset(vv_receiving_t *receiving, uint8_t window);
void vv_receiving_begin(vv_receiving_t *receiving);
void vv_receiving_take(vv_receiving_t *receiving, const vv_frame_t *frame, vv_counts_t *counts);

/* Frames from expected on that there is room for. */
uint8_t vv_receiving_credit(const vv_receiving_t *receiving);

/* The oldest message that nobody has taken, or NULL; it is good until vv_receiving_drop. */
const vv_incoming_t *vv_receiving_oldest(const vv_receiving_t *receiving);
void vv_receiving_drop(vv_receiving_t *receiving);

#ifdef __cplusplus
}
#endif

#endif
