/* See simulated_options.h. */
#define _XOPEN_SOURCE 600
#include "simulated_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *read_whole(const char *path, size_t unit, size_t *count)
{
    FILE *const file = fopen(path, "rb");
    size_t room = (size_t)1U << 20;
    char *content = malloc(room);
    size_t size = 0U;
    size_t got = 1U;

    while ((file != NULL) && (content != NULL) && (got > 0U)) {
        got = fread(&content[size], 1U, room - size, file);
        size += got;
        if (size == room) {
            char *const larger = realloc(content, room * 2U);

            if (larger == NULL) {
                free(content);
            }
            content = larger;
            room *= 2U;
        }
    }
    if ((file == NULL) || (content == NULL) || (ferror(file) != 0) || (size < unit)) {
        (void)fprintf(stderr, "simulated: %s: %s\n", path, (errno != 0) ? strerror(errno) : "it is empty");
        free(content);
        content = NULL;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    *count = size / unit;
    return content;
}

static bool number(const char *option, const char *text, double most, double *value)
{
    char *end = NULL;

    *value = strtod(text, &end);
    if ((end == text) || (*end != '\0') || !(*value >= 0.0) || !(*value <= most)) {
        (void)fprintf(stderr, "simulated: %s: got %s, expected a number from 0 to %g\n", option, text, most);
        return false;
    }
    return true;
}

static bool script(playing_t *playing, char *text)
{
    char *const colon = strchr(text, ':');
    double index = 0.0;

    if ((colon == NULL) || (colon[1] == '\0') || (playing->wake_count == WAKES_MAX)) {
        (void)fprintf(stderr, "simulated: --wake: got %s, expected INDEX:WORD, at most %u of them\n", text, WAKES_MAX);
        return false;
    }
    *colon = '\0';
    if (!number("--wake", text, 1e12, &index)) {
        return false;
    }
    if ((playing->wake_count > 0U) && ((uint64_t)index < playing->wakes[playing->wake_count - 1U].index)) {
        (void)fprintf(stderr, "simulated: --wake: got %s behind a later one, expected them in order\n", text);
        return false;
    }
    playing->wakes[playing->wake_count].index = (uint64_t)index;
    playing->wakes[playing->wake_count].word = &colon[1];
    playing->wake_count++;
    return true;
}

static bool name_it(vv_peer_settings_t *peer, const char *name)
{
    const size_t size = strlen(name);

    if (size > sizeof(peer->name)) {
        (void)fprintf(stderr, "simulated: --name: got %s, expected at most %zu bytes\n", name, sizeof(peer->name));
        return false;
    }
    memcpy(peer->name, name, size);
    peer->name_count = (uint8_t)size;
    return true;
}

static bool take(const char *option, char *value, options_t *options, playing_t *playing)
{
    double session = 0.0;
    bool good = true;

    if (strcmp(option, "--audio") == 0) {
        playing->samples = read_whole(value, sizeof(int16_t), &playing->count);
        good = playing->samples != NULL;
    } else if (strcmp(option, "--logits") == 0) {
        playing->logits = read_whole(value, (size_t)VV_WORDS, &playing->runs);
        good = playing->logits != NULL;
    } else if (strcmp(option, "--speed") == 0) {
        good = number(option, value, 1000.0, &playing->speed);
    } else if (strcmp(option, "--rate") == 0) {
        good = number(option, value, 1e9, &options->rate);
    } else if (strcmp(option, "--flash") == 0) {
        options->flash = value;
    } else if (strcmp(option, "--cut") == 0) {
        good = number(option, value, 1e12, &options->cut);
    } else if (strcmp(option, "--session") == 0) {
        good = number(option, value, 65535.0, &session);
        options->peer.session = good ? (uint16_t)session : 0U;
    } else if (strcmp(option, "--name") == 0) {
        good = name_it(&options->peer, value);
    } else if (strcmp(option, "--wake") == 0) {
        good = script(playing, value);
    } else {
        (void)fprintf(stderr, "simulated: got %s, expected an option that simulated.c names\n", option);
        good = false;
    }
    return good;
}

bool options_read(int argc, char **argv, options_t *options, playing_t *playing)
{
    bool good = name_it(&options->peer, "simulated");

    options->peer.session = (uint16_t)((unsigned)getpid() & 0xFFFFU);
    playing->speed = 1.0;
    options->cut = -1.0;
    for (int i = 1; good && (i < argc); i++) {
        if (strcmp(argv[i], "--once") == 0) {
            playing->once = true;
        } else if ((i + 1) == argc) {
            (void)fprintf(stderr, "simulated: %s: got no value, expected one\n", argv[i]);
            good = false;
        } else {
            good = take(argv[i], argv[i + 1], options, playing);
            i++;
        }
    }
    if (good && (playing->samples == NULL)) {
        (void)fprintf(stderr, "simulated: got no --audio, expected one\n");
        good = false;
    }
    options->peer.capabilities = VV_CAN_AUDIO | VV_CAN_MUTE_SWITCH | VV_CAN_LEDS;
    if ((playing->logits != NULL) || (playing->wake_count > 0U)) {
        options->peer.capabilities |= VV_CAN_WAKE_WORDS;
    }
    options->peer.lowest = (uint8_t)VV_LINK_VERSION;
    options->peer.highest = (uint8_t)VV_LINK_VERSION;
    options->peer.window = (uint8_t)VV_PEER_WINDOW;
    return good;
}
