// One table of keys: what is pressed, what is done, what the help says.

/** key: KeyboardEvent.key, lower case for letters, with "ctrl+" or "shift+" before; run: what it does. */
export class Keys {
  constructor(groups) {
    this.groups = groups;
    this.table = new Map(groups.flatMap(([, rows]) => rows.flatMap((row) => row.keys.map((key) => [key, row]))));
    addEventListener("keydown", (event) => this.#pressed(event));
    addEventListener("click", (event) => { // a button that the mouse pressed does not keep Enter and Space for itself
      const button = event.detail > 0 && !event.target.closest?.("dialog") && event.target.closest?.("button, input[type=range], input[type=checkbox]");
      if (button) button.blur();
    });
  }

  #pressed(event) {
    if (event.defaultPrevented || event.altKey || document.querySelector("dialog[open]")) return;
    const inField = event.target.closest?.("input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select");
    const name = keyName(event);
    if (inField && !name.startsWith("ctrl+s")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if ((name === "Enter" || name === " ") && event.target.closest?.("button, a, summary, input")) return;
    if (event.key.startsWith("Arrow") && event.target.closest?.("input")) return;
    const row = this.table.get(name);
    if (!row) return;
    event.preventDefault();
    row.run(event);
  }

  /** The table as an element for the help. */
  help(el) {
    return el("div", { class: "keys" }, ...this.groups.map(([title, rows]) => el("section", {}, el("h3", { textContent: title }),
      ...rows.filter((row) => row.label).map((row) => el("div", { class: "row" },
        el("span", {}, ...row.keys.slice(0, 2).map((key) => el("kbd", { textContent: shown(key) }))), el("span", { textContent: row.label }))))));
  }
}

function keyName(event) {
  const letter = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const shift = event.shiftKey && (event.key.length > 1 || /[a-z]/i.test(event.key));
  return `${event.ctrlKey || event.metaKey ? "ctrl+" : ""}${shift ? "shift+" : ""}${letter}`;
}

const NAMES = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", " ": "Space", PageUp: "PgUp", PageDown: "PgDn", Escape: "Esc", Delete: "Del" };

/** How a key is written in the help and on buttons. */
export function shown(key) {
  const parts = key.split("+").filter(Boolean);
  const last = key.endsWith("++") || key === "+" ? "+" : parts.pop();
  return [...parts.map((p) => p[0].toUpperCase() + p.slice(1)), NAMES[last] ?? (last.length === 1 ? last.toUpperCase() : last)].join(" ");
}
