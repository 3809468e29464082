/* A device for this machine: the code of a microcontroller behind a pseudoterminal, a recording for its microphone.
 *
 *     simulated --audio PCM [--speed N] [--once] [--logits FILE] [--wake INDEX:WORD]... [--rate BYTES_S]
 *               [--session N] [--name NAME] [--flash FILE [--cut BYTES]]
 *
 * PCM holds int16 at 16 kHz, little-endian as this machine; it is played from when a host has connected, over and over
 * or once. --speed 0 waits for the host instead of losing sound, but for the time in which it is muted; a daemon that is
 * slower than that takes it all the same, and drops what has waited for 20 s. The wake network does not run here:
 * --logits has what it says in each run, one int8 a word, and frontend and post-processing are the device's own; --wake
 * tells of words by script. Lines on standard input: "switch" turns the mute switch, "mute" and "unmute" set it, "quit"
 * and its end end the program; SIGUSR1 turns the switch, too. What happens is told as JSON lines on standard output.
 *
 * With --flash it takes models over the link, into two slots of a flash that the file keeps; what is whole is activated
 * and "runs" from the next start on, as far as a network runs here. --cut cuts the power once so many bytes were
 * written.
 */
#define _XOPEN_SOURCE 600
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "simulated_flash.h"
#include "simulated_options.h"
#include "simulated_pty.h"
#include "simulated_report.h"

#define BLOCK VV_AUDIO_SAMPLES_COUNT
#define IDLE_MS 20       /* without a host nothing can be waited for */
#define LINGER_S 2.0     /* after the last message of the host, with --once */

static vv_device_t device;
static playing_t playing;
static pty_t line;
static double heard_s; /* last message of the host */
static bool has_flash;
static volatile sig_atomic_t turned;
static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    if (number == SIGUSR1) {
        turned = 1;
    } else {
        stopped = 1;
    }
}

static double clock_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + ((double)now.tv_nsec * 1e-9);
}

static uint32_t milliseconds(double now_s)
{
    return (uint32_t)((uint64_t)(now_s * 1000.0) & 0xFFFFFFFFU);
}

static void told(void *context, const vv_message_t *message)
{
    (void)context;
    heard_s = clock_s();
    report_message(message);
}

static void muted(void *context, bool is, uint8_t origin)
{
    (void)context;
    report_mute(is, origin);
}

static void obey(const char *command)
{
    if (strcmp(command, "switch") == 0) {
        vv_device_switch(&device, !device.switch_on);
    } else if (strcmp(command, "mute") == 0) {
        vv_device_switch(&device, true);
    } else if (strcmp(command, "unmute") == 0) {
        vv_device_switch(&device, false);
    } else if (strcmp(command, "quit") == 0) {
        stopped = 1;
    } else if (command[0] != '\0') {
        (void)fprintf(stderr, "simulated: got %s, expected switch, mute, unmute or quit\n", command);
    } else {
        /* An empty line asks for nothing. */
    }
}

static void read_commands(void)
{
    static char command[64];
    static size_t size;
    char byte = '\0';
    const ssize_t got = read(STDIN_FILENO, &byte, 1U);

    if (got == 0) {
        stopped = 1;
    } else if ((got > 0) && ((byte == '\n') || (size + 1U == sizeof(command)))) {
        command[size] = '\0';
        size = 0U;
        obey(command);
    } else if (got > 0) {
        command[size] = byte;
        size++;
    } else {
        /* It was interrupted. */
    }
}

/* Lets link and device do what there is to do. */
static void serve(double now_s)
{
    static uint8_t bytes[4096];
    static uint32_t sessions;
    static bool foreign;
    const uint32_t now_ms = milliseconds(now_s);

    if (pty_look(&line) && !line.connected) {
        vv_peer_disconnected(&device.peer, now_ms);
        pty_clear(&line);
        report_disconnected();
    }
    if (!line.connected) {
        return;
    }
    vv_peer_receive(&device.peer, bytes, pty_read(&line, bytes, sizeof(bytes)), now_ms);
    if (sessions != device.peer.counts.sessions) {
        sessions = device.peer.counts.sessions;
        heard_s = now_s;
        report_connected(&device);
        if (has_flash) {
            flash_confirm(); /* a host has heard of it: it runs */
        }
        vv_device_log(&device, (uint8_t)VV_LOG_LEVEL_INFO, "a simulated device, which plays a recording");
    }
    vv_device_run(&device, now_ms);
    if (device.peer.foreign != foreign) {
        foreign = device.peer.foreign;
        if (foreign) {
            report_foreign(&device);
        }
    }
    if (pty_idle(&line, now_s)) {
        pty_put(&line, bytes, vv_peer_poll(&device.peer, now_ms, bytes, sizeof(bytes)));
    }
    pty_flush(&line, now_s);
}

