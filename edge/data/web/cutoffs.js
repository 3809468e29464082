// Sliders that show what other cut-offs would have changed. The server answers by the rule of the gate.
import { byId, html, VERDICTS } from "./shapes.js";

const WAIT_MS = 60; // a slider that is moved asks so often at most

export class Cutoffs {
  constructor(hello, link, history, phrase) {
    this.link = link;
    this.history = history;
    this.phrase = phrase;
    this.timer = 0;
    this.sliders = new Map();
    byId("gate-sliders").replaceChildren();
    byId("word-sliders").replaceChildren();
    if (hello.mode !== "wake") {
      this.slider("gate-sliders", "accept", "Opens from", hello.accept_cutoff, "Probability of a person from which the gate opens.");
      this.slider("gate-sliders", "reject", "Shut below", hello.reject_cutoff, "Between the two it is unsure.");
    }
    for (const word of hello.words.filter((one) => one.listened)) this.slider("word-sliders", `word ${word.id}`, word.phrase, word.cutoff, "");
    byId("again-told").hidden = !hello.listens_again;
    byId("word-details").hidden = hello.mode === "liveness";
    byId("word-details").open = hello.mode === "wake";
    byId("reset").onclick = () => {
      for (const one of this.sliders.values()) this.set(one, one.own);
      this.moved();
    };
    this.moved();
  }

  slider(into, name, title, own, told) {
    const input = html("input", { type: "range", min: "0", max: "1", step: "any", value: own });
    const output = html("output", {});
    const one = { input, output, own };
    input.addEventListener("input", () => this.input(name));
    // Arrow keys move by hundredths; without this, a slider of any value moves by a tenth of its range.
    input.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 0.01, ArrowUp: 0.01, ArrowLeft: -0.01, ArrowDown: -0.01, PageUp: 0.1, PageDown: -0.1 }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      this.set(one, Math.min(1, Math.max(0, Math.round(100 * (this.value(name) + by)) / 100)));
      this.input(name);
    });
    byId(into).append(html("label", { class: "slider" }, html("span", {}, title), output, input, ...(told ? [html("small", {}, told)] : [])));
    this.sliders.set(name, one);
    this.set(one, own);
  }

  set(one, value) {
    one.input.value = value;
    one.output.value = value.toFixed(2);
    one.input.setAttribute("aria-valuetext", value.toFixed(2));
  }

  value(name) {
    return this.sliders.get(name).input.valueAsNumber;
  }

  // One of the two of the gate takes the other along.
  input(name) {
    this.set(this.sliders.get(name), this.value(name));
    if (name === "accept" && this.value("reject") > this.value("accept")) this.set(this.sliders.get("reject"), this.value("accept"));
    if (name === "reject" && this.value("accept") < this.value("reject")) this.set(this.sliders.get("accept"), this.value("reject"));
    this.moved();
  }

  get untouched() {
    return [...this.sliders.values()].every((one) => Math.abs(one.input.valueAsNumber - one.own) < 1e-9);
  }

  // Ask again: a slider was moved, or a decision came.
  moved() {
    byId("reset").disabled = this.untouched;
    if (this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = 0;
      if (this.untouched) this.show({ changed: {}, also_heard: [] });
      else this.link.send({ type: "what_if", ...this.asked() });
    }, WAIT_MS);
  }

  asked() {
    const words = {};
    for (const [name, one] of this.sliders) if (name.startsWith("word ")) words[name.slice(5)] = one.input.valueAsNumber;
    const gate = this.sliders.has("accept");
    return { accept: gate ? this.value("accept") : 1, reject: gate ? this.value("reject") : 0, words };
  }

  show(answer) {
    const untouched = this.untouched;
    this.history.mark(untouched ? {} : answer.changed);
    const counts = new Map();
    for (const verdict of Object.values(answer.changed)) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
    const parts = [...counts].map(([verdict, n]) => `${n} would be ${VERDICTS[verdict].toLowerCase()}`);
    const n = Object.keys(answer.changed).length;
    let text = untouched ? "As the gate has them." : `${n} of ${this.history.size} decisions would change${parts.length ? `: ${parts.join(", ")}` : ""}.`;
    if (answer.also_heard.length && !untouched) {
      const words = answer.also_heard.slice(-3).map((miss) => `${this.phrase(miss.word)} at ${miss.at_s.toFixed(1)} s (${miss.score.toFixed(2)})`);
      text += ` Heard as well, and not judged: ${answer.also_heard.length}, e.g. ${words.join(", ")}.`;
    }
    if (byId("outcome").textContent !== text) byId("outcome").textContent = text;
  }
}
