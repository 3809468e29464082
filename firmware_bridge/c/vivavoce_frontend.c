/* See vivavoce_frontend.h. The operations and their widths are those of edge/kernels/frontend.py; rounding makes them
 * part of the result. Sums that may leave their width are made of unsigned numbers, where C says that they wrap. */
#include "vivavoce_frontend.h"

#include <string.h>

#include "vivavoce_tables.h"

#define VV_POINTS (VV_FFT_SIZE / 2)
#define VV_QUARTER (VV_FFT_SIZE / 4)

/* C leaves to the compiler what a right shift of a negative number is, and a conversion to a narrower signed type; all
 * that this code was tried with keep the sign and the low bits. One that does not stops here. */
typedef char vv_shift_keeps_the_sign[(((int32_t)-3 >> 1) == (int32_t)-2) ? 1 : -1];
typedef char vv_narrowing_keeps_the_bits[((int16_t)(uint16_t)0x8001U == (int16_t)-32767) ? 1 : -1];
/* Both halves of a union of the transform. */
typedef char vv_bin_has_four_bytes[(sizeof(vv_bin_t) == 4U) ? 1 : -1];
/* What is asked of the compiler for the bits of a number takes one of this width. */
typedef char vv_int_has_32_bits[(sizeof(unsigned int) == 4U) ? 1 : -1];
/* Four stages of four. */
typedef char vv_transform_has_256_points[(VV_POINTS == 256) ? 1 : -1];

static int16_t narrow(uint32_t value)
{
    return (int16_t)(uint16_t)(value & 0xFFFFU);
}

static uint32_t times(int16_t a, int16_t b)
{
    return (uint32_t)((int32_t)a * (int32_t)b); /* at most 2^30: never overflows */
}

/* Drops 15 fraction bits of a 32-bit number, rounds half up, wraps to 16 bits. */
static int16_t rounded(uint32_t value)
{
    return narrow((value + 0x4000U) >> 15);
}

static int16_t product(int16_t a, int16_t b)
{
    return rounded(times(a, b));
}

static int16_t sum16(int16_t a, int16_t b)
{
    return narrow((uint32_t)((int32_t)a + (int32_t)b));
}

static int16_t difference16(int16_t a, int16_t b)
{
    return narrow((uint32_t)((int32_t)a - (int32_t)b));
}

/* Number of bits that a value needs; 0 for 0. */
static uint32_t bit_length(uint32_t value)
{
#if defined(__GNUC__)
    return (value == 0U) ? 0U : (32U - (uint32_t)__builtin_clz((unsigned int)value));
#else
    uint32_t bits = 0U;
    uint32_t rest = value;

    while (rest != 0U) {
        rest >>= 1;
        bits++;
    }
    return bits;
#endif
}

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

static void quarter(vv_bin_t *bin)
{
    bin->point.re = product(bin->point.re, VV_OVER_4);
    bin->point.im = product(bin->point.im, VV_OVER_4);
}

static void turn(vv_bin_t *bin, int16_t re, int16_t im)
{
    const int16_t x = bin->point.re;
    const int16_t y = bin->point.im;

    bin->point.re = rounded(times(x, re) - times(y, im));
    bin->point.im = rounded(times(x, im) + times(y, re));
}

/* Adds four quartered and turned points up to four results, in their places. */
static void combine(vv_bin_t *a, vv_bin_t *b, vv_bin_t *c, vv_bin_t *d)
{
    const int16_t outer_re = difference16(a->point.re, c->point.re);
    const int16_t outer_im = difference16(a->point.im, c->point.im);
    const int16_t even_re = sum16(a->point.re, c->point.re);
    const int16_t even_im = sum16(a->point.im, c->point.im);
    const int16_t odd_re = sum16(b->point.re, d->point.re);
    const int16_t odd_im = sum16(b->point.im, d->point.im);
    const int16_t inner_re = difference16(b->point.re, d->point.re);
    const int16_t inner_im = difference16(b->point.im, d->point.im);

    a->point.re = sum16(even_re, odd_re);
    a->point.im = sum16(even_im, odd_im);
    b->point.re = sum16(outer_re, inner_im);
    b->point.im = difference16(outer_im, inner_re);
    c->point.re = difference16(even_re, odd_re);
    c->point.im = difference16(even_im, odd_im);
    d->point.re = difference16(outer_re, inner_im);
    d->point.im = sum16(outer_im, inner_re);
}

