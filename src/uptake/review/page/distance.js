// Exact Euclidean distance transforms by lower envelopes of parabolas (Felzenszwalb and Huttenlocher, 2012). No DOM.

const FAR = 1e20;

/**
 * Squared distance in mm2, centre to centre, from each voxel to the nearest voxel where inside(n) is true.
 * shape and spacing have two or three entries, first index fastest. FAR everywhere if there is none.
 */
export function squaredDistance(inside, shape, spacing) {
  const count = shape.reduce((product, n) => product * n, 1);
  const field = new Float64Array(count);
  for (let n = 0; n < count; n++) field[n] = inside(n) ? 0 : FAR;
  let stride = 1;
  shape.forEach((length, axis) => {
    alongAxis(field, count, length, stride, spacing[axis]);
    stride *= length;
  });
  return field;
}

function alongAxis(field, count, length, stride, step) {
  const line = new Float64Array(length);
  const where = new Int32Array(length);
  const border = new Float64Array(length + 1);
  for (let block = 0; block < count; block += stride * length) {
    for (let start = block; start < block + stride; start++) {
      let any = false;
      for (let n = 0; n < length; n++) {
        line[n] = field[start + n * stride];
        any ||= line[n] < FAR;
      }
      if (any) envelope(line, where, border, step, (n, value) => { field[start + n * stride] = value; });
    }
  }
}

function envelope(line, where, border, step, put) {
  let top = -1;
  for (let q = 0; q < line.length; q++) {
    if (line[q] >= FAR) continue;
    let meets = -Infinity;
    while (top >= 0) {
      const p = where[top];
      meets = (line[q] - line[p]) / (2 * step * step * (q - p)) + (q + p) / 2;
      if (meets > border[top]) break;
      top--;
      meets = -Infinity;
    }
    top++;
    where[top] = q;
    border[top] = meets;
  }
  for (let n = 0, at = 0; n < line.length; n++) {
    while (at < top && border[at + 1] < n) at++;
    const along = (n - where[at]) * step;
    put(n, along * along + line[where[at]]);
  }
}
