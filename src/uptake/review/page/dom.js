// Elements, dialogs and short messages. Text only ever becomes text: nothing here reads markup.

/** An element with properties (`class`, `data-x`, `aria-x` and others as attributes, functions as listeners) and children. */
export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(name, value);
    else if (name in made && !name.includes("-") && name !== "list") made[name] = value;
    else made.setAttribute(name === "class" ? "class" : name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** An SVG element. */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export const one = (selector) => document.querySelector(selector);

/** Cubic centimetres as readers write them. */
export const cc = (value) => (value === null || value === undefined ? "–" : value < 10 ? value.toFixed(2) : value.toFixed(1));

/** A date and time of the server's log in the reader's own clock. */
export function when(text) {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? text : date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/**
 * A modal dialog. fields: [{name, label, kind: text|area|choice|file|readonly, options, value, required, list}]; actions:
 * [{name, label, primary, quiet}]. Gives {action, values}, action null when it was closed.
 */
export function ask({ title, text = [], fields = [], actions = [{ name: "ok", label: "OK", primary: true }], body = null }) {
  return new Promise((resolve) => {
    const inputs = Object.fromEntries(fields.map((field) => [field.name, input(field)]));
    const said = el("p", { class: "wrong", role: "alert" });
    const finish = (action) => {
      const values = Object.fromEntries(fields.map((f) => [f.name, value(inputs[f.name])]));
      const missing = action && fields.find((f) => f.required === true || f.required === action ? !values[f.name] : false);
      if (missing && action !== "cancel") {
        said.textContent = `${missing.label}: this is needed`;
        inputs[missing.name].focus();
        return;
      }
      box.close();
      box.remove();
      resolve({ action: action === "cancel" ? null : action, values });
    };
    const buttons = actions.map((a) => el("button", {
      type: "button", class: a.primary ? "primary" : a.bad ? "bad" : "", click: () => finish(a.name), textContent: a.label, "data-action": a.name,
    }));
    const form = el("form", { method: "dialog", submit: (event) => {
      event.preventDefault();
      finish((actions.find((a) => a.primary) ?? actions[0]).name);
    } },
    el("h2", { textContent: title }),
    ...[text].flat().map((line) => el("p", { textContent: line })),
    body,
    ...fields.map((f) => el("label", { class: "field" }, el("span", { textContent: f.label }), inputs[f.name], f.list ? options(f) : null)),
    said,
    el("div", { class: "buttons" }, ...buttons));
    const box = el("dialog", { cancel: (event) => { event.preventDefault(); finish("cancel"); } }, form);
    box.addEventListener("keydown", (event) => event.stopPropagation());
    document.body.append(box);
    box.showModal();
    (Object.values(inputs)[0] ?? buttons.find((b) => b.className === "primary") ?? buttons[0])?.focus({ preventScroll: true });
  });
}

function input({ kind = "text", name, options: choices = [], value: initial = "", list }) {
  if (kind === "area") return el("textarea", { name, rows: 3, value: initial });
  if (kind === "file") return el("input", { type: "file", name });
  if (kind === "choice") {
    return el("select", { name }, ...choices.map(([key, label]) => el("option", { value: key, textContent: label, selected: key === initial })));
  }
  return el("input", { type: "text", name, value: initial, autocomplete: "off", maxLength: 200, list: list ? `${name}-list` : null });
}

const options = ({ name, list }) => el("datalist", { id: `${name}-list` }, ...list.map((value) => el("option", { value })));

const value = (field) => (field.type === "file" ? field.files[0] ?? null : field.value.trim());

/** A short message at the bottom; `bad` ones stay until they are closed. */
export function say(text, { bad = false, action = null } = {}) {
  const note = el("div", { class: bad ? "note bad" : "note", role: bad ? "alert" : "status" }, el("span", { textContent: text }));
  const close = () => note.remove();
  if (action) note.append(el("button", { type: "button", textContent: action.label, click: () => { close(); action.run(); } }));
  note.append(el("button", { type: "button", class: "plain", "aria-label": "close", textContent: "×", click: close }));
  let shelf = one("#notes");
  if (!shelf) document.body.append(shelf = el("div", { id: "notes" }));
  shelf.append(note);
  while (shelf.children.length > 4) shelf.firstChild.remove();
  if (!bad) setTimeout(close, action ? 15000 : 4500);
  return close;
}
