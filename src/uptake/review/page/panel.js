// The panel at the right: volumes, curve, VOI, and everything that a reader decides.

import { cc, el, svg, when } from "./dom.js";

const RATINGS = ["not usable", "poor", "fair", "good", "excellent"];

export class Panel {
  /** act: what the buttons do, by name. */
  constructor(root, act) {
    this.act = act;
    this.root = root;
    this.volumes = el("dl", { class: "volumes", "aria-live": "off" });
    this.from = el("p", { class: "quiet" });
    this.curve = svg("svg", { class: "curve", role: "img" });
    this.curveWords = el("p", { class: "quiet" });
    this.voi = el("div");
    this.images = el("div");
    this.decision = el("div");
    this.history = el("ul", { class: "history" });
    this.agreement = el("div");
    this.comment = el("textarea", { placeholder: "Comment, kept with the decision", "aria-label": "comment", maxLength: 4000 });
    root.append(
      this.#section("Volumes", this.volumes, this.from),
      this.#section("Time-intensity curve at the cursor", this.curve, this.curveWords),
      this.#section("Images", this.images),
      this.#section("Decision", this.decision),
      this.#section("Volume of interest", this.voi),
      this.#section("Readers", this.agreement),
      this.#section("Desktop tools", this.#desktop()),
      this.#section("History", this.history),
    );
  }

  #section(title, ...children) { return el("section", {}, el("h3", { textContent: title }), ...children); }

