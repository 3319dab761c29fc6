// The keys of the case page: one table, which the help shows.

import { TOOLS } from "./hands.js";
import { VIEWS } from "./images.js";
import { Keys } from "./keys.js";
import { HELPERS } from "./rail.js";
import { bounds } from "./tools.js";

/** What can be switched on and off: name, label, key. */
export const SWITCHES = [["mask", "Mask", "M"], ["ftv", "FTV", "F"], ["voi", "VOI", "U"], ["cross", "Cross", "K"], ["solid", "3D", "T"]];

/** The keys of `page`, the Case of case.js. */
export function caseKeys(page) {
  const move = (axis, by) => () => {
    const { plane } = page.stage.pane;
    const next = [...page.stage.cursor];
    next[plane[axis]] += by * (axis === "across" && plane.mirrored ? -1 : 1);
    page.stage.go(next);
  };
  const cycle = () => page.stage.activate(page.stage.order[(page.stage.order.indexOf(page.stage.active) + 1) % 3]);
  const decide = page.decider.acts();
  return new Keys([
    ["Images", [
      ...VIEWS.map((v, n) => ({ keys: [`${n + 1}`], label: v.label, run: () => page.show(v.name) })),
      ...SWITCHES.map(([name, label, key]) => ({ keys: [key.toLowerCase()], label: `${label} on or off`, run: () => page.toggle(name) })),
      { keys: ["w"], label: "the window as it was", run: () => page.windowed(page.of.window.low, page.of.window.high) },
    ]],
    ["Moving", [
      { keys: ["PageUp", "."], label: "next slice", run: () => page.stage.step(1) },
      { keys: ["PageDown", ","], label: "slice before", run: () => page.stage.step(-1) },
      { keys: ["ArrowLeft", "ArrowRight"], label: "move the cursor (Shift: 10)", run: (e) => move("across", e.key === "ArrowLeft" ? -1 : 1)() },
      { keys: ["ArrowUp", "ArrowDown"], label: "", run: (e) => move("up", e.key === "ArrowUp" ? 1 : -1)() },
      { keys: ["shift+ArrowLeft", "shift+ArrowRight"], label: "", run: (e) => move("across", e.key === "ArrowLeft" ? -10 : 10)() },
      { keys: ["shift+ArrowUp", "shift+ArrowDown"], label: "", run: (e) => move("up", e.key === "ArrowUp" ? 10 : -10)() },
      { keys: ["d"], label: "next plane", run: cycle },
      { keys: [" "], label: "one plane or all", run: () => page.single() },
      { keys: ["z"], label: "zoom to the lesion", run: () => { const b = bounds(page.editor.mask, page.grid.shape); if (b) page.stage.look(b.low, b.high); } },
      { keys: ["shift+z"], label: "whole image", run: () => page.stage.fit() },
      { keys: ["ctrl+ArrowUp", "ctrl+ArrowDown"], label: "zoom in, out (Ctrl wheel)", run: (e) => page.stage.zoomBy(e.key === "ArrowUp" ? 1.2 : 1 / 1.2) },
    ]],
    ["Drawing", [
      ...Object.entries(TOOLS).map(([name, t]) => ({ keys: [t.key], label: t.label, run: () => page.tool(name) })),
      { keys: ["Enter"], label: "the tool at the cursor", run: () => page.hands.press() },
      { keys: ["'"], label: "close the contour", run: () => page.hands.press(true) },
      { keys: ["[", "]"], label: "smaller, larger pen", run: (e) => page.hands.resize(e.key === "[" ? -1 : 1) },
      { keys: ["q"], label: "ball or disc", run: () => { page.hands.ball = !page.hands.ball; page.rail.refresh(); } },
      { keys: ["a"], label: "primary or satellite", run: () => page.label(3 - page.editor.label) },
      { keys: ["Escape"], label: "drop the contour, back to looking", run: () => { if (!page.hands.escape()) page.tool("look"); } },
    ]],
    ["Whole mask", [
      ...HELPERS.map(([name, key, label]) => ({ keys: key === "+" ? ["+", "="] : [key], label, run: () => page.help(name) })),
      { keys: ["0"], label: "restore the start", run: () => page.editor.restart() },
      { keys: ["r"], label: "start from another mask", run: () => page.chooseStart() },
      { keys: ["ctrl+z"], label: "undo", run: () => page.undo() },
      { keys: ["ctrl+y", "ctrl+shift+z"], label: "redo", run: () => page.redo() },
    ]],
    ["Deciding", [
      { keys: ["y"], label: "accept the images", run: decide.acceptImages },
      { keys: ["shift+y"], label: "reject the images", run: decide.rejectImages },
      { keys: ["s", "ctrl+s"], label: "save a revision", run: decide.save },
      { keys: ["shift+Enter"], label: "approve", run: decide.approve },
      { keys: ["shift+r"], label: "reject", run: decide.reject },
      { keys: ["shift+d"], label: "ask for a second read", run: decide.second },
      { keys: ["n"], label: "next case", run: decide.next },
      { keys: ["shift+w"], label: "worklist", run: () => { location.href = "/"; } },
      { keys: ["?"], label: "these keys", run: () => page.keyHelp() },
    ]],
  ]);
}
