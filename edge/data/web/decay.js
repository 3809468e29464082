// The share of the power below each frequency, before that of people and of loudspeakers.
import { byId, fixed, svg } from "./shapes.js";

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [720, 290, 64, 34, 16];
const TICKS_HZ = [0, 250, 500, 1000, 2000, 4000, 8000];
const HIGHEST_HZ = 8000;

// Low frequencies, where the difference is, get more room.
const x = (hz) => LEFT + (WIDTH - LEFT - 12) * Math.sqrt(hz / HIGHEST_HZ);
const y = (share) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - share);
const told = (hz) => (hz < 1000 ? `${hz}` : `${hz / 1000}k`);

export class Decay {
  constructor(reference) {
    this.reference = reference;
    this.curve = svg("path", { class: "curve" });
    const parts = [];
    for (const share of [0, 0.5, 1]) {
      parts.push(svg("path", { class: "grid", d: `M${LEFT} ${y(share)}H${WIDTH - 12}` }));
      parts.push(svg("text", { x: LEFT - 8, y: y(share) + 4, "text-anchor": "end" }, `${100 * share}%`));
    }
    for (const hz of TICKS_HZ) parts.push(svg("text", { x: x(hz), y: HEIGHT - 8, "text-anchor": "middle", class: hz === 250 || hz === 2000 ? "minor" : "" }, told(hz)));
    for (const kind of ["live", "replay"]) parts.push(svg("path", { class: `band ${kind}`, d: this.band(reference[kind]) }));
    for (const kind of ["live", "replay"]) parts.push(svg("path", { class: `middle ${kind}`, d: this.line(reference[kind].middle) }));
    this.picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" }, ...parts, this.curve, svg("text", { x: WIDTH - 12, y: HEIGHT - 8, "text-anchor": "end" }, ""));
    byId("decay").replaceChildren(this.picture);
    const right = (share) => `${Math.round(100 * share)} %`;
    byId("decay-honest").textContent =
      `An illustration; the network decides. The nearer of the two medians is the right one for ${right(reference.live_right)} of people and ` +
      `${right(reference.replay_right)} of loudspeakers. Shaded: 10 to 90 % of ${reference.source}. Across: Hz.`;
    this.show(null);
  }

  line(values) {
    return values.map((value, i) => `${i ? "L" : "M"}${x(this.reference.frequencies_hz[i]).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  }

  band(envelope) {
    const back = envelope.low.map((value, i) => `L${x(this.reference.frequencies_hz[i]).toFixed(1)} ${y(value).toFixed(1)}`).reverse();
    return `${this.line(envelope.high)}${back.join("")}Z`;
  }

  show(decision) {
    const curve = decision?.curve;
    this.curve.setAttribute("d", curve ? this.line(curve) : "");
    let text = "How much of the power lies below each frequency. Small loudspeakers lack bass, so that their share rises later.";
    const place = decision?.placement;
    if (place) {
      const nearer = place.nearer === "live" ? "people" : "loudspeakers";
      text =
        `Half of the power lies below ${fixed(place.half_hz, 0)} Hz (people: ${fixed(place.live_half_hz, 0)}, loudspeakers: ${fixed(place.replay_half_hz, 0)}). ` +
        `${fixed(100 * place.live_share, 0)} % of the curve lies where people's do, ${fixed(100 * place.replay_share, 0)} % where loudspeakers' do; it is nearer to ${nearer}.`;
    }
    byId("decay-told").textContent = text;
    byId("decay-of").textContent = decision ? `decision ${decision.id}, at ${fixed(decision.at_s, 1)} s` : "no judgement yet";
    this.picture.setAttribute("aria-label", `Decay of power over frequency. ${text}`);
  }
}
