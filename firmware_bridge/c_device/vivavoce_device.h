/* What a device does with the link: sound and wake words go to the host, decisions and lights come back, and the mute
 * switch wins. C99, no heap, no input or output; what differs from board to board is in the hooks.
 *
 *     static vv_device_t device;
 *
 *     vv_device_init(&device, &settings, &hooks);
 *     for (;;) {
 *         vv_peer_receive(&device.peer, bytes, count, now_ms());
 *         vv_device_run(&device, now_ms());
 *         vv_device_samples(&device, block, VV_AUDIO_SAMPLES_COUNT);     each 20 ms
 *         write(out, vv_peer_poll(&device.peer, now_ms(), out, sizeof(out)));
 *     }
 *
 * While it is muted no sound leaves it: blocks that wait are taken back, and those that are sent again have no samples.
 * The host is told how the switch is when a session begins, when it is turned, and when the host wished its end in vain.
 */
#ifndef VIVAVOCE_DEVICE_H
#define VIVAVOCE_DEVICE_H

#include "vivavoce_link_peer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Places of the queue that sound does not take, so that all else comes through where the host is slow. */
#define VV_DEVICE_RESERVE 8U
/* Time between messages about how the device is. */
#define VV_DEVICE_HEALTH_MS 5000U

typedef struct {
    /* The host told something: a decision or lights. The message lies where the device makes its own: read it before
     * vv_device_log, vv_device_wake or vv_device_samples is called. */
    void (*told)(void *context, const vv_message_t *message);
    /* Whether the microphone is to be off now; from here on until told otherwise. */
    void (*muted)(void *context, bool muted, uint8_t origin);
    /* Bytes of memory that are free, and the temperature in 0.1 degrees Celsius; NULL if nothing is known: 0. */
    void (*measure)(void *context, vv_health_t *health);
    /* Transfer of bundles, both or none: takes a message of the host, and returns the size of one for it, 0 if there is
     * none. With them the device says that it can take bundles. */
    void (*bundle_message)(void *context, uint8_t kind, const uint8_t *payload, size_t size);
    size_t (*bundle_poll)(void *context, uint8_t *kind, uint8_t *payload, size_t room);
    void *context; /* given to the others */
} vv_device_hooks_t;

typedef struct {
    vv_peer_t peer;
    vv_device_hooks_t hooks;
    vv_message_t message;     /* scratch */
    uint64_t index;           /* of the next sample since the device started */
    uint64_t contiguous;      /* samples before index that were queued without a gap */
    uint64_t health_ms;       /* last time */
    uint32_t lost;            /* samples that nobody took in time */
    uint32_t sessions;        /* that were greeted */
    bool switch_on;
    bool software_mute;
    bool mute_due;            /* how the switch is, to be told to the host */
} vv_device_t;

/* False if the settings cannot work; role and the bit of bundles are set here. */
bool vv_device_init(vv_device_t *device, const vv_peer_settings_t *settings, const vv_device_hooks_t *hooks);

/* Takes messages of the host, and queues what the device has to tell by itself. */
void vv_device_run(vv_device_t *device, uint32_t now_ms);

/* Sends a block of at most VV_AUDIO_SAMPLES_COUNT samples, or counts it as lost if there is no host that takes it. */
void vv_device_samples(vv_device_t *device, const int16_t *samples, uint16_t count);

/* Whether the next block would be taken, for who can wait with it. */
bool vv_device_ready(const vv_device_t *device);

/* Tells a wake word that ended at a sample; score 65535 where there is none. False if it was not queued: it is muted,
 * nobody listens, or the word is longer than VV_WAKE_EVENT_WORD_COUNT bytes. */
bool vv_device_wake(vv_device_t *device, uint64_t index, uint16_t score, const char *word);

/* Sends a line of the log, cut to what fits. */
void vv_device_log(vv_device_t *device, uint8_t level, const char *text);

/* Turns the mute switch of the device. */
void vv_device_switch(vv_device_t *device, bool on);

bool vv_device_muted(const vv_device_t *device);

#ifdef __cplusplus
}
#endif

#endif
