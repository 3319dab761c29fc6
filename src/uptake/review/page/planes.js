// The three planes as the screen shows them, and where on the screen a voxel is. Pixels are CSS pixels, y downwards;
// voxels are RAS indices, whole numbers at voxel centres. Radiological: the patient's right is on the screen's left.

export const PLANES = {
  axial: { name: "axial", across: 0, up: 1, depth: 2, mirrored: true, letters: ["R", "L", "A", "P"] },
  coronal: { name: "coronal", across: 0, up: 2, depth: 1, mirrored: true, letters: ["R", "L", "S", "I"] },
  sagittal: { name: "sagittal", across: 1, up: 2, depth: 0, mirrored: true, letters: ["A", "P", "S", "I"] },
};

/** The plane in which the images were acquired: across the axis with the fewest, thickest slices of `spacing_mm`. */
export function acquiredPlane(spacingByDirection) {
  const thickest = spacingByDirection.indexOf(Math.max(...spacingByDirection));
  return ["sagittal", "coronal", "axial"][thickest];
}

/**
 * One pane: where a plane is drawn and at what scale.
 * rect: {left, top, width, height} in pixels; centre: voxel in RAS at the pane's middle; scale: pixels per mm.
 */
export function pane(plane, rect, centre, scale, spacing) {
  const sign = plane.mirrored ? -1 : 1;
  const dx = scale * spacing[plane.across] * sign;
  const dy = -scale * spacing[plane.up];
  const x0 = rect.left + rect.width / 2 - centre[plane.across] * dx;
  const y0 = rect.top + rect.height / 2 - centre[plane.up] * dy;
  return { plane, rect, scale, x0, y0, dx, dy };
}

/** The scale, pixels per mm, at which the whole slice fits the pane. */
export function fitting(plane, rect, grid) {
  const across = grid.shape[plane.across] * grid.spacing[plane.across];
  const up = grid.shape[plane.up] * grid.spacing[plane.up];
  return Math.min(rect.width / across, rect.height / up);
}

/** Voxel (fractions) under a pixel, in the slice of `cursor`. */
export function voxelAt(one, x, y, cursor) {
  const voxel = [...cursor];
  voxel[one.plane.across] = (x - one.x0) / one.dx;
  voxel[one.plane.up] = (y - one.y0) / one.dy;
  return voxel;
}

/** Pixel of a voxel's centre. */
export function pixelOf(one, voxel) {
  return [one.x0 + voxel[one.plane.across] * one.dx, one.y0 + voxel[one.plane.up] * one.dy];
}

export function within(rect, x, y) {
  return x >= rect.left && x < rect.left + rect.width && y >= rect.top && y < rect.top + rect.height;
}

/** The nearest voxel of the grid. */
export function clamped(voxel, shape) {
  return voxel.map((v, n) => Math.min(shape[n] - 1, Math.max(0, Math.round(v))));
}
