// The connection to vivavoce, which comes again by itself.

const RETRY_MS = [500, 8000];
const FULL = 1013; // there are as many pages as there may be

export class Link {
  // `heard` takes records; `changed` takes whether there is a connection and, if not, whether too many pages have one,
  // and why it was closed.
  constructor(heard, changed) {
    this.heard = heard;
    this.changed = changed;
    this.retry = RETRY_MS[0];
    this.open();
  }

  open() {
    const address = new URL("ws", location.href);
    address.protocol = "ws:";
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    let told = false;
    socket.onmessage = (event) => {
      // Not when it opens: a page too many is let go at once.
      if (!told) {
        told = true;
        this.retry = RETRY_MS[0];
        this.changed(true);
      }
      this.heard(JSON.parse(event.data));
    };
    socket.onclose = (event) => {
      this.changed(false, event.code === FULL, event.reason);
      setTimeout(() => this.open(), this.retry);
      this.retry = Math.min(2 * this.retry, RETRY_MS[1]);
    };
    this.socket = socket;
  }

  // Bytes that were sent and have not left.
  get waiting() {
    return this.socket.bufferedAmount;
  }

  // Send a record, or an ArrayBuffer of sound; returns whether there was a connection.
  send(what) {
    if (this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(what instanceof ArrayBuffer ? what : JSON.stringify(what));
    return true;
  }
}
