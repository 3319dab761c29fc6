// The editing tools on arrays in RAS order, first index fastest. A mask holds 0, 1 (primary lesion) or 2 (satellite).
// `grid` has shape (3 voxel counts) and spacing (mm). Every tool changes the mask in place. No DOM, no viewer.

import { squaredDistance } from "./distance.js";

export const PRIMARY = 1;
export const SATELLITE = 2;

/** Index of a voxel. */
export const at = (shape, [x, y, z]) => x + shape[0] * (y + shape[1] * z);

/**
 * Pen or eraser from one point to another: voxels whose centre lies within `radius` mm of the line, in the plane's slice
 * or, with `ball`, in space. `value` 0 erases. Points are voxels with fractions; the nearest voxel is always drawn.
 */
export function stroke(mask, grid, plane, from, to, { radius, value, ball = false }) {
  const { shape, spacing } = grid;
  const axes = ball ? [plane.across, plane.up, plane.depth] : [plane.across, plane.up];
  const [low, high] = [[0, 0, 0], [0, 0, 0]];
  for (let a = 0; a < 3; a++) {
    const reach = axes.includes(a) ? radius / spacing[a] : 0;
    low[a] = Math.max(0, Math.round(Math.min(from[a], to[a]) - reach));
    high[a] = Math.min(shape[a] - 1, Math.round(Math.max(from[a], to[a]) + reach));
  }
  const limit = radius * radius;
  each(low, high, (voxel) => {
    if (fromLine(voxel, from, to, axes, spacing) <= limit) mask[at(shape, voxel)] = value;
  });
  const nearest = to.map((v) => Math.round(v));
  if (nearest.every((v, a) => v >= 0 && v < shape[a])) mask[at(shape, nearest)] = value;
}

function fromLine(voxel, from, to, axes, spacing) {
  let [along, length] = [0, 0];
  for (const a of axes) {
    const step = (to[a] - from[a]) * spacing[a];
    along += (voxel[a] - from[a]) * spacing[a] * step;
    length += step * step;
  }
  const share = length > 0 ? Math.min(1, Math.max(0, along / length)) : 0;
  return axes.reduce((sum, a) => sum + ((voxel[a] - from[a] - share * (to[a] - from[a])) * spacing[a]) ** 2, 0);
}

function each(low, high, visit) {
  for (let z = low[2]; z <= high[2]; z++) {
    for (let y = low[1]; y <= high[1]; y++) {
      for (let x = low[0]; x <= high[0]; x++) visit([x, y, z]);
    }
  }
}

/** Fill a contour: voxels of the slice whose centre lies inside the polygon `points` of [across, up] voxels (even-odd). */
export function contour(mask, grid, plane, slice, points, value) {
  const across = points.map((p) => p[0]);
  const up = points.map((p) => p[1]);
  const [low, high] = [[0, 0, 0], [0, 0, 0]];
  const span = (axis, values) => {
    low[axis] = Math.max(0, Math.ceil(Math.min(...values)));
    high[axis] = Math.min(grid.shape[axis] - 1, Math.floor(Math.max(...values)));
  };
  span(plane.across, across);
  span(plane.up, up);
  low[plane.depth] = high[plane.depth] = slice;
  each(low, high, (voxel) => {
    if (inside(points, voxel[plane.across], voxel[plane.up])) mask[at(grid.shape, voxel)] = value;
  });
}

function inside(points, u, v) {
  let odd = false;
  for (let n = 0, m = points.length - 1; n < points.length; m = n++) {
    const [[u1, v1], [u2, v2]] = [points[n], points[m]];
    if (v1 > v !== v2 > v && u < ((u2 - u1) * (v - v1)) / (v2 - v1) + u1) odd = !odd;
  }
  return odd;
}

/**
 * Click-to-segment: the 6-connected voxels around `seed` that are at least `share` of the way up from the surroundings
 * to the clicked intensity (0.5: half maximum) and at most `reach` mm away. The clicked intensity is the mean of the
 * 27 voxels around the seed, the surroundings are the median within `reach`. Voxels that hold another label stay.
 */
