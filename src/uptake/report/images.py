"""Pictures made of voxels: windowed grey tiles, colour overlays and exact outlines. Arrays in, data URIs out."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from uptake.volume import Array

if TYPE_CHECKING:
    from PIL.Image import Image

UInt8 = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

SER_COLOURS: tuple[Colour, ...] = ((47, 107, 255), (168, 85, 247), (34, 184, 92), (229, 57, 53), (255, 214, 10))
"""Blue, purple, green, red, yellow: UCSF's colours of the SER bands, in the order of `uptake.tumour.ftv.BANDS`."""
SER_OUTSIDE: Colour = (255, 255, 255)
FIELD_COLOURS: tuple[Colour, ...] = ((24, 79, 149), (122, 178, 212), (236, 236, 232), (240, 170, 100), (160, 66, 8))
"""From a field below 1 (signal was too weak) over 1 to above 1: blue, light grey, brown. Safe for colour blindness."""


@dataclass(frozen=True)
class Window:
    """Intensities shown as black (`low`, and below) and as white (`high`, and above)."""

    low: float
    high: float


def window(values: Array, *, low_percent: float = 1.0, high_percent: float = 99.5) -> Window:
    """The window between two percentiles of the finite `values` (any shape); (0, 1) where there are none."""
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values.ravel()
    if not finite.size:
        return Window(0.0, 1.0)
    low, high = (float(value) for value in np.percentile(finite, (low_percent, high_percent)))
    return Window(low, high if high > low else low + 1.0)


def grey(image: Array, shown: Window) -> UInt8:
    """8-bit grey levels (0-255) of an image in a window; not-a-number is black."""
    scaled = (np.nan_to_num(image.astype(np.float32)) - shown.low) * (255.0 / (shown.high - shown.low))
    levels: UInt8 = np.clip(scaled + 0.5, 0, 255).astype(np.uint8)
    return levels


def photo(image: UInt8) -> str:
    """A grey (rows, columns) or colour (rows, columns, 3) picture as a JPEG data URI."""
    return _uri(_encoded(_image(image), "JPEG", quality=88), "jpeg")


def band_index(ser: Array, mask: Array, bands: tuple[tuple[float, float], ...]) -> UInt8:
    """0 outside `mask`; inside it 1 for the first band (low < SER <= high), ..., len(bands) + 1 for none of them."""
    result = np.zeros(ser.shape, np.uint8)
    result[mask] = len(bands) + 1
    for number, (low, high) in enumerate(bands, start=1):
        result[mask & (ser > low) & (ser <= np.float32(high))] = number
    return result


def overlay(index: UInt8, colours: tuple[Colour, ...]) -> str:
    """A picture (rows, columns) of colour numbers, 0 transparent and n `colours[n - 1]`, as a PNG data URI."""
    picture = _image(index).convert("P")
    picture.putpalette([0, 0, 0, *(channel for colour in colours for channel in colour)])
    return _uri(_encoded(picture, "PNG", transparency=0, optimize=False), "png")


def tinted(values: Array, limits: Window, colours: tuple[Colour, ...] = FIELD_COLOURS) -> UInt8:
    """Values (rows, columns) as colours (rows, columns, 3) of an evenly spaced scale between two limits."""
    stops = np.linspace(limits.low, limits.high, len(colours))
    channels = [np.interp(values, stops, [colour[c] for colour in colours]) for c in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def outline(mask: Array) -> str:
    """The border of a mask (rows, columns) along pixel edges, as SVG path data; '' for an empty mask.

    Unit: pixels, with pixel (row r, column c) covering x from c to c + 1 and y from r to r + 1. Nothing is
    smoothed: what is drawn is what was counted.
    """
    padded = np.pad(mask.astype(bool), 1)
    level = padded[1:, 1:-1] != padded[:-1, 1:-1]
    upright = (padded[1:-1, 1:] != padded[1:-1, :-1]).T
    parts = [f"M{start} {line}h{length}" for line, start, length in _runs(level)]
    parts += [f"M{line} {start}v{length}" for line, start, length in _runs(upright)]
    return "".join(parts)


def border(mask: Array) -> npt.NDArray[np.bool_]:
    """True pixels of a mask (rows, columns) that touch a false one or the edge by a side."""
    inside: npt.NDArray[np.bool_] = mask.astype(bool)
    padded = np.pad(inside, 1)
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return inside & ~core


def small_picture(image: UInt8, paint: tuple[tuple[Array, Colour], ...], aspect: float, side: int) -> bytes:
    """A PNG whose longer side has `side` pixels: a grey picture with the borders of masks in their colours.

    image: (rows, columns) grey; paint: masks of the same shape; aspect: height of a pixel over its width.
    """
    from PIL import Image

    rows, columns = image.shape
    height, width = rows * aspect, float(columns)
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = np.array(_image(image).resize(size, Image.Resampling.BILINEAR).convert("RGB"))
    for mask, colour in paint:
        enlarged = np.array(_image(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR)) > 127
        picture[border(enlarged)] = colour
    return _encoded(_image(picture).quantize(96, dither=Image.Dither.NONE), "PNG", optimize=False)


def png_uri(png: bytes) -> str:
    """PNG bytes as a data URI."""
    return _uri(png, "png")


def _runs(edges: npt.NDArray[np.bool_]) -> list[tuple[int, int, int]]:
    """(line, start, length) of every run of true values along the last axis."""
    padded = np.pad(edges, ((0, 0), (1, 1)))
    line, start = np.nonzero(padded[:, 1:] & ~padded[:, :-1])
    _, stop = np.nonzero(~padded[:, 1:] & padded[:, :-1])
    return list(zip(line.tolist(), start.tolist(), (stop - start).tolist(), strict=True))


def _image(array: UInt8) -> Image:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(array))


def _encoded(picture: Image, form: str, **options: int | bool) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def _uri(data: bytes, subtype: str) -> str:
    return f"data:image/{subtype};base64,{base64.b64encode(data).decode('ascii')}"
