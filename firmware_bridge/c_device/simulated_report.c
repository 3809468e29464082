/* See simulated_report.h. */
#include "simulated_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void text(const char *name, const uint8_t *bytes, size_t size)
{
    (void)printf(",\"%s\":\"", name);
    for (size_t i = 0U; i < size; i++) {
        if ((bytes[i] < 0x20U) || (bytes[i] == 0x7FU)) {
            (void)printf("\\u%04x", bytes[i]);
        } else {
            if ((bytes[i] == (uint8_t)'"') || (bytes[i] == (uint8_t)'\\')) {
                (void)putchar('\\');
            }
            (void)putchar(bytes[i]);
        }
    }
    (void)putchar('"');
}

static void end_line(void)
{
    (void)printf("}\n");
    (void)fflush(stdout);
}

void report_ready(const char *pty, size_t samples)
{
    (void)printf("{\"event\":\"ready\",\"samples\":%zu", samples);
    text("pty", (const uint8_t *)pty, strlen(pty));
    end_line();
}

void report_connected(const vv_device_t *device)
{
    const vv_hello_t *const hello = &device->peer.other.hello;

    (void)printf("{\"event\":\"connected\",\"version\":%u,\"sessions\":%" PRIu32, device->peer.other.version,
                 device->peer.counts.sessions);
    text("host", hello->name, hello->name_count);
    end_line();
}

void report_disconnected(void)
{
    (void)printf("{\"event\":\"disconnected\"");
    end_line();
}

void report_foreign(const vv_device_t *device)
{
    (void)printf("{\"event\":\"foreign\",\"lowest\":%u,\"highest\":%u", device->peer.foreign_lowest,
                 device->peer.foreign_highest);
    end_line();
}

void report_mute(bool muted, uint8_t origin)
{
    (void)printf("{\"event\":\"mute\",\"muted\":%s,\"origin\":%u", muted ? "true" : "false", origin);
    end_line();
}

void report_message(const vv_message_t *message)
{
    if (message->kind == VV_KIND_DECISION) {
        const vv_decision_t *const one = &message->as.decision;

        (void)printf("{\"event\":\"decision\",\"index\":%" PRIu64 ",\"verdict\":%u,\"action\":%u,\"score\":%u",
                     one->index, one->verdict, one->action, one->score);
        text("word", one->word, one->word_count);
    } else {
        (void)printf("{\"event\":\"led\",\"state\":%u,\"brightness\":%u", message->as.led.state,
                     message->as.led.brightness);
    }
    end_line();
}

void report_wake(uint64_t index, const char *word, uint16_t score, bool sent)
{
    (void)printf("{\"event\":\"wake\",\"index\":%" PRIu64 ",\"score\":%u,\"sent\":%s", index, score,
                 sent ? "true" : "false");
    text("word", (const uint8_t *)word, strlen(word));
    end_line();
}

void report_played(uint64_t index)
{
    (void)printf("{\"event\":\"played\",\"index\":%" PRIu64, index);
    end_line();
}

void report_model(const char *what, uint32_t size, const uint8_t *sha256)
{
    (void)printf("{\"event\":\"model\",\"what\":\"%s\",\"bytes\":%" PRIu32 ",\"sha256\":\"", what, size);
    for (size_t i = 0U; (sha256 != NULL) && (i < sizeof(((vv_bundle_offer_t *)0)->sha256)); i++) {
        (void)printf("%02x", sha256[i]);
    }
    (void)putchar('"');
    end_line();
}

void report_bundle_state(const vv_bundle_state_t *state)
{
    (void)printf("{\"event\":\"bundle_state\",\"state\":%u,\"offset\":%" PRIu32, state->state, state->offset);
    text("reason", state->reason, state->reason_count);
    end_line();
}

void report_end(const vv_device_t *device)
{
    const vv_counts_t *const counts = &device->peer.counts;

    (void)printf("{\"event\":\"end\",\"index\":%" PRIu64 ",\"lost\":%" PRIu32 ",\"damaged\":%" PRIu32
                 ",\"resent\":%" PRIu32 ",\"refused\":%" PRIu32 ",\"sessions\":%" PRIu32,
                 device->index, device->lost, device->peer.reader.damaged, counts->resent, counts->refused,
                 counts->sessions);
    end_line();
}