export function segment(mask, image, grid, seed, { share = 0.5, reach = 30, value = PRIMARY }) {
  const { shape } = grid;
  const threshold = halfway(image, grid, seed, share, reach);
  const limit = reach * reach;
  const [dx, dy, dz] = grid.spacing;
  const near = (x, y, z) => ((x - seed[0]) * dx) ** 2 + ((y - seed[1]) * dy) ** 2 + ((z - seed[2]) * dz) ** 2 <= limit;
  flood(shape, seed, (n, x, y, z) => image[n] >= threshold && near(x, y, z), (n) => {
    if (mask[n] === 0) mask[n] = value;
  });
  return threshold;
}

function halfway(image, grid, seed, share, reach) {
  const bounds = (distance) => [
    seed.map((v, a) => Math.max(0, Math.ceil(v - distance[a]))),
    seed.map((v, a) => Math.min(grid.shape[a] - 1, Math.floor(v + distance[a]))),
  ];
  const values = (distance) => {
    const found = [];
    each(...bounds(distance), (voxel) => found.push(image[at(grid.shape, voxel)]));
    return found;
  };
  const clicked = values([1, 1, 1]);
  const around = Float32Array.from(values(grid.spacing.map((s) => reach / s))).sort();
  const middle = around[around.length >> 1];
  return middle + share * (clicked.reduce((sum, v) => sum + v, 0) / clicked.length - middle);
}

// Visits every voxel that a 6-connected path of wanted(n, x, y, z) voxels joins to the seed.
function flood(shape, seed, wanted, visit) {
  const [nx, ny, nz] = shape;
  const seen = new Uint8Array(nx * ny * nz);
  const open = [];
  const look = (n, x, y, z) => {
    if (seen[n] || !wanted(n, x, y, z)) return;
    seen[n] = 1;
    open.push(n);
  };
  look(at(shape, seed), ...seed);
  while (open.length) {
    const n = open.pop();
    visit(n);
    const x = n % nx;
    const y = Math.floor(n / nx) % ny;
    const z = Math.floor(n / (nx * ny));
    if (x > 0) look(n - 1, x - 1, y, z);
    if (x < nx - 1) look(n + 1, x + 1, y, z);
    if (y > 0) look(n - nx, x, y - 1, z);
    if (y < ny - 1) look(n + nx, x, y + 1, z);
    if (z > 0) look(n - nx * ny, x, y, z - 1);
    if (z < nz - 1) look(n + nx * ny, x, y, z + 1);
  }
}

/** The box around everything drawn, widened by `margin` voxels and cut to the grid; null where nothing is drawn. */
export function bounds(mask, shape, margin = 0) {
  const low = [Infinity, Infinity, Infinity];
  const high = [-1, -1, -1];
  for (let z = 0, n = 0; z < shape[2]; z++) {
    for (let y = 0; y < shape[1]; y++, n += shape[0]) {
      const row = mask.subarray(n, n + shape[0]);
      const first = row.findIndex((v) => v !== 0);
      if (first < 0) continue;
      const last = row.findLastIndex((v) => v !== 0);
      [[first, last], [y, y], [z, z]].forEach(([from, to], a) => {
        low[a] = Math.min(low[a], from);
        high[a] = Math.max(high[a], to);
      });
    }
  }
  if (high[0] < 0) return null;
  return { low: low.map((v) => Math.max(0, v - margin)), high: high.map((v, a) => Math.min(shape[a] - 1, v + margin)) };
}

/** A copy of what the box holds, as {mask, grid}, for tools that look at the neighbourhood; `putBack` undoes it. */
function cut(mask, grid, box) {
  const shape = box.low.map((v, a) => box.high[a] - v + 1);
  const part = new Uint8Array(shape[0] * shape[1] * shape[2]);
  let n = 0;
  each(box.low, box.high, (voxel) => { part[n++] = mask[at(grid.shape, voxel)]; });
  return { mask: part, grid: { shape, spacing: grid.spacing } };
}

function putBack(mask, grid, box, part) {
  let n = 0;
  each(box.low, box.high, (voxel) => { mask[at(grid.shape, voxel)] = part[n++]; });
}

function inBox(mask, grid, margin, change) {
  const box = bounds(mask, grid.shape, margin);
  if (!box) return;
  const part = cut(mask, grid, box);
  change(part.mask, part.grid);
  putBack(mask, grid, box, part.mask);
}

