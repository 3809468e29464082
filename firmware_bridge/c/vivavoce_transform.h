/* From the points of a window to the energies of its bins; for the code of the frontend, and not for callers. */
#ifndef VIVAVOCE_TRANSFORM_H
#define VIVAVOCE_TRANSFORM_H

#include <stdint.h>

#include "vivavoce_settings.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VV_POINTS (VV_FFT_SIZE / 2)

/* A point of the transform, and later the energy of the bin in its place. */
typedef union {
    struct {
        int16_t re;
        int16_t im;
    } point;
    int32_t energy;
} vv_bin_t;

/* Transforms VV_FFT_SIZE real points, two to a bin, and puts the energy of bins 1 to VV_POINTS - 1 in their places. */
void vv_transform(vv_bin_t bins[VV_POINTS]);

#ifdef __cplusplus
}
#endif

#endif
