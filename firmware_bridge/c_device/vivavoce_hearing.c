/* See vivavoce_hearing.h. */
#include "vivavoce_hearing.h"

void vv_hearing_reset(vv_hearing_t *hearing, vv_network_t network, void *context)
{
    vv_frontend_reset(&hearing->frontend);
    vv_wake_reset(&hearing->wake);
    hearing->network = network;
    hearing->context = context;
}

static uint16_t score_of(uint32_t probability)
{
    const uint64_t half = (uint64_t)1U << (VV_PROBABILITY_BITS - 1);

    return (uint16_t)((((uint64_t)probability * 65535U) + half) >> VV_PROBABILITY_BITS);
}

size_t vv_hearing_push(vv_hearing_t *hearing, const int16_t *samples, size_t count, vv_heard_t *heard, bool *any)
{
    uint16_t features[VV_CHANNELS];
    vv_detection_t found;
    size_t at = 0U;

    *any = false;
    while (!*any && (at < count)) {
        at += vv_frontend_push(&hearing->frontend, &samples[at], count - at);
        if (vv_frontend_frame(&hearing->frontend, features) && vv_wake_frame(&hearing->wake, features)) {
            const int8_t *const logits = hearing->network(hearing->context, hearing->wake.input);

            if ((logits != NULL) && vv_wake_logits(&hearing->wake, logits, &found)) {
                heard->samples = ((uint64_t)found.frame * VV_STEP_SAMPLES) + VV_WINDOW_SAMPLES;
                heard->score = score_of(found.probability);
                heard->word = (uint16_t)found.word;
                *any = true;
            }
        }
    }
    return at;
}
