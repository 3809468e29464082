/* See vivavoce_device.h. */
#include "vivavoce_device.h"

#include <string.h>

bool vv_device_init(vv_device_t *device, const vv_peer_settings_t *settings, const vv_device_hooks_t *hooks)
{
    vv_peer_settings_t ours = *settings;

    (void)memset(device, 0, sizeof(*device));
    device->hooks = *hooks;
    ours.role = (uint8_t)VV_HELLO_ROLE_DEVICE;
    if ((hooks->bundle_message != NULL) && (hooks->bundle_poll != NULL)) {
        ours.capabilities |= VV_CAN_BUNDLE_SLOTS;
    } else {
        ours.capabilities &= ~(uint32_t)VV_CAN_BUNDLE_SLOTS;
    }
    return vv_peer_init(&device->peer, &ours);
}

bool vv_device_muted(const vv_device_t *device)
{
    return device->switch_on || device->software_mute;
}

static uint8_t origin(const vv_device_t *device)
{
    return (uint8_t)(device->switch_on ? VV_MUTE_ORIGIN_SWITCH_OF_THE_DEVICE : VV_MUTE_ORIGIN_SOFTWARE);
}

/* Takes the state of both mutes. The host is told of the switch, and nothing of what it wished itself: an answer could
 * meet a newer wish, and would be taken for one. */
static void set_mute(vv_device_t *device, bool switch_on, bool software_mute)
{
    const bool before = vv_device_muted(device);
    const uint8_t origin_before = origin(device);

    device->mute_due = device->mute_due || (switch_on != device->switch_on);
    device->switch_on = switch_on;
    device->software_mute = software_mute;
    if (vv_device_muted(device) && !before) {
        (void)vv_peer_withdraw_audio(&device->peer);
        device->contiguous = 0U;
    }
    if ((vv_device_muted(device) != before) || (origin(device) != origin_before)) {
        device->hooks.muted(device->hooks.context, vv_device_muted(device), origin(device));
    }
}

void vv_device_switch(vv_device_t *device, bool on)
{
    set_mute(device, on, device->software_mute);
}

static void take(vv_device_t *device, const vv_incoming_t *incoming)
{
    vv_message_t *const message = &device->message;

    switch (incoming->kind) {
    case VV_KIND_BUNDLE_OFFER:
    case VV_KIND_BUNDLE_CHUNK:
        if ((device->hooks.bundle_message != NULL) && (device->hooks.bundle_poll != NULL)) {
            device->hooks.bundle_message(device->hooks.context, incoming->kind, incoming->payload, incoming->size);
        }
        break;
    case VV_KIND_DECISION:
    case VV_KIND_LED:
    case VV_KIND_MUTE:
        if (!vv_message_decode(message, incoming->kind, incoming->payload, incoming->size)) {
            device->peer.counts.refused++;
        } else if (incoming->kind == VV_KIND_MUTE) {
            const bool wish = message->as.mute.muted == 1U;

            set_mute(device, device->switch_on, wish);
            device->mute_due = device->mute_due || (device->switch_on && !wish); /* it was not heeded */
        } else {
            device->hooks.told(device->hooks.context, message);
        }
        break;
    default:
        device->peer.counts.refused++; /* of a newer host, or not for a device */
        break;
    }
}

static bool room_for_one(const vv_device_t *device)
{
    return vv_peer_established(&device->peer) && (vv_peer_room(&device->peer) > 0U);
}

static void tell_mute(vv_device_t *device)
{
    device->message.kind = (uint8_t)VV_KIND_MUTE;
    device->message.as.mute.muted = device->switch_on ? 1U : 0U;
    device->message.as.mute.origin = (uint8_t)VV_MUTE_ORIGIN_SWITCH_OF_THE_DEVICE;
    device->mute_due = vv_peer_send(&device->peer, &device->message) != VV_SEND_QUEUED;
}

static void tell_health(vv_device_t *device)
{
    vv_health_t *const health = &device->message.as.health;

    (void)memset(health, 0, sizeof(*health));
    device->message.kind = (uint8_t)VV_KIND_HEALTH;
    health->index = device->index;
    health->lost = device->lost;
    health->damaged = device->peer.reader.damaged;
    health->resent = device->peer.counts.resent;
    if (device->hooks.measure != NULL) {
        device->hooks.measure(device->hooks.context, health);
    }
    if (vv_peer_send(&device->peer, &device->message) == VV_SEND_QUEUED) {
        device->health_ms = device->peer.now_ms;
    }
}

/* Returns how many bytes of a text may be kept so that no UTF-8 letter is cut in two. */
static size_t whole_letters(const uint8_t *text, size_t size, size_t most)
{
    size_t kept = most;

    if (size <= most) {
        return size;
    }
    while ((kept > 0U) && ((text[kept] & 0xC0U) == 0x80U)) {
        kept--;
    }
    return kept;
}

