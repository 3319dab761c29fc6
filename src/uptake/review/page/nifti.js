// NIfTI-1 files as arrays in RAS order: the first index runs to the patient's right, the second to the front, the
// third to the head, along the axes of the grid that lie nearest to these directions. No DOM, no viewer.

/** The voxels of a NIfTI-1 file as float32 or uint8, scaled, with its shape; throws an Error that says what is wrong. */
export function readNifti(buffer) {
  const view = new DataView(buffer);
  if (buffer.byteLength < 352 || view.getInt32(0, true) !== 348) throw new Error("not a little-endian NIfTI-1 file");
  const shape = [1, 2, 3].map((n) => view.getInt16(40 + 2 * n, true));
  const kind = READERS[view.getInt16(70, true)];
  if (!kind) throw new Error(`voxel type ${view.getInt16(70, true)} is not expected here`);
  const count = shape[0] * shape[1] * shape[2];
  const start = view.getFloat32(108, true);
  if (buffer.byteLength < start + count * kind.BYTES_PER_ELEMENT) throw new Error("the file is shorter than its header says");
  const raw = new kind(buffer.slice(start, start + count * kind.BYTES_PER_ELEMENT));
  return { shape, data: scaled(raw, view.getFloat32(112, true), view.getFloat32(116, true)) };
}

const READERS = { 2: Uint8Array, 4: Int16Array, 8: Int32Array, 16: Float32Array, 64: Float64Array, 256: Int8Array, 512: Uint16Array };

function scaled(raw, slope, intercept) {
  const plain = !slope || (slope === 1 && intercept === 0);
  if (plain && (raw instanceof Uint8Array || raw instanceof Float32Array)) return raw;
  const out = new Float32Array(raw.length);
  for (let n = 0; n < raw.length; n++) out[n] = plain ? raw[n] : raw[n] * slope + intercept;
  return out;
}

/**
 * How a file's axes become RAS order. `shape` and `affine` (rows of 4) are the file's.
 * `axis[r]` is the file's axis that runs along r (0 right, 1 front, 2 head), `flip[r]` whether it runs the other way.
 */
export function orientation(shape, affine) {
  const axis = nearest(affine);
  const flip = axis.map((a, r) => affine[r][a] < 0);
  const spacing = axis.map((a) => Math.hypot(affine[0][a], affine[1][a], affine[2][a]));
  const ras = axis.map((a) => shape[a]);
  const matrix = [0, 1, 2].map((row) => {
    const columns = axis.map((a, r) => (flip[r] ? -affine[row][a] : affine[row][a]));
    const shift = axis.reduce((sum, a, r) => sum + (flip[r] ? affine[row][a] * (shape[a] - 1) : 0), affine[row][3]);
    return [...columns, shift];
  });
  return { axis, flip, shape: ras, fileShape: [...shape], spacing, affine: matrix };
}

// The assignment of file axes to directions with the largest sum of cosines: six to try.
function nearest(affine) {
  const length = [0, 1, 2].map((a) => Math.hypot(affine[0][a], affine[1][a], affine[2][a]));
  const cosine = (r, a) => Math.abs(affine[r][a]) / length[a];
  const orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
  const total = (order) => order.reduce((sum, a, r) => sum + cosine(r, a), 0);
  return orders.reduce((best, order) => (total(order) > total(best) ? order : best));
}

/** A copy in RAS order of voxels in file order. */
export function toRas(data, grid) {
  const out = new data.constructor(data.length);
  const [first, step] = steps(grid);
  const [nx, ny, nz] = grid.shape;
  for (let z = 0, n = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      for (let x = 0, at = first + y * step[1] + z * step[2]; x < nx; x++, n++, at += step[0]) out[n] = data[at];
    }
  }
  return out;
}

/** A copy in file order of voxels in RAS order. */
export function fromRas(data, grid) {
  const out = new data.constructor(data.length);
  const [first, step] = steps(grid);
  const [nx, ny, nz] = grid.shape;
  for (let z = 0, n = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      for (let x = 0, at = first + y * step[1] + z * step[2]; x < nx; x++, n++, at += step[0]) out[at] = data[n];
    }
  }
  return out;
}

// Where the first RAS voxel lies in the file, and how far one step in each direction goes.
function steps(grid) {
  const strides = [1, grid.fileShape[0], grid.fileShape[0] * grid.fileShape[1]];
  const step = grid.axis.map((a, r) => (grid.flip[r] ? -strides[a] : strides[a]));
  const first = grid.axis.reduce((sum, a, r) => sum + (grid.flip[r] ? strides[a] * (grid.shape[r] - 1) : 0), 0);
  return [first, step];
}

/** World position in RAS mm of a voxel (fractions allowed) in RAS order. */
export function toWorld(grid, voxel) {
  return grid.affine.map((row) => row[0] * voxel[0] + row[1] * voxel[1] + row[2] * voxel[2] + row[3]);
}

/** Voxel in RAS order, with fractions, of a world position in mm. */
export function toVoxel(grid, mm) {
  const [a, b, c] = grid.affine;
  const p = [mm[0] - a[3], mm[1] - b[3], mm[2] - c[3]];
  const cofactor = [
    [b[1] * c[2] - b[2] * c[1], a[2] * c[1] - a[1] * c[2], a[1] * b[2] - a[2] * b[1]],
    [b[2] * c[0] - b[0] * c[2], a[0] * c[2] - a[2] * c[0], a[2] * b[0] - a[0] * b[2]],
    [b[0] * c[1] - b[1] * c[0], a[1] * c[0] - a[0] * c[1], a[0] * b[1] - a[1] * b[0]],
  ];
  const det = a[0] * cofactor[0][0] + a[1] * cofactor[1][0] + a[2] * cofactor[2][0];
  return cofactor.map((row) => (row[0] * p[0] + row[1] * p[1] + row[2] * p[2]) / det);
}

/** cc of one voxel. */
export function voxelCc(grid) {
  return (grid.spacing[0] * grid.spacing[1] * grid.spacing[2]) / 1000;
}
