// What pointer and wheel do on the stage, and what the keyboard's own pen does at the cursor.

import { clamped } from "./planes.js";
import * as tools from "./tools.js";

export const TOOLS = {
  look: { label: "Look", key: "v", hint: "move the cursor; drag the right button for the window" },
  pen: { label: "Pen", key: "p", hint: "draw" },
  eraser: { label: "Eraser", key: "e", hint: "rub out" },
  contour: { label: "Contour", key: "c", hint: "draw around; the inside is filled. Shift takes it out" },
  segment: { label: "Segment", key: "g", hint: "click a lesion: what is as bright and connected" },
  box: { label: "VOI", key: "b", hint: "drag a rectangle: the volume of interest in this plane" },
};

export class Hands {
  /** act: {image(): the voxels to segment on, box(plane, from, to), windowed(low, high)} */
  constructor(stage, editor, act) {
    Object.assign(this, { stage, editor, act });
    this.tool = "look";
    this.radius = 4;
    this.ball = false;
    this.share = 0.5;
    this.reach = 30;
    this.points = null;
    const { over } = stage;
    over.addEventListener("pointerdown", (event) => this.#down(event));
    over.addEventListener("pointermove", (event) => this.#move(event));
    over.addEventListener("pointerup", (event) => this.#up(event));
    over.addEventListener("pointercancel", () => this.#cancel());
    over.addEventListener("pointerleave", () => { if (!this.drag) this.#disc(null); });
    over.addEventListener("contextmenu", (event) => event.preventDefault());
    over.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  choose(tool) {
    this.#finishPoints(false);
    this.tool = tool;
    this.stage.over.dataset.tool = tool;
    this.#disc(null);
    this.stage.refresh();
  }

  /** The label that is drawn, 0 with the eraser. */
  #value(event) { return this.tool === "eraser" || event?.shiftKey ? 0 : this.editor.label; }

  #down(event) {
    const box = this.stage.over.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    this.stage.over.focus({ preventScroll: true });
    const there = this.stage.painter.insetVoxel(x, y);
    if (there) return this.#projected(there);
    const one = this.stage.paneAt(x, y);
    if (!one) return undefined;
    this.stage.active = one.plane.name;
    this.stage.over.setPointerCapture(event.pointerId);
    const voxel = this.stage.voxel(event, one);
    const kind = event.button === 2 ? "window" : event.button === 1 || event.ctrlKey ? "pan" : this.tool;
    this.drag = { kind, one, from: voxel, last: voxel, x, y, value: this.#value(event), window: this.act.window() };
    const begin = { pen: () => this.#draw(voxel), eraser: () => this.#draw(voxel), look: () => this.stage.go(voxel), segment: () => this.segmentAt(voxel) };
    if (kind === "contour" || kind === "box") this.drag.points = [this.#flat(one, voxel)];
    begin[kind]?.();
    return undefined;
  }

  // A click on the projection goes to that place, at the depth where the subtraction is brightest.
  #projected(voxel) {
    this.stage.go(this.act.deepest(clamped(voxel, this.stage.grid.shape), this.stage.painter.inset.plane));
  }

  #move(event) {
    const { drag, stage } = this;
    const box = stage.over.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const one = drag?.one ?? stage.paneAt(x, y);
    if (!one) return this.#disc(null);
    const voxel = stage.voxel(event, one);
    stage.dispatchEvent(new CustomEvent("hover", { detail: voxel }));
    if (!drag) return this.#disc(one, voxel, event);
    if (drag.kind === "look") stage.go(voxel);
    if (drag.kind === "pan") stage.pan(one, x - drag.x, y - drag.y);
    if (drag.kind === "window") this.#window(drag, x, y);
    if (drag.kind === "pan") Object.assign(drag, { x, y });
    if (drag.kind === "pen" || drag.kind === "eraser") this.#stroke(event, one);
    if (drag.kind === "contour") this.#outline(event, one);
    if (drag.kind === "box") this.#rectangle(one, voxel);
    drag.last = voxel;
    return undefined;
  }

  // Every position that the pointer passed since the last event, so that a fast hand draws no corners.
  #stroke(event, one) {
    for (const each of positions(event)) this.#draw(this.stage.voxel(each, one));
    this.#disc(one, this.drag.last, event);
  }

  #draw(voxel) {
    const { drag } = this;
    const { plane } = drag.one;
    const options = { radius: this.radius, value: drag.value, ball: this.ball };
    this.editor.drawing((mask) => tools.stroke(mask, this.editor.grid, plane, drag.last, voxel, options));
    drag.last = voxel;
  }

  #outline(event, one) {
    for (const each of positions(event)) this.drag.points.push(this.#flat(one, this.stage.voxel(each, one)));
    this.#show(one, [...this.drag.points, this.drag.points[0]], this.drag.value);
  }

  #rectangle(one, voxel) {
    const [[u, v], [s, t]] = [this.drag.points[0], this.#flat(one, voxel)];
    this.#show(one, [[u, v], [s, v], [s, t], [u, t], [u, v]], 0);
  }

  #show(one, points, value) {
    this.stage.painter.drawing = { kind: "contour", pane: one, points, value };
    this.stage.refresh();
  }

  #flat(one, voxel) { return [voxel[one.plane.across], voxel[one.plane.up]]; }

  #up(event) {
    const { drag } = this;
    this.drag = null;
    if (!drag) return;
    const { plane } = drag.one;
    if (drag.kind === "pen" || drag.kind === "eraser") this.editor.done(drag.kind);
    if (drag.kind === "contour") this.#fill(plane, drag.points, drag.value);
    if (drag.kind === "box") this.act.box(plane, drag.from, this.stage.voxel(event, drag.one));
    if (drag.kind === "contour" || drag.kind === "box") this.stage.painter.drawing = null;
    this.stage.refresh();
  }

  #fill(plane, points, value) {
    if (points.length < 3) return;
    const slice = this.stage.cursor[plane.depth];
    this.editor.edit("contour", (mask) => tools.contour(mask, this.editor.grid, plane, slice, points, value));
  }

  #cancel() {
    if (this.drag?.kind === "pen" || this.drag?.kind === "eraser") this.editor.done(this.drag.kind);
    this.drag = null;
    this.stage.painter.drawing = null;
    this.stage.refresh();
  }

  async segmentAt(voxel) {
    const { grid } = this.editor;
    const seed = clamped(voxel, grid.shape);
    const image = await this.act.image();
    const options = { share: this.share, reach: this.reach, value: this.editor.label };
    this.editor.edit("segment", (mask) => tools.segment(mask, image, grid, seed, options));
  }

  #window(drag, x, y) {
    const { low, high } = drag.window;
    const width = Math.max(1e-3, (high - low) * Math.exp((x - drag.x) / 250));
    const middle = (low + high) / 2 - ((y - drag.y) / 400) * (high - low);
    this.act.windowed(middle - width / 2, middle + width / 2);
  }

