"""The image panels of a case page: slices with outlines, MIPs and the bias field, in millimetres on the screen."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from uptake.report import images
from uptake.report.images import Window
from uptake.report.planes import Edges, Plane, plane, position_words
from uptake.report.view import CaseView
from uptake.tumour.ftv import BANDS
from uptake.volume import Array, bounding_slices

MOST_SLICES = 12
"""Slices through the tumour that a page embeds: more would make a cohort's pages too large to mail."""

LANDSCAPE = 4 / 3
"""Width over height of pictures that always show the focus."""

_ZOOM_MARGIN_MM = 12.0
_BARS_MM = (100, 50, 20, 10, 5, 2, 1)

Box = tuple[float, float, float, float]
Slices = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Frame:
    """Where a picture's pixels lie: plane, size, and the part to show when zoomed in (`close`: always); in mm."""

    plane: Plane
    rows: int
    columns: int
    zoom: Box
    close: bool = False

    @property
    def width(self) -> float:
        """Width in mm."""
        return self.columns * self.plane.spacing_mm[0]

    @property
    def height(self) -> float:
        """Height in mm."""
        return self.rows * self.plane.spacing_mm[1]

    @property
    def full(self) -> Box:
        """Left, top, width and height of the whole picture."""
        return 0.0, 0.0, self.width, self.height

    @property
    def first(self) -> Box:
        """What is shown before anybody zooms."""
        return self.zoom if self.close else self.full

    @property
    def edges(self) -> Edges:
        """Orientation letters."""
        return self.plane.edges


@dataclass(frozen=True)
class Picture:
    """One picture with what is drawn over it. The slots name the images of a `Slide` that replace them.

    href, cover: data URIs of the picture and of a colour overlay; ftv, stv, breast, fgt: outline path data in pixels;
    voi: rectangle in pixels; words: the caption; alt: what a person who can't see it is told.
    """

    frame: Frame
    href: str
    words: str
    alt: str
    slot: str = ""
    cover: str = ""
    ftv: str = ""
    stv: str = ""
    breast: str = ""
    fgt: str = ""
    voi: Box | None = None


@dataclass(frozen=True)
class Slide:
    """One slice of the viewer: its words, the phases' pictures, the SER overlay and both outlines."""

    words: str
    phases: tuple[str, str, str]
    ser: str
    ftv: str
    stv: str


@dataclass(frozen=True)
class Scene:
    """A case cut to the body: every array below has the same shape, the part `cut` of the acquired grid."""

    view: CaseView
    cut: Slices

    @cached_property
    def phases(self) -> tuple[Array, Array, Array]:
        """Raw pre-contrast, early and late intensities."""
        pre, early, late = (self.view.study.volumes[n].array[self.cut] for n in self.view.ftv.phases.indices)
        return pre, early, late

    @cached_property
    def ftv(self) -> Array:
        """The PE-rule FTV."""
        return self.view.ftv_pe.array[self.cut]

    @cached_property
    def stv(self) -> Array:
        """The STV; all false where there is none."""
        return self.view.stv.array[self.cut] if self.view.stv else np.zeros_like(self.ftv)

    @cached_property
    def voi(self) -> Slices:
        """The VOI's box inside the cut."""
        low, middle, high = (
            slice(v.start - c.start, v.stop - c.start) for v, c in zip(voi_slices(self.view), self.cut, strict=True)
        )
        return low, middle, high

    @cached_property
    def slice_axis(self) -> int:
        """The array axis along which the scanner's slices lie."""
        return self.view.study.acquisition.layout.axes.index(2)

    @cached_property
    def focus(self) -> Slices:
        """The box around FTV and STV, or the VOI where both are empty."""
        lesion = self.ftv | self.stv
        return bounding_slices(lesion) if lesion.any() else self.voi

    @cached_property
    def window(self) -> Window:
        """One window for all phases: percentiles of the body, opened so that the FTV is not saturated."""
        sample = np.stack([phase[::3, ::3, ::2] for phase in self.phases])
        body = images.window(sample, low_percent=2.0)
        lesion = images.window(np.stack([phase[self.ftv] for phase in self.phases[1:]]), high_percent=98.0)
        return Window(body.low, max(body.high, lesion.high) if self.ftv.any() else body.high)

    def frame(self, axis: int, *, close: bool = False) -> Frame:
        """The frame of pictures perpendicular to an array axis; `close`: one that always shows the focus."""
        shown = plane(self.view.study.grid, axis)
        (across, down), (left, top, width, height) = shown.spacing_mm, self.rectangle(shown, self.focus)
        focus = (left * across, top * down, width * across, height * down)
        whole = Frame(shown, self.ftv.shape[shown.down], self.ftv.shape[shown.across], focus)
        return replace(whole, zoom=_zoom(focus, whole, LANDSCAPE if close else None), close=close)

    def rectangle(self, shown: Plane, box: Slices) -> Box:
        """A box of voxels as left, top, width, height in pixels of a plane's pictures."""
        left, width = _span(box[shown.across], self.ftv.shape[shown.across], shown.flip_across)
        top, height = _span(box[shown.down], self.ftv.shape[shown.down], shown.flip_down)
        return left, top, width, height


