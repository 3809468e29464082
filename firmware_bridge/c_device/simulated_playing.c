/* See simulated_playing.h. */
#include "simulated_playing.h"

#include "simulated_report.h"
#include "vivavoce_tables.h"

#define NO_SCORE 65535U

static const int8_t *network(void *context, const int8_t input[VV_WAKE_CONTEXT * VV_CHANNELS])
{
    playing_t *const playing = context;
    const int8_t *logits = NULL;

    (void)input;
    if (playing->run < playing->runs) {
        logits = &playing->logits[playing->run * (size_t)VV_WORDS];
        playing->run++;
    }
    return logits;
}

void playing_begin(playing_t *playing)
{
    playing->at = 0U;
    playing->run = 0U;
    playing->wake = 0U;
    vv_hearing_reset(&playing->hearing, network, playing);
}

static void hear(playing_t *playing, const int16_t *samples, uint16_t count, uint64_t begun)
{
    size_t at = 0U;

    while ((playing->logits != NULL) && (at < count)) {
        vv_heard_t heard;
        bool any = false;

        at += vv_hearing_push(&playing->hearing, &samples[at], count - at, &heard, &any);
        if (any) {
            const uint64_t index = begun + heard.samples;
            const char *const word = vv_word_ids[heard.word];

            report_wake(index, word, heard.score, vv_device_wake(playing->device, index, heard.score, word));
        }
    }
    while ((playing->wake < playing->wake_count) && (playing->wakes[playing->wake].index <= playing->at)) {
        const scripted_t *const one = &playing->wakes[playing->wake];
        const uint64_t index = begun + one->index;

        report_wake(index, one->word, NO_SCORE, vv_device_wake(playing->device, index, NO_SCORE, one->word));
        playing->wake++;
    }
}

void playing_block(playing_t *playing)
{
    const size_t rest = playing->count - playing->at;
    const uint16_t count = (uint16_t)((rest < VV_AUDIO_SAMPLES_COUNT) ? rest : VV_AUDIO_SAMPLES_COUNT);
    const int16_t *const samples = &playing->samples[playing->at];
    const uint64_t begun = playing->device->index - playing->at;

    vv_device_samples(playing->device, samples, count);
    playing->at += count;
    hear(playing, samples, count, begun);
    if (playing->at == playing->count) {
        report_played(playing->device->index);
        if (!playing->once) {
            playing_begin(playing);
        }
    }
}

bool playing_over(const playing_t *playing)
{
    return playing->once && (playing->at == playing->count);
}
