// Elements of HTML and SVG. Text is always set as text.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

export function html(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// What is said of a verdict.
export const VERDICTS = { accept: "Open", reject: "Shut", unsure: "Unsure", heard: "Heard", "not heard": "Not heard" };

const MARKS = {
  accept: "M4 10.500l4 4 8-9",
  reject: "M5 5l10 10M15 5L5 15",
  unsure: "M7 7.500a3 3 0 1 1 4.200 2.700c-.800.400-1.200 1-1.200 1.900M10 15.500v.1",
  heard: "M4 10h2l2-5 4 10 2-5h2",
};

export function mark(verdict) {
  return svg("svg", { viewBox: "0 0 20 20", "aria-hidden": "true" }, svg("path", { d: MARKS[verdict] ?? MARKS.unsure }));
}

export function fixed(value, digits, unit = "") {
  return value === null || value === undefined ? "–" : `${value.toFixed(digits)}${unit}`;
}
