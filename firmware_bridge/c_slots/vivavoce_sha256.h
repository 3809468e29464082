/* SHA-256 (FIPS 180-4): C99, no heap, less than a gigabit at once. */
#ifndef VIVAVOCE_SHA256_H
#define VIVAVOCE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VV_SHA256_BYTES 32U

typedef struct {
    uint32_t state[8];
    uint32_t size;      /* bytes so far */
    uint8_t block[64];  /* those that fill no block yet */
} vv_sha256_t;

void vv_sha256_begin(vv_sha256_t *hash);
void vv_sha256_push(vv_sha256_t *hash, const uint8_t *data, size_t size);
void vv_sha256_end(vv_sha256_t *hash, uint8_t out[VV_SHA256_BYTES]);

#ifdef __cplusplus
}
#endif

#endif
