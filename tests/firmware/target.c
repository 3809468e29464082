/* Runs on the emulated Cortex-M: computes the golden vectors again, and says where they differ and what it took.
 *
 * Arguments (semihosting): the folder of the vectors. Blocks that are pushed have sizes from 1 to 997 samples. Prints one
 * line of JSON; exit code 1 if anything differed. Time is that of SysTick, which QEMU with -icount derives from the number
 * of instructions executed: it is an instruction count in units of a tick, and no statement about cycles of hardware.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vivavoce_frontend.h"
#include "vivavoce_post.h"
#include "vivavoce_tables.h"

#define SYST_CSR (*(volatile uint32_t *)0xE000E010UL)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014UL)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018UL)
#define SYST_MAX 0x00FFFFFFUL

#define BLOCK_MAX 997U
#define LOOP_ROUNDS 1000000U
#define STACK_WORDS 1024U
#define STACK_MARK 0xA5C3A5C3UL

static vv_frontend_t frontend;
static vv_wake_t wake;

static FILE *opened(const char *folder, const char *name)
{
    char path[512];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "rb");
    if (file == NULL) {
        printf("{\"fault\": \"cannot open %s\"}\n", path);
        exit(2);
    }
    return file;
}

/* Ticks of the processor's clock since the first call. */
static uint32_t ticks_since(uint32_t before)
{
    return (before - SYST_CVR) & SYST_MAX;
}

/* Ticks that so many times two instructions take: tells what a tick is worth. */
static uint32_t ticks_of_loop(uint32_t rounds)
{
    const uint32_t before = SYST_CVR;

    __asm__ volatile("1: subs %0, %0, #1\n\tbne 1b" : "+r"(rounds) : : "cc");
    return ticks_since(before);
}

/* Bytes of stack below the caller that a frame takes: they are marked before and looked at afterwards. */
static uint32_t __attribute__((noinline)) stack_of_frame(uint16_t features[VV_CHANNELS])
{
    volatile uint32_t *const top = (volatile uint32_t *)__builtin_frame_address(0);
    volatile uint32_t *const marked = top - STACK_WORDS;
    uint32_t i;

    for (i = 0U; i < STACK_WORDS - 32U; i++) {
        marked[i] = STACK_MARK;
    }
    (void)vv_frontend_frame(&frontend, features);
    for (i = 0U; (i < STACK_WORDS) && (marked[i] == STACK_MARK); i++) {
    }
    return (STACK_WORDS - i) * 4U;
}

