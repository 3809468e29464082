/* Hearing words on a device: frontend, network, and what follows it, from vivavoce_frontend.h and vivavoce_post.h. The
 * network is a function of the caller, as TensorFlow Lite for Microcontrollers is C++. */
#ifndef VIVAVOCE_HEARING_H
#define VIVAVOCE_HEARING_H

#include "vivavoce_frontend.h"
#include "vivavoce_post.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Runs the network on what it is shown; returns its logits, one a word, good until the next call, or NULL for none. */
typedef const int8_t *(*vv_network_t)(void *context, const int8_t input[VV_WAKE_CONTEXT * VV_CHANNELS]);

typedef struct {
    vv_frontend_t frontend;
    vv_wake_t wake;
    vv_network_t network;
    void *context;
} vv_hearing_t;

typedef struct {
    uint64_t samples; /* since the last reset, up to the end of the word */
    uint16_t score;   /* mean probability, 65535 is one */
    uint16_t word;    /* index in vv_word_ids */
} vv_heard_t;

/* Forgets what was heard; the state of the network is to be reset with it. */
void vv_hearing_reset(vv_hearing_t *hearing, vv_network_t network, void *context);

/* Takes samples until a word is heard; returns how many it took, fewer than count only if there is a word. */
size_t vv_hearing_push(vv_hearing_t *hearing, const int16_t *samples, size_t count, vv_heard_t *heard, bool *any);

#ifdef __cplusplus
}
#endif

#endif
