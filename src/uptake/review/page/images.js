// The pictures of a case: three phases, their subtraction, its maximum projections, and maps in colour. No viewer.

import { casePath, volume } from "./api.js";
import { readNifti, toRas } from "./nifti.js";

/** What keys 1 to 6 show. base: the grey image below. */
export const VIEWS = [
  { name: "pre", label: "Pre", base: "pre" },
  { name: "early", label: "Post 1", base: "early" },
  { name: "late", label: "Post 2", base: "late" },
  { name: "subtraction", label: "Subtraction", base: "subtraction" },
  { name: "mip", label: "MIP", base: "subtraction" },
  { name: "ser", label: "SER", base: "early" },
];

export class Images {
  /** of: the case's description; grid: how its file becomes RAS order; begun: promises of files asked for already. */
  constructor(of, grid, begun = {}) {
    this.begun = begun;
    this.caseId = of.case_id;
    this.grid = grid;
    this.window = { ...of.window };
    this.width = of.window.high - of.window.low;
    this.url = Object.fromEntries([...of.phases, ...of.overlays].map((v) => [v.name, v.url]));
    this.made = {};
    this.projected = {};
  }

  /** Voxels of a phase, map, mask or start in RAS order; fetched once. */
  voxels(name, url = this.url[name] ?? casePath(this.caseId, `volumes/${name}`)) {
    this.made[name] ??= this.#made(name, url).catch((error) => {
      delete this.made[name];
      throw error;
    });
    return this.made[name];
  }

  /** The same, or null where the case has no such file. */
  async ifThere(name) {
    try {
      return await this.voxels(name);
    } catch (error) {
      if (error.status === 404) return null;
      throw error;
    }
  }

  async #made(name, url) {
    if (name === "subtraction") return minus(await this.voxels("early"), await this.voxels("pre"));
    if (name === "colours") return worthColour(await this.voxels("ser"), await this.voxels("subtraction"), this.width);
    const { [name]: begun } = this.begun;
    delete this.begun[name];
    return onto(await (begun ?? volume(url)), this.grid);
  }

  /** Grey values 0 to 255 of a view's base: one window for all phases; the subtraction from none to three quarters of its width. */
  async grey(name) {
    const data = await this.voxels(name);
    const { low, high } = name === "subtraction" ? this.#rise() : this.window;
    const scale = 255 / (high - low);
    const grey = new Uint8ClampedArray(data.length);
    for (let n = 0; n < data.length; n++) grey[n] = (data[n] - low) * scale;
    return grey;
  }

  #rise() {
    return { low: 0, high: 0.75 * (this.window.high - this.window.low) };
  }

  /** The maximum projection of the subtraction along a plane's depth: {width, height, grey}, across fastest, up second. */
  async projection(plane) {
    this.projected[plane.name] ??= project(await this.voxels("subtraction"), this.grid.shape, plane);
    const { width, height, values } = this.projected[plane.name];
    const { high } = this.#rise();
    return { width, height, grey: Uint8ClampedArray.from(values, (v) => (255 * v) / high) };
  }
}

/** A NIfTI of the server in RAS order; throws where its grid is not the case's. */
export async function readOnto(url, grid) {
  return onto(await volume(url), grid);
}

function onto(buffer, grid) {
  const { shape, data } = readNifti(buffer);
  if (shape.some((n, a) => n !== grid.fileShape[a])) {
    throw new Error(`an image of ${shape.join(" x ")} voxels on a grid of ${grid.fileShape.join(" x ")}`);
  }
  return toRas(data, grid);
}

function minus(after, before) {
  const out = new Float32Array(after.length);
  for (let n = 0; n < out.length; n++) out[n] = after[n] - before[n];
  return out;
}

function project(data, shape, { across, up, depth }) {
  const stride = [1, shape[0], shape[0] * shape[1]];
  const [width, height] = [shape[across], shape[up]];
  const values = new Float32Array(width * height);
  for (let v = 0, at = 0; v < height; v++) {
    for (let u = 0; u < width; u++, at++) {
      let most = 0;
      for (let d = 0, n = u * stride[across] + v * stride[up]; d < shape[depth]; d++, n += stride[depth]) most = Math.max(most, data[n]);
      values[at] = most;
    }
  }
  return { width, height, values };
}

/** SER where there is something to see: 0 where the subtraction is below an eighth of the window. */
export function worthColour(ser, subtraction, width) {
  const out = new Float32Array(ser.length);
  for (let n = 0; n < out.length; n++) if (subtraction[n] > width / 8) out[n] = ser[n];
  return out;
}

/** UCSF's SER bands in colour: [r, g, b, alpha] of a ratio; nothing where it was not computed. */
export function serColour(ratio) {
  if (!(ratio > 0)) return [0, 0, 0, 0];
  const place = Math.max(0, Math.min(1, (ratio - 0.5) / 1.1)) * (RAMP.length - 1);
  const low = Math.min(RAMP.length - 2, Math.floor(place));
  const share = place - low;
  return [0, 1, 2].map((c) => RAMP[low][c] + share * (RAMP[low + 1][c] - RAMP[low][c])).concat(190);
}

// persistent (blue), plateau (green to yellow), washout (red): from 0.5 to 1.6
export const RAMP = [[46, 92, 214], [40, 170, 190], [86, 196, 92], [242, 210, 62], [240, 128, 44], [216, 40, 46]];