int main(int argc, char **argv)
{
    const char *const folder = (argc > 1) ? argv[1] : "golden";
    FILE *const pcm = opened(folder, "pcm.s16");
    FILE *const features_file = opened(folder, "features.u16");
    FILE *const input_file = opened(folder, "input.s8");
    FILE *const logits_file = opened(folder, "logits.s8");
    FILE *const words_file = opened(folder, "words.u32");
    static int16_t block[BLOCK_MAX];
    uint16_t features[VV_CHANNELS];
    uint16_t expected[VV_CHANNELS];
    int8_t quantised[VV_CHANNELS];
    int8_t logits[VV_WORDS];
    uint32_t golden[3];
    vv_detection_t found;
    uint32_t samples = 0U;
    uint32_t frames = 0U;
    uint32_t runs = 0U;
    uint32_t words = 0U;
    uint32_t feature_differences = 0U;
    uint32_t input_differences = 0U;
    uint32_t word_differences = 0U;
    uint32_t most_ticks = 0U;
    uint32_t empty_ticks;
    uint32_t loop_ticks;
    uint32_t stack;
    uint64_t frontend_ticks = 0U;
    uint64_t post_ticks = 0U;
    size_t size = 1U;
    size_t count;
    uint32_t before;
    uint32_t i;

    SYST_RVR = SYST_MAX;
    SYST_CVR = 0U;
    SYST_CSR = 5U; /* the processor's clock, no interrupt */
    before = SYST_CVR;
    for (i = 0U; i < 1000U; i++) {
        (void)ticks_since(SYST_CVR);
    }
    empty_ticks = ticks_since(before);
    loop_ticks = ticks_of_loop(LOOP_ROUNDS);
    vv_frontend_reset(&frontend);
    vv_wake_reset(&wake);
    while ((count = fread(block, sizeof(block[0]), size, pcm)) > 0U) {
        const int16_t *at = block;

        size = ((size * 7U) % BLOCK_MAX) + 1U;
        samples += (uint32_t)count;
        while (count > 0U) {
            bool complete;
            bool due;
            uint32_t took;
            size_t taken;

            before = SYST_CVR;
            taken = vv_frontend_push(&frontend, at, count);
            complete = vv_frontend_frame(&frontend, features);
            took = ticks_since(before);
            frontend_ticks += took;
            at += taken;
            count -= taken;
            if (!complete) {
                continue;
            }
            most_ticks = (took > most_ticks) ? took : most_ticks;
            frames++;
            if (fread(expected, sizeof(expected[0]), VV_CHANNELS, features_file) != (size_t)VV_CHANNELS) {
                feature_differences += VV_CHANNELS;
            }
            for (i = 0U; i < (uint32_t)VV_CHANNELS; i++) {
                feature_differences += (features[i] != expected[i]) ? 1U : 0U;
            }
            before = SYST_CVR;
            due = vv_wake_frame(&wake, features);
            post_ticks += ticks_since(before);
            if ((fread(quantised, 1U, VV_CHANNELS, input_file) != (size_t)VV_CHANNELS)
                || (memcmp(quantised, &wake.input[(VV_WAKE_CONTEXT - 1) * VV_CHANNELS], VV_CHANNELS) != 0)) {
                input_differences++;
            }
            if (due) {
                bool heard;

                runs++;
                if (fread(logits, 1U, VV_WORDS, logits_file) != (size_t)VV_WORDS) {
                    word_differences++;
                }
                before = SYST_CVR;
                heard = vv_wake_logits(&wake, logits, &found);
                post_ticks += ticks_since(before);
                if (heard) {
                    words++;
                    if ((fread(golden, sizeof(golden[0]), 3U, words_file) != 3U) || (golden[0] != found.frame)
                        || (golden[1] != found.word)) {
                        word_differences++;
                    }
                }
            }
        }
    }
    /* Nothing may be left that was not computed. */
    feature_differences += (fread(expected, 1U, 1U, features_file) != 0U) ? 1U : 0U;
    input_differences += (fread(quantised, 1U, 1U, input_file) != 0U) ? 1U : 0U;
    word_differences += (fread(logits, 1U, 1U, logits_file) != 0U) ? 1U : 0U;
    word_differences += (fread(golden, 1U, 1U, words_file) != 0U) ? 1U : 0U;
    (void)memset(block, 0x55, sizeof(block));
    vv_frontend_reset(&frontend);
    (void)vv_frontend_push(&frontend, block, VV_WINDOW_SAMPLES);
    stack = stack_of_frame(features);
    printf("{\"samples\": %lu, \"frames\": %lu, \"runs\": %lu, \"words\": %lu, "
           "\"feature_differences\": %lu, \"input_differences\": %lu, \"word_differences\": %lu, "
           "\"frontend_ticks\": %llu, \"most_ticks\": %lu, \"post_ticks\": %llu, \"ticks_of_1000_readings\": %lu, "
           "\"loop_instructions\": %lu, \"loop_ticks\": %lu, "
           "\"frontend_state_bytes\": %u, \"wake_state_bytes\": %u, \"stack_bytes\": %lu}\n",
           (unsigned long)samples, (unsigned long)frames, (unsigned long)runs, (unsigned long)words,
           (unsigned long)feature_differences, (unsigned long)input_differences, (unsigned long)word_differences,
           (unsigned long long)frontend_ticks, (unsigned long)most_ticks, (unsigned long long)post_ticks,
           (unsigned long)empty_ticks, (unsigned long)(2U * LOOP_ROUNDS), (unsigned long)loop_ticks,
           (unsigned)sizeof(frontend), (unsigned)sizeof(wake), (unsigned long)stack);
    return ((feature_differences + input_differences + word_differences) == 0U) ? 0 : 1;
}
