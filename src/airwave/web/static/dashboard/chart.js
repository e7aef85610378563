// Lines over the last five minutes, drawn in SVG. One point a second; where the server was away there is a gap.

import { h, s, put } from "./dom.js";
import { clock } from "./format.js";

const SPAN_MS = 300_000;
const GAP_MS = 3_500; // between two points: more, and the line is broken

/** The path of a line through [x, y] points, and that of the area below it. */
function paths(points, floor) {
  let line = "";
  let area = "";
  let start = null;
  let last = null;
  for (const point of points) {
    const broken = last === null || point.at - last.at > GAP_MS;
    if (broken && last !== null) area += `L${last.x} ${floor}L${start.x} ${floor}Z`;
    if (broken) start = point;
    line += `${broken ? "M" : "L"}${point.x} ${point.y}`;
    area += `${broken ? "M" : "L"}${point.x} ${point.y}`;
    last = point;
  }
  if (last !== null) area += `L${last.x} ${floor}L${start.x} ${floor}Z`;
  return { line, area };
}

/** A round number at or above a value, for the top of an axis. */
export function roundUp(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}

/**
 * A chart.
 * @param {{label: string, lines: {name: string, pick: (sample: object) => number, kind?: string}[],
 *          show: (value: number) => string, small?: boolean, least?: number}} options
 *   least: the top of the axis is at least this
 * @returns {{element: HTMLElement, draw: (samples: object[], now: number) => void}}
 */
export function chart({ label, lines, show, small = false, least = 0 }) {
  const width = small ? 200 : 800;
  const height = small ? 44 : 200;
  const floor = height - (small ? 1 : 2);
  const top = small ? 3 : 8;
  const shapes = lines.map(({ kind }) => ({
    area: s(`path.area.${kind || "main"}`, {}),
    line: s(`path.line.${kind || "main"}`, {}),
  }));
  const grid = small ? [] : [0, 0.5, 1].map((share) => s("line.rule", rule(share)));
  const cursor = s("line.cursor", { y1: 0, y2: height, x1: -10, x2: -10 });
  const svg = s(
    "svg.plot",
    { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    grid,
    shapes.map((shape) => [shape.area, shape.line]),
    cursor,
  );
  const tip = h("div.tip", { hidden: true });
  const high = h("span.high");
  const axis = small
    ? null
    : h("div.axis", { "aria-hidden": "true" }, ["5 min ago", "4", "3", "2", "1", "now"].map((text) => h("span", {}, text)));
  const element = h(small ? "div.chart.small" : "div.chart", {}, small ? null : high, svg, tip, axis);
  let drawn = [];
  let until = 0;

  function rule(share) {
    const y = top + (1 - share) * (floor - top);
    return { x1: 0, x2: width, y1: y, y2: y };
  }

  function draw(samples, now) {
    until = now;
    drawn = samples.filter((sample) => sample.at > now - SPAN_MS - 1000);
    const peak = Math.max(least, ...drawn.flatMap((sample) => lines.map((line) => line.pick(sample) || 0)));
    const full = roundUp(peak);
    high.textContent = show(full);
    lines.forEach((line, index) => {
      const points = drawn.map((sample) => ({
        at: sample.at,
        x: Math.round((width * (sample.at - now + SPAN_MS) * 10) / SPAN_MS) / 10,
        y: Math.round((top + (1 - (line.pick(sample) || 0) / full) * (floor - top)) * 10) / 10,
      }));
      const path = paths(points, floor);
      shapes[index].line.setAttribute("d", path.line);
      shapes[index].area.setAttribute("d", path.area);
    });
    const last = drawn[drawn.length - 1];
    const spoken = last ? lines.map((line) => `${line.name} ${show(line.pick(last))}`).join(", ") : "nothing yet";
    svg.setAttribute("aria-label", `${label}: ${spoken}`);
  }

  function point(event) {
    const box = svg.getBoundingClientRect();
    if (!drawn.length || !box.width) return;
    const at = until - SPAN_MS + ((event.clientX - box.left) / box.width) * SPAN_MS;
    const near = drawn.reduce((best, each) => (Math.abs(each.at - at) < Math.abs(best.at - at) ? each : best));
    const x = (width * (near.at - until + SPAN_MS)) / SPAN_MS;
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    put(
      tip,
      h("b", {}, clock(near.at)),
      lines.map((line) => h("span", {}, lines.length > 1 ? `${line.name} ` : "", h("em", {}, show(line.pick(near))))),
    );
    tip.hidden = false;
    const left = ((x / width) * box.width) | 0;
    tip.style.left = `${Math.max(0, Math.min(left - tip.offsetWidth / 2, box.width - tip.offsetWidth))}px`;
  }

  svg.addEventListener("pointermove", point);
  svg.addEventListener("pointerleave", () => {
    tip.hidden = true;
    cursor.setAttribute("x1", -10);
    cursor.setAttribute("x2", -10);
  });
  return { element, draw };
}
