// The one module that touches NiiVue. It shows grey voxels in three planes (Planes) and in space (Solid).
//
// NiiVue gets every image already in RAS order on a grid without rotation, so that it has nothing to orient: what a
// voxel's place in the world is stands in nifti.js alone. Two of NiiVue's habits are worked round, because under
// software WebGL they cost seconds: with each image it computes gradients that only 3D needs, and it keeps no texture.

import { Niivue, NVImage, SLICE_TYPE } from "/static/vendor/niivue.js";

const TYPES = { axial: SLICE_TYPE.AXIAL, coronal: SLICE_TYPE.CORONAL, sagittal: SLICE_TYPE.SAGITTAL };
const OPTIONS = {
  backColor: [0, 0, 0, 1], crosshairWidth: 0, isOrientationTextVisible: false, isSliceMM: false, show3Dcrosshair: false,
  isRadiologicalConvention: true, sagittalNoseLeft: true, dragAndDropEnabled: false, isColorbar: false, logLevel: "silent",
  isOrientCube: false, isRuler: false, thumbnail: "", loadingText: "",
};
const IDENTITY = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

async function attached(canvas, more = {}) {
  if (!document.createElement("canvas").getContext("webgl2")) throw new Error("This browser has no WebGL 2, which the images need: try another one, or switch hardware acceleration on");
  const nv = new Niivue({ ...OPTIONS, ...more });
  await nv.attachToCanvas(canvas);
  return nv;
}

async function image(grid, bytes) {
  return NVImage.loadFromUrl({ url: "image.nii", name: "image.nii", buffer: nifti(grid, bytes), cal_min: 0, cal_max: 255 });
}

// The least of a NIfTI-1 file that NiiVue reads: 8-bit voxels, spacing, an affine without rotation.
function nifti({ shape, spacing }, bytes) {
  const buffer = new ArrayBuffer(352 + bytes.length);
  const view = new DataView(buffer);
  view.setInt32(0, 348, true);
  [3, ...shape, 1, 1, 1, 1].forEach((n, i) => view.setInt16(40 + 2 * i, n, true));
  view.setInt16(70, 2, true);
  view.setInt16(72, 8, true);
  [1, ...spacing, 1, 1, 1, 1].forEach((n, i) => view.setFloat32(76 + 4 * i, n, true));
  view.setFloat32(108, 352, true);
  view.setFloat32(112, 1, true);
  view.setUint8(123, 2);
  view.setInt16(254, 1, true);
  spacing.forEach((s, row) => view.setFloat32(280 + 16 * row + 4 * row, s, true));
  [0x6e, 0x2b, 0x31].forEach((c, i) => view.setUint8(344 + i, c));
  new Uint8Array(buffer, 352).set(bytes);
  return buffer;
}

/** Three planes of one grey image at a time. */
export class Planes {
  static async on(canvas) {
    const nv = await attached(canvas);
    nv.graph.opacity = 0;
    return new Planes(nv);
  }

  constructor(nv) {
    this.nv = nv;
    this.panes = [];
  }

  /** Make room for images on a grid (RAS order). */
  async begin(grid) {
    this.grid = grid;
    const volume = await image(grid, new Uint8Array(grid.shape[0] * grid.shape[1] * grid.shape[2]));
    withoutPasses(this.nv, () => this.nv.addVolume(volume));
    this.nv.screenFieldOfViewExtendedVox = (type) => this.#window(type);
    this.nv.calculateWidthHeight = () => [NaN, NaN]; // a pane is filled, not fitted: zoom and place are ours
  }

