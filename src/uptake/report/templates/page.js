"use strict";
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const root = document.documentElement;

  // The slices of a case: one slider moves every picture that has a slot.
  const data = document.getElementById("slides");
  const slider = document.querySelector("[data-slider]");
  if (data && slider) {
    const slides = JSON.parse(data.textContent);
    const slots = all("[data-slot]");
    const show = (index) => {
      const slide = slides[index];
      slider.value = index;
      slider.setAttribute("aria-valuetext", slide.words);
      for (const words of all("[data-words]")) words.textContent = slide.words;
      for (const slot of slots) slot.setAttribute(slot.tagName === "path" ? "d" : "href", slide[slot.dataset.slot]);
    };
    const toggles = {
      ftv: (on) => root.classList.toggle("no-ftv", !on),
      stv: (on) => root.classList.toggle("no-stv", !on),
      zoom: (on) => {
        const place = document.getElementById("images");
        place.classList.toggle("zoomed", on);
        for (const svg of all("svg[data-zoom]", place)) svg.setAttribute("viewBox", on ? svg.dataset.zoom : svg.dataset.full);
      },
    };
    const press = (button) => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      toggles[button.dataset.toggle](on);
    };
    slider.addEventListener("input", () => show(Number(slider.value)));
    for (const button of all("[data-toggle]")) button.addEventListener("click", () => press(button));
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input[type=search], select")) return;
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      const named = { f: "ftv", s: "stv", z: "zoom" }[event.key.toLowerCase()];
      const button = named && document.querySelector(`[data-toggle=${named}]`);
      if (step) {
        event.preventDefault();
        show(Math.min(slides.length - 1, Math.max(0, Number(slider.value) + step)));
      } else if (button) {
        press(button);
      }
    });
    show(Number(slider.defaultValue));
  }

  // Tables that sort by a click on a heading; cards follow their table's order.
  const value = (row, column, kind) => {
    const text = row.cells[column].textContent.trim();
    if (kind !== "number") return text.toLowerCase();
    const number = Number.parseFloat(text);
    return Number.isNaN(number) ? null : number;
  };
  const compare = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));
  const sort = (table, column, kind, falling) => {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows).map((row) => [value(row, column, kind), row]);
    rows.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : falling ? compare(b, a) : compare(a, b)));
    for (const [, row] of rows) body.append(row);
    for (const cards of all(`[data-follows="${table.id}"]`)) {
      const byKey = new Map(all("[data-key]", cards).map((card) => [card.dataset.key, card]));
      for (const [, row] of rows) cards.append(byKey.get(row.dataset.key));
    }
  };
  for (const table of all("table.sortable")) {
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        const falling = head.getAttribute("aria-sort") === "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", falling ? "descending" : "ascending");
        for (const choice of all(`select[data-sort="${table.id}"]`)) choice.value = String(column);
        sort(table, column, head.dataset.kind, falling);
      });
    });
  }

  for (const choice of all("select[data-sort]")) {
    const table = document.getElementById(choice.dataset.sort);
    choice.addEventListener("change", () => table.tHead.rows[0].cells[Number(choice.value)].querySelector("button").click());
  }

  // One search field for cards and table.
  const filter = document.querySelector("[data-filter]");
  if (filter) {
    const rows = all("#case-table tbody tr");
    const cards = new Map(all(".card").map((card) => [card.dataset.key, card]));
    filter.addEventListener("input", () => {
      const wanted = filter.value.trim().toLowerCase().split(/\s+/);
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !wanted.every((word) => text.includes(word));
        cards.get(row.dataset.key).hidden = row.hidden;
        shown += row.hidden ? 0 : 1;
      }
      document.querySelector("[data-count]").textContent = shown < rows.length ? `${shown} of ${rows.length}` : "";
    });
  }

  // Paper can't unfold anything.
  addEventListener("beforeprint", () => all("#provenance details").forEach((details) => { details.open = true; }));
})();
