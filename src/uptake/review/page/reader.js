// Who is reading: asked once per browser session, shown in the bar.

import { get, put, readsAs } from "./api.js";
import { ask, one, say } from "./dom.js";

/** The session with a reader's name in it; asks until there is one. */
export async function session() {
  let found = await get("/api/session");
  if (!found.reader) found = await choose(found, true);
  shown(found);
  return found;
}

function shown(found) {
  readsAs(found.reader);
  const button = one("#reader");
  button.textContent = found.reader;
  button.onclick = async () => {
    const before = found.reader;
    const next = await choose(found, false);
    if (next.reader !== before) location.reload();
  };
}

async function choose(found, needed) {
  for (;;) {
    const { action, values } = await ask({
      title: "Who is reading?",
      text: "The name stands with every revision and decision. Each reader has an own chain of revisions.",
      fields: [{ name: "reader", label: "Reader", value: found.reader ?? "", required: "ok", list: found.readers }],
      actions: [{ name: "ok", label: "Read as this person", primary: true }, ...(needed ? [] : [{ name: "cancel", label: "Cancel" }])],
    });
    if (!action && !needed) return found;
    if (!values.reader) continue;
    try {
      return await put("/api/session", { reader: values.reader });
    } catch (error) {
      say(error.message, { bad: true });
    }
  }
}

/** A failure that ends the page: what is wrong and what to do, in place of the work. */
export function ended(error) {
  const words = error.status === 401 ? "This server was started anew. Open the link that `uptake review` printed." : error.message;
  say(words, { bad: true });
  const place = one("#loading") ?? one("#empty");
  if (place) {
    place.hidden = false;
    place.textContent = words;
  }
  document.body.dataset.state = "failed";
}
