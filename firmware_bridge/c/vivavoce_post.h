/* From features to words: the quantised input of the wake network, and what is made of its logits.
 *
 * Sliding mean of probabilities, cut-offs and refractory time are those of edge/wake.py; probabilities are integers with
 * VV_PROBABILITY_BITS fraction bits, looked up by the logit. C99, no float, no heap. The network itself is run by
 * TensorFlow Lite for Microcontrollers, or whatever else computes what its reference kernels compute.
 *
 *     static vv_wake_t wake;
 *     vv_detection_t found;
 *
 *     vv_wake_reset(&wake);
 *     ...                                               for each frame of the frontend:
 *     if (vv_wake_frame(&wake, features)) {
 *         copy wake.input (VV_WAKE_CONTEXT x VV_CHANNELS) and the state into the network, run it, keep its state
 *         if (vv_wake_logits(&wake, logits, &found)) { ... }
 *     }
 *
 * After vv_wake_reset the state of the network is to be VV_WAKE_STATE_ZERO_POINT throughout.
 */
#ifndef VIVAVOCE_POST_H
#define VIVAVOCE_POST_H

#include <stdbool.h>
#include <stdint.h>

#include "vivavoce_settings.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    uint32_t word;        /* index in vv_word_ids */
    uint32_t probability; /* mean over VV_WAKE_SMOOTHING runs, VV_PROBABILITY_BITS fraction bits */
    uint32_t frame;       /* index, since the last reset, of the newest frame that it rests on */
} vv_detection_t;

typedef struct {
    int8_t input[VV_WAKE_CONTEXT * VV_CHANNELS];             /* what the network is shown, oldest frame first */
    uint32_t recent[VV_WAKE_SMOOTHING][VV_WORDS];            /* probabilities of the newest runs */
    uint32_t frames;                                         /* since the last reset; wraps after 497 days */
    uint32_t deaf;                                           /* frames for which nothing is detected any more */
    uint8_t until_run;                                       /* frames until the network is due */
    uint8_t next;                                            /* of recent */
} vv_wake_t;

/* Quantises a feature as ESPHome does, and as the network was trained. */
int8_t vv_quantise(uint16_t feature);

/* Forgets everything that was heard. To be called before the first frame. */
void vv_wake_reset(vv_wake_t *wake);

/* Takes the features of a frame; returns whether the network is due on wake->input. */
bool vv_wake_frame(vv_wake_t *wake, const uint16_t features[VV_CHANNELS]);

/* Takes the logits of the run that was due; returns whether a word was detected, and then which. */
bool vv_wake_logits(vv_wake_t *wake, const int8_t logits[VV_WORDS], vv_detection_t *detection);

#ifdef __cplusplus
}
#endif

#endif
