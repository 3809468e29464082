// The needle between loudspeaker and person, before the zones of the gate's cut-offs.
import { byId, fixed, svg } from "./shapes.js";

const CENTRE = [120, 120];
const RADIUS = 96;
const GAP = 0.006; // of the scale, between two zones

function point(share, radius) {
  const angle = Math.PI * (1 - share);
  return [CENTRE[0] + radius * Math.cos(angle), CENTRE[1] - radius * Math.sin(angle)].map((v) => v.toFixed(2)).join(" ");
}

function arc(kind, from, to) {
  const path = to > from ? `M${point(from, RADIUS)}A${RADIUS} ${RADIUS} 0 0 1 ${point(to, RADIUS)}` : "";
  return svg("path", { class: `arc ${kind}`, d: path });
}

export class Gauge {
  constructor(accept, reject) {
    this.needle = svg(
      "g",
      { class: "needle", "data-none": "true" },
      svg("path", { d: "M116.500 120L119.200 36h1.600L123.500 120z" }),
      svg("circle", { cx: 120, cy: 120, r: 9 }),
    );
    this.value = svg("text", { class: "value", x: 120, y: 156, "text-anchor": "middle" }, "–");
    this.picture = svg(
      "svg",
      { viewBox: "0 0 240 164", role: "img" },
      arc("reject", 0, reject - GAP),
      arc("unsure", reject + GAP, accept - GAP),
      arc("accept", accept + GAP, 1),
      this.needle,
      svg("text", { x: 4, y: 146 }, "loudspeaker"),
      svg("text", { x: 236, y: 146, "text-anchor": "end" }, "person"),
      this.value,
    );
    byId("gauge").replaceChildren(this.picture);
    this.show(null);
  }

  show(probability) {
    const none = probability === null || probability === undefined;
    this.needle.setAttribute("data-none", String(none));
    this.needle.style.transform = `rotate(${((none ? 0.5 : probability) - 0.5) * 180}deg)`;
    this.value.textContent = fixed(none ? null : probability, 2);
    this.picture.setAttribute("aria-label", none ? "Needle: no judgement yet" : `Needle: ${fixed(probability, 2)} on a scale from 0, a loudspeaker, to 1, a person`);
  }
}
