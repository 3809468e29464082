/* See vivavoce_transform.h. The operations are those of edge/kernels/frontend.py; rounding makes them part of the result. */
#include "vivavoce_transform.h"

#include <stddef.h>

#include "vivavoce_arithmetic.h"
#include "vivavoce_tables.h"

#define VV_QUARTER (VV_FFT_SIZE / 4)

/* Both halves of a union of the transform. */
typedef char vv_bin_has_four_bytes[(sizeof(vv_bin_t) == 4U) ? 1 : -1];
/* Four stages of four. */
typedef char vv_transform_has_256_points[(VV_POINTS == 256) ? 1 : -1];

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

void vv_transform(vv_bin_t bins[VV_POINTS])
{
    transform(bins);
    energies(bins);
}