  #disc(one, voxel, event) {
    const draws = this.tool === "pen" || this.tool === "eraser";
    const next = one && draws ? { kind: "disc", pane: one, voxel, radius: this.radius, value: this.#value(event) } : null;
    if (!next && !this.stage.painter.drawing) return;
    if (this.points && !next) return;
    this.stage.painter.drawing = next;
    this.stage.refresh();
  }

  #wheel(event) {
    event.preventDefault();
    const box = this.stage.over.getBoundingClientRect();
    const one = this.stage.paneAt(event.clientX - box.left, event.clientY - box.top);
    if (!one) return;
    this.stage.active = one.plane.name;
    const by = Math.sign(event.deltaY || event.deltaX);
    if (event.ctrlKey || event.metaKey) this.stage.zoomBy(by < 0 ? 1.15 : 1 / 1.15, this.stage.voxel(event, one));
    else if (event.shiftKey) this.resize(by < 0 ? 1 : -1);
    else this.stage.step(by < 0 ? 1 : -1);
  }

  resize(by) {
    const step = this.radius < 3 ? 0.5 : 1;
    this.radius = Math.min(30, Math.max(0.5, this.radius + by * step));
    if (this.stage.painter.drawing?.kind === "disc") this.stage.painter.drawing.radius = this.radius;
    this.stage.dispatchEvent(new Event("tool"));
    this.stage.refresh();
  }

  /** Enter: what the tool does, at the cursor. The contour collects corners; with `close` it is filled. */
  press(close = false) {
    const one = this.stage.pane;
    const { cursor } = this.stage;
    const value = this.tool === "eraser" ? 0 : this.editor.label;
    const options = { radius: this.radius, value, ball: this.ball };
    if (this.tool === "pen" || this.tool === "eraser") {
      this.editor.edit(this.tool, (mask) => tools.stroke(mask, this.editor.grid, one.plane, cursor, cursor, options));
    } else if (this.tool === "segment") this.segmentAt(cursor);
    else if (this.tool === "contour") this.#corner(one, close);
    else if (this.tool === "box") this.#corner(one, false, 2);
  }

  #corner(one, close, most = Infinity) {
    if (this.points && this.points.one.plane !== one.plane) this.points = null;
    this.points ??= { one, all: [], from: [...this.stage.cursor] };
    if (!close) this.points.all.push(this.#flat(one, this.stage.cursor));
    if (close || this.points.all.length >= most) this.#finishPoints(true);
    else this.#show(one, this.points.all, this.editor.label);
  }

  #finishPoints(fill) {
    const { points } = this;
    this.points = null;
    if (!points) return;
    this.stage.painter.drawing = null;
    if (fill && this.tool === "contour") this.#fill(points.one.plane, points.all, this.editor.label);
    if (fill && this.tool === "box") this.act.box(points.one.plane, points.from, this.stage.cursor);
    this.stage.refresh();
  }

  /** Escape: drop corners or an unfinished stroke. Says whether there was one. */
  escape() {
    const had = Boolean(this.points || this.drag);
    if (this.drag?.kind === "pen" || this.drag?.kind === "eraser") this.editor.cancel();
    this.drag = null;
    this.#finishPoints(false);
    this.stage.painter.drawing = null;
    this.stage.refresh();
    return had;
  }
}

function positions(event) {
  const passed = event.getCoalescedEvents?.() ?? [];
  return passed.length ? passed : [event];
}
