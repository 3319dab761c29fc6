// Nothing drawn is lost: every edit goes at once into this browser (shelf.js) and a little later to the server as a draft.

import { casePath, gunzip, gzip, put } from "./api.js";
import * as shelf from "./shelf.js";
import { toRas } from "./nifti.js";

const LOCAL_MS = 250;
const SERVER_MS = 5000;
const STROKE_MS = 1000;
const IDLE_MS = 60000;

const keyOf = (of) => [of.cohort, of.caseId, of.reader, of.chain, of.images].join("\n");

export class Keeper extends EventTarget {
  /** of: {cohort, caseId, reader, chain, images: what tells its images from others}; editor; etag: the draft's; base: the newest revision of the chain. */
  constructor(of, editor, { etag = '"0"', base = 0, active = 0 } = {}) {
    super();
    Object.assign(this, { of, editor, etag, base, active });
    this.state = "saved"; // saved, local (not yet sent), away (server not reached), locked (another server's cookie), stale (another tab)
    this.key = keyOf(of);
    this.query = of.chain ? { chain: of.chain } : {};
    this.seen = Date.now();
    editor.addEventListener("edit", () => this.#changed(LOCAL_MS));
    editor.addEventListener("draw", () => this.#changed(STROKE_MS));
    addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden") this.flush(true); });
    addEventListener("pagehide", () => this.flush(true));
    for (const kind of ["pointerdown", "pointermove", "keydown", "wheel"]) addEventListener(kind, () => this.#alive(), { passive: true, capture: true });
  }

  /** What this browser holds that the server has not, in RAS order: {mask, record}, or null. */
  static async unsent(of, grid) {
    const record = await shelf.kept(keyOf(of));
    if (!record || record.sent) return null;
    const voxels = await gunzip(record.voxels);
    return voxels.length === grid.shape.reduce((p, n) => p * n, 1) ? { mask: toRas(voxels, grid), record } : null;
  }

  /** After `begin` of the editor: nothing to keep yet. */
  clean() {
    clearTimeout(this.soon);
    clearTimeout(this.later);
    this.soon = this.later = null;
    this.dirty = false;
    this.#is("saved");
  }

  /** Seconds of work since the last revision: time between actions of this tab, pauses of a minute left out. */
  #alive() {
    const now = Date.now();
    if (now - this.seen < IDLE_MS) this.active += (now - this.seen) / 1000;
    this.seen = now;
  }

  #changed(delay) {
    this.dirty = true;
    this.soon ??= setTimeout(() => { this.soon = null; this.#local().catch((error) => this.#fail(error)); }, delay);
    this.later ??= setTimeout(() => { this.later = null; this.server(); }, SERVER_MS);
    if (this.state !== "away" && this.state !== "stale") this.#is("local");
  }

  async #local(sent = false) {
    const voxels = await gzip(this.editor.voxels());
    await shelf.keep({
      key: this.key, voxels, saved: Date.now(), base: this.base, start: this.editor.start, active: this.active, sent,
    });
    return voxels;
  }

  /** Send the draft now; `keepalive` when the page goes away. */
  async server(keepalive = false) {
    if (!this.dirty || this.busy) return;
    this.busy = true;
    this.dirty = false;
    try {
      const voxels = await this.#local();
      const path = casePath(this.of.caseId, "draft", { ...this.query, active: Math.round(this.active), start: this.editor.start, base: this.base });
      const answer = await put(path, voxels, { seen: this.etag, keepalive });
      this.etag = answer.etag;
      if (!this.dirty) await this.#local(true);
      this.#is(this.dirty ? "local" : "saved");
    } catch (error) {
      this.dirty = true;
      this.#fail(error);
    } finally {
      this.busy = false;
      if (this.dirty && this.state !== "stale") this.later ??= setTimeout(() => { this.later = null; this.server(); }, SERVER_MS);
    }
  }

  /** Send what was restored and the server has not. */
  resend() {
    this.dirty = true;
    this.#is("local");
    return this.server();
  }

  flush(keepalive = false) {
    if (!this.dirty) return;
    clearTimeout(this.soon);
    this.soon = null;
    this.server(keepalive);
  }

  /** Another tab's draft is the newer one: save this one over it. */
  takeOver() {
    this.etag = this.theirs;
    return this.resend();
  }

  /** Make a revision of what is drawn. Gives the server's row; throws Refused 409 with the winner. */
  async revision(seen = `"${this.base}"`) {
    while (this.busy) await new Promise((next) => setTimeout(next, 30));
    const edits = this.editor.edits;
    const voxels = await this.#local();
    const path = casePath(this.of.caseId, "mask", { ...this.query, active: Math.round(this.active), start: this.editor.start });
    const row = await put(path, voxels, { seen });
    await this.rests(row, edits);
    return row;
  }

  /** What was drawn after so many `edits` is the revision `row` of the server, which has ended its draft. */
  async rests(row, edits = this.editor.edits) {
    this.base = row.revision;
    this.revisedAt = edits;
    this.etag = '"0"';
    this.active = 0;
    this.editor.start = `${row.chain}:${row.revision}`;
    if (this.editor.edits !== edits) return;
    this.clean();
    await this.#local(true);
  }

  #fail(error) {
    if (error.status === 409) this.theirs = error.more.etag;
    this.problem = error.message;
    this.#is({ 0: "away", 401: "locked", 409: "stale" }[error.status] ?? "refused");
  }

  #is(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}