/* Puts points into the order in which the stages of a transform in place take them: digits to base 4 turned around. */
static void reorder(vv_bin_t *bins)
{
    uint32_t i;

    for (i = 0U; i < (uint32_t)VV_POINTS; i++) {
        const uint32_t swapped = ((i & 0x03U) << 6) | ((i & 0x0CU) << 2) | ((i >> 2) & 0x0CU) | ((i >> 6) & 0x03U);

        if (swapped > i) {
            const vv_bin_t kept = bins[i];

            bins[i] = bins[swapped];
            bins[swapped] = kept;
        }
    }
}

/* Transforms VV_FFT_SIZE real points, taken as half as many complex ones; radix 4, decimation in time, in place. */
static void transform(vv_bin_t *bins)
{
    const int16_t *twiddles = vv_twiddles;
    size_t joined;
    size_t base;
    size_t k;

    reorder(bins);
    /* No twiddles: a product with the one of 15 bits returns every value that a quarter can have. */
    for (base = 0U; base < (size_t)VV_POINTS; base += 4U) {
        for (k = 0U; k < 4U; k++) {
            quarter(&bins[base + k]);
        }
        combine(&bins[base], &bins[base + 1U], &bins[base + 2U], &bins[base + 3U]);
    }
    for (joined = 4U; joined < (size_t)VV_POINTS; joined *= 4U) {
        const int16_t *re = twiddles;
        const int16_t *im = &twiddles[3U * joined];

        for (k = 0U; k < joined; k++) {
            for (base = k; base < (size_t)VV_POINTS; base += 4U * joined) {
                vv_bin_t *const a = &bins[base];
                vv_bin_t *const b = &bins[base + joined];
                vv_bin_t *const c = &bins[base + (2U * joined)];
                vv_bin_t *const d = &bins[base + (3U * joined)];

                quarter(a);
                quarter(b);
                quarter(c);
                quarter(d);
                turn(b, re[k], im[k]);
                turn(c, re[joined + k], im[joined + k]);
                turn(d, re[(2U * joined) + k], im[(2U * joined) + k]);
                combine(a, b, c, d);
            }
        }
        twiddles = &twiddles[6U * joined];
    }
}

static int32_t energy_of(int16_t re, int16_t im)
{
    return (int32_t)(times(re, re) + times(im, im));
}

static int16_t halved(int32_t value)
{
    return narrow((uint32_t)(value >> 1));
}

/* Turns the complex transform into the real one, and puts the energy of bins 1 to 255 in their places. */
static void energies(vv_bin_t *bins)
{
    size_t k;

    for (k = 1U; k <= (size_t)VV_QUARTER; k++) {
        vv_bin_t *const low = &bins[k];
        vv_bin_t *const high = &bins[(size_t)VV_POINTS - k];
        const int16_t pr = product(low->point.re, VV_OVER_2);
        const int16_t pi = product(low->point.im, VV_OVER_2);
        const int16_t qr = product(high->point.re, VV_OVER_2);
        const int16_t qi = product(difference16(0, high->point.im), VV_OVER_2);
        const int16_t sr = sum16(pr, qr);
        const int16_t si = sum16(pi, qi);
        const int16_t dr = difference16(pr, qr);
        const int16_t di = difference16(pi, qi);
        const int16_t wr = vv_real_twiddles[k - 1U];
        const int16_t wi = vv_real_twiddles[(size_t)VV_QUARTER + k - 1U];
        const int16_t tr = rounded(times(dr, wr) - times(di, wi));
        const int16_t ti = rounded(times(dr, wi) + times(di, wr));

        /* In the middle both are the same bin, and the second counts. */
        low->energy = energy_of(halved((int32_t)sr + tr), halved((int32_t)si + ti));
        high->energy = energy_of(halved((int32_t)sr - tr), halved((int32_t)ti - si));
    }
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
    transform(frontend->bins);
    energies(frontend->bins);
    channels(frontend, shift, features);
    (void)memmove(frontend->samples, &frontend->samples[VV_STEP_SAMPLES], left * sizeof(frontend->samples[0]));
    frontend->filled = (uint16_t)left;
    return true;
}