/* Cuts the reason of a state to what the host takes. Returns the size of the payload. */
static size_t fit_state(const vv_device_t *device, uint8_t *payload, size_t size)
{
    const size_t head = VV_BUNDLE_STATE_MAX - VV_BUNDLE_STATE_REASON_COUNT;
    const size_t most = device->peer.sending.payload_max;
    size_t reason;

    if ((size <= most) || (size <= head) || (most < head)) {
        return size;
    }
    reason = whole_letters(&payload[head], size - head, most - head);
    payload[head - 2U] = (uint8_t)(reason & 0xFFU);
    payload[head - 1U] = (uint8_t)(reason >> 8);
    return head + reason;
}

static void tell_bundle(vv_device_t *device)
{
    uint8_t payload[VV_BUNDLE_STATE_MAX];
    uint8_t kind = 0U;
    size_t size = 1U;

    while (room_for_one(device) && (size > 0U)) {
        size = device->hooks.bundle_poll(device->hooks.context, &kind, payload, sizeof(payload));
        if (kind == (uint8_t)VV_KIND_BUNDLE_STATE) {
            size = fit_state(device, payload, size);
        }
        if (size > 0U) {
            (void)vv_peer_send_payload(&device->peer, kind, payload, size);
        }
    }
}

void vv_device_run(vv_device_t *device, uint32_t now_ms)
{
    const vv_incoming_t *incoming = vv_peer_oldest(&device->peer);

    vv_peer_receive(&device->peer, NULL, 0U, now_ms); /* tells the time */
    while (incoming != NULL) {
        take(device, incoming);
        vv_peer_drop(&device->peer);
        incoming = vv_peer_oldest(&device->peer);
    }
    if (vv_peer_established(&device->peer)) {
        if (device->sessions != device->peer.counts.sessions) {
            device->sessions = device->peer.counts.sessions;
            device->mute_due = true;
            device->health_ms = 0U;
            device->contiguous = 0U;
        }
        if (device->mute_due) {
            tell_mute(device);
        }
        if ((device->health_ms == 0U) || ((device->peer.now_ms - device->health_ms) >= VV_DEVICE_HEALTH_MS)) {
            tell_health(device);
        }
        if ((device->hooks.bundle_message != NULL) && (device->hooks.bundle_poll != NULL)) {
            tell_bundle(device);
        }
    }
}

bool vv_device_ready(const vv_device_t *device)
{
    return vv_device_muted(device) ||
           (vv_peer_established(&device->peer) && (vv_peer_room(&device->peer) > VV_DEVICE_RESERVE));
}

void vv_device_samples(vv_device_t *device, const int16_t *samples, uint16_t count)
{
    bool taken = false;

    if (!vv_device_muted(device)) {
        if ((count <= VV_AUDIO_SAMPLES_COUNT) && vv_device_ready(device)) {
            device->message.kind = (uint8_t)VV_KIND_AUDIO;
            device->message.as.audio.index = device->index;
            device->message.as.audio.samples_count = count;
            (void)memcpy(device->message.as.audio.samples, samples, count * sizeof(samples[0]));
            taken = vv_peer_send(&device->peer, &device->message) == VV_SEND_QUEUED;
        }
        if (!taken) {
            device->lost += count;
        }
    }
    device->contiguous = taken ? (device->contiguous + count) : 0U;
    device->index += count;
}

bool vv_device_wake(vv_device_t *device, uint64_t index, uint16_t score, const char *word)
{
    vv_wake_event_t *const wake = &device->message.as.wake_event;
    const uint64_t since = device->index - device->contiguous;
    const uint64_t preroll = (index > since) ? (index - since) : 0U;
    const size_t size = strlen(word);

    if (vv_device_muted(device) || !room_for_one(device) || (size > VV_WAKE_EVENT_WORD_COUNT)) {
        return false;
    }
    device->message.kind = (uint8_t)VV_KIND_WAKE_EVENT;
    wake->index = index;
    wake->preroll = (uint32_t)((preroll < VV_WAKE_EVENT_PREROLL_HIGH) ? preroll : VV_WAKE_EVENT_PREROLL_HIGH);
    wake->score = score;
    wake->word_count = (uint16_t)size;
    (void)memcpy(wake->word, word, size);
    return vv_peer_send(&device->peer, &device->message) == VV_SEND_QUEUED;
}

void vv_device_log(vv_device_t *device, uint8_t level, const char *text)
{
    vv_log_t *const line = &device->message.as.log;
    const size_t size = strlen(text);

    if (!room_for_one(device)) {
        return;
    }
    device->message.kind = (uint8_t)VV_KIND_LOG;
    line->index = device->index;
    line->level = level;
    line->text_count = (uint16_t)whole_letters((const uint8_t *)text, size, VV_LOG_TEXT_COUNT);
    (void)memcpy(line->text, text, line->text_count);
    (void)vv_peer_send(&device->peer, &device->message);
}
