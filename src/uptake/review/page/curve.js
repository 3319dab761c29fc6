// The time-intensity curve of the voxel under the cursor, as SVG.

import { svg } from "./dom.js";

const [W, H] = [268, 116];
const [LEFT, RIGHT, TOP, BOTTOM] = [34, 10, 10, 24];

/** Draw times (s) and values (any unit) into `root`, an <svg>; `words` says what is shown. */
export function curve(root, times, values, words) {
  root.setAttribute("viewBox", `0 0 ${W} ${H}`);
  root.replaceChildren();
  if (!values.length) return;
  const [low, high] = range(values);
  const last = Math.max(...times, 1);
  const x = (t) => LEFT + (t / last) * (W - LEFT - RIGHT);
  const y = (v) => TOP + (1 - (v - low) / (high - low)) * (H - TOP - BOTTOM);
  for (const tick of ticks(low, high)) {
    root.append(svg("line", { x1: LEFT, x2: W - RIGHT, y1: y(tick), y2: y(tick), class: "grid" }));
    root.append(text(LEFT - 5, y(tick) + 3.5, short(tick), "end"));
  }
  times.forEach((t, n) => root.append(text(x(t), H - 8, minutes(t), n && n === times.length - 1 ? "end" : "middle")));
  const points = times.map((t, n) => `${x(t).toFixed(1)},${y(values[n]).toFixed(1)}`).join(" ");
  root.append(svg("polyline", { points, class: "line" }));
  times.forEach((t, n) => root.append(svg("circle", { cx: x(t), cy: y(values[n]), r: 3, class: "point" })));
  root.setAttribute("aria-label", words);
}

function range(values) {
  const [low, high] = [Math.min(0, ...values), Math.max(...values)];
  const room = (high - low || 1) * 0.08;
  return [low < 0 ? low - room : 0, high + room];
}

function ticks(low, high) {
  const step = [1, 2, 5].flatMap((n) => [-2, -1, 0, 1, 2, 3, 4].map((e) => n * 10 ** e)).sort((a, b) => a - b).find((s) => (high - low) / s <= 4) ?? 1e5;
  const found = [];
  for (let v = Math.ceil(low / step) * step; v <= high; v += step) found.push(v);
  return found;
}

const short = (v) => (Math.abs(v) >= 10000 ? `${Math.round(v / 1000)}k` : `${Math.round(v * 100) / 100}`);

const minutes = (s) => (s === 0 ? "0" : s < 90 ? `${Math.round(s)} s` : `${(s / 60).toFixed(1)} min`);

function text(x, y, words, anchor) {
  const made = svg("text", { x, y, "text-anchor": anchor });
  made.textContent = words;
  return made;
}
