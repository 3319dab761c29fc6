// What a reader decides: images, revisions, approval, second reads, consensus; and how conflicts are settled.

import { casePath, get, put, send } from "./api.js";
import { ask, cc, say, when } from "./dom.js";

const SAVED_FIRST = ["approved", "second read"];

export class Decider {
  constructor(page) {
    this.page = page;
    this.quality = null;
    this.corrupted = false;
    this.rows = [];
  }

  /** The rating that the reader gave before, once: what she changes here is hers. */
  take(of) {
    if (this.taken) return;
    this.taken = true;
    this.quality = of.reader.quality ?? null;
    this.corrupted = of.reader.corrupted === true;
  }

  state() { return { quality: this.quality, corrupted: this.corrupted, agreement: this.rows, compared: this.compared ?? [] }; }

  acts() {
    return {
      save: () => this.#safe(() => this.save()),
      approve: () => this.#safe(() => this.#decide("approved")),
      reject: () => this.#safe(() => this.#reject()),
      second: () => this.#safe(() => this.#decide("second read")),
      takeBack: () => this.#safe(() => this.#decide("waiting")),
      acceptImages: () => this.#safe(() => this.#images("accepted", "")),
      rejectImages: () => this.#safe(() => this.#rejectImages()),
      rate: (value) => { this.quality = this.quality === value ? null : value; this.page.refresh(); },
      corrupt: (value) => { this.corrupted = value; },
      next: () => this.#safe(() => this.#next()),
      itksnap: () => { location.href = casePath(this.page.caseId, "handoff", { tool: "itk-snap" }); },
      slicer: () => { location.href = casePath(this.page.caseId, "handoff", { tool: "slicer" }); },
      upload: () => this.#safe(() => this.#upload()),
      consensus: () => this.#consensus(),
      compare: (row) => this.page.startFrom(row),
    };
  }

