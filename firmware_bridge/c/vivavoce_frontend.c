/* See vivavoce_frontend.h. The operations and their widths are those of edge/kernels/frontend.py; rounding makes them
 * part of the result. */
#include "vivavoce_frontend.h"

#include <string.h>

#include "vivavoce_arithmetic.h"
#include "vivavoce_tables.h"

/* Windows the samples and scales them up until the largest magnitude has 15 bits; returns the shift. */
static uint32_t window(vv_frontend_t *frontend)
{
    int16_t peak = 0;
    uint32_t shift;
    uint32_t factor;
    size_t i;

    (void)memset(frontend->bins, 0, sizeof(frontend->bins));
    for (i = 0U; i < (size_t)VV_WINDOW_SAMPLES; i++) {
        const int32_t weighted = (int32_t)times(frontend->samples[i], vv_window[i]);
        const int16_t value = narrow((uint32_t)(weighted >> VV_WINDOW_BITS));
        /* The magnitude of -32768 wraps, and is never the larger. */
        const int16_t magnitude = (value < 0) ? difference16(0, value) : value;

        if (magnitude > peak) {
            peak = magnitude;
        }
        if ((i & 1U) == 0U) {
            frontend->bins[i >> 1].point.re = value;
        } else {
            frontend->bins[i >> 1].point.im = value;
        }
    }
    shift = 15U - bit_length((uint32_t)peak);
    factor = (uint32_t)1U << shift;
    for (i = 0U; i < (size_t)VV_POINTS; i++) {
        frontend->bins[i].point.re = narrow((uint32_t)(int32_t)frontend->bins[i].point.re * factor);
        frontend->bins[i].point.im = narrow((uint32_t)(int32_t)frontend->bins[i].point.im * factor);
    }
    return shift;
}

