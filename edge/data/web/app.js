// The page: what the server tells, and what a person asks.
import { Cutoffs } from "./cutoffs.js";
import { Decay } from "./decay.js";
import { Gauge } from "./gauge.js";
import { History } from "./history.js";
import { Link } from "./link.js";
import { Microphone } from "./microphone.js";
import { byId, fixed, html, VERDICTS } from "./shapes.js";
import { Spectrogram } from "./spectrogram.js";
import { watchTheme } from "./theme.js";

const LEVEL_DB = 90;
const STDIN = "standard input"; // source that has no beginning to go back to
let hello = null;
let parts = null;
let words = [];
let following = true; // the newest decision is shown, until somebody chooses an older one
let paused = false;
let unmarked = []; // decisions whose place in what is seen is not known before the next state
let source = { kind: "none", yours: false };
let connected = false;
let hears = false; // whether sound comes

const INVITATIONS = {
  both: "Say a word, and the gate opens. Play your own recording of it from a phone, and it stays shut.",
  wake: "Say one of the words. Nothing is judged.",
  liveness: "Say something, or play it from a phone: after every pause it is judged.",
};

const phrase = (id) => hello?.words.find((word) => word.id === id)?.phrase ?? id;

function trouble(text) {
  byId("trouble").textContent = text;
  byId("trouble").hidden = !text;
}

// What is wrong, or good to know, above all else.
function banner(text) {
  const element = byId("banner");
  if (element.textContent !== text) element.textContent = text;
  element.hidden = !text;
}

function begin(record) {
  hello = record;
  document.body.dataset.mode = record.mode;
  parts ??= { history: new History(choose, phrase, trouble) };
  parts.gauge = new Gauge(record.accept_cutoff, record.reject_cutoff);
  parts.decay = new Decay(record.decay);
  if (parts.spectrogram) parts.spectrogram.restart();
  else parts.spectrogram = new Spectrogram(record.channels, record.column_s);
  parts.spectrogram.push(record.columns);
  parts.history.fill(record.history);
  parts.cutoffs = new Cutoffs(record, link, parts.history, phrase);
  byId("words-told").textContent = record.listens_again ? "score; from the mark on it listens again, and that decides" : "score, and its cut-off";
  words = record.words.map((word) => listed(word));
  byId("words").replaceChildren(...words.map((word) => word.element));
  const server = document.querySelector('input[value="server"]');
  server.disabled = record.server === null;
  byId("origin-server").textContent = record.server ?? "has no source";
  following = true;
  const newest = record.history.at(-1);
  if (newest) display(newest);
  else rest();
  unmarked = [...record.history];
  if (microphone.on) microphone.announce();
}

function listed(word) {
  const now = html("span", { class: "fill now" });
  const best = html("span", { class: "fill best" });
  const cut = html("span", { class: "mark" });
  const value = html("span", {}, "0.00");
  const meter = html("div", { class: "meter", role: "meter", "aria-label": `Score of ${word.phrase}`, "aria-describedby": "words-told", "aria-valuemin": "0", "aria-valuemax": "1", "aria-valuenow": "0" }, best, now, cut);
  cut.style.left = `${100 * Math.min(1, word.mark)}%`;
  cut.hidden = !word.listened;
  const element = html("li", { "data-listened": word.listened }, html("span", { class: "name" }, word.listened ? word.phrase : `${word.phrase} (not listened for)`), value, meter);
  return { ...word, element, now, best, value, meter };
}

function tick(state) {
  if (!parts) return;
  parts.spectrogram.push(state.columns);
  // Where they fell in what is seen, which a file that is heard at once is ahead of.
  for (const one of unmarked) parts.spectrogram.mark(one.verdict, state.heard_s - one.at_s);
  unmarked = [];
  byId("dot").dataset.on = state.hears;
  if (byId("source-text").textContent !== state.source) byId("source-text").textContent = state.source;
  banner(state.note && sentence(state.note));
  if (hears !== state.hears) {
    hears = state.hears;
    invite();
  }
  if (paused) return;
  byId("heard").textContent = `${fixed(state.heard_s, 0)} s heard${state.queue_s > 0.5 ? `, ${fixed(state.queue_s, 1)} s behind` : ""}`;
  const level = byId("level");
  level.setAttribute("aria-valuenow", state.level_dbfs);
  level.querySelector(".fill").style.transform = `scaleX(${1 + state.level_dbfs / LEVEL_DB})`;
  level.querySelector(".mark").style.left = `${100 * (1 + state.peak_dbfs / LEVEL_DB)}%`;
  byId("level-text").value = fixed(state.level_dbfs, 0, " dB");
  words.forEach((word, i) => {
    const [score, best] = [state.scores[i], state.best_scores[i]];
    word.now.style.transform = `scaleX(${score})`;
    word.best.style.transform = `scaleX(${best})`;
    word.element.dataset.over = String(best > word.mark);
    word.value.textContent = fixed(best, 2);
    word.meter.setAttribute("aria-valuenow", score);
  });
  const verdict = byId("verdict");
  if (state.waiting) verdict.dataset.waiting = "true";
  else delete verdict.dataset.waiting;
}

