// The tools at the left: buttons that say their key, sliders, and what is done to the whole mask.

import { el } from "./dom.js";
import { TOOLS } from "./hands.js";
import { shown } from "./keys.js";
import * as tools from "./tools.js";

/** Edits of the whole mask: [name, key, label, title, change(mask, grid, stage)]. */
export const HELPERS = [
  ["grow", "+", "Grow", "by one voxel", (mask, grid) => tools.grow(mask, grid)],
  ["shrink", "-", "Shrink", "by one voxel", (mask, grid) => tools.grow(mask, grid, true)],
  ["smooth", "o", "Smooth", "even out the edge", (mask, grid) => tools.smooth(mask, grid)],
  ["fill holes", "h", "Fill holes", "cavities become lesion", (mask, grid) => tools.fillHoles(mask, grid)],
  ["interpolate", "i", "Interpolate", "fill the slices between drawn ones, in the active plane", (mask, grid, stage) => tools.interpolate(mask, grid, stage.pane.plane.depth)],
  ["largest component", "l", "Main = largest", "the largest piece is the primary lesion, every other one a satellite", (mask, grid) => tools.largestIsPrimary(mask, grid)],
  ["remove satellites", "x", "Remove satellites", "one primary lesion stays", (mask, grid) => tools.removeSatellites(mask, grid)],
  ["drop beyond 2 cm", "j", "Drop > 2 cm off", "what is more than 20 mm from the largest piece goes", (mask, grid) => tools.dropBeyond(mask, grid)],
  ["clear", "Delete", "Clear", "an empty mask", (mask) => mask.fill(0)],
];

export class Rail {
  /** root: the element; act: {tool(name), label(value), help(name), undo(), redo(), restore(), starts()} */
  constructor(root, { hands, editor, stage, act }) {
    Object.assign(this, { root, hands, editor, stage, act });
    root.append(this.#draw(), this.#labels(), this.#whole(), this.#history());
    for (const kind of ["edit", "draw"]) editor.addEventListener(kind, () => this.refresh());
    stage.addEventListener("tool", () => this.refresh());
    this.refresh();
  }

  #button(label, key, run, title = "", more = {}) {
    return el("button", { type: "button", title, click: run, ...more }, el("span", { textContent: label, class: more.swatch ? `swatch ${more.swatch}` : "" }), el("kbd", { textContent: shown(key) }));
  }

  #draw() {
    this.tools = Object.entries(TOOLS).map(([name, t]) => this.#button(t.label, t.key, () => this.act.tool(name), t.hint, { "data-tool": name }));
    this.size = this.#slider("Size", 0.5, 30, 0.5, () => this.hands.radius, (v) => { this.hands.radius = v; }, (v) => `${v} mm`);
    this.share = this.#slider("Cut", 20, 85, 5, () => this.hands.share * 100, (v) => { this.hands.share = v / 100; }, (v) => `${v} %`);
    this.reach = this.#slider("Reach", 5, 80, 5, () => this.hands.reach, (v) => { this.hands.reach = v; }, (v) => `${v} mm`);
    this.ball = el("input", { type: "checkbox", change: (event) => { this.hands.ball = event.target.checked; } });
    this.ballRow = el("label", { class: "check", title: "draw in neighbouring slices too (Q)" }, this.ball, "Ball ", el("kbd", { textContent: "Q" }));
    return el("div", { class: "group" }, el("h3", { textContent: "Draw" }), ...this.tools, this.size.row, this.ballRow, this.share.row, this.reach.row);
  }

  #slider(label, min, max, step, read, write, words) {
    const output = el("output");
    const range = el("input", { type: "range", min, max, step, "aria-label": label, input: (event) => { write(Number(event.target.value)); this.refresh(); } });
    const row = el("label", { class: "slider" }, el("span", { textContent: label }), output, range);
    return { row, show: () => { range.value = read(); output.textContent = words(Math.round(read() * 10) / 10); } };
  }

  #labels() {
    this.labels = [[1, "Primary", "primary"], [2, "Satellite", "satellite"]].map(([value, label, swatch]) => this.#button(label, "a", () => this.act.label(value), "the label that is drawn (A)", { swatch, "data-label": value }));
    return el("div", { class: "group" }, el("h3", { textContent: "Label" }), ...this.labels);
  }

  #whole() {
    return el("div", { class: "group" }, el("h3", { textContent: "Whole mask" }),
      ...HELPERS.map(([name, key, label, title]) => this.#button(label, key, () => this.act.help(name), title, { "data-help": name })));
  }

  #history() {
    this.undo = this.#button("Undo", "ctrl+z", () => this.act.undo(), "", { "data-do": "undo" });
    this.redo = this.#button("Redo", "ctrl+y", () => this.act.redo(), "", { "data-do": "redo" });
    const restore = this.#button("Restore start", "0", () => this.act.restore(), "the mask that drawing began with", { "data-do": "restore" });
    const starts = this.#button("Start from …", "r", () => this.act.starts(), "the proposal, the network's mask, a revision, or nothing", { "data-do": "starts" });
    return el("div", { class: "group" }, el("h3", { textContent: "History" }), this.undo, this.redo, restore, starts);
  }

  refresh() {
    const { tool } = this.hands;
    for (const button of this.tools) button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    for (const button of this.labels) button.setAttribute("aria-pressed", String(Number(button.dataset.label) === this.editor.label));
    const draws = tool === "pen" || tool === "eraser";
    this.size.row.hidden = this.ballRow.hidden = !draws;
    this.share.row.hidden = this.reach.row.hidden = tool !== "segment";
    this.ball.checked = this.hands.ball;
    for (const slider of [this.size, this.share, this.reach]) slider.show();
    this.undo.disabled = !this.editor.history.canUndo;
    this.redo.disabled = !this.editor.history.canRedo;
  }
}
