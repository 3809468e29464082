/* See vivavoce_post.h. */
#include "vivavoce_post.h"

#include <stddef.h>
#include <string.h>

#include "vivavoce_tables.h"

int8_t vv_quantise(uint16_t feature)
{
    const uint32_t steps = (((uint32_t)feature * 256U) + (VV_FEATURE_TOP / 2U)) / VV_FEATURE_TOP;

    return (int8_t)(((steps > 255U) ? (int32_t)255 : (int32_t)steps) - (int32_t)128);
}

void vv_wake_reset(vv_wake_t *wake)
{
    (void)memset(wake, 0, sizeof(*wake));
    (void)memset(wake->input, (int)vv_quantise(0U), sizeof(wake->input));
    wake->until_run = (uint8_t)VV_WAKE_CONTEXT;
}

bool vv_wake_frame(vv_wake_t *wake, const uint16_t features[VV_CHANNELS])
{
    const size_t kept = (size_t)(VV_WAKE_CONTEXT - 1) * (size_t)VV_CHANNELS;
    size_t i;

    (void)memmove(wake->input, &wake->input[VV_CHANNELS], kept);
    for (i = 0U; i < (size_t)VV_CHANNELS; i++) {
        wake->input[kept + i] = vv_quantise(features[i]);
    }
    wake->frames++;
    if (wake->deaf > 0U) {
        wake->deaf--;
    }
    wake->until_run--;
    if (wake->until_run > 0U) {
        return false;
    }
    wake->until_run = (uint8_t)VV_WAKE_STRIDE;
    return true;
}

bool vv_wake_logits(vv_wake_t *wake, const int8_t logits[VV_WORDS], vv_detection_t *detection)
{
    uint64_t best_over = 0U;
    uint64_t best_room = 1U;
    size_t word;

    for (word = 0U; word < (size_t)VV_WORDS; word++) {
        wake->recent[wake->next][word] = vv_probabilities[(int32_t)logits[word] + (int32_t)128];
    }
    wake->next = (uint8_t)((wake->next + 1U) % (uint32_t)VV_WAKE_SMOOTHING);
    if (wake->deaf > 0U) {
        return false;
    }
    for (word = 0U; word < (size_t)VV_WORDS; word++) {
        uint64_t sum = 0U;
        size_t run;

        for (run = 0U; run < (size_t)VV_WAKE_SMOOTHING; run++) {
            sum += wake->recent[run][word];
        }
        if (sum > vv_cutoff_sums[word]) {
            const uint64_t over = sum - vv_cutoff_sums[word];

            /* Two similar words may pass at once: the one that is further above its own cut-off was said. */
            if ((over * best_room) > (best_over * vv_cutoff_rooms[word])) {
                best_over = over;
                best_room = vv_cutoff_rooms[word];
                detection->word = (uint32_t)word;
                detection->probability = (uint32_t)(sum / (uint32_t)VV_WAKE_SMOOTHING);
            }
        }
    }
    if (best_over == 0U) {
        return false;
    }
    detection->frame = wake->frames - 1U;
    wake->deaf = (uint32_t)VV_WAKE_REFRACTORY + 1U; /* the last frame of that time is deaf, too */
    (void)memset(wake->recent, 0, sizeof(wake->recent));
    return true;
}