function rest() {
  byId("verdict").dataset.verdict = "none";
  byId("verdict-when").textContent = "The gate";
  invite();
  byId("evidence").replaceChildren();
  parts.gauge.show(null);
  parts.decay.show(null);
  parts.history.choose(null);
}

// Say what to do, as long as nothing is decided.
function invite() {
  if (byId("verdict").dataset.verdict !== "none") return;
  byId("verdict-word").textContent = hears ? "Listening" : "Not listening";
  byId("verdict-why").textContent = hears ? INVITATIONS[hello.mode] : !connected ? "There is no connection." : source.kind === "none" ? "Nothing is heard. Choose where the sound comes from." : "No sound comes.";
}

function display(decision) {
  byId("verdict").dataset.verdict = decision.verdict;
  byId("verdict-when").textContent = `${decision.word ? `“${phrase(decision.word)}”` : "Speech"} at ${fixed(decision.at_s, 1)} s`;
  byId("verdict-word").textContent = VERDICTS[decision.verdict];
  byId("verdict-why").textContent = decision.told.length ? `${sentence(decision.told.join("; "))}` : "The word was heard. Nothing is judged.";
  const quality = decision.quality;
  const rows = [
    ["word score", decision.wake_score, fixed(decision.wake_score, 2)],
    ["signal to noise", quality, fixed(quality?.snr_db, 0, " dB")],
    ["level", quality, fixed(quality?.level_dbfs, 0, " dB")],
    ["speech", quality, fixed(quality?.speech_s, 1, " s")],
    ["bandwidth", quality, fixed(quality && quality.bandwidth_hz / 1000, 1, " kHz")],
    ["after the word", decision.delay_s, fixed(1000 * decision.delay_s, 0, " ms")],
    ["judging took", decision.judging_ms, fixed(decision.judging_ms, 1, " ms")],
  ].filter(([, there]) => there !== null);
  byId("evidence").replaceChildren(...rows.map(([name, , text]) => html("div", {}, html("dt", {}, name), html("dd", {}, text))));
  parts.gauge.show(decision.probability);
  parts.decay.show(decision);
  parts.history.choose(decision.id);
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

function choose(decision) {
  following = decision.id === parts.history.newest;
  display(decision);
  byId("verdict").scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}

function decided(decision) {
  unmarked.push(decision);
  parts.history.add(decision);
  parts.cutoffs.moved();
  if (following) display(decision);
  byId("announced").textContent = `${VERDICTS[decision.verdict]}. ${decision.word ? `${phrase(decision.word)}: ` : ""}${decision.told.join("; ")}.`;
}

function sourced(record) {
  source = record;
  microphone.told(record.kind === "browser" && record.yours);
  // Where another page's microphone is heard, none is chosen here, so that "Off" can be, and ends it.
  const heard = record.kind === "browser" && !record.yours ? "" : record.kind;
  const kind = microphone.asked ? "browser" : heard;
  for (const input of document.querySelectorAll('input[name="origin"]')) input.checked = input.value === kind;
  byId("keep").setAttribute("aria-checked", String(record.keeps_sound));
  invite();
  byId("again").hidden = record.kind !== "none" || !record.ended || hello?.server === STDIN;
  byId("origin-none").textContent = record.kind === "browser" && !record.yours ? "another page's microphone is heard; choose to end it" : "nothing is heard";
}

const HANDLERS = {
  hello: begin,
  state: tick,
  source: sourced,
  decision: (record) => decided(record.decision),
  history: (record) => {
    parts.history.fill(record.history);
    parts.cutoffs.moved();
    following = true;
    if (!record.history.length) rest();
    else display(record.history.at(-1));
  },
  what_if: (record) => parts.cutoffs.show(record),
  error: (record) => {
    trouble(sentence(record.told));
    // It may be the microphone that is refused: what is heard is what was heard.
    if (microphone.asked && microphone.on) microphone.stop();
    sourced(source);
  },
};

function changed(now, full = false, reason = "") {
  connected = now;
  document.body.dataset.connected = String(now);
  if (now) {
    banner("");
    return;
  }
  hears = false;
  invite();
  byId("dot").dataset.on = "lost";
  byId("source-text").textContent = "not connected";
  banner(
    full
      ? "Too many pages of vivavoce are open. Close one of them, and this one goes on by itself."
      : `No connection to vivavoce${reason ? ` (${reason})` : ""}: it is tried again. If it was started anew, open the address that it printed.`,
  );
}

const link = new Link((record) => HANDLERS[record.type]?.(record), changed);
const microphone = new Microphone(link, trouble, () => hello !== null && hello.server !== null);

byId("origin").addEventListener("change", async (event) => {
  trouble("");
  const { value } = event.target;
  if (value !== "browser") {
    microphone.stop();
    link.send({ type: "source", kind: value });
  } else if (!(await microphone.start())) {
    sourced(source);
  }
});
byId("again").addEventListener("click", () => link.send({ type: "source", kind: "server" }));
byId("keep").addEventListener("click", () => link.send({ type: "keep", on: byId("keep").getAttribute("aria-checked") !== "true" }));
byId("clear").addEventListener("click", () => link.send({ type: "clear" }));
byId("pause").addEventListener("click", () => {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  if (!parts) return;
  parts.spectrogram.paused = paused;
  if (!paused) parts.spectrogram.draw();
});
watchTheme(() => parts?.spectrogram.draw());