static void wait_for_something(double now_s, double next_s)
{
    struct pollfd both[2] = {{STDIN_FILENO, POLLIN, 0}, {line.master, POLLIN, 0}};
    double wait_s = IDLE_MS * 1e-3;

    if (line.connected) {
        const double poll_s = vv_peer_wait_ms(&device.peer) * 1e-3;

        wait_s = (poll_s < wait_s) ? poll_s : wait_s;
        wait_s = ((next_s - now_s) < wait_s) ? (next_s - now_s) : wait_s;
        if (!pty_idle(&line, now_s)) {
            wait_s = 0.001; /* until the line has room */
        }
    }
    /* A terminal that nobody has open is always ready. */
    if (poll(both, line.connected ? 2U : 1U, (wait_s > 0.0) ? (int)((wait_s * 1000.0) + 0.999) : 0) > 0) {
        if ((both[0].revents & (POLLIN | POLLHUP)) != 0) {
            read_commands();
        }
    }
    if (turned != 0) {
        turned = 0;
        obey("switch");
    }
}

static bool finished(double now_s)
{
    return playing_over(&playing) && ((vv_peer_waiting(&device.peer) == 0U) || !line.connected) &&
           ((now_s - heard_s) > LINGER_S);
}

/* Whether time passes by the clock, and not as the host takes what is played. */
static bool by_the_clock(void)
{
    return (playing.speed > 0.0) || vv_device_muted(&device);
}

static void run(void)
{
    double next_s = 0.0; /* when the next block is due; 0 before the first host */

    while (stopped == 0) {
        double now_s = clock_s();

        serve(now_s);
        if ((next_s <= 0.0) && vv_peer_established(&device.peer)) {
            next_s = now_s;
        }
        while ((next_s > 0.0) && (next_s <= now_s) && !playing_over(&playing) && (stopped == 0)) {
            if (by_the_clock()) {
                next_s += (double)BLOCK / VV_SAMPLE_RATE_HZ / ((playing.speed > 0.0) ? playing.speed : 1.0);
            } else if (!vv_device_ready(&device)) {
                break;
            } else {
                /* As fast as the host takes it. */
            }
            playing_block(&playing);
            heard_s = now_s;
        }
        serve(now_s);
        if (finished(now_s)) {
            break;
        }
        now_s = clock_s();
        wait_for_something(now_s, (by_the_clock() && !playing_over(&playing)) ? next_s : now_s + 1.0);
    }
}

int main(int argc, char **argv)
{
    static options_t options;
    vv_device_hooks_t hooks = {told, muted, NULL, NULL, NULL, NULL};
    struct sigaction action;

    playing.device = &device;
    if (!options_read(argc, argv, &options, &playing)) {
        return 2;
    }
    if (options.flash != NULL) {
        if (!flash_open(options.flash, options.cut)) {
            return 2;
        }
        has_flash = true;
        hooks.bundle_message = flash_message;
        hooks.bundle_poll = flash_poll;
    }
    if (!vv_device_init(&device, &options.peer, &hooks)) {
        (void)fprintf(stderr, "simulated: --name: got bytes that are no UTF-8, expected a name\n");
        return 2;
    }
    if (!pty_open(&line, options.rate)) {
        (void)fprintf(stderr, "simulated: there is no pseudoterminal: %s\n", strerror(errno));
        return 2;
    }
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    (void)sigaction(SIGUSR1, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    playing_begin(&playing);
    report_ready(line.name, playing.count);
    if (has_flash) {
        flash_report();
    }
    run();
    report_end(&device);
    return 0;
}