  /** Show grey values 0 to 255, RAS order; drawn with the next `draw`. */
  show(grey) {
    const { gl } = this.nv;
    const rgba = new Uint32Array(grey.length);
    for (let n = 0; n < grey.length; n++) rgba[n] = 0xff000000 | (grey[n] * 0x010101);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_3D, this.nv.volumeTexture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 4);
    gl.texSubImage3D(gl.TEXTURE_3D, 0, 0, 0, 0, ...this.grid.shape, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(rgba.buffer));
  }

  /** Draw the panes (planes.js) with their slices through the voxel `cursor`; `size` is the canvas in CSS pixels. */
  draw(panes, cursor, size) {
    this.panes = panes;
    this.nv.scene.crosshairPos = cursor.map((v, a) => (v + 0.5) / this.grid.shape[a]);
    const layout = panes.map((one) => ({
      sliceType: TYPES[one.plane.name],
      position: [one.rect.left / size.width, one.rect.top / size.height, one.rect.width / size.width, one.rect.height / size.height],
    }));
    if (JSON.stringify(layout) === this.layout) this.nv.drawScene();
    else this.nv.setCustomLayout(layout);
    this.layout = JSON.stringify(layout);
  }

  // What a pane shows, in mm along the grid's axes: NiiVue draws exactly this window into the pane.
  #window(type) {
    const one = this.panes.find((p) => TYPES[p.plane.name] === type);
    const { plane, rect, scale, x0, y0, dx, dy } = one;
    const [low, high] = [[], []];
    const span = (n, axis, from, to) => {
      const mm = [from, to].map((v) => v * this.grid.spacing[axis]);
      low[n] = Math.min(...mm);
      high[n] = Math.max(...mm);
    };
    span(0, plane.across, (rect.left - x0) / dx, (rect.left + rect.width - x0) / dx);
    span(1, plane.up, (rect.top - y0) / dy, (rect.top + rect.height - y0) / dy);
    span(2, plane.depth, -1, this.grid.shape[plane.depth]);
    return { mnMM: low, mxMM: high, rotation: IDENTITY, fovMM: high.map((v, n) => v - low[n]), scale };
  }
}

// Baking an image runs a draw call per slice and pass. Without them the texture is allocated and stays empty.
function withoutPasses(nv, work) {
  nv.gl.drawArrays = () => {};
  try {
    work();
  } finally {
    delete nv.gl.drawArrays;
  }
}

/** The subtraction as a solid with the mask in it, at half the resolution, so that it turns without a graphics card too. */
export class Solid {
  static async on(canvas, grid) {
    const nv = await attached(canvas, { isOrientCube: true, forceDevicePixelRatio: SOLID_RATIO });
    nv.opts.sliceType = SLICE_TYPE.RENDER;
    nv.scene.renderAzimuth = 160;
    nv.scene.renderElevation = 15;
    return new Solid(nv, grid);
  }

  constructor(nv, grid) {
    this.nv = nv;
    this.whole = grid;
    this.grid = { shape: grid.shape.map((n) => Math.ceil(n / 2)), spacing: grid.spacing.map((s) => 2 * s) };
  }

  /** The grey image around the mask, once; and the mask: labels in RAS order with the colours [r, g, b] of 1 and 2. */
  async begin(grey, labels, colours) {
    const volume = await image(this.grid, halved(grey, this.whole.shape, this.grid.shape));
    volume.cal_min = 70;
    this.colours = colours;
    const { nv } = this;
    quietly(nv, () => {
      nv.addVolume(volume);
      nv.createEmptyDrawing();
      const [r, g, b] = [0, 1, 2].map((c) => [0, ...colours.map((colour) => colour[c])]);
      nv.setDrawColormap({ R: r, G: g, B: b, A: [0, 255, 255], labels: ["", "primary", "satellite"] });
      nv.setDrawOpacity(1);
    });
    this.mask(labels);
  }

  /** The mask as it is now. */
  mask(labels) {
    this.nv.drawBitmap.set(halved(labels, this.whole.shape, this.grid.shape));
    this.nv.refreshDrawing(true);
  }
}

const SOLID_RATIO = 0.75;

// Each of NiiVue's setters draws; casting rays is what costs.
function quietly(nv, work) {
  nv.drawScene = () => {};
  try {
    work();
  } finally {
    delete nv.drawScene;
  }
}

// The largest of each 2 x 2 x 2 voxels.
function halved(data, shape, half) {
  const out = new Uint8Array(half[0] * half[1] * half[2]);
  for (let z = 0, n = 0; z < shape[2]; z++) {
    for (let y = 0; y < shape[1]; y++) {
      const row = half[0] * ((y >> 1) + half[1] * (z >> 1));
      for (let x = 0; x < shape[0]; x++, n++) if (data[n] > out[row + (x >> 1)]) out[row + (x >> 1)] = data[n];
    }
  }
  return out;
}
