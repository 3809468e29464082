/* What the simulated device shows of itself: one JSON object a line on standard output. Values that are names on the
 * page docs/link.md are numbers here. */
#ifndef VIVAVOCE_SIMULATED_REPORT_H
#define VIVAVOCE_SIMULATED_REPORT_H

#include "vivavoce_device.h"

void report_ready(const char *pty, size_t samples);
void report_connected(const vv_device_t *device);
void report_disconnected(void);
void report_foreign(const vv_device_t *device);
void report_mute(bool muted, uint8_t origin);
void report_message(const vv_message_t *message);
void report_wake(uint64_t index, const char *word, uint16_t score, bool sent);
void report_played(uint64_t index);
/* What became of a model: "runs", "activated"; without one, "built in". */
void report_model(const char *what, uint32_t size, const uint8_t *sha256);
void report_bundle_state(const vv_bundle_state_t *state);
void report_end(const vv_device_t *device);

#endif
