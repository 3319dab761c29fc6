// The panes on the screen: which slice each shows at what scale, what is drawn over it, what the pointer does there.

import { PLANES, acquiredPlane, clamped, fitting, pane, pixelOf, voxelAt, within } from "./planes.js";
import { Painter } from "./painter.js";
import { el } from "./dom.js";

const GAP = 2;
const ZOOM = [0.4, 40];

export class Stage extends EventTarget {
  /** root: the element that holds the canvases; grid: RAS; acquired: spacing of the acquired grid by direction. */
  constructor(root, grid, acquired) {
    super();
    this.root = root;
    this.grid = grid;
    this.first = acquiredPlane(acquired);
    this.order = [this.first, ...Object.keys(PLANES).filter((name) => name !== this.first)];
    this.active = this.first;
    this.single = false;
    this.cursor = grid.shape.map((n) => n >> 1);
    this.centre = [...this.cursor];
    this.zoom = 1;
    this.over = el("canvas", { class: "over", tabIndex: 0, "aria-label": "image planes" });
    root.append(this.over);
    this.painter = new Painter(this.over, this);
    new ResizeObserver(() => this.refresh()).observe(root);
  }

  get size() { return { width: this.root.clientWidth, height: this.root.clientHeight }; }

  /** The panes as they are now; the fourth place is left to the projection or the solid. */
  get panes() {
    const places = this.places();
    const names = this.single ? [this.active] : this.order;
    return names.map((name, n) => {
      const plane = PLANES[name];
      const scale = Math.min(...names.map((other, m) => fitting(PLANES[other], places[m], this.grid))) * this.zoom;
      return pane(plane, places[n], this.zoom === 1 ? this.grid.shape.map((v) => (v - 1) / 2) : this.centre, scale, this.grid.spacing);
    });
  }

  /** Rectangles: one, or two by two. */
  places() {
    const { width, height } = this.size;
    if (this.single) return [{ left: 0, top: 0, width, height }];
    const [w, h] = [(width - GAP) / 2, (height - GAP) / 2];
    return [[0, 0], [1, 0], [0, 1], [1, 1]].map(([i, j]) => ({ left: i * (w + GAP), top: j * (h + GAP), width: w, height: h }));
  }

  paneAt(x, y) { return this.panes.find((one) => within(one.rect, x, y)) ?? null; }

  get pane() { return this.panes.find((one) => one.plane.name === this.active); }

  /** Voxel with fractions under a pointer event, in a pane. */
  voxel(event, one) {
    const box = this.over.getBoundingClientRect();
    return voxelAt(one, event.clientX - box.left, event.clientY - box.top, this.cursor);
  }

  /** Put the cursor on a voxel. */
  go(voxel) {
    this.cursor = clamped(voxel, this.grid.shape);
    this.dispatchEvent(new Event("cursor"));
    this.refresh();
  }

  /** Step the active plane's slice. */
  step(count) {
    const next = [...this.cursor];
    next[PLANES[this.active].depth] += count;
    this.go(next);
  }

  activate(name) {
    if (name === this.active) return;
    this.active = name;
    this.refresh();
  }

  /** Zoom by a factor about a voxel, which keeps its place on the screen. */
  zoomBy(factor, voxel = this.cursor) {
    const from = this.zoom === 1 ? this.grid.shape.map((v) => (v - 1) / 2) : this.centre;
    const zoom = Math.min(ZOOM[1], Math.max(ZOOM[0], this.zoom * factor));
    this.centre = from.map((c, a) => voxel[a] + ((c - voxel[a]) * this.zoom) / zoom);
    this.zoom = Math.abs(zoom - 1) < 1e-6 ? 1.000001 : zoom;
    this.refresh();
  }

  /** Move the picture by pixels of a pane. */
  pan(one, dx, dy) {
    if (this.zoom === 1) this.centre = this.grid.shape.map((v) => (v - 1) / 2);
    this.zoom = this.zoom === 1 ? 1.000001 : this.zoom;
    this.centre[one.plane.across] -= dx / one.dx;
    this.centre[one.plane.up] -= dy / one.dy;
    this.refresh();
  }

  fit() {
    this.zoom = 1;
    this.refresh();
  }

  /** Show a box of voxels (low, high) large. */
  look(low, high) {
    this.zoom = 1;
    const one = this.pane;
    const mm = [one.plane.across, one.plane.up].map((a) => (high[a] - low[a] + 1) * this.grid.spacing[a] + 30);
    const wanted = Math.min(one.rect.width / mm[0], one.rect.height / mm[1]);
    this.centre = low.map((v, a) => (v + high[a]) / 2);
    this.zoom = Math.max(1.000001, Math.min(ZOOM[1], wanted / one.scale));
    this.refresh();
  }

  /** Draw again with the next frame. `viewer` is the Planes of viewer.js, once it is there. */
  refresh() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (!this.size.width) return;
      const panes = this.panes;
      this.#picture(panes);
      this.painter.paint(panes);
      this.dispatchEvent(new Event("drawn"));
    });
  }

  /** The viewer holds another image: the next frame shows it. */
  changed() {
    this.drawnAs = null;
    this.refresh();
  }

  // The picture below is drawn only when it differs: a stroke repaints nothing but what lies over it.
  #picture(panes) {
    if (!this.viewer) return;
    const as = JSON.stringify([panes, this.cursor, this.size]);
    if (as !== this.drawnAs) this.viewer.draw(panes, this.cursor, this.size);
    this.drawnAs = as;
  }

  pixel(voxel, name = this.active) {
    const one = this.panes.find((p) => p.plane.name === name);
    return one ? pixelOf(one, voxel) : null;
  }
}
