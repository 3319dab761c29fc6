// What is drawn over the pictures, in the voxels' own coordinates: mask, guide outline, box, colours, cross, letters, ruler.

import { at } from "./tools.js";
import { pixelOf } from "./planes.js";
import { RAMP, serColour } from "./images.js";

export const COLOURS = { 1: [255, 176, 32], 2: [255, 92, 190], ftv: [0, 224, 255], voi: [236, 240, 243] };
const css = ([r, g, b], alpha = 1) => `rgba(${r}, ${g}, ${b}, ${alpha})`;

export class Painter {
  constructor(canvas, stage) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.stage = stage;
    this.shown = { mask: true, ftv: true, voi: true, cross: true };
    this.labels = null; // {mask, version}: the editor
    this.guide = null; // FTV in RAS order
    this.colours = null; // a map in RAS order, or null
    this.projections = null; // {plane name: ImageBitmap} while the MIP is shown
    this.inset = null; // {plane, bitmap}: the projection in the fourth place
    this.box = null; // corner voxels of the VOI, 8 x 3
    this.drawing = null; // {kind: "disc", pane, voxel, radius} or {kind: "contour", pane, points}
    this.kept = new Map();
  }

  paint(panes) {
    const { canvas, context, stage } = this;
    const ratio = devicePixelRatio || 1;
    const { width, height } = stage.size;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    for (const one of panes) this.#pane(one, ratio);
    if (this.inset && !stage.single) this.#inset(stage.places()[3]);
  }

  #pane(one, ratio) {
    const { context } = this;
    context.save();
    context.beginPath();
    context.rect(one.rect.left, one.rect.top, one.rect.width, one.rect.height);
    context.clip();
    this.#voxels(one, ratio, () => {
      if (this.projections) this.#bitmap(this.projections[one.plane.name], true);
      else if (this.colours) this.#bitmap(this.#coloured(one), true);
      if (this.shown.mask && this.labels && !this.projections) this.#bitmap(this.#slice(one).fill, false);
    });
    this.#outlines(one);
    if (this.shown.voi && this.box) this.#voi(one);
    if (this.shown.cross) this.#cross(one);
    if (this.drawing?.pane.plane === one.plane) this.#tool(one);
    this.#words(one);
    context.restore();
  }

  // Draw with voxels as units: the edge between voxels n and n + 1 is at n + 0.5.
  #voxels(one, ratio, draw) {
    this.context.save();
    this.context.transform(one.dx, 0, 0, one.dy, one.x0, one.y0);
    draw();
    this.context.restore();
  }

  #bitmap(bitmap, smooth) {
    if (!bitmap) return;
    this.context.imageSmoothingEnabled = smooth;
    this.context.drawImage(bitmap, -0.5, -0.5);
  }

  #outlines(one) {
    if (this.shown.ftv && this.guide && !this.projections) this.#stroke(one, this.#guideLine(one), css(COLOURS.ftv, 0.95), 1.1);
    if (!this.shown.mask || !this.labels || this.projections) return;
    const { lines } = this.#slice(one);
    for (const value of [1, 2]) this.#stroke(one, lines[value], css(COLOURS[value]), 1.6);
  }

  #stroke(one, path, style, width) {
    const moved = new Path2D();
    moved.addPath(path, new DOMMatrix([one.dx, 0, 0, one.dy, one.x0, one.y0]));
    this.context.strokeStyle = style;
    this.context.lineWidth = width;
    this.context.stroke(moved);
  }

  // The mask in this slice as a picture and as lines along the voxels' edges; kept until mask or slice change.
  #slice(one) {
    const slice = this.stage.cursor[one.plane.depth];
    return this.#once(`mask ${one.plane.name}`, `${slice} ${this.labels.version}`, () => {
      const cells = this.#cells(one.plane, slice, this.labels.mask);
      const fill = picture(cells, (value) => (value ? [...COLOURS[value], 62] : [0, 0, 0, 0]));
      return { fill, lines: { 1: outline(cells, (v) => v === 1), 2: outline(cells, (v) => v === 2) } };
    });
  }

  #guideLine(one) {
    const slice = this.stage.cursor[one.plane.depth];
    return this.#once(`guide ${one.plane.name}`, `${slice} ${this.guideVersion ?? 0}`, () => outline(this.#cells(one.plane, slice, this.guide), (v) => v > 0));
  }

  #coloured(one) {
    const slice = this.stage.cursor[one.plane.depth];
    return this.#once(`colours ${one.plane.name}`, `${slice}`, () => picture(this.#cells(one.plane, slice, this.colours), serColour));
  }

  #once(what, state, make) {
    const kept = this.kept.get(what);
    if (kept?.state === state) return kept.made;
    const made = make();
    this.kept.set(what, { state, made });
    return made;
  }

  #cells(plane, slice, data) {
    const { shape } = this.stage.grid;
    const [width, height] = [shape[plane.across], shape[plane.up]];
    const values = new data.constructor(width * height);
    const voxel = [0, 0, 0];
    voxel[plane.depth] = slice;
    for (let v = 0, n = 0; v < height; v++) {
      voxel[plane.up] = v;
      for (let u = 0; u < width; u++, n++) {
        voxel[plane.across] = u;
        values[n] = data[at(shape, voxel)];
      }
    }
    return { width, height, values };
  }

  // Where the box, which may lie obliquely, is cut by this slice: the hull of the edges' crossing points.
  #voi(one) {
    const { depth } = one.plane;
    const level = this.stage.cursor[depth];
    const points = [];
    for (const [a, b] of EDGES) {
      const [p, q] = [this.box[a], this.box[b]];
      if (p[depth] === q[depth] || (p[depth] - level) * (q[depth] - level) > 0) continue;
      const share = (level - p[depth]) / (q[depth] - p[depth]);
      points.push(pixelOf(one, p.map((v, n) => v + share * (q[n] - v))));
    }
    if (points.length < 3) return;
    const ring = around(points);
    this.context.strokeStyle = css(COLOURS.voi, 0.8);
    this.context.lineWidth = 1;
    this.context.setLineDash([6, 5]);
    this.context.beginPath();
    ring.forEach(([x, y], n) => (n ? this.context.lineTo(x, y) : this.context.moveTo(x, y)));
    this.context.closePath();
    this.context.stroke();
    this.context.setLineDash([]);
  }

  #cross(one) {
    const [x, y] = pixelOf(one, this.stage.cursor);
    const { left, top, width, height } = one.rect;
    const gap = 14;
    this.context.strokeStyle = "rgba(150, 205, 255, .55)";
    this.context.lineWidth = 1;
    this.context.beginPath();
    for (const [a, b, c, d] of [[left, y, x - gap, y], [x + gap, y, left + width, y], [x, top, x, y - gap], [x, y + gap, x, top + height]]) {
      this.context.moveTo(a, b);
      this.context.lineTo(c, d);
    }
    this.context.stroke();
  }

  #tool(one) {
    const { kind, voxel, radius, points, value } = this.drawing;
    this.context.strokeStyle = value === 0 ? "#fff" : css(COLOURS[value ?? 1]);
    this.context.lineWidth = 1.3;
    this.context.beginPath();
    if (kind === "disc") this.context.arc(...pixelOf(one, voxel), Math.max(2, radius * one.scale), 0, 2 * Math.PI);
    else {
      points.forEach((p, n) => {
        const whole = [0, 0, 0];
        [whole[one.plane.across], whole[one.plane.up]] = p;
        const [x, y] = pixelOf(one, whole);
        if (n) this.context.lineTo(x, y);
        else this.context.moveTo(x, y);
      });
    }
    this.context.stroke();
  }

  #words(one) {
    const { context, stage } = this;
    const { left, top, width, height } = one.rect;
    const { plane } = one;
    const [west, east, north, south] = plane.letters;
    context.font = "600 12px system-ui, sans-serif";
    context.fillStyle = "#d6dde3";
    context.textBaseline = "middle";
    context.shadowColor = "#000";
    context.shadowBlur = 3;
    const put = (text, x, y, align) => { context.textAlign = align; context.fillText(text, x, y); };
    put(west, left + 8, top + height / 2, "left");
    put(east, left + width - 8, top + height / 2, "right");
    put(north, left + width / 2, top + 12, "center");
    put(south, left + width / 2, top + height - 12, "center");
    context.font = "12px system-ui, sans-serif";
    context.fillStyle = stage.active === plane.name ? "#8fd0ff" : "#9aa6b0";
    const name = plane.name[0].toUpperCase() + plane.name.slice(1);
    put(`${name}  ${stage.cursor[plane.depth] + 1} / ${stage.grid.shape[plane.depth]}`, left + 8, top + 12, "left");
    context.shadowBlur = 0;
    this.#ruler(one);
    if (stage.active === plane.name && !stage.single) {
      context.strokeStyle = "rgba(95, 176, 240, .9)";
      context.lineWidth = 1;
      context.strokeRect(left + 0.5, top + 0.5, width - 1, height - 1);
    }
    if (this.colours) this.#scale(one.rect);
  }

  #ruler(one) {
    const length = [100, 50, 20, 10, 5, 2].find((mm) => mm * one.scale <= one.rect.width / 4) ?? 1;
    const [x, y] = [one.rect.left + one.rect.width - 12, one.rect.top + one.rect.height - 10];
    this.context.strokeStyle = this.context.fillStyle = "#c8d0d7";
    this.context.lineWidth = 1.5;
    this.context.beginPath();
    this.context.moveTo(x - length * one.scale, y);
    this.context.lineTo(x, y);
    this.context.stroke();
    this.context.textAlign = "right";
    this.context.font = "11px system-ui, sans-serif";
    this.context.fillText(length >= 10 ? `${length / 10} cm` : `${length} mm`, x, y - 8);
  }

  #scale({ left, top, height }) {
    const { context } = this;
    const [x, y, h] = [left + 10, top + height / 2 + 24, Math.min(120, height / 2 - 40)];
    const ramp = context.createLinearGradient(0, y + h, 0, y);
    RAMP.forEach((colour, n) => ramp.addColorStop(n / (RAMP.length - 1), css(colour)));
    context.fillStyle = ramp;
    context.fillRect(x, y, 8, h);
    context.fillStyle = "#c8d0d7";
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "left";
    for (const ratio of [0.5, 0.9, 1.1, 1.6]) context.fillText(ratio.toFixed(1), x + 13, y + h * (1 - (ratio - 0.5) / 1.1));
    context.fillText("SER", x, y - 10);
  }

  // The projection in the fourth place, with the cursor: where in the breast we are.
  #inset(rect) {
    const { context } = this;
    const { plane, bitmap } = this.inset;
    const { grid, cursor } = this.stage;
    const [w, h] = [plane.across, plane.up].map((a) => grid.shape[a] * grid.spacing[a]);
    const scale = Math.min(rect.width / w, rect.height / h);
    const [dx, dy] = [-scale * grid.spacing[plane.across], -scale * grid.spacing[plane.up]];
    const x0 = rect.left + rect.width / 2 - ((grid.shape[plane.across] - 1) / 2) * dx;
    const y0 = rect.top + rect.height / 2 - ((grid.shape[plane.up] - 1) / 2) * dy;
    context.save();
    context.transform(dx, 0, 0, dy, x0, y0);
    this.#bitmap(bitmap, true);
    context.restore();
    this.#insetMask(plane, [dx, dy, x0, y0]);
    const [x, y] = [x0 + cursor[plane.across] * dx, y0 + cursor[plane.up] * dy];
    context.strokeStyle = "rgba(150, 205, 255, .8)";
    context.lineWidth = 1;
    context.strokeRect(x - 6.5, y - 6.5, 13, 13);
    context.fillStyle = "#9aa6b0";
    context.font = "12px system-ui, sans-serif";
    context.textAlign = "left";
    context.fillText("Maximum projection of the subtraction", rect.left + 8, rect.top + 12);
    this.insetAt = { rect, dx, dy, x0, y0 };
  }

  #insetMask(plane, [dx, dy, x0, y0]) {
    if (!this.shown.mask || !this.labels) return;
    const path = this.#once("shadow", `${this.labels.edits} ${this.labels.start} ${plane.name}`, () => outline(this.#shadow(plane), (v) => v > 0));
    this.#stroke({ dx, dy, x0, y0 }, path, css(COLOURS[1]), 1.2);
  }

  #shadow(plane) {
    const { shape } = this.stage.grid;
    const [width, height] = [shape[plane.across], shape[plane.up]];
    const values = new Uint8Array(width * height);
    const { mask } = this.labels;
    for (let n = 0; n < mask.length; n++) {
      if (!mask[n]) continue;
      const voxel = [n % shape[0], Math.floor(n / shape[0]) % shape[1], Math.floor(n / (shape[0] * shape[1]))];
      values[voxel[plane.across] + width * voxel[plane.up]] = 1;
    }
    return { width, height, values };
  }

  /** The voxel under a pixel of the fourth place, or null. */
  insetVoxel(x, y) {
    const there = this.inset && !this.stage.single && this.insetAt;
    if (!there || x < there.rect.left || y < there.rect.top) return null;
    const voxel = [...this.stage.cursor];
    voxel[this.inset.plane.across] = (x - there.x0) / there.dx;
    voxel[this.inset.plane.up] = (y - there.y0) / there.dy;
    return voxel;
  }
}

