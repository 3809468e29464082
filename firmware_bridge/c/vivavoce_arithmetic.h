/* Arithmetic whose width shows in the result; for the code of the frontend, and not for callers.
 *
 * The operations are those of edge/kernels/arithmetic.py. Sums that may leave their width are made of unsigned numbers,
 * where C says that they wrap. */
#ifndef VIVAVOCE_ARITHMETIC_H
#define VIVAVOCE_ARITHMETIC_H

#include <stdint.h>

/* C leaves to the compiler what a right shift of a negative number is, and a conversion to a narrower signed type; all
 * that this code was tried with keep the sign and the low bits. One that does not stops here. */
typedef char vv_shift_keeps_the_sign[(((int32_t)-3 >> 1) == (int32_t)-2) ? 1 : -1];
typedef char vv_narrowing_keeps_the_bits[((int16_t)(uint16_t)0x8001U == (int16_t)-32767) ? 1 : -1];
/* What is asked of the compiler for the bits of a number takes one of this width. */
typedef char vv_int_has_32_bits[(sizeof(unsigned int) == 4U) ? 1 : -1];

static inline int16_t narrow(uint32_t value)
{
    return (int16_t)(uint16_t)(value & 0xFFFFU);
}

static inline uint32_t times(int16_t a, int16_t b)
{
    return (uint32_t)((int32_t)a * (int32_t)b); /* at most 2^30: never overflows */
}

/* Drops 15 fraction bits of a 32-bit number, rounds half up, wraps to 16 bits. */
static inline int16_t rounded(uint32_t value)
{
    return narrow((value + 0x4000U) >> 15);
}

static inline int16_t product(int16_t a, int16_t b)
{
    return rounded(times(a, b));
}

static inline int16_t sum16(int16_t a, int16_t b)
{
    return narrow((uint32_t)((int32_t)a + (int32_t)b));
}

static inline int16_t difference16(int16_t a, int16_t b)
{
    return narrow((uint32_t)((int32_t)a - (int32_t)b));
}

/* Number of bits that a value needs; 0 for 0. */
static inline uint32_t bit_length(uint32_t value)
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

#endif
