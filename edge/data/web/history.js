// The decisions, newest first: which one is shown, what other cut-offs would have made of it, and its sound.
import { byId, fixed, html, mark, svg, VERDICTS } from "./shapes.js";

const PLAY = "M4 3l13 7-13 7z";
const STOP = "M4 4h12v12H4z";

export class History {
  // `show` takes a decision that somebody chose to look at; `phrase` gives the words of an id.
  constructor(show, phrase, trouble) {
    this.show = show;
    this.phrase = phrase;
    this.trouble = trouble;
    this.list = byId("history");
    this.items = new Map();
    this.player = new Audio();
    this.playing = null;
    this.player.addEventListener("ended", () => this.stop());
    this.player.addEventListener("error", () => {
      if (this.playing !== null) this.trouble("This sound cannot be played: it may be forgotten already.");
      this.stop();
    });
  }

  // Number of the newest decision; 0 without any.
  get newest() {
    return Math.max(0, ...this.items.keys());
  }

  get size() {
    return this.items.size;
  }

  fill(decisions) {
    this.stop();
    this.items.clear();
    this.list.replaceChildren();
    for (const decision of decisions) this.add(decision, decisions.length);
    this.counted();
  }

  add(decision, most = 50) {
    const reason = html("div", { class: "reason" }, decision.told.join("; ") || "heard; nothing is judged", html("span", { class: "would" }));
    const when = html("button", { type: "button", class: "when", "aria-label": `Show decision ${decision.id}, at ${fixed(decision.at_s, 1)} s` }, fixed(decision.at_s, 1, " s"));
    when.addEventListener("click", () => this.show(decision));
    const element = html(
      "li",
      { "data-id": decision.id, "data-verdict": decision.verdict },
      when,
      html("span", { class: `said by-${decision.verdict}` }, mark(decision.verdict), VERDICTS[decision.verdict]),
      html("span", { class: "word" }, decision.word ? this.phrase(decision.word) : "speech", html("span", { class: "small" }, decision.wake_score === null ? "" : ` ${fixed(decision.wake_score, 2)}`)),
      html("span", { class: "figures small" }, this.figures(decision)),
      reason,
    );
    if (decision.kept) element.append(this.button(decision));
    this.items.set(decision.id, { decision, element });
    this.list.prepend(element);
    while (this.items.size > most) {
      const [oldest, item] = this.items.entries().next().value;
      item.element.remove();
      this.items.delete(oldest);
    }
    this.counted();
  }

  figures(decision) {
    const parts = [];
    if (decision.probability !== null) parts.push(`live ${fixed(decision.probability, 2)}`);
    if (decision.delay_s !== null) parts.push(`after ${fixed(1000 * decision.delay_s, 0)} ms`);
    if (decision.judging_ms !== null) parts.push(`took ${fixed(decision.judging_ms, 1)} ms`);
    return parts.join(" · ");
  }

  counted() {
    byId("empty").hidden = this.size > 0;
    byId("clear").disabled = this.size === 0;
  }

  // Mark the decision that is shown above.
  choose(id) {
    for (const [number, { element }] of this.items) {
      element.dataset.shown = String(number === id);
      element.querySelector(".when").setAttribute("aria-pressed", String(number === id));
    }
  }

  // Mark what other cut-offs would have changed: verdicts by number.
  mark(changed) {
    for (const [number, { element }] of this.items) {
      const verdict = changed[number];
      const would = element.querySelector(".would");
      would.className = `would by-${verdict ?? "none"}`;
      would.textContent = verdict ? `would be: ${VERDICTS[verdict].toLowerCase()}` : "";
    }
  }

  button(decision) {
    const path = svg("path", { d: PLAY });
    const button = html("button", { type: "button", class: "button small play", "aria-label": `Play decision ${decision.id}` }, svg("svg", { viewBox: "0 0 20 20", "aria-hidden": "true" }, path), html("span", {}, "Play"));
    button.addEventListener("click", () => {
      const again = this.playing?.button === button;
      this.stop();
      if (again) return;
      this.playing = { button, path };
      path.setAttribute("d", STOP);
      button.lastChild.textContent = "Stop";
      button.setAttribute("aria-label", `Stop decision ${decision.id}`);
      this.playing.label = `Play decision ${decision.id}`;
      this.player.src = `audio/${decision.id}.wav`;
      this.player.play().catch(() => {}); // the event "error" tells
    });
    return button;
  }

  stop() {
    const was = this.playing;
    this.playing = null;
    this.player.pause();
    if (!was) return;
    was.path.setAttribute("d", PLAY);
    was.button.lastChild.textContent = "Play";
    was.button.setAttribute("aria-label", was.label);
  }
}