// Corners are given with i fastest, then j, then k: these pairs differ in one of the three.
const EDGES = [];
for (let n = 0; n < 8; n++) for (const bit of [1, 2, 4]) if (!(n & bit)) EDGES.push([n, n | bit]);

function around(points) {
  const x = points.reduce((sum, p) => sum + p[0], 0) / points.length;
  const y = points.reduce((sum, p) => sum + p[1], 0) / points.length;
  return points.sort((p, q) => Math.atan2(p[1] - y, p[0] - x) - Math.atan2(q[1] - y, q[0] - x));
}

function picture({ width, height, values }, colour) {
  const data = new ImageData(width, height);
  for (let n = 0; n < values.length; n++) {
    const value = values[n];
    if (value) data.data.set(colour(value), 4 * n);
  }
  return drawn(data);
}

/** A picture of grey values, opaque. */
export function greyPicture({ width, height, grey }) {
  const data = new ImageData(width, height);
  for (let n = 0; n < grey.length; n++) data.data.set([grey[n], grey[n], grey[n], 255], 4 * n);
  return drawn(data);
}

function drawn(data) {
  const canvas = new OffscreenCanvas(data.width, data.height);
  canvas.getContext("2d").putImageData(data, 0, 0);
  return canvas;
}

// Lines along the edges between cells that belong and cells that do not.
function outline({ width, height, values }, belongs) {
  const path = new Path2D();
  const is = (u, v) => u >= 0 && v >= 0 && u < width && v < height && belongs(values[u + width * v]);
  for (let v = 0; v <= height; v++) {
    for (let u = 0; u <= width; u++) {
      const here = is(u, v);
      if (here !== is(u - 1, v)) { path.moveTo(u - 0.5, v - 0.5); path.lineTo(u - 0.5, v + 0.5); }
      if (here !== is(u, v - 1)) { path.moveTo(u - 0.5, v - 0.5); path.lineTo(u + 0.5, v - 0.5); }
    }
  }
  return path;
}

