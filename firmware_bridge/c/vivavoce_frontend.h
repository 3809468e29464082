/* Feature frontend: samples in, VV_CHANNELS integers every VV_STEP_SAMPLES out.
 *
 * The numbers are those of vivavoce's own frontend, which are those of TensorFlow Lite for Microcontrollers' audio
 * frontend, bit for bit. C99, fixed point, no heap, no recursion, no library but <stdint.h>, <stddef.h>, <stdbool.h>
 * and memmove/memset. What it computes with is in vivavoce_settings.h and vivavoce_tables.c, which are generated.
 *
 *     static vv_frontend_t frontend;             about 2.2 kB; nothing else is kept
 *     uint16_t features[VV_CHANNELS];
 *
 *     vv_frontend_reset(&frontend);
 *     while (count > 0U) {
 *         const size_t taken = vv_frontend_push(&frontend, samples, count);
 *         samples += taken;
 *         count -= taken;
 *         if (vv_frontend_frame(&frontend, features)) { ... }
 *     }
 *
 * One thread may use a frontend at a time; several frontends do not disturb each other.
 */
#ifndef VIVAVOCE_FRONTEND_H
#define VIVAVOCE_FRONTEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vivavoce_settings.h"
#include "vivavoce_transform.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a frontend remembers, and the room that it works in. The fields are its own business. */
typedef struct {
    uint32_t noise[VV_CHANNELS];       /* noise estimate, VV_SMOOTHING_BITS fraction bits */
    vv_bin_t bins[VV_POINTS];          /* scratch */
    int16_t samples[VV_WINDOW_SAMPLES];
    uint16_t filled;                   /* of samples */
} vv_frontend_t;

/* Forgets all audio and the noise estimate, as if nothing had been pushed. To be called before the first push. */
void vv_frontend_reset(vv_frontend_t *frontend);

/* Takes samples (16 kHz, mono) until a frame is complete; returns how many it took, 0 while a complete frame waits. */
size_t vv_frontend_push(vv_frontend_t *frontend, const int16_t *samples, size_t count);

/* Computes the frame that is complete, and makes room for the next samples; returns false, and leaves the features as
 * they are, if none is. Frame n covers samples [n * VV_STEP_SAMPLES, n * VV_STEP_SAMPLES + VV_WINDOW_SAMPLES). */
bool vv_frontend_frame(vv_frontend_t *frontend, uint16_t features[VV_CHANNELS]);

#ifdef __cplusplus
}
#endif

#endif