/** 26-connected components of what is drawn, any label: {labels, sizes}; component c has sizes[c], c from 1. */
export function components(mask, shape) {
  const labels = new Int32Array(mask.length);
  const sizes = [0];
  const open = [];
  for (let first = 0; first < mask.length; first++) {
    if (mask[first] === 0 || labels[first]) continue;
    const name = sizes.push(0) - 1;
    labels[first] = name;
    open.push(first);
    while (open.length) {
      const n = open.pop();
      sizes[name]++;
      neighbours(n, shape, (m) => {
        if (mask[m] !== 0 && !labels[m]) {
          labels[m] = name;
          open.push(m);
        }
      });
    }
  }
  return { labels, sizes };
}

function neighbours(n, shape, visit) {
  const x = n % shape[0];
  const y = Math.floor(n / shape[0]) % shape[1];
  const z = Math.floor(n / (shape[0] * shape[1]));
  for (let k = Math.max(0, z - 1); k <= Math.min(shape[2] - 1, z + 1); k++) {
    for (let j = Math.max(0, y - 1); j <= Math.min(shape[1] - 1, y + 1); j++) {
      for (let i = Math.max(0, x - 1); i <= Math.min(shape[0] - 1, x + 1); i++) visit(i + shape[0] * (j + shape[1] * k));
    }
  }
}

function largest(mask, shape) {
  const { labels, sizes } = components(mask, shape);
  const name = sizes.reduce((best, size, c) => (size > sizes[best] ? c : best), 0);
  return { labels, name };
}

/** The largest component is the primary lesion, every other one a satellite. */
export function largestIsPrimary(mask, grid) {
  inBox(mask, grid, 0, (part, { shape }) => {
    const { labels, name } = largest(part, shape);
    for (let n = 0; n < part.length; n++) if (part[n]) part[n] = labels[n] === name ? PRIMARY : SATELLITE;
  });
}

/** Everything outside the largest component goes, and so does every satellite label: one primary lesion stays. */
export function removeSatellites(mask, grid) {
  inBox(mask, grid, 0, (part, { shape }) => {
    for (let n = 0; n < part.length; n++) if (part[n] === SATELLITE) part[n] = 0;
    const { labels, name } = largest(part, shape);
    for (let n = 0; n < part.length; n++) if (labels[n] !== name) part[n] = 0;
  });
}

/** Voxels more than `mm` from the largest component go (centre to centre), as in the rule of the paper with 20 mm. */
export function dropBeyond(mask, grid, mm = 20) {
  inBox(mask, grid, 0, (part, { shape, spacing }) => {
    const { labels, name } = largest(part, shape);
    const far = squaredDistance((n) => labels[n] === name, shape, spacing);
    for (let n = 0; n < part.length; n++) if (far[n] > mm * mm * (1 + 1e-9)) part[n] = 0;
  });
}

/** Fill cavities: what no 6-connected path of background leads out of takes the label most common on its border. */
export function fillHoles(mask, grid) {
  inBox(mask, grid, 1, (part, { shape }) => {
    const padded = padding(part, shape);
    const outside = new Uint8Array(padded.mask.length);
    flood(padded.shape, [0, 0, 0], (n) => padded.mask[n] === 0, (n) => { outside[n] = 1; });
    let n = 0;
    each([1, 1, 1], shape, (voxel) => {
      if (!outside[at(padded.shape, voxel)] && part[n] === 0) part[n] = labelAround(padded, voxel);
      n++;
    });
  });
}

function padding(part, shape) {
  const wide = shape.map((v) => v + 2);
  const mask = new Uint8Array(wide[0] * wide[1] * wide[2]);
  let n = 0;
  each([1, 1, 1], shape, (voxel) => { mask[at(wide, voxel)] = part[n++]; });
  return { mask, shape: wide };
}

// The first label met going right from a cavity: inside a lesion of one label it is that label.
function labelAround({ mask, shape }, [x, y, z]) {
  for (let i = x; i < shape[0]; i++) {
    const value = mask[at(shape, [i, y, z])];
    if (value) return value;
  }
  return PRIMARY;
}

