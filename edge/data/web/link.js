// The connection to vivavoce, which comes again by itself.

const RETRY_MS = [500, 8000];

export class Link {
  // `heard` takes records; `changed` takes whether it is connected, and in how many ms it is tried again.
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
    socket.onopen = () => {
      this.retry = RETRY_MS[0];
      this.changed(true, 0, "");
    };
    socket.onmessage = (event) => this.heard(JSON.parse(event.data));
    socket.onclose = (event) => {
      this.changed(false, this.retry, event.reason);
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
