"""What real archives do to a study: an image lost, attributes that differ from image to image. No file is touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from uptake.io.dicom.writing.header import decimal
from uptake.io.dicom.writing.vendors import Picture
from uptake.study import Acquisition, Study

TILT = 2e-6
"""Of a direction cosine, from image to image: what is left of a rounded matrix."""


def without_one(images: Sequence[Picture]) -> list[Picture]:
    """All images but the middle one of the last phase."""
    last = max(image.phase for image in images if image.phase is not None)
    of_phase = [image for image in images if image.phase == last]
    return [image for image in images if image is not of_phase[len(of_phase) // 2]]


def varied(images: Sequence[Picture], acquisition: Acquisition, rng: np.random.Generator) -> list[Picture]:
    """The images with times, echo, window and direction cosines that differ in the last digits from image to image.

    None of it means anything; converters that expect equal attributes in a series cut it into pieces.
    """
    return [_varied(image, acquisition, rng) if image.phase is not None else image for image in images]


def exchanged(study: Study) -> Study:
    """The study with the images of the pre-contrast and of the first post-contrast phase in each other's place."""
    first, second, *others = study.volumes
    return study.with_volumes((second, first, *others))


def _varied(image: Picture, acquisition: Acquisition, rng: np.random.Generator) -> Picture:
    echo, repetition = acquisition.echo_time_ms or 4.2, acquisition.repetition_time_ms or 8.4
    tags = {
        **image.tags,
        "EchoTime": decimal(round(echo + 0.001 * int(rng.integers(0, 3)), 3)),
        "RepetitionTime": decimal(round(repetition + 0.01 * int(rng.integers(0, 3)), 3)),
        "AcquisitionNumber": 1 + int(rng.integers(0, 3)),
        "ImageComments": f"image {image.instance}",
        "WindowCenter": str(int(rng.integers(100, 900))),
        "WindowWidth": str(int(rng.integers(200, 1800))),
    }
    tilt = np.round(rng.integers(-1, 2, 6) * TILT, 6)
    return replace(image, tags=tags, plane=replace(image.plane, orientation=image.plane.orientation + tilt))
