// Undo and redo without limit. One edit is kept as runs of (first index, length, value before, value after): a stroke
// of a thousand voxels is a few kilobytes, however large the volume. No DOM.

/** Runs in which `after` differs from `before` (Uint8Arrays of one length): an Int32Array of fours. */
export function difference(before, after) {
  const words = before.length >> 2;
  const a = new Uint32Array(before.buffer, before.byteOffset, words);
  const b = new Uint32Array(after.buffer, after.byteOffset, words);
  const runs = [];
  for (let w = 0; w < words; w++) {
    if (a[w] !== b[w]) compare(before, after, 4 * w, 4 * w + 4, runs);
  }
  compare(before, after, 4 * words, before.length, runs);
  return Int32Array.from(runs);
}

function compare(before, after, first, end, runs) {
  for (let n = first; n < end; n++) {
    if (before[n] === after[n]) continue;
    const last = runs.length - 4;
    const joins = last >= 0 && runs[last] + runs[last + 1] === n && runs[last + 2] === before[n] && runs[last + 3] === after[n];
    if (joins) runs[last + 1]++;
    else runs.push(n, 1, before[n], after[n]);
  }
}

/** Write the runs into `mask`: the values after them, or with `back` those before. */
export function apply(mask, runs, back = false) {
  for (let r = 0; r < runs.length; r += 4) mask.fill(runs[r + (back ? 2 : 3)], runs[r], runs[r] + runs[r + 1]);
}

/** How many voxels more of `value` there are after the runs. */
export function gained(runs, value) {
  let sum = 0;
  for (let r = 0; r < runs.length; r += 4) sum += runs[r + 1] * ((runs[r + 3] === value) - (runs[r + 2] === value));
  return sum;
}

/** The edits of one mask. `mask` is drawn into freely; `commit` closes an edit. */
export class History {
  constructor(mask) {
    this.mask = mask;
    this.kept = mask.slice();
    this.edits = [];
    this.place = 0;
  }

  get canUndo() { return this.place > 0; }

  get canRedo() { return this.place < this.edits.length; }

  /** What has been drawn since the last commit. */
  pending() { return difference(this.kept, this.mask); }

  /** Close an edit under a name; nothing is kept where nothing changed. Gives its runs. */
  commit(name) {
    const runs = this.pending();
    if (!runs.length) return runs;
    apply(this.kept, runs);
    this.edits.length = this.place;
    this.edits.push({ name, runs });
    this.place++;
    return runs;
  }

  /** Take an unfinished edit back. */
  drop() { apply(this.mask, this.pending(), true); }

  undo() { return this.canUndo ? this.#go(this.edits[--this.place], true) : null; }

  redo() { return this.canRedo ? this.#go(this.edits[this.place++], false) : null; }

  #go(edit, back) {
    apply(this.mask, edit.runs, back);
    apply(this.kept, edit.runs, back);
    return edit;
  }
}