def scene(view: CaseView) -> Scene:
    """The case cut to a box that holds the body, the VOI and both masks."""
    early = view.study.volumes[view.ftv.phases.early].array
    boxes = [_body(early), voi_slices(view), bounding_slices(view.ftv_pe.array)]
    boxes += [bounding_slices(view.stv.array)] if view.stv else []
    boxes = [box for box in boxes if all(side.stop > side.start for side in box)]
    sides = [slice(min(box[a].start for box in boxes), max(box[a].stop for box in boxes)) for a in range(3)]
    return Scene(view, (sides[0], sides[1], sides[2]))


def voi_slices(view: CaseView) -> Slices:
    """Array slices of the VOI's box on the acquired grid."""
    column, row, last = view.ftv.voi.end
    return view.study.acquisition.layout.slices(
        view.ftv.voi.start, (column + 1, row + 1, last + 1), view.study.grid.shape
    )


def slides(scene: Scene) -> tuple[tuple[Slide, ...], int]:
    """Up to `MOST_SLICES` slices through the focus, and which of them to show first (the largest FTV area)."""
    axis = scene.slice_axis
    chosen, start = _chosen(scene)
    shown = scene.frame(axis).plane
    ser = scene.view.ser.array[scene.cut]
    result = []
    for index in chosen:
        ftv = shown.section(scene.ftv, index)
        bands = images.band_index(shown.section(ser, index), ftv, BANDS)
        pre, early, late = (images.photo(images.grey(shown.section(p, index), scene.window)) for p in scene.phases)
        result.append(
            Slide(
                words=_slice_words(scene, index),
                phases=(pre, early, late),
                ser=images.overlay(bands, (*images.SER_COLOURS, images.SER_OUTSIDE)),
                ftv=images.outline(ftv),
                stv=images.outline(shown.section(scene.stv, index)),
            )
        )
    return tuple(result), start


def phase_pictures(scene: Scene, slide: Slide, names: tuple[str, str, str]) -> tuple[Picture, ...]:
    """The three phases side by side at one slice, with both outlines."""
    frame = scene.frame(scene.slice_axis)
    return tuple(
        Picture(
            frame=frame,
            href=href,
            words=name,
            alt=f"{name}, {frame.plane.name} slice through the tumour, with the outlines of FTV and STV",
            slot=f"phase{number}",
            ftv=slide.ftv,
            stv=slide.stv,
        )
        for number, (href, name) in enumerate(zip(slide.phases, names, strict=True))
    )


def ser_picture(scene: Scene, slide: Slide, name: str) -> Picture:
    """SER in colour inside the FTV over the early phase, without outlines."""
    frame = scene.frame(scene.slice_axis, close=True)
    alt = "SER inside the functional tumour volume, coloured by band, over the early phase"
    return Picture(frame, slide.phases[1], name, alt, slot="phase1", cover=slide.ser)


