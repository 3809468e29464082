// The scrolling spectrogram, of the features that the networks are given.
import { byId } from "./shapes.js";

const COLUMNS = 400;
const CALM_MS = 1000; // between two pictures, where people asked for less motion
const PALETTES = {
  dark: [[13, 17, 20], [28, 33, 84], [92, 38, 134], [196, 60, 110], [248, 142, 80], [252, 240, 176]],
  light: [[244, 246, 243], [205, 228, 224], [126, 190, 190], [44, 132, 148], [24, 72, 112], [16, 24, 56]],
};
const VERDICT_COLOURS = {
  dark: { accept: "#4ade80", reject: "#ff8a7a", unsure: "#f5c451", heard: "#7cc0ff" },
  light: { accept: "#12733b", reject: "#b3261e", unsure: "#8a5a00", heard: "#1d5fa8" },
};

function ramp(stops) {
  const table = new Uint8ClampedArray(256 * 4);
  for (let i = 0; i < 256; i += 1) {
    const at = (i / 255) * (stops.length - 1);
    const below = Math.min(Math.floor(at), stops.length - 2);
    for (let c = 0; c < 3; c += 1) table[4 * i + c] = stops[below][c] + (at - below) * (stops[below + 1][c] - stops[below][c]);
    table[4 * i + 3] = 255;
  }
  return table;
}

export class Spectrogram {
  constructor(channels, columnS) {
    this.channels = channels;
    this.columnS = columnS;
    this.canvas = byId("spectrogram");
    this.values = new Uint8Array(COLUMNS * channels);
    this.small = document.createElement("canvas");
    this.small.width = COLUMNS;
    this.small.height = channels;
    this.count = 0;
    this.marks = [];
    this.paused = false;
    this.drawnAt = 0;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    byId("axis-left").textContent = `${Math.round(COLUMNS * columnS)} s ago`;
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  // Begin again, as after a lost connection.
  restart() {
    this.values.fill(0);
    this.marks = [];
  }

  // Take columns in Base64, a byte a channel, oldest first.
  push(text) {
    if (!text) return;
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const fresh = bytes.subarray(-this.values.length);
    this.values.copyWithin(0, fresh.length);
    this.values.set(fresh, this.values.length - fresh.length);
    this.count += bytes.length / this.channels;
    if (this.paused || (this.calm.matches && performance.now() - this.drawnAt < CALM_MS)) return;
    this.draw();
  }

  // Mark a decision that falls now, or so many seconds ago.
  mark(verdict, secondsAgo = 0) {
    this.marks.push({ verdict, column: this.count - secondsAgo / this.columnS });
    if (this.marks.length > 100) this.marks.shift();
  }

  draw() {
    const dark = document.documentElement.dataset.scheme === "dark";
    const scheme = dark ? "dark" : "light";
    this.tables ??= { dark: ramp(PALETTES.dark), light: ramp(PALETTES.light) };
    const table = this.tables[scheme];
    const small = this.small.getContext("2d");
    const image = small.createImageData(COLUMNS, this.channels);
    for (let column = 0; column < COLUMNS; column += 1) {
      for (let channel = 0; channel < this.channels; channel += 1) {
        const from = 4 * this.values[column * this.channels + channel];
        image.data.set(table.subarray(from, from + 4), 4 * ((this.channels - 1 - channel) * COLUMNS + column));
      }
    }
    small.putImageData(image, 0, 0);
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width) return;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const view = this.canvas.getContext("2d");
    view.scale(ratio, ratio);
    view.imageSmoothingQuality = "high";
    view.drawImage(this.small, 0, 0, width, height);
    for (const { verdict, column } of this.marks) {
      const x = width * (1 - (this.count - column) / COLUMNS);
      if (x < 0) continue;
      view.fillStyle = VERDICT_COLOURS[scheme][verdict] ?? VERDICT_COLOURS[scheme].unsure;
      view.fillRect(x - 1, 0, 2, height);
      view.beginPath();
      view.moveTo(x - 7, 0);
      view.lineTo(x + 7, 0);
      view.lineTo(x, 9);
      view.fill();
    }
    this.drawnAt = performance.now();
  }
}
