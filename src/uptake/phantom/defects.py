"""What goes wrong in real studies, on request: in the images before the noise, or in the order of the phases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from uptake.phantom.frames import Float, Frame
from uptake.phantom.outline import Breast, breast_depth_mm

T = TypeVar("T")

GHOST_STRENGTH = 0.16
ARTEFACT_LEVEL = 6.0
"""Of the brightest tissue: cases 1183 and 1187 of the cohort have such spots outside the breast."""


@dataclass(frozen=True, eq=False)
class Scene:
    """Where the defect happens: coordinates, the breast with the lesion, the axis of phase encoding."""

    frame: Frame
    breast: Breast
    phase_axis: int
    lesion_mm: tuple[float, float, float]


def spoiled(images: list[Float], names: Sequence[str], scene: Scene, rng: np.random.Generator) -> list[Float]:
    """The phases with the defects of the image in them; defects of the order are left to `misordered`."""
    for name in names:
        if name in IN_IMAGES:
            images = IN_IMAGES[name](images, scene, rng)
    return images


def misordered(phases: Sequence[T], names: Sequence[str]) -> list[T]:
    """Phases (in time order) with the second and third exchanged, or without the last one."""
    result = list(phases)
    if "swapped-phases" in names:
        result[1], result[2] = result[2], result[1]
    if "missing-phase" in names:
        result.pop()
    return result


def _ghosting(images: list[Float], scene: Scene, rng: np.random.Generator) -> list[Float]:
    """Pulsation and breathing: faint copies along phase encoding, of another strength in every phase."""
    n = images[0].shape[scene.phase_axis]
    shift = int(n / rng.uniform(3.0, 5.0))
    result = []
    for image in images:
        strength = np.float32(GHOST_STRENGTH * rng.uniform(0.6, 1.4))
        both = sum(np.roll(image, sign * shift, scene.phase_axis) for sign in (-1, 1))
        result.append(
            np.asarray(np.abs(image + strength * both * np.float32(rng.choice((-0.5, 0.7)))), dtype=np.float32)
        )
    return result


def _bright_artefact(images: list[Float], scene: Scene, rng: np.random.Generator) -> list[Float]:
    """Spots far brighter than tissue in the air before the breast, and a line of them along phase encoding."""
    frame = scene.frame
    x, y, z = scene.breast.centre_mm[0], scene.breast.nipple_mm[1], scene.breast.centre_mm[1]
    total = np.zeros(frame.grid.shape, dtype=np.float32)
    for _ in range(int(rng.integers(2, 5))):
        centre = _in_air(scene, rng, (x, y, z))
        square = sum(
            ((line - np.float32(c)) / np.float32(s)) ** 2
            for line, c, s in zip((frame.x, frame.y, frame.z), centre, rng.uniform(2.5, 6.0, 3), strict=True)
        )
        total += np.exp(-0.5 * square)
    brightest = np.float32(ARTEFACT_LEVEL * float(np.percentile(images[0], 99.5)))
    return [image + brightest * np.float32(rng.uniform(0.8, 1.2)) * total for image in images]


def _wrap_around(images: list[Float], scene: Scene, rng: np.random.Generator) -> list[Float]:
    """What lies beyond one end of the field of view along phase encoding appears at the other end."""
    axis = scene.phase_axis
    n = images[0].shape[axis]
    width = int(n * rng.uniform(0.12, 0.22))
    result = []
    for image in images:
        beyond = np.flip(image.take(range(n - width, n), axis), axis)
        pad = [(0, 0)] * 3
        pad[axis] = (0, n - width)
        result.append(np.asarray(image + np.float32(0.8) * np.pad(beyond, pad), dtype=np.float32))
    return result


def _metal_void(images: list[Float], scene: Scene, rng: np.random.Generator) -> list[Float]:
    """A clip: no signal within some millimetres, and a bright crescent on one side of it."""
    frame, away = scene.frame, rng.standard_normal(3)
    away = away / np.sqrt((away * away).sum())
    radius = float(rng.uniform(4.0, 8.0))
    centre = np.asarray(scene.lesion_mm) + 10 * away
    offsets = [line - np.float32(c) for line, c in zip((frame.x, frame.y, frame.z), centre, strict=True)]
    distance = np.sqrt(offsets[0] ** 2 + offsets[1] ** 2 + offsets[2] ** 2)
    void = np.clip((distance - np.float32(radius)) / 1.5 + 0.5, 0, 1)
    side = offsets[1] / np.maximum(distance, 1e-3)
    crescent = np.exp(-0.5 * ((distance - np.float32(radius + 1.5)) / 1.2) ** 2) * np.clip(side, 0, 1)
    level = np.float32(1.5 * float(np.percentile(images[0], 98)))
    return [np.asarray(image * void + level * crescent, dtype=np.float32) for image in images]


def _in_air(scene: Scene, rng: np.random.Generator, middle: tuple[float, float, float]) -> tuple[float, float, float]:
    """A point of the volume at least 12 mm outside the breast, before the chest."""
    lines = (scene.frame.x, scene.frame.y, scene.frame.z)
    low, high = ([float(f(line)) for line in lines] for f in (np.min, np.max))
    best, room = middle, -np.inf
    for _ in range(200):
        point = rng.uniform(low, high)
        point[1] = rng.uniform(max(low[1], 30.0), high[1])
        x, y, z = (np.array([c]) for c in point)
        outside = -float(breast_depth_mm(x, y, z, scene.breast)[0])
        if outside > room:
            best, room = (float(point[0]), float(point[1]), float(point[2])), outside
        if room > 12:
            break
    return best


IN_IMAGES: dict[str, Callable[[list[Float], Scene, np.random.Generator], list[Float]]] = {
    "ghosting": _ghosting,
    "bright-artefact": _bright_artefact,
    "wrap-around": _wrap_around,
    "metal-void": _metal_void,
}
DEFECTS = (*IN_IMAGES, "swapped-phases", "missing-phase")
