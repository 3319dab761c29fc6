// The worklist: every case with its picture and state; search, filter, sort, and the next case by one key.

import { get } from "./api.js";
import { ask, cc, el, one } from "./dom.js";
import { Keys } from "./keys.js";
import { ended, session } from "./reader.js";

const STATES = ["waiting", "draft", "second read", "approved", "rejected"];
const COLUMNS = [
  { name: "case_id", label: "Case", text: (c) => c.case_id },
  { name: "state", label: "State", order: (c) => STATES.indexOf(c.state) },
  { name: "images", label: "Images" },
  { name: "reader", label: "Reader" },
  { name: "ftv_cc", label: "FTV, cc", number: true },
  { name: "stv_cc", label: "STV, cc", number: true },
  { name: "stv_source", label: "STV from" },
  { name: "flags", label: "Flags", order: (c) => -c.flags.length - 100 * c.flags.filter((f) => f.level === "fail").length },
];

const view = { cases: [], state: "", words: "", sort: "case_id", down: false, chosen: 0, rows: [] };

async function start() {
  const { cohort } = await session();
  one("#title").textContent = cohort;
  document.title = `${cohort} – worklist`;
  head();
  keys();
  const { cases, refused = [] } = await get("/api/cases");
  view.cases = cases;
  absent(refused);
  recall();
  one("#search").addEventListener("input", (event) => { view.words = event.target.value; refresh(); });
  one("#next").addEventListener("click", next);
  refresh();
  document.body.dataset.state = "ready";
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
}

// Cases that have no images to read: why, and what to do.
function absent(refused) {
  one("#refused").hidden = !refused.length;
  one("#refused summary").textContent = `${refused.length} refused: no images to read`;
  one("#refused ul").replaceChildren(...refused.map((r) => el("li", {}, el("b", { textContent: r.case_id }), ` ${r.found}. `, el("span", { class: "quiet", textContent: r.remedy }))));
}

function recall() {
  Object.assign(view, JSON.parse(sessionStorage.getItem("worklist") ?? "{}"));
  one("#search").value = view.words;
}

function remember() {
  const { state, words, sort, down } = view;
  sessionStorage.setItem("worklist", JSON.stringify({ state, words, sort, down }));
}

function head() {
  one("#cases thead tr").append(el("th", { scope: "col", class: "pic" }, el("span", { class: "aside", textContent: "Picture" })),
    ...COLUMNS.map((column) => el("th", { scope: "col", class: column.number ? "num" : "", "data-column": column.name },
      el("button", { type: "button", textContent: column.label, click: () => sorted(column.name) }))));
}

function sorted(name) {
  view.down = view.sort === name ? !view.down : false;
  view.sort = name;
  refresh();
}

function refresh() {
  remember();
  filters();
  const rows = chosenCases();
  view.rows = rows;
  view.chosen = Math.max(0, Math.min(view.chosen, rows.length - 1));
  one("#cases tbody").replaceChildren(...rows.map(row));
  for (const th of document.querySelectorAll("#cases th[data-column]")) {
    const on = th.dataset.column === view.sort;
    if (on) th.setAttribute("aria-sort", view.down ? "descending" : "ascending");
    else th.removeAttribute("aria-sort");
  }
  const noun = view.cases.length === 1 ? "case" : "cases";
  one("#shown").textContent = rows.length === view.cases.length ? `${rows.length} ${noun}` : `${rows.length} of ${view.cases.length} ${noun}`;
  one("#empty").hidden = rows.length > 0;
  one("#empty").textContent = view.cases.length ? "No case fits." : "No case has harmonised images yet: run `uptake run`.";
  mark();
}

function filters() {
  const count = (state) => view.cases.filter((c) => !state || c.state === state).length;
  one("#states").replaceChildren(...["", ...STATES].map((state) => el("button", {
    type: "button", "aria-pressed": String(view.state === state), "data-state": state, click: () => { view.state = state; refresh(); },
  }, state ? state[0].toUpperCase() + state.slice(1) : "All", el("i", { textContent: count(state) }))));
}