def mips(scene: Scene) -> tuple[Picture, ...]:
    """Maximum intensity projections of early minus pre along the three array axes, slice axis first."""
    pre, early, _ = scene.phases
    rise = np.subtract(early, pre, dtype=np.float32)
    axes = (scene.slice_axis, *(axis for axis in range(3) if axis != scene.slice_axis))
    frames = [scene.frame(axis) for axis in axes]
    projected = [np.maximum(frame.plane.project(rise), 0) for frame in frames]
    limits = Window(0.0, max(images.window(image).high for image in projected))
    return tuple(
        Picture(
            frame=frame,
            href=images.photo(images.grey(image, limits)),
            words=frame.plane.name,
            alt=f"{frame.plane.name} maximum intensity projection of the subtraction, FTV outline and VOI box",
            ftv=images.outline(frame.plane.project(scene.ftv)),
            voi=scene.rectangle(frame.plane, scene.voi),
        )
        for frame, image in zip(frames, projected, strict=True)
    )


def field_pictures(scene: Scene) -> tuple[tuple[Picture, ...], Window]:
    """The bias field at the first slice shown (with one field: between the raw and the corrected image), its limits.

    Limits are symmetrical about 1 on a logarithmic scale and hold 98 % of the field inside the cut.
    """
    index, frame = _chosen(scene)[0][_chosen(scene)[1]], scene.frame(scene.slice_axis)
    cuts = [volume.array[scene.cut] for volume in scene.view.fields]
    spread = max(float(np.percentile(np.abs(np.log(cut[::3, ::3, ::2])), 98)) for cut in cuts)
    limits = Window(math.exp(-max(spread, 0.02)), math.exp(max(spread, 0.02)))
    log_limits = Window(math.log(limits.low), math.log(limits.high))

    def drawn(pixels: images.UInt8, words: str) -> Picture:
        return Picture(frame, images.photo(pixels), words, f"{words}, {frame.plane.name} slice through the tumour")

    sections = [frame.plane.section(cut, index) for cut in cuts]
    coloured = [images.tinted(np.log(section), log_limits) for section in sections]
    if len(coloured) > 1:
        return tuple(drawn(field, f"field of phase {n}") for n, field in enumerate(coloured)), limits
    raw = frame.plane.section(scene.phases[0], index)
    shown = images.window(scene.phases[0][::3, ::3, ::2], low_percent=2.0)
    grey, corrected = images.grey(raw, shown), images.grey(raw / sections[0], shown)
    pictures = (drawn(grey, "before"), drawn(coloured[0], "bias field"), drawn(corrected, "after"))
    return pictures, limits


