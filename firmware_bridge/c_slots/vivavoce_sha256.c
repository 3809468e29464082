/* See vivavoce_sha256.h. Names and numbers of sections are those of FIPS 180-4. */
#include "vivavoce_sha256.h"

#include <string.h>

/* 4.2.2: fractional parts of the cube roots of the first 64 primes. */
static const uint32_t K[64] = {
    0x428a2f98U, 0x71374491U, 0xb5c0fbcfU, 0xe9b5dba5U, 0x3956c25bU, 0x59f111f1U, 0x923f82a4U, 0xab1c5ed5U,
    0xd807aa98U, 0x12835b01U, 0x243185beU, 0x550c7dc3U, 0x72be5d74U, 0x80deb1feU, 0x9bdc06a7U, 0xc19bf174U,
    0xe49b69c1U, 0xefbe4786U, 0x0fc19dc6U, 0x240ca1ccU, 0x2de92c6fU, 0x4a7484aaU, 0x5cb0a9dcU, 0x76f988daU,
    0x983e5152U, 0xa831c66dU, 0xb00327c8U, 0xbf597fc7U, 0xc6e00bf3U, 0xd5a79147U, 0x06ca6351U, 0x14292967U,
    0x27b70a85U, 0x2e1b2138U, 0x4d2c6dfcU, 0x53380d13U, 0x650a7354U, 0x766a0abbU, 0x81c2c92eU, 0x92722c85U,
    0xa2bfe8a1U, 0xa81a664bU, 0xc24b8b70U, 0xc76c51a3U, 0xd192e819U, 0xd6990624U, 0xf40e3585U, 0x106aa070U,
    0x19a4c116U, 0x1e376c08U, 0x2748774cU, 0x34b0bcb5U, 0x391c0cb3U, 0x4ed8aa4aU, 0x5b9cca4fU, 0x682e6ff3U,
    0x748f82eeU, 0x78a5636fU, 0x84c87814U, 0x8cc70208U, 0x90befffaU, 0xa4506cebU, 0xbef9a3f7U, 0xc67178f2U,
};

static uint32_t rotr(uint32_t x, unsigned n)
{
    return (x >> n) | (x << (32U - n));
}

/* 6.2.2. The message schedule is kept in 16 words, round and round. */
static void take_block(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[16];
    uint32_t v[8];
    size_t t;

    (void)memcpy(v, state, sizeof(v));
    for (t = 0U; t < 64U; t++) {
        uint32_t t1;
        uint32_t t2;

        if (t < 16U) {
            w[t] = ((uint32_t)block[4U * t] << 24U) | ((uint32_t)block[(4U * t) + 1U] << 16U)
                 | ((uint32_t)block[(4U * t) + 2U] << 8U) | (uint32_t)block[(4U * t) + 3U];
        } else {
            const uint32_t w15 = w[(t + 1U) % 16U];
            const uint32_t w2 = w[(t + 14U) % 16U];

            w[t % 16U] += (rotr(w15, 7U) ^ rotr(w15, 18U) ^ (w15 >> 3U)) + w[(t + 9U) % 16U]
                        + (rotr(w2, 17U) ^ rotr(w2, 19U) ^ (w2 >> 10U));
        }
        t1 = v[7] + (rotr(v[4], 6U) ^ rotr(v[4], 11U) ^ rotr(v[4], 25U)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) + K[t]
           + w[t % 16U];
        t2 = (rotr(v[0], 2U) ^ rotr(v[0], 13U) ^ rotr(v[0], 22U)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        (void)memmove(&v[1], &v[0], 7U * sizeof(v[0]));
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (t = 0U; t < 8U; t++) {
        state[t] += v[t];
    }
}

void vv_sha256_begin(vv_sha256_t *hash)
{
    /* 5.3.3: fractional parts of the square roots of the first 8 primes. */
    static const uint32_t first[8] = {
        0x6a09e667U, 0xbb67ae85U, 0x3c6ef372U, 0xa54ff53aU, 0x510e527fU, 0x9b05688cU, 0x1f83d9abU, 0x5be0cd19U,
    };

    (void)memcpy(hash->state, first, sizeof(first));
    hash->size = 0U;
}

void vv_sha256_push(vv_sha256_t *hash, const uint8_t *data, size_t size)
{
    size_t at = 0U;

    while (at < size) {
        const size_t filled = hash->size % 64U;
        const size_t taken = ((size - at) < (64U - filled)) ? (size - at) : (64U - filled);

        (void)memcpy(&hash->block[filled], &data[at], taken);
        hash->size += (uint32_t)taken;
        at += taken;
        if ((filled + taken) == 64U) {
            take_block(hash->state, hash->block);
        }
    }
}

void vv_sha256_end(vv_sha256_t *hash, uint8_t out[VV_SHA256_BYTES])
{
    static const uint8_t padding[64] = {0x80U};
    const uint64_t bits = (uint64_t)hash->size * 8U;
    uint8_t length[8];
    size_t i;

    for (i = 0U; i < 8U; i++) {
        length[i] = (uint8_t)((bits >> (56U - (8U * i))) & 0xFFU);
    }
    vv_sha256_push(hash, padding, ((119U - (hash->size % 64U)) % 64U) + 1U);
    vv_sha256_push(hash, length, sizeof(length));
    for (i = 0U; i < VV_SHA256_BYTES; i++) {
        out[i] = (uint8_t)((hash->state[i / 4U] >> (24U - (8U * (i % 4U)))) & 0xFFU);
    }
}
