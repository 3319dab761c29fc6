// The volume of interest: shown as a box, drawn or typed anew, and the FTV that the server recomputes for it.

import { casePath, put } from "./api.js";
import { ask, say } from "./dom.js";
import { readOnto } from "./images.js";
import { toVoxel, toWorld } from "./nifti.js";

export class Voi {
  constructor(page) {
    this.page = page;
    this.now = null; // {first, last, ftv, kept} once it was changed
  }

  get #voi() { return this.page.of.voi; }

  ftv() { return this.now?.ftv ?? this.page.of.ftv; }

  state() { return this.now; }

  acts() {
    return { voi: () => this.#typed(), drawVoi: () => this.page.tool("box"), keepVoi: () => this.#keep(), dropVoi: () => this.#drop() };
  }

  /** Put the box on the stage. */
  show() {
    if (!this.#voi) return;
    const corners = this.now ? this.#corners(this.now) : this.#voi.box_mm;
    this.page.stage.painter.box = corners.map((mm) => toVoxel(this.page.grid, mm));
    this.page.stage.refresh();
  }

  #corners({ first, last }) {
    const ends = [0, 1, 2].map((a) => [first[a] - 0.5, last[a] + 0.5]);
    const found = [];
    for (const k of ends[2]) for (const j of ends[1]) for (const i of ends[0]) found.push(toWorld(this.#voi.acquired, [i, j, k]));
    return found;
  }

  #box() { return this.now ?? this.#voi.box; }

  /** A rectangle was dragged in a plane, from and to in voxels of the 1 mm grid: the box keeps its depth. */
  drawn(plane, from, to) {
    if (!this.#voi) return;
    const { acquired } = this.#voi;
    const box = this.#box();
    const [p, q] = [from, to].map((voxel) => toVoxel(acquired, toWorld(this.page.grid, voxel)));
    const deep = [0, 1, 2].reduce((best, a) => (this.#along(a, plane.depth) > this.#along(best, plane.depth) ? a : best), 0);
    const limit = (v, a) => Math.min(acquired.shape[a] - 1, Math.max(0, Math.round(v)));
    const first = [0, 1, 2].map((a) => (a === deep ? box.first[a] : limit(Math.min(p[a], q[a]), a)));
    const last = [0, 1, 2].map((a) => (a === deep ? box.last[a] : limit(Math.max(p[a], q[a]), a)));
    this.change(first, last);
  }

  // How much an axis of the acquired grid runs along a direction of the 1 mm grid.
  #along(axis, direction) {
    const [a, b] = [this.#voi.acquired.affine, this.page.grid.affine];
    return Math.abs([0, 1, 2].reduce((sum, row) => sum + a[row][axis] * b[row][direction], 0)) / this.#voi.acquired.spacing_mm[axis];
  }

  /** Recompute the FTV in a box of acquired voxels, both ends inside; with `keep` for `uptake run`. */
  async change(first, last, keep = false) {
    const { page } = this;
    try {
      const answer = await put(casePath(page.caseId, "voi", keep ? { keep: 1 } : {}), { first, last });
      this.now = { first, last, ftv: answer.ftv, kept: keep };
      page.stage.painter.guide = await readOnto(answer.mask, page.grid);
      page.stage.painter.guideVersion = (page.stage.painter.guideVersion ?? 0) + 1;
      this.show();
      page.refresh();
      say(`FTV in this volume of interest: ${answer.ftv.ftv_ser_cc.toFixed(2)} cc.`);
    } catch (error) {
      page.failed(error);
    }
  }

  #keep() { return this.change(this.now.first, this.now.last, true); }

  async #drop() {
    const { page } = this;
    if (this.now?.kept || this.#voi.source === "reader") {
      await put(casePath(page.caseId, "voi"), { drop: true }).then(() => say("The next `uptake run` uses the study's own box."), (error) => page.failed(error));
    }
    this.now = null;
    page.stage.painter.guide = await page.images.ifThere("ftv");
    page.stage.painter.guideVersion = (page.stage.painter.guideVersion ?? 0) + 1;
    this.show();
    page.refresh();
  }

  async #typed() {
    const { first, last } = this.#box();
    const { shape } = this.#voi.acquired;
    const { action, values } = await ask({
      title: "Volume of interest",
      text: `First and last voxel (i, j, k) of the acquired grid, both inside; it has ${shape.join(" x ")}.`,
      fields: [{ name: "first", label: "First", value: first.join(", "), required: true }, { name: "last", label: "Last", value: last.join(", "), required: true }],
      actions: [{ name: "ok", label: "Recompute the FTV", primary: true }, { name: "cancel", label: "Cancel" }],
    });
    if (!action) return;
    const read = (text) => text.split(/[\s,;]+/).filter(Boolean).map(Number);
    const [low, high] = [read(values.first), read(values.last)];
    if ([low, high].some((v) => v.length !== 3 || v.some((n) => !Number.isInteger(n)))) return say("Three whole numbers each, as 40, 72, 9.", { bad: true });
    await this.change(low, high);
  }
}
