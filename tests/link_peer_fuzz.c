/* A target for libFuzzer over the peer in C: frames that fit into its session, lost time, reconnects. */
#include <stdlib.h>
#include <string.h>
#include "vivavoce_link_peer.h"
int LLVMFuzzerTestOneInput(const uint8_t *in, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *in, size_t size) {
  static vv_peer_t p; static vv_message_t m; static uint8_t out[4096], enc[VV_ENCODED_MAX]; uint32_t now = 0xFFFFF000u;
  vv_peer_settings_t s = {3, 1, 1, 1, 3, 32, 1, {'d'}};
  if (!vv_peer_init(&p, &s)) abort();
  for (size_t i = 0; i + 4 <= size;) {
    uint8_t kind = in[i] % 28, op = in[i + 1], n = in[i + 2]; now += in[i + 3] * 8u; i += 4;
    if (n > size - i) n = (uint8_t)(size - i);
    if (op == 255) vv_peer_disconnected(&p, now);
    else if (op == 254) vv_peer_withdraw_audio(&p);
    else if (op > 200) vv_peer_send_payload(&p, kind, in + i, n);
    else if (op > 180) { while (vv_peer_take(&p, &m)) {} }
    else { vv_frame_t f = {1, kind, kind == 1 ? (uint16_t)(1 + op % 3) : (p.established ? p.other.session : 1), (uint16_t)(p.receiving.expected + op % 40), n, in + i};
      size_t k = vv_frame_encode(&f, enc, sizeof enc); vv_peer_receive(&p, enc, k, now); }
    i += n;
    size_t k = vv_peer_poll(&p, now, out, (op & 1) ? sizeof out : VV_ENCODED_MAX); if (k > sizeof out) abort();
    if (p.sending.count > VV_PEER_QUEUE || p.receiving.inbox > p.receiving.window) abort();
    (void)vv_peer_wait_ms(&p);
  } return 0; }