def breast_pictures(scene: Scene) -> tuple[Picture, ...]:
    """The pre-contrast phase with the outlines of breast and fibroglandular tissue, in slices through the breast.

    The slice shown first and one to each side of it, half-way to the end of the breast. Empty without a breast mask.
    """
    made = scene.view.breast
    if made is None or not made.breast.array.any():
        return ()
    breast = made.breast.array[scene.cut]
    fgt = scene.view.background.fgt.array[scene.cut] if scene.view.background else np.zeros_like(breast)
    frame, axis = scene.frame(scene.slice_axis), scene.slice_axis
    filled = np.flatnonzero(breast.any(axis=tuple(a for a in range(3) if a != axis)))
    chosen, start = _chosen(scene)
    middle = chosen[start]
    indices = sorted({(int(filled[0]) + middle) // 2, middle, (int(filled[-1]) + middle) // 2})
    shown = images.window(scene.phases[0][::3, ::3, ::2], low_percent=2.0)
    return tuple(
        Picture(
            frame=frame,
            href=images.photo(images.grey(frame.plane.section(scene.phases[0], index), shown)),
            words=_slice_words(scene, index),
            alt=f"pre-contrast {frame.plane.name} slice with the outlines of breast and fibroglandular tissue",
            breast=images.outline(frame.plane.section(breast, index)),
            fgt=images.outline(frame.plane.section(fgt, index)),
        )
        for index in indices
    )


def small(scene: Scene, side: int, colours: tuple[images.Colour, images.Colour]) -> bytes:
    """A PNG of the subtraction MIP along the slice axis with the FTV's outline, longer side `side` pixels."""
    pre, early, _ = scene.phases
    frame = scene.frame(scene.slice_axis)
    rise = np.maximum(frame.plane.project(np.subtract(early, pre, dtype=np.float32)), 0)
    across, down = frame.plane.spacing_mm
    paint = (
        (frame.plane.project(scene.ftv), colours[0]),
        (frame.plane.project(scene.stv), colours[1]),
    )
    pixels = images.grey(rise, Window(0.0, images.window(rise).high))
    return images.small_picture(pixels, paint, down / across, side)


def bar_mm(width: float) -> int:
    """A round length for a scale bar: the longest of 100, 50, 20, ... mm that fits a quarter of the width (mm)."""
    return next((length for length in _BARS_MM if length <= width / 4), _BARS_MM[-1])


def _body(early: Array) -> Slices:
    """The box around what is brighter than the air: more than 1 % of a slab's voxels above 15 % of the bright ones."""
    sample = early[::2, ::2, ::2]
    bright = sample > 0.15 * np.percentile(sample, 99.5)
    sides = []
    for axis, size in enumerate(early.shape):
        share = bright.mean(axis=tuple(a for a in range(3) if a != axis))
        hits = np.flatnonzero(share > 0.01)
        low, high = (int(hits[0]) * 2, int(hits[-1]) * 2 + 2) if hits.size else (0, size)
        sides.append(slice(max(low - 4, 0), min(high + 4, size)))
    return sides[0], sides[1], sides[2]


def _chosen(scene: Scene) -> tuple[tuple[int, ...], int]:
    """Slice numbers inside the cut, in order, with the one of the largest FTV (else STV) area among them."""
    axis, others = scene.slice_axis, tuple(a for a in range(3) if a != scene.slice_axis)
    low, high = scene.focus[axis].start, scene.focus[axis].stop - 1
    even = np.unique(np.linspace(low, high, MOST_SLICES).round().astype(int))
    mask = scene.ftv if scene.ftv.any() else scene.stv
    best = int(mask.sum(axis=others).argmax()) if mask.any() else (low + high) // 2
    even[int(np.abs(even - best).argmin())] = best
    return tuple(int(n) for n in even), int(np.flatnonzero(even == best)[0])


def _slice_words(scene: Scene, index: int) -> str:
    axis, layout = scene.slice_axis, scene.view.study.acquisition.layout
    grid = scene.view.study.grid
    number = index + scene.cut[axis].start
    counted = grid.shape[axis] - 1 - number if layout.flipped[axis] else number
    return f"slice {counted} of 0\u2013{grid.shape[axis] - 1}, {position_words(grid, axis, number)}"


def _span(side: slice, size: int, flipped: bool) -> tuple[float, float]:
    start = size - side.stop if flipped else side.start
    return float(start), float(side.stop - side.start)


def _zoom(focus: Box, whole: Frame, aspect: float | None) -> Box:
    """The focus with a margin, widened to an aspect ratio (the picture's own where that does not fit), in mm."""
    full = (whole.width, whole.height)
    size = (focus[2] + 2 * _ZOOM_MARGIN_MM, focus[3] + 2 * _ZOOM_MARGIN_MM)
    if aspect is None or max(size[0], size[1] * aspect) > full[0] or max(size[1], size[0] / aspect) > full[1]:
        aspect = full[0] / full[1]
    width = min(max(size[0], size[1] * aspect), full[0])
    part = (width, width / aspect)
    corner = [min(max(focus[n] + (focus[n + 2] - part[n]) / 2, 0.0), full[n] - part[n]) for n in (0, 1)]
    return corner[0], corner[1], part[0], part[1]