function chosenCases() {
  const words = view.words.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (c) => {
    const text = [c.case_id, c.state, c.images, c.reader ?? "", c.stv_source, ...c.flags.map((f) => f.check)].join(" ").toLowerCase();
    return (!view.state || c.state === view.state) && words.every((word) => text.includes(word));
  };
  const column = COLUMNS.find((c) => c.name === view.sort) ?? COLUMNS[0];
  const key = column.order ?? ((c) => c[column.name]);
  const found = view.cases.filter(fits);
  return found.sort((a, b) => compare(key(a), key(b), view.down) || compare(a.case_id, b.case_id, false));
}

// Empty values come last whichever way the column is sorted.
function compare(a, b, down) {
  const [none, other] = [a === null || a === undefined || a === "", b === null || b === undefined || b === ""];
  if (none || other) return none - other;
  const sign = typeof a === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  return down ? -sign : sign;
}

function row(c, n) {
  const link = el("a", { href: `/case/${encodeURIComponent(c.case_id)}`, textContent: c.case_id });
  return el("tr", { "data-case": c.case_id, click: (event) => { if (!event.target.closest("a")) location.href = link.href; }, mousemove: () => choose(n, false) },
    el("td", { class: "pic" }, el("img", { src: c.thumbnail, alt: "", loading: "lazy", width: 72, height: 54, error: (event) => event.target.remove() })),
    el("th", { scope: "row" }, link, c.open_by.length ? el("small", { textContent: `open by ${c.open_by.join(", ")}` }) : null),
    el("td", {}, chip(c.state), c.blind ? el("small", { textContent: "blind second read" }) : null),
    el("td", {}, el("span", { class: `images ${c.images}`, textContent: c.images }), c.quality ? el("small", { textContent: `quality ${c.quality} of 5${c.corrupted ? ", corrupted" : ""}` }) : null),
    el("td", { textContent: c.reader ?? "–" }),
    el("td", { class: "num", textContent: cc(c.ftv_cc) }),
    el("td", { class: "num", textContent: cc(c.stv_cc) }),
    el("td", { textContent: c.stv_source || "–" }),
    el("td", { class: "flagged" }, ...c.flags.slice(0, 3).map((f) => el("span", { class: `flag ${f.level}`, title: f.text, textContent: f.check.replaceAll("_", " ") })),
      c.flags.length > 3 ? el("small", { textContent: `+${c.flags.length - 3}` }) : null));
}

const chip = (state) => el("span", { class: `chip ${state.replace(" ", "-")}`, textContent: state });

function choose(n, scroll = true) {
  view.chosen = Math.max(0, Math.min(n, view.rows.length - 1));
  mark(scroll);
}

function mark(scroll = false) {
  const rows = [...document.querySelectorAll("#cases tbody tr")];
  rows.forEach((tr, n) => tr.classList.toggle("chosen", n === view.chosen));
  if (scroll) rows[view.chosen]?.scrollIntoView({ block: "nearest" });
}

const open = (c) => { if (c) location.href = `/case/${encodeURIComponent(c.case_id)}`; };

function next() {
  open(view.rows.find((c) => c.state === "second read" || c.state === "draft" || c.state === "waiting") ?? view.rows[0]);
}

function keys() {
  const table = new Keys([["Worklist", [
    { keys: ["n"], label: "next case that waits", run: next },
    { keys: ["ArrowDown", "j"], label: "down", run: () => choose(view.chosen + 1) },
    { keys: ["ArrowUp", "k"], label: "up", run: () => choose(view.chosen - 1) },
    { keys: ["Enter", "o"], label: "open the marked case", run: () => open(view.rows[view.chosen]) },
    { keys: ["/"], label: "search", run: () => one("#search").focus() },
    { keys: ["f"], label: "next state in the filter", run: () => { const all = ["", ...STATES]; view.state = all[(all.indexOf(view.state) + 1) % all.length]; refresh(); } },
    { keys: ["s"], label: "sort by the next column", run: () => { const n = COLUMNS.findIndex((c) => c.name === view.sort); sorted(COLUMNS[(n + 1) % COLUMNS.length].name); } },
    { keys: ["r"], label: "sort the other way", run: () => sorted(view.sort) },
    { keys: ["?"], label: "these keys", run: () => help(table) },
  ]]]);
  one("#help").addEventListener("click", () => help(table));
}

const help = (table) => ask({ title: "Keys", body: table.help(el), actions: [{ name: "cancel", label: "Close", primary: true }] });

start().catch(ended);