/* Square root of a number, rounded to nearest; capped at half its width. */
static uint32_t rounded_sqrt32(uint32_t value)
{
    uint32_t rest = value;
    uint32_t root = 0U;
    uint32_t bit;

    if (value == 0U) {
        return 0U;
    }
    for (bit = (uint32_t)1U << ((bit_length(value) - 1U) & ~(uint32_t)1U); bit != 0U; bit >>= 2) {
        if (rest >= (root + bit)) {
            rest -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    if ((rest > root) && (root != 0xFFFFU)) {
        root++;
    }
    return root;
}

static uint32_t rounded_sqrt(uint64_t value)
{
    const uint32_t upper = (uint32_t)(value >> 32);
    uint64_t rest = value;
    uint64_t root = 0U;
    uint64_t bit;

    if (upper == 0U) {
        return rounded_sqrt32((uint32_t)value);
    }
    for (bit = (uint64_t)1U << ((bit_length(upper) + 31U) & ~(uint32_t)1U); bit != 0U; bit >>= 2) {
        if (rest >= (root + bit)) {
            rest -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    if ((rest > root) && (root != 0xFFFFFFFFU)) {
        root++;
    }
    return (uint32_t)root;
}

#if VV_PCAN
/* Piecewise quadratic gain at a noise estimate. */
static int32_t gain_at(uint32_t noise)
{
    const int16_t *piece;
    uint32_t octave;
    int64_t fraction;
    int64_t value;

    if (noise <= 2U) {
        return vv_gain[noise];
    }
    octave = bit_length(noise);
    piece = &vv_gain[(4U * octave) - 6U];
    fraction = (int64_t)(((octave < 11U) ? (noise << (11U - octave)) : (noise >> (octave - 11U))) & 0x3FFU);
    value = ((int64_t)piece[2] * fraction) >> 5;
    value = (value + ((int64_t)piece[1] * 32)) * fraction;
    value = ((value + 0x4000) >> 15) + piece[0];
    return narrow((uint32_t)(uint64_t)value);
}
#endif

/* Natural logarithm of a number above one, times two to the power of VV_LOG_SHIFT. */
static uint32_t log_of(uint32_t value)
{
    const uint32_t integer = bit_length(value) - 1U;
    const uint32_t part = value - ((uint32_t)1U << integer);
    const uint32_t fraction = (integer < 16U) ? (part << (16U - integer)) : (part >> (integer - 16U));
    const uint32_t segment = fraction >> 9;
    const int32_t c0 = vv_log[segment];
    const int32_t slope = (int32_t)vv_log[segment + 1U] - c0;
    const int32_t correction = c0 + ((slope * (int32_t)(fraction - (segment << 9))) >> 16);
    const uint32_t log2_of = (integer << 16) + fraction + (uint32_t)correction;
    const uint64_t natural = (((uint64_t)VV_LOG_COEFFICIENT * log2_of) + 0x8000U) >> 16;

    return (uint32_t)(((natural << VV_LOG_SHIFT) + 0x8000U) >> 16);
}

/* Noise suppression, gain control and logarithm of one channel. */
static uint16_t channel_feature(uint32_t level, uint32_t *noise, bool odd)
{
    const uint32_t smoothing = odd ? VV_ODD_SMOOTHING : VV_EVEN_SMOOTHING;
    const uint32_t scaled = level << VV_SMOOTHING_BITS;
    const uint64_t mixed = ((uint64_t)scaled * smoothing)
                           + ((uint64_t)*noise * (((uint32_t)1U << VV_NOISE_BITS) - smoothing));
    const uint32_t estimate = (uint32_t)(mixed >> VV_NOISE_BITS);
    const uint32_t least = (uint32_t)(((uint64_t)level * VV_LEAST_SIGNAL) >> VV_NOISE_BITS);
    uint32_t clean = (scaled - ((estimate < scaled) ? estimate : scaled)) >> VV_SMOOTHING_BITS;
    uint32_t feature;

    *noise = estimate;
    if (clean < least) {
        clean = least;
    }
#if VV_PCAN
    {
        const uint32_t snr = (uint32_t)(uint64_t)(((int64_t)clean * gain_at(estimate)) >> VV_SNR_SHIFT);

        if (snr < ((uint32_t)2U << VV_PCAN_SNR_BITS)) {
            clean = (snr * snr) >> ((2U + (2U * VV_PCAN_SNR_BITS)) - VV_PCAN_OUTPUT_BITS);
        } else {
            clean = (snr >> (VV_PCAN_SNR_BITS - VV_PCAN_OUTPUT_BITS)) - ((uint32_t)1U << VV_PCAN_OUTPUT_BITS);
        }
    }
#endif
    clean <<= VV_CORRECTION_BITS;
    feature = (clean > 1U) ? log_of(clean) : 0U;
    return (feature > 0xFFFFU) ? (uint16_t)0xFFFFU : (uint16_t)feature;
}

/* Sums the weighted energies of every channel, and makes features of them. */
static void channels(vv_frontend_t *frontend, uint32_t shift, uint16_t features[VV_CHANNELS])
{
    uint64_t carried = 0U;
    size_t slope;

    for (slope = 0U; slope <= (size_t)VV_CHANNELS; slope++) {
        uint64_t rising = carried;
        uint64_t falling = 0U;
        size_t k;

        for (k = (size_t)vv_edges[slope]; k < (size_t)vv_edges[slope + 1U]; k++) {
            /* Two full-scale halves overflow 31 bits; the reference carries the sum on with its sign. */
            const int64_t energy = frontend->bins[k].energy;

            rising += (uint64_t)(energy * vv_weights[k]);
            falling += (uint64_t)(energy * vv_unweights[k]);
        }
        /* What ends with the first slope belongs to no channel. */
        if (slope > 0U) {
            const size_t channel = slope - 1U;

            features[channel] =
                channel_feature(rounded_sqrt(rising) >> shift, &frontend->noise[channel], (channel & 1U) != 0U);
        }
        carried = falling;
    }
}

void vv_frontend_reset(vv_frontend_t *frontend)
{
    (void)memset(frontend, 0, sizeof(*frontend));
}

size_t vv_frontend_push(vv_frontend_t *frontend, const int16_t *samples, size_t count)
{
    const size_t room = (size_t)VV_WINDOW_SAMPLES - frontend->filled;
    const size_t taken = (count < room) ? count : room;

    if (taken > 0U) {
        (void)memcpy(&frontend->samples[frontend->filled], samples, taken * sizeof(samples[0]));
        frontend->filled = (uint16_t)(frontend->filled + taken);
    }
    return taken;
}

bool vv_frontend_frame(vv_frontend_t *frontend, uint16_t features[VV_CHANNELS])
{
    const size_t left = (size_t)VV_WINDOW_SAMPLES - (size_t)VV_STEP_SAMPLES;
    uint32_t shift;

    if (frontend->filled < (uint16_t)VV_WINDOW_SAMPLES) {
        return false;
    }
    shift = window(frontend);
    vv_transform(frontend->bins);
    channels(frontend, shift, features);
    (void)memmove(frontend->samples, &frontend->samples[VV_STEP_SAMPLES], left * sizeof(frontend->samples[0]));
    frontend->filled = (uint16_t)left;
    return true;
}
