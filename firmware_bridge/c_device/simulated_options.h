/* The options of the simulated device; simulated.c says what they are. */
#ifndef VIVAVOCE_SIMULATED_OPTIONS_H
#define VIVAVOCE_SIMULATED_OPTIONS_H

#include "simulated_playing.h"

typedef struct {
    vv_peer_settings_t peer;
    double rate; /* bytes/s of the line; 0 for no limit */
    const char *flash; /* its file; NULL: it takes no models */
    double cut;  /* bytes written to the flash until the power is cut; below 0: never */
} options_t;

/* Reads them, and the files that they name. False if they cannot be used, which was then told in one line. */
bool options_read(int argc, char **argv, options_t *options, playing_t *playing);

#endif
