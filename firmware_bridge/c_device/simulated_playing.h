/* A recording in the place of a microphone, and what is known beforehand of the words in it. */
#ifndef VIVAVOCE_SIMULATED_PLAYING_H
#define VIVAVOCE_SIMULATED_PLAYING_H

#include "vivavoce_device.h"
#include "vivavoce_hearing.h"

#define WAKES_MAX 1024U

typedef struct {
    uint64_t index; /* since the beginning of the recording */
    const char *word;
} scripted_t;

typedef struct {
    vv_device_t *device;
    vv_hearing_t hearing;
    const int16_t *samples;
    size_t count;
    size_t at;             /* next sample to play */
    const int8_t *logits;  /* VV_WORDS for each run of the network; NULL: the device hears no words */
    size_t runs;
    size_t run;
    double speed;
    bool once;
    scripted_t wakes[WAKES_MAX];
    size_t wake_count;
    size_t wake;           /* next one of them */
} playing_t;

/* Goes back to the beginning of the recording. */
void playing_begin(playing_t *playing);

/* Plays the next block; not to be called when it is over. */
void playing_block(playing_t *playing);

/* Whether it is over, and is not played again. */
bool playing_over(const playing_t *playing);

#endif
