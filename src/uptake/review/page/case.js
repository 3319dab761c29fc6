// The page of one case: brings pictures, mask, tools, keeping and deciding together.

import { casePath, get, post, Refused, volume } from "./api.js";
import { caseKeys, SWITCHES } from "./casekeys.js";
import { curve } from "./curve.js";
import { Decider } from "./decider.js";
import { ask, el, one, say } from "./dom.js";
import { Editor } from "./editor.js";
import { Hands, TOOLS } from "./hands.js";
import { Images, readOnto, VIEWS } from "./images.js";
import { Keeper } from "./keep.js";
import { orientation, toWorld } from "./nifti.js";
import { COLOURS, greyPicture } from "./painter.js";
import { Panel } from "./panel.js";
import { PLANES } from "./planes.js";
import { HELPERS, Rail } from "./rail.js";
import { ended, session } from "./reader.js";
import { Stage } from "./stage.js";
import { at, bounds } from "./tools.js";
import { Planes, Solid } from "./viewer.js";
import { Voi } from "./voi.js";

const EMPTY = { label: "an empty mask", parent: "blank" };

class Case {
  constructor(of, who, grid, began) {
    Object.assign(this, { of, who, grid, began });
    this.caseId = of.case_id;
    this.consensus = new URLSearchParams(location.search).get("chain") === "consensus";
    this.images = new Images(of, grid, { early: began.early });
    this.editor = new Editor(grid);
    this.stage = new Stage(one("#stage"), grid, acquiredSpacing(of, grid));
    this.view = "early";
    this.decider = new Decider(this);
    this.voi = new Voi(this);
    this.hands = new Hands(this.stage, this.editor, this.#handActs());
    this.panel = new Panel(one("#panel"), { ...this.decider.acts(), ...this.voi.acts(), startFrom: (start) => this.startFrom(start) });
    this.rail = new Rail(one("#rail"), { hands: this.hands, editor: this.editor, stage: this.stage, act: this.#railActs() });
    this.stage.painter.labels = this.editor;
    this.keys = caseKeys(this);
  }

  get chain() { return this.consensus ? this.of.consensus : this.of.reader; }

  /** Load what drawing needs: the first post-contrast image, the start, the guide; then the rest. */
  async open() {
    this.#frame();
    const [viewer, start] = await Promise.all([this.began.planes, this.#start(), this.images.voxels("early")]);
    await viewer.begin(this.grid);
    this.editor.begin(start.mask, start.parent);
    this.keeper = new Keeper(this.where, this.editor, { etag: this.#draft?.etag, base: start.base ?? this.chain.revision, active: start.active });
    this.keeper.revisedAt = start.said ? -1 : this.editor.edits; // what was restored is no revision yet
    this.keeper.addEventListener("state", () => this.#kept());
    if (start.unsent) this.keeper.resend();
    this.stage.viewer = viewer;
    await this.show("early");
    this.#listen();
    const box = bounds(this.editor.mask, this.grid.shape);
    if (box) this.stage.go(middle(this.editor.mask, this.grid.shape, box));
    this.refresh();
    one("#loading").hidden = true;
    document.body.dataset.state = "ready";
    if (start.said) say(start.said, { action: { label: start.other ? "Take the other" : "Start over", run: () => this.startFrom(start.other ?? this.of.starts[0] ?? EMPTY) } });
    await this.#rest();
  }

  async #rest() {
    this.stage.painter.guide = await this.images.ifThere("ftv");
    this.voi.show();
    await Promise.all(["pre", "late"].map((name) => this.images.voxels(name)));
    if (!(await this.images.ifThere("ser"))) document.querySelector("#views [data-view=ser]").disabled = true;
    const plane = PLANES[this.stage.first];
    this.stage.painter.inset = { plane, bitmap: greyPicture(await this.images.projection(plane)) };
    this.stage.refresh();
    document.body.dataset.loaded = "all";
    this.decider.compare();
  }

  get where() {
    const { affine, shape } = this.of.grid; // with the window they tell cases apart that only share their name
    const images = JSON.stringify([shape, affine, this.of.window]);
    return { images, cohort: this.who.cohort, caseId: this.caseId, reader: this.who.reader, chain: this.consensus ? "consensus" : "" };
  }

  get #draft() { return this.consensus ? this.of.consensus_draft : this.of.draft; }

  // What this browser could not send or the server's draft, whichever is newer, else the first start.
  async #start() {
    const unsent = await Keeper.unsent(this.where, this.grid).catch(() => null);
    const older = unsent && this.#draft && Date.parse(this.#draft.saved) > unsent.record.saved; // drawn in another browser since
    if (unsent && !older) {
      const { record } = unsent;
      return { mask: unsent.mask, parent: record.start, active: record.active, base: record.base, unsent: true, said: `Restored what this browser had kept at ${new Date(record.saved).toLocaleTimeString()}.` };
    }
    const draft = this.#draft;
    if (draft) {
      const other = older ? { mask: unsent.mask, parent: unsent.record.start, label: "what this browser had kept" } : null;
      return { mask: await this.#labels(draft.url), parent: draft.start, active: draft.seconds_active, base: draft.base, other, said: `Restored your draft of ${new Date(draft.saved).toLocaleString()}${other ? "; this browser had kept an older one" : ""}.` };
    }
    const newest = this.consensus && this.chain.history.findLast((row) => row.url && row.chain === "consensus");
    const first = newest ? { url: newest.url, parent: `consensus:${newest.revision}` } : this.of.starts[0];
    if (!first) return { mask: new Uint8Array(this.grid.shape.reduce((p, n) => p * n, 1)), parent: "blank" };
    return { mask: await this.#labels(first.url), parent: first.parent };
  }

  async #labels(url) { return Uint8Array.from(await readOnto(url, this.grid)); }

  /** Put another mask in place of the one on the screen; can be undone. Says whether that came about. */
  async startFrom(start) {
    try {
      const mask = start.mask ?? (start.url ? await this.#labels(start.url) : new Uint8Array(this.editor.mask.length));
      this.editor.startMask = mask.slice();
      this.editor.replace(mask, `start from ${start.label}`, start.parent);
      this.refresh();
      say(`Now from ${start.label}.`);
      return true;
    } catch (error) {
      this.failed(error);
      return false;
    }
  }

  /** Ask which mask to start from. */
  async chooseStart() {
    const starts = [...this.of.starts, EMPTY];
    const { action, values } = await ask({
      title: "Start from", text: "It takes the place of what is drawn; the change can be undone.",
      fields: [{ name: "start", label: "Mask", kind: "choice", options: starts.map((s, n) => [`${n}`, s.label]) }],
      actions: [{ name: "ok", label: "Start from it", primary: true }, { name: "cancel", label: "Cancel" }],
    });
    if (action) await this.startFrom(starts[Number(values.start)]);
  }

  /** Show one of the pictures of VIEWS. */
  async show(name) {
    const view = VIEWS.find((v) => v.name === name);
    if (document.querySelector(`#views [data-view=${name}]`).disabled) return;
    this.view = name;
    const began = performance.now();
    const grey = await this.images.grey(view.base);
    if (this.view !== name) return; // another key was quicker
    this.stage.viewer.show(grey);
    const { painter } = this.stage;
    painter.colours = name === "ser" ? await this.images.voxels("colours") : null;
    painter.projections = name === "mip" ? await this.#projections() : null;
    if (this.view !== name) return;
    for (const button of document.querySelectorAll("#views [data-view]")) button.setAttribute("aria-pressed", String(button.dataset.view === name));
    this.stage.addEventListener("drawn", () => { document.body.dataset.switch = Math.round(performance.now() - began); document.body.dataset.view = name; }, { once: true });
    this.stage.changed();
  }

  async #projections() {
    const made = {};
    for (const plane of Object.values(PLANES)) made[plane.name] = greyPicture(await this.images.projection(plane));
    return made;
  }

  #handActs() {
    return {
      image: () => this.images.voxels(this.view === "pre" ? "pre" : VIEWS.find((v) => v.name === this.view).base),
      box: (plane, from, to) => this.voi.drawn(plane, from, to),
      window: () => ({ ...this.images.window }),
      windowed: (low, high) => this.windowed(low, high),
      deepest: (voxel, plane) => this.#deepest(voxel, plane),
    };
  }

  windowed(low, high) {
    this.images.window = { low, high };
    this.windowing ??= requestAnimationFrame(() => { this.windowing = null; this.show(this.view); });
  }

  #deepest(voxel, plane) {
    const found = [...voxel];
    const subtraction = this.subtraction;
    if (!subtraction) return found;
    let most = -Infinity;
    for (let d = 0; d < this.grid.shape[plane.depth]; d++) {
      const there = [...voxel];
      there[plane.depth] = d;
      const value = subtraction[at(this.grid.shape, there)];
      if (value > most) [most, found[plane.depth]] = [value, d];
    }
    return found;
  }

  #railActs() {
    return {
      tool: (name) => this.tool(name),
      label: (value) => this.label(value),
      help: (name) => this.help(name),
      undo: () => this.undo(),
      redo: () => this.redo(),
      restore: () => this.editor.restart(),
      starts: () => this.chooseStart(),
    };
  }

  tool(name) {
    this.hands.choose(name);
    this.rail.refresh();
    one("#hint").textContent = TOOLS[name].hint;
  }

  label(value) {
    this.editor.label = value;
    this.rail.refresh();
  }

  help(name) {
    const [, , , , change] = HELPERS.find(([other]) => other === name);
    const before = this.editor.edits;
    this.editor.edit(name, (mask) => change(mask, this.grid, this.stage));
    say(this.editor.edits > before ? `${name}: done` : `${name}: nothing to change`);
  }

  undo() { this.editor.undo(); }

  redo() { this.editor.redo(); }

  /** The case as the server has it now. */
  async reload() {
    this.of = await get(casePath(this.caseId));
    this.refresh();
  }

  refresh() {
    const { of } = this;
    this.decider.take(of);
    this.panel.show(of, { ...this.decider.state(), voi: this.voi.state(), consensus: this.consensus, chain: this.chain });
    const chip = (state, title) => el("span", { class: `chip ${state.replace(" ", "-")}`, title, textContent: state });
    one("#chips").replaceChildren(chip(of.state, "state of the case"), ...(of.images.state === "rejected" ? [chip("images rejected", of.images.reason)] : []), ...(this.consensus ? [chip("consensus", "the mask that the readers agree on")] : []));
    this.#volumes();
  }

  #volumes() {
    const { start } = this.editor;
    const words = this.of.starts.find((s) => s.parent === start)?.label ?? start;
    this.panel.showVolumes(this.editor.volumes, this.voi.ftv(), words);
  }

  #frame() {
    document.title = this.caseId;
    one("#title").textContent = this.caseId;
    one("#report").href = this.of.report;
    one("#report").hidden = this.of.blind;
    one("#flags").replaceChildren(...this.of.flags.slice(0, 3).map((f) => el("span", { class: `flag ${f.level}`, title: [f.text, f.remedy].filter(Boolean).join(" – "), textContent: f.check.replaceAll("_", " ") })));
    const button = (label, key, run, more) => el("button", { type: "button", click: run, ...more }, label, el("kbd", { textContent: key }));
    one("#views").append(
      ...VIEWS.map((v, n) => button(v.label, `${n + 1}`, () => this.show(v.name), { "data-view": v.name })), el("span", { class: "gap" }),
      ...SWITCHES.map(([name, label, key]) => button(label, key, () => this.toggle(name), { "data-toggle": name, "aria-pressed": String(name !== "solid") })));
    this.tool("look");
  }

  /** Show or hide mask, ftv, voi, cross; or the solid in the fourth place. */
  toggle(name) {
    if (name === "solid") return this.#toggleSolid();
    const { painter } = this.stage;
    painter.shown[name] = !painter.shown[name];
    this.#pressed(name, painter.shown[name]);
    this.stage.refresh();
    return undefined;
  }

  #pressed(name, on) { document.querySelector(`[data-toggle="${name}"]`).setAttribute("aria-pressed", String(on)); }

  async #toggleSolid() {
    const place = one("#solid");
    place.hidden = !place.hidden;
    this.#pressed("solid", !place.hidden);
    if (place.hidden) return;
    if (this.stage.single) this.single();
    if (!this.solid) {
      const solid = await Solid.on(one("#solid canvas"), this.grid);
      await solid.begin(await this.images.grey("subtraction"), this.editor.mask, [COLOURS[1], COLOURS[2]]);
      this.solid = solid;
    } else this.#solidMask();
  }

  #solidMask() {
    if (this.solid && !one("#solid").hidden) this.solid.mask(this.editor.mask);
  }

  single() {
    this.stage.single = !this.stage.single;
    if (this.stage.single && !one("#solid").hidden) this.#toggleSolid();
    this.stage.refresh();
  }

  #listen() {
    this.editor.addEventListener("edit", () => { this.#volumes(); this.stage.refresh(); this.#solidMask(); });
    this.editor.addEventListener("draw", () => {
      this.volumesSoon ??= requestAnimationFrame(() => { this.volumesSoon = null; this.#volumes(); });
      this.stage.refresh();
    });
    this.stage.addEventListener("cursor", () => this.#where(this.stage.cursor, true));
    this.stage.addEventListener("hover", (event) => this.#where(event.detail.map(Math.round), false));
    this.images.voxels("subtraction").then((voxels) => { this.subtraction = voxels; }, (error) => this.failed(error));
    const lease = () => post(casePath(this.caseId, "open")).then(({ open_by: names }) => { one("#others").textContent = names.length ? `open by ${names.join(", ")}` : ""; }, () => {});
    lease();
    setInterval(lease, 60000);
    addEventListener("pagehide", () => fetch(casePath(this.caseId, "close"), { method: "POST", keepalive: true, headers: { "X-Uptake": "1" } }));
    one("#picture").addEventListener("webglcontextlost", () => say("The graphics card gave up: load the page again. Nothing drawn is lost.", { bad: true }));
    one("#help").addEventListener("click", () => this.keyHelp());
  }

  #where(voxel, curveToo) {
    if (voxel.some((v, a) => v < 0 || v >= this.grid.shape[a])) return;
    const mm = toWorld(this.grid, voxel);
    const sides = [["L", "R"], ["P", "A"], ["I", "S"]];
    one("#where").textContent = mm.map((v, a) => `${sides[a][v >= 0 ? 1 : 0]} ${Math.abs(v).toFixed(1)}`).join("   ") + " mm";
    this.#value(voxel);
    if (!curveToo) return;
    clearTimeout(this.curveSoon);
    this.curveSoon = setTimeout(() => this.#curve(voxel, mm), 120);
  }

  async #value(voxel) {
    const data = await this.images.voxels(this.view === "ser" ? "ser" : VIEWS.find((v) => v.name === this.view).base);
    const value = data[at(this.grid.shape, voxel)];
    one("#value").textContent = `${VIEWS.find((v) => v.name === this.view).label}  ${value.toFixed(2)}`;
  }

  async #curve(voxel, mm) {
    try {
      const [x, y, z] = mm.map((v) => v.toFixed(3));
      const found = await get(casePath(this.caseId, "curve", { x, y, z }));
      const pe = found.pe === null || found.pe === undefined ? "" : `PE ${Math.round(found.pe)} %`;
      const ser = found.ser === null || found.ser === undefined ? "" : `SER ${Number(found.ser).toFixed(2)}`;
      curve(this.panel.curve, found.time_s, found.values, "raw intensity over time");
      this.panel.curveWords.textContent = ["raw intensity", pe, ser].filter(Boolean).join(" · ");
    } catch (error) {
      this.panel.curveWords.textContent = error.message;
    }
  }

  #kept() {
    const words = { saved: "all kept", local: "kept in this browser …", away: "the server is away: kept in this browser", locked: "the server was started anew: open its new link; kept in this browser", stale: "another tab saves this case", refused: this.keeper.problem };
    one("#kept").textContent = words[this.keeper.state];
    document.body.dataset.kept = this.keeper.state;
    if (this.keeper.state === "stale" && !this.staleSaid) {
      this.staleSaid = true;
      say("Another tab has saved a newer draft of this case.", { bad: true, action: { label: "Save this one over it", run: () => { this.staleSaid = false; this.keeper.takeOver(); } } });
    }
  }

  failed(error) {
    if (error instanceof Refused && error.status === 401) return ended(error);
    say(error.message, { bad: true });
    return undefined;
  }

  keyHelp() { ask({ title: "Keys", body: this.keys.help(el), actions: [{ name: "cancel", label: "Close", primary: true }] }); }
}

// Spacing of the acquired grid along right, front and head: which plane was acquired.
function acquiredSpacing(of, grid) {
  if (!of.voi) return grid.spacing;
  return orientation(of.voi.acquired.shape, of.voi.acquired.affine).spacing;
}

// A drawn voxel near the middle of the box: in the slice of each direction where most is drawn.
function middle(mask, shape, { low, high }) {
  const sums = [0, 1, 2].map((a) => new Int32Array(shape[a]));
  for (let z = low[2]; z <= high[2]; z++) {
    for (let y = low[1]; y <= high[1]; y++) {
      for (let x = low[0]; x <= high[0]; x++) {
        if (mask[at(shape, [x, y, z])]) [x, y, z].forEach((v, a) => { sums[a][v]++; });
      }
    }
  }
  return sums.map((sum) => sum.indexOf(Math.max(...sum)));
}

async function start() {
  const caseId = decodeURIComponent(location.pathname.split("/").pop());
  // What takes longest is begun at once: shaders are compiled and the first image is fetched while the rest is asked for.
  const began = { planes: Planes.on(one("#picture")), early: volume(casePath(caseId, "volumes/early")) };
  began.early.catch(() => {}); // said where it is awaited
  const [who, of] = await Promise.all([session(), get(casePath(caseId))]);
  const page = new Case(of, who, orientation(of.grid.shape, of.grid.affine), began);
  globalThis.uptake = page; // for the browser's console and for tests
  await page.open();
}

start().catch((error) => { ended(error); throw error; });
