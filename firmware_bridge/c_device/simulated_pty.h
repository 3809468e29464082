/* A pseudoterminal in the place of a serial port, whose host may come and go. POSIX. */
#ifndef VIVAVOCE_SIMULATED_PTY_H
#define VIVAVOCE_SIMULATED_PTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int master;
    char name[128];    /* what the host opens */
    bool connected;    /* the host has it open */
    double rate;       /* bytes/s that the line carries; 0 for no limit */
    double free_s;     /* when the line has carried what was written */
    uint8_t unsent[4096];
    size_t at;         /* of unsent */
    size_t size;
} pty_t;

/* False, with errno, if there is no pseudoterminal. */
bool pty_open(pty_t *pty, double rate);

/* Looks whether the host has come or gone; true if that changed. */
bool pty_look(pty_t *pty);

size_t pty_read(const pty_t *pty, uint8_t *out, size_t room);

/* Whether all was written, so that there is room for sizeof(unsent) bytes more, which pty_put takes. */
bool pty_idle(const pty_t *pty, double now_s);
void pty_put(pty_t *pty, const uint8_t *data, size_t size);

/* Writes what goes. */
void pty_flush(pty_t *pty, double now_s);

/* Forgets what was not written, as it is of a session that is over. */
void pty_clear(pty_t *pty);

#endif