  #button(label, name, { key = "", kind = "", title = "" } = {}) {
    return el("button", { type: "button", class: kind, title, "data-act": name, click: () => this.act[name]() }, label, key ? " " : null, key ? el("kbd", { textContent: key }) : null);
  }

  #desktop() {
    return el("div", { class: "pair" }, this.#button("For ITK-SNAP", "itksnap", { title: "image, mask, label file and command, as a zip" }),
      this.#button("For 3D Slicer", "slicer", { title: "image and .seg.nrrd, as a zip" }), this.#button("Bring back …", "upload", { title: "NIfTI, .seg.nrrd or DICOM SEG becomes your revision" }));
  }

  /** volumes: [primary, satellite] cc; start: words; ftv: numbers or null. */
  showVolumes([primary, satellite], ftv, start) {
    const row = (label, swatch, value, big) => [
      el("dt", {}, el("span", { class: `swatch ${swatch}`, textContent: label })),
      el("dd", { class: big ? "big" : "", "data-cc": swatch }, cc(value), el("span", { class: "unit", textContent: " cc" })),
    ];
    this.volumes.replaceChildren(...row("STV, primary", "primary", primary, true), ...row("Satellites", "satellite", satellite),
      ...(ftv ? [...row(`FTV, SER > ${ftv.ser_threshold}`, "ftv", ftv.ftv_ser_cc), ...row(`FTV, PE ≥ ${ftv.pe_threshold_percent} %`, "ftv-pe", ftv.ftv_pe_cc)] : []),
    );
    this.from.textContent = start ? `Drawn from ${start}` : "";
  }

  /** of: the case's description. */
  show(of, state) {
    this.#images(of);
    this.#decision(of, state);
    this.#voi(of, state);
    this.#agreement(of, state);
    this.history.replaceChildren(...(of.reader.history.length ? of.reader.history.toReversed().map((row) => this.#event(row)) : [el("li", { class: "quiet", textContent: "nothing yet" })]));
  }

  #images(of) {
    const { state, reason } = of.images;
    this.images.replaceChildren(
      el("div", { class: "row" }, el("span", { class: `chip ${state}`, textContent: state === "unseen" ? "not judged" : state }), el("span", { class: "room" }),
        this.#button("Accept", "acceptImages", { key: "Y" }), this.#button("Reject …", "rejectImages", { kind: "bad", title: "with a reason (⇧ Y)" })),
      reason ? el("small", { class: "said", textContent: reason }) : "",
    );
  }

  #decision(of, state) {
    const { revision } = state.chain;
    const stars = RATINGS.map((words, n) => el("button", { type: "button", title: words, "aria-pressed": String(state.quality === n + 1), "data-quality": n + 1, textContent: n + 1, click: () => this.act.rate(n + 1) }));
    const corrupted = el("input", { type: "checkbox", checked: state.corrupted, change: (event) => this.act.corrupt(event.target.checked) });
    this.decision.replaceChildren(
      of.blind ? el("p", { class: "blind", textContent: "Blind second read: what others drew is hidden until you decide." }) : "",
      el("div", { class: "row" }, el("span", { class: `chip ${state.chain.state.replace(" ", "-")}`, textContent: state.chain.state }),
        el("span", { class: "quiet", textContent: revision ? `${state.consensus ? "consensus" : "your"} revision ${revision}` : "no revision yet" }),
        el("span", { class: "room" }), this.#button("Save", "save", { key: "S", title: "a revision of what is drawn" })),
      el("div", { class: "row stars" }, el("span", { class: "quiet", textContent: "Quality" }), ...stars),
      el("label", { class: "check" }, corrupted, "Image is corrupted"),
      this.comment,
      el("div", { class: "pair" }, this.#button("Approve", "approve", { key: "⇧ ⏎", kind: "primary", title: "saves first if there is something to save" }), this.#button("Reject …", "reject", { key: "⇧ R", kind: "bad" }),
        this.#button("Second read", "second", { key: "⇧ D" }), this.#button("Next case", "next", { key: "N" }),
        ...(["approved", "rejected", "second read"].includes(state.chain.state) ? [this.#button("Take it back", "takeBack", { title: "the case waits again" })] : [])),
    );
  }

  #voi(of, state) {
    if (!of.voi) return this.voi.replaceChildren(el("p", { class: "quiet", textContent: "The case has no FTV." }));
    const words = [`${of.voi.words || of.voi.source}${of.voi.omitted.length ? `; ${of.voi.omitted.length} omitted` : ""}`];
    const changed = state.voi && !state.voi.kept;
    return this.voi.replaceChildren(
      el("p", { class: "quiet", textContent: changed ? "changed here; not kept yet" : state.voi?.kept ? "kept: the next `uptake run` uses it" : words[0] }),
      el("div", { class: "pair" }, this.#button("Edit …", "voi"), this.#button("Draw", "drawVoi", { key: "B" }),
        ...(changed ? [this.#button("Keep for run", "keepVoi", { kind: "primary" })] : []),
        ...(state.voi || of.voi.source === "reader" ? [this.#button("Back", "dropVoi", { title: "the box that the study came with" })] : [])),
    );
  }

  #agreement(of, state) {
    const rows = state.agreement ?? [];
    const head = ["Readers", "Dice", "Surface mm", "95 % mm", "cc"];
    const table = rows.length ? el("table", { class: "small" }, el("thead", {}, el("tr", {}, ...head.map((h) => el("th", { scope: "col", textContent: h })))),
      el("tbody", {}, ...rows.map((cells) => el("tr", {}, ...cells.map((text) => el("td", { textContent: text })))))) : null;
    this.agreement.replaceChildren(
      ...(table ? [table] : [el("p", { class: "quiet", textContent: of.blind ? "Hidden while your read is blind." : "Readers are compared once two have approved." })]),
      ...(state.consensus && state.compared.length ? [el("p", { class: "quiet", textContent: "Start the consensus from" }), el("div", { class: "pair" },
        ...state.compared.map((row) => el("button", { type: "button", "data-start": row.name, textContent: row.name, title: row.label, click: () => this.act.compare(row) })))] : []),
      ...(of.blind || !of.consensus ? [] : [el("p", {}, this.#button(state.consensus ? "Back to my own read" : "Consensus …", "consensus"))]),
    );
  }

  #event(row) {
    const numbers = [row.volume_cc === null ? null : `${cc(row.volume_cc)} cc`, row.satellites_cc ? `satellites ${cc(row.satellites_cc)} cc` : null,
      row.quality ? `quality ${row.quality}` : null, row.corrupted ? "corrupted" : null, row.parent && !row.state ? `from ${row.parent}` : null].filter(Boolean);
    return el("li", { class: row.action.replace(" ", "-") },
      el("span", {}, `${row.action}${row.revision ? ` ${row.revision}` : ""}`, ` · ${row.reader}${row.chain !== row.reader && row.chain ? ` (${row.chain})` : ""}`),
      el("small", { textContent: [when(row.when), ...numbers].join(" · ") }),
      ...[row.reason, row.comment].filter(Boolean).map((text) => el("div", { class: "said", textContent: text })),
      row.url ? el("button", { type: "button", textContent: "start from this", click: () => this.act.startFrom({ url: row.url, parent: `${row.chain}:${row.revision}`, label: `${row.chain}'s revision ${row.revision}` }) }) : null);
  }
}
