// The mask being edited: its labels, its history, its volumes. Says what changed by events: "draw" while a stroke runs,
// "edit" when one is done, undone or done again.

import { fromRas, voxelCc } from "./nifti.js";
import { gained, History } from "./history.js";
import * as tools from "./tools.js";

export class Editor extends EventTarget {
  constructor(grid) {
    super();
    this.grid = grid;
    this.label = tools.PRIMARY;
    this.begin(new Uint8Array(grid.shape[0] * grid.shape[1] * grid.shape[2]), "blank");
  }

  /** A new start: `mask` holds labels in RAS order, `start` says where it is from. Nothing before it can be undone. */
  begin(mask, start) {
    this.mask = mask;
    this.start = start;
    this.startMask = mask.slice();
    this.history = new History(mask);
    this.counts = tools.counts(mask);
    this.version = (this.version ?? 0) + 1;
    this.edits = 0;
    this.#say("edit");
  }

  /** Put labels in place of what there is, as an edit that can be undone, and `start` with it. */
  replace(mask, name, start = this.start) {
    const before = this.start;
    this.start = start;
    this.mask.set(mask);
    const runs = this.history.commit(name);
    if (runs.length && start !== before) Object.assign(this.history.edits.at(-1), { before, start });
    this.#count(runs, false);
  }

  /** Volumes in cc of labels 1 and 2 as they stand, an unfinished stroke included. */
  get volumes() {
    const runs = this.history.pending();
    return [tools.PRIMARY, tools.SATELLITE].map((v) => (this.counts[v] + gained(runs, v)) * voxelCc(this.grid));
  }

  /** A stroke goes on: `change(mask)` draws into the mask. */
  drawing(change) {
    change(this.mask);
    this.version++;
    this.#say("draw");
  }

  /** A stroke is finished. */
  done(name) {
    this.#count(this.history.commit(name), false);
  }

  /** One whole edit. */
  edit(name, change) {
    change(this.mask);
    this.done(name);
  }

  undo() { return this.#step(this.history.undo(), true); }

  redo() { return this.#step(this.history.redo(), false); }

  /** Take an unfinished stroke back. */
  cancel() {
    this.history.drop();
    this.version++;
    this.#say("draw");
  }

  restart() { this.replace(this.startMask, "restore"); }

  /** The labels as the server wants them: the file's own order, first index fastest. */
  voxels() { return fromRas(this.mask, this.grid); }

  #step(edit, back) {
    if (edit?.start) this.start = back ? edit.before : edit.start;
    if (edit) this.#count(edit.runs, back);
    return edit?.name ?? null;
  }

  #count(runs, back) {
    if (!runs.length) return;
    for (const value of [0, 1, 2]) this.counts[value] += (back ? -1 : 1) * gained(runs, value);
    this.version++;
    this.edits++;
    this.#say("edit");
  }

  #say(kind) { this.dispatchEvent(new Event(kind)); }
}

