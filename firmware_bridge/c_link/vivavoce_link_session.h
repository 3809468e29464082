/* How a session begins and ends. For vivavoce_link_peer.c, not for callers. */
#ifndef VIVAVOCE_LINK_SESSION_H
#define VIVAVOCE_LINK_SESSION_H

#include "vivavoce_link_peer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Room for whole frames. */
typedef struct {
    uint8_t *out;
    size_t room;
    size_t at;
} vv_output_t;

/* Writes a frame; false if there is no room for all of it. */
bool vv_session_put(vv_output_t *o, uint8_t version, uint16_t session, uint8_t kind, uint16_t sequence,
                    const uint8_t *payload, size_t size);

void vv_session_fill_hello(const vv_peer_t *peer, vv_hello_t *hello);
void vv_session_take_hello(vv_peer_t *peer, const vv_frame_t *frame);

/* Writes those that are due. */
void vv_session_say_hellos(vv_peer_t *peer, vv_output_t *o);

/* Ends the session, if there is one; the next one has another number. */
void vv_session_end(vv_peer_t *peer);

#ifdef __cplusplus
}
#endif

#endif