  // One decision at a time; what goes wrong is said, never swallowed.
  async #safe(work) {
    if (this.busy) return;
    this.busy = true;
    try {
      await work();
    } catch (error) {
      this.page.failed(error);
    } finally {
      this.busy = false;
    }
  }

  get #query() { return this.page.consensus ? { chain: "consensus" } : {}; }

  /** A revision of what is on the screen; gives whether the chain now ends with it. */
  async save() {
    const { page } = this;
    try {
      const row = await page.keeper.revision();
      say(`Revision ${row.revision} saved: ${cc(row.volume_cc)} cc.`);
    } catch (error) {
      if (error.status !== 409) throw error;
      if (!(await this.#conflict(error))) return false;
    }
    await page.reload();
    return true;
  }

  // Somebody saved first: nothing is overwritten unless the reader, who sees by whom, wants a revision on top.
  async #conflict(error) {
    const { winner, etag } = error.more;
    const who = winner ? `${winner.reader} saved revision ${winner.revision} on ${when(winner.when)}${winner.volume_cc === null ? "" : `: ${cc(winner.volume_cc)} cc`}.` : error.message;
    const { action } = await ask({
      title: "Another save came first",
      text: [who, "Your mask is kept in this browser and as a draft. Both revisions stay in the history."],
      actions: [{ name: "over", label: "Save mine as the next revision", primary: true }, { name: "theirs", label: "Look at theirs" }, { name: "cancel", label: "Leave it" }],
    });
    if (action === "theirs" && winner?.url) {
      await this.page.startFrom({ url: winner.url, parent: `${winner.chain}:${winner.revision}`, label: `${winner.reader}'s revision ${winner.revision}` });
      this.page.keeper.base = winner.revision;
    }
    if (action !== "over") return false;
    const row = await this.page.keeper.revision(etag);
    say(`Revision ${row.revision} saved on top: ${cc(row.volume_cc)} cc.`);
    return true;
  }

  // Something to save: no revision yet, or edits since the last one.
  get #unsaved() {
    const { keeper, editor, chain } = this.page;
    return chain.revision === 0 || editor.edits !== keeper.revisedAt;
  }

  async #decide(state, reason = "") {
    const { page } = this;
    if (SAVED_FIRST.includes(state) && this.#unsaved && !(await this.save())) return;
    const { panel, caseId } = page;
    // a mask is approved as it is on the screen: where the chain went on elsewhere, the server refuses
    const revision = SAVED_FIRST.includes(state) ? page.keeper.base : page.chain.revision;
    const body = { state, revision, reason, comment: panel.comment.value.trim(), quality: this.quality, corrupted: this.corrupted };
    try {
      await put(casePath(caseId, "decision", this.#query), body, { seen: `"${revision}"` });
    } catch (error) {
      if (error.status !== 409) throw error;
      await page.reload();
      throw error;
    }
    panel.comment.value = "";
    await page.reload();
    say({ approved: "Approved.", rejected: "Rejected.", "second read": "A second read is asked for.", waiting: "Taken back." }[state], { action: { label: "Next case", run: () => this.#next() } });
  }

  async #reject() {
    const { action, values } = await ask({
      title: "Reject this case", text: "It gets no STV. The reason stands in the log.",
      fields: [{ name: "reason", label: "Reason", kind: "area", required: "ok" }],
      actions: [{ name: "ok", label: "Reject", primary: true }, { name: "cancel", label: "Cancel" }],
    });
    if (action) await this.#decide("rejected", values.reason);
  }

  async #rejectImages() {
    const { action, values } = await ask({
      title: "Reject the images", text: "As after every preprocessing step in the paper. The reason stands in the log.",
      fields: [
        { name: "kind", label: "What is wrong", kind: "choice", options: ["motion between phases", "artefact", "wrong contrast phase", "bias field", "cut off", "something else"].map((w) => [w, w]) },
        { name: "reason", label: "In words", kind: "area" },
      ],
      actions: [{ name: "ok", label: "Reject the images", primary: true }, { name: "cancel", label: "Cancel" }],
    });
    if (action) await this.#images("rejected", [values.kind, values.reason].filter(Boolean).join(": "));
  }

  async #images(state, reason) {
    const body = { state, reason, quality: this.quality, corrupted: this.corrupted };
    await put(casePath(this.page.caseId, "images"), body);
    await this.page.reload();
    say(`Images ${state}.`);
  }

  async #next() {
    this.page.keeper.flush();
    const { cases } = await get("/api/cases");
    const here = cases.findIndex((c) => c.case_id === this.page.caseId);
    const ring = [...cases.slice(here + 1), ...cases.slice(0, here)];
    const found = ring.find((c) => ["waiting", "draft", "second read"].includes(c.state));
    location.href = found ? `/case/${encodeURIComponent(found.case_id)}` : "/";
  }

  async #upload() {
    const { action, values } = await ask({
      title: "Bring a mask back", text: "NIfTI, .seg.nrrd or DICOM SEG, drawn on this case's images. Its grid is checked; it becomes your next revision.",
      fields: [{ name: "file", label: "File", kind: "file", required: "ok" }],
      actions: [{ name: "ok", label: "Bring it back", primary: true }, { name: "cancel", label: "Cancel" }],
    });
    if (!action || !values.file) return;
    const { page } = this;
    const row = await send("POST", casePath(page.caseId, "import", { ...this.#query, name: values.file.name }), values.file, { seen: page.chain.etag });
    await page.reload();
    const start = { url: row.url, parent: `${row.chain}:${row.revision}`, label: `revision ${row.revision}, brought back` };
    if (await page.startFrom(start)) await page.keeper.rests(row); // it is that revision already, with what was drawn on the acquired grid
  }

  #consensus() {
    const url = new URL(location.href);
    if (this.page.consensus) url.searchParams.delete("chain");
    else url.searchParams.set("chain", "consensus");
    this.page.keeper.flush();
    location.href = url;
  }

  /** Agreement between readers, where there are two and nothing is hidden. */
  async compare() {
    const readers = new Set(this.page.of.reader.history.filter((row) => row.url && row.chain === row.reader).map((row) => row.chain));
    if (this.page.of.blind || readers.size < 2) return;
    try {
      const { pairs, starts } = await get(casePath(this.page.caseId, "agreement"));
      const number = (value, digits) => (value === null || value === undefined ? "–" : value.toFixed(digits));
      this.rows = pairs.map((p) => [`${p.a} / ${p.b}`, number(p.dice, 3), number(p.mean_surface_distance_mm, 2), number(p.hausdorff95_mm, 1), `${cc(p.volume_a_cc)} / ${cc(p.volume_b_cc)}`]);
      this.compared = starts.map((start) => ({ ...start, parent: start.name }));
      this.page.refresh();
    } catch (error) {
      this.page.failed(error);
    }
  }
}