/** Smooth: each label by a binomial kernel (1 2 1 along each axis), kept where the mean is at least one half. */
export function smooth(mask, grid) {
  inBox(mask, grid, 2, (part, { shape }) => {
    const fields = [PRIMARY, SATELLITE].map((value) => binomial(part, shape, value));
    for (let n = 0; n < part.length; n++) {
      const [one, two] = [fields[0][n], fields[1][n]];
      part[n] = one + two < 0.5 ? 0 : one >= two ? PRIMARY : SATELLITE;
    }
  });
}

function binomial(part, shape, value) {
  let field = Float32Array.from(part, (v) => (v === value ? 1 : 0));
  let stride = 1;
  for (const length of shape) {
    const next = new Float32Array(field.length);
    for (let n = 0; n < field.length; n++) {
      const place = Math.floor(n / stride) % length;
      const before = field[place > 0 ? n - stride : n];
      const after = field[place < length - 1 ? n + stride : n];
      next[n] = 0.25 * before + 0.5 * field[n] + 0.25 * after;
    }
    field = next;
    stride *= length;
  }
  return field;
}

/** Grow (or with `shrink` wear off) by one voxel across faces. Growing takes the label that is touched, never another's voxel. */
export function grow(mask, grid, shrink = false) {
  inBox(mask, grid, 1, (part, { shape }) => {
    const before = part.slice();
    const stride = [1, shape[0], shape[0] * shape[1]];
    let n = 0;
    each([0, 0, 0], shape.map((v) => v - 1), (voxel) => {
      const touched = [0, 0, 0];
      voxel.forEach((v, a) => {
        if (v > 0) touched[before[n - stride[a]]]++;
        if (v < shape[a] - 1) touched[before[n + stride[a]]]++;
      });
      if (shrink && before[n] && touched.some((count, value) => count > 0 && value !== before[n])) part[n] = 0;
      if (!shrink && !before[n]) part[n] = touched[PRIMARY] ? PRIMARY : touched[SATELLITE] ? SATELLITE : 0;
      n++;
    });
  });
}

/**
 * Fill the empty slices between drawn ones along `axis`, label by label: the shape half-way between two contours is where
 * the mean of their signed distances is inside (Raya and Udupa, 1990). Slices that hold the label stay as they are.
 */
export function interpolate(mask, grid, axis) {
  inBox(mask, grid, 1, (part, small) => {
    for (const value of [PRIMARY, SATELLITE]) between(part, small, axis, value);
  });
}

function between(part, grid, axis, value) {
  const drawn = [];
  for (let s = 0; s < grid.shape[axis]; s++) {
    const index = sliceIndex(grid.shape, axis, s);
    if (index.some((n) => part[n] === value)) drawn.push(s);
  }
  for (let d = 1; d < drawn.length; d++) {
    const [first, last] = [drawn[d - 1], drawn[d]];
    if (last - first < 2) continue;
    const [a, b] = [first, last].map((s) => signed(part, grid, axis, s, value));
    for (let s = first + 1; s < last; s++) {
      const share = (s - first) / (last - first);
      sliceIndex(grid.shape, axis, s).forEach((n, i) => {
        if (part[n] === 0 && (1 - share) * a[i] + share * b[i] < 0) part[n] = value;
      });
    }
  }
}

function sliceIndex(shape, axis, slice) {
  const low = [0, 0, 0];
  const high = shape.map((v) => v - 1);
  low[axis] = high[axis] = slice;
  const index = [];
  each(low, high, (voxel) => index.push(at(shape, voxel)));
  return index;
}

// Distance to the contour in mm, negative inside; half a voxel is taken off so that the edge lies between voxels.
function signed(part, grid, axis, slice, value) {
  const index = sliceIndex(grid.shape, axis, slice);
  const keep = [0, 1, 2].filter((a) => a !== axis);
  const [shape, spacing] = [keep.map((a) => grid.shape[a]), keep.map((a) => grid.spacing[a])];
  const isIn = (i) => part[index[i]] === value;
  const out = squaredDistance(isIn, shape, spacing);
  const inn = squaredDistance((i) => !isIn(i), shape, spacing);
  const half = Math.min(...spacing) / 2;
  return index.map((_, i) => (isIn(i) ? half - Math.sqrt(inn[i]) : Math.sqrt(out[i]) - half));
}

/** How many voxels hold each of the values 0, 1 and 2. */
export function counts(mask) {
  const sums = [0, 0, 0];
  for (let n = 0; n < mask.length; n++) sums[mask[n]]++;
  return sums;
}
