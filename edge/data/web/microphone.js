// The microphone of the browser: opened without what browsers do to voices, and sent as it is.

const RAW = { channelCount: 1, echoCancellation: false, autoGainControl: false, noiseSuppression: false };
const PROCESSING = ["echoCancellation", "autoGainControl", "noiseSuppression"];
const MOST_WAITING = 1 << 20; // bytes that may wait for the connection, some 10 s of sound
const START_MS = 10000;

const FAULTS = {
  NotAllowedError: "The browser may not use a microphone. Allow it at the symbol beside the address and choose it again",
  NotFoundError: "The browser finds no microphone. Connect one and choose it again",
  NotReadableError: "The microphone cannot be opened: another program may have it. End that program and choose it again",
  TimeoutError: "The sound of this browser does not start. Load the page again and choose it once more",
};

export class Microphone {
  // `link` sends; `trouble` takes a sentence for people; `instead` tells whether the device has a source of its own.
  constructor(link, trouble, instead) {
    this.link = link;
    this.trouble = trouble;
    this.instead = instead;
    this.stream = null;
    this.context = null;
    this.lost = false;
    this.turn = 0; // whoever starts or stops it ends what was under way
    this.asked = false; // started, and the server has not said that it hears it
  }

  get on() {
    return this.stream !== null;
  }

  async start() {
    if (this.on) return true;
    if (!navigator.mediaDevices || !window.AudioWorkletNode) {
      this.fault("This browser gives pages no microphone. Open the page at 127.0.0.1 in a newer browser");
      return false;
    }
    this.turn += 1;
    this.asked = true;
    const { turn } = this;
    let stream = null;
    let context = null;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: RAW });
      context = new AudioContext({ latencyHint: "interactive" });
      await inTime(context.audioWorklet.addModule("capture-worklet.js"));
      await inTime(context.resume());
    } catch (error) {
      letGo(stream, context);
      if (turn !== this.turn) return false;
      this.asked = false;
      this.fault(FAULTS[error.name] ?? `The microphone cannot be used (${error.message}). Choose it again`);
      return false;
    }
    if (turn !== this.turn) {
      letGo(stream, context);
      return false;
    }
    this.stream = stream;
    this.context = context;
    const node = new AudioWorkletNode(context, "capture", { numberOfInputs: 1, numberOfOutputs: 0 });
    node.port.onmessage = (event) => this.send(event.data);
    const [track] = stream.getAudioTracks();
    track.onended = () => {
      this.stop();
      this.link.send({ type: "source", kind: "none" });
      this.trouble("The microphone of the browser is gone. Connect it and choose it again.");
    };
    this.announce();
    context.createMediaStreamSource(stream).connect(node);
    const settings = track.getSettings();
    const processed = PROCESSING.filter((name) => settings[name] === true);
    this.trouble(processed.length ? `This browser still processes the sound (${processed.join(", ")}): judgements may be wrong.` : "");
    return true;
  }

  fault(told) {
    this.trouble(`${told}${this.instead() ? ", or take the sound of this device" : ""}.`);
  }

  // Tell the server what follows; again after the connection was lost.
  announce() {
    this.asked = true;
    this.lost = !this.link.send({ type: "source", kind: "browser", rate_hz: this.context.sampleRate });
  }

  // The server told what it hears: this microphone, or another source. That may have been told before it was asked.
  told(mine) {
    if (mine) this.asked = false;
    else if (!this.asked) this.stop();
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
    this.turn += 1;
    this.asked = false;
    letGo(this.stream, this.context);
    this.stream = null;
    this.context = null;
  }
}

function letGo(stream, context) {
  for (const track of stream?.getTracks() ?? []) {
    track.onended = null;
    track.stop();
  }
  context?.close();
}

// Some browsers leave it open for ever whether their sound starts.
function inTime(promise) {
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new DOMException("it does not start", "TimeoutError")), START_MS);
  });
  return Promise.race([promise, late]);
}
