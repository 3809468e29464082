// The microphone of the browser: opened without what browsers do to voices, and sent as it is.

const RAW = { channelCount: 1, echoCancellation: false, autoGainControl: false, noiseSuppression: false };
const PROCESSING = ["echoCancellation", "autoGainControl", "noiseSuppression"];
const MOST_WAITING = 1 << 20; // bytes that may wait for the connection, some 10 s of sound

const FAULTS = {
  NotAllowedError: "The browser may not use a microphone. Allow it at the symbol beside the address and choose it again, or take the sound of this device.",
  NotFoundError: "The browser finds no microphone. Connect one and choose it again, or take the sound of this device.",
  NotReadableError: "The microphone cannot be opened: another program may have it. End that program and choose it again, or take the sound of this device.",
};

export class Microphone {
  // `link` sends; `trouble` takes a sentence for people.
  constructor(link, trouble) {
    this.link = link;
    this.trouble = trouble;
    this.stream = null;
    this.context = null;
    this.lost = false;
  }

  get on() {
    return this.stream !== null;
  }

  async start() {
    if (this.on) return true;
    if (!navigator.mediaDevices || !window.AudioWorkletNode) {
      this.trouble("This browser gives pages no microphone. Open the page at 127.0.0.1 in a newer browser, or take the sound of this device.");
      return false;
    }
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ audio: RAW });
      this.context = new AudioContext({ latencyHint: "interactive" });
      await this.context.audioWorklet.addModule("capture-worklet.js");
      await this.context.resume();
      const node = new AudioWorkletNode(this.context, "capture", { numberOfInputs: 1, numberOfOutputs: 0 });
      node.port.onmessage = (event) => this.send(event.data);
      const [track] = this.stream.getAudioTracks();
      track.onended = () => {
        this.stop();
        this.link.send({ type: "source", kind: "none" });
        this.trouble("The microphone of the browser is gone. Connect it and choose it again.");
      };
      this.announce();
      this.context.createMediaStreamSource(this.stream).connect(node);
      const settings = track.getSettings();
      const processed = PROCESSING.filter((name) => settings[name] === true);
      this.trouble(processed.length ? `This browser still processes the sound (${processed.join(", ")}): judgements may be wrong.` : "");
      return true;
    } catch (error) {
      this.stop();
      this.trouble(FAULTS[error.name] ?? `The microphone cannot be used (${error.message}). Take the sound of this device instead.`);
      return false;
    }
  }

  // Tell the server what follows; again after the connection was lost.
  announce() {
    this.lost = !this.link.send({ type: "source", kind: "browser", rate_hz: this.context.sampleRate });
  }

  send(samples) {
    if (!this.on) return;
    if (this.link.waiting > MOST_WAITING) {
      this.lost = true; // what follows will not join what came before
      return;
    }
    if (this.lost) this.announce();
    if (!this.lost) this.link.send(samples);
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
    this.context?.close();
    this.stream = null;
    this.context = null;
  }
}
