/* See simulated_pty.h. */
#define _XOPEN_SOURCE 600
#include "simulated_pty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define SLICE_S 0.02 /* of the line that may be written ahead */

/* No byte is changed, and none is echoed. */
static bool make_raw(const char *name)
{
    struct termios settings;
    const int slave = open(name, O_RDWR | O_NOCTTY);
    bool done = false;

    if (slave >= 0) {
        if (tcgetattr(slave, &settings) == 0) {
            settings.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON | IXOFF);
            settings.c_oflag &= ~(tcflag_t)OPOST;
            settings.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
            settings.c_cflag &= ~(tcflag_t)(CSIZE | PARENB);
            settings.c_cflag |= CS8;
            settings.c_cc[VMIN] = 1;
            settings.c_cc[VTIME] = 0;
            done = tcsetattr(slave, TCSANOW, &settings) == 0;
        }
        (void)close(slave);
    }
    return done;
}

bool pty_open(pty_t *pty, double rate)
{
    const char *name = NULL;

    memset(pty, 0, sizeof(*pty));
    pty->rate = rate;
    pty->master = posix_openpt(O_RDWR | O_NOCTTY);
    if ((pty->master < 0) || (grantpt(pty->master) != 0) || (unlockpt(pty->master) != 0)) {
        return false;
    }
    name = ptsname(pty->master);
    if ((name == NULL) || (strlen(name) >= sizeof(pty->name))) {
        return false;
    }
    (void)strcpy(pty->name, name);
    return make_raw(name) && (fcntl(pty->master, F_SETFL, O_NONBLOCK) == 0) &&
           (fcntl(pty->master, F_SETFD, FD_CLOEXEC) == 0);
}

bool pty_look(pty_t *pty)
{
    struct pollfd look = {pty->master, POLLIN, 0};
    const bool before = pty->connected;

    pty->connected = (poll(&look, 1, 0) >= 0) && ((look.revents & POLLHUP) == 0);
    return pty->connected != before;
}

size_t pty_read(const pty_t *pty, uint8_t *out, size_t room)
{
    const ssize_t count = read(pty->master, out, room);

    return (count > 0) ? (size_t)count : 0U;
}

bool pty_idle(const pty_t *pty, double now_s)
{
    return (pty->at == pty->size) && ((pty->rate <= 0.0) || (now_s >= pty->free_s));
}

void pty_put(pty_t *pty, const uint8_t *data, size_t size)
{
    memcpy(pty->unsent, data, size);
    pty->at = 0U;
    pty->size = size;
}

void pty_flush(pty_t *pty, double now_s)
{
    size_t size = pty->size - pty->at;
    ssize_t count = 0;

    if ((size == 0U) || ((pty->rate > 0.0) && (now_s < pty->free_s))) {
        return;
    }
    if ((pty->rate > 0.0) && ((double)size > (pty->rate * SLICE_S))) {
        size = (size_t)(pty->rate * SLICE_S);
    }
    count = write(pty->master, &pty->unsent[pty->at], size);
    if (count > 0) {
        pty->at += (size_t)count;
        if (pty->rate > 0.0) {
            pty->free_s = ((pty->free_s > (now_s - SLICE_S)) ? pty->free_s : (now_s - SLICE_S)) +
                          ((double)count / pty->rate);
        }
    }
}

void pty_clear(pty_t *pty)
{
    pty->at = 0U;
    pty->size = 0U;
}
