"""Writes a study as DICOM in a vendor's habit: what makes phantoms readable by everything that reads real studies.

Equal arguments give equal bytes: dates are fixed and made up, UIDs follow from case, seed and habit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

import numpy as np
from pydicom.dataset import Dataset

from uptake.io.dicom.writing import vendors
from uptake.io.dicom.writing.awkward import exchanged, varied, without_one
from uptake.io.dicom.writing.encode import Compression, file_bytes, set_pixels
from uptake.io.dicom.writing.enhanced import multi_frame
from uptake.io.dicom.writing.header import Identity, classic_header
from uptake.io.dicom.writing.ucsf_map import UcsfMap, add_group, map_pictures
from uptake.io.dicom.writing.vendors import GeTimes, Picture, Series, Vendor, subtraction
from uptake.io.files import write_bytes_whole
from uptake.study import SettingsError, Study

Frames = Literal["classic", "enhanced"]


@dataclass(frozen=True)
class Habit:
    """How the DICOM files look. The values in them are the study's, whatever is set here."""

    vendor: Annotated[Vendor, "whose order, tags and series are imitated"] = "ge"
    ge_times: Annotated[GeTimes, "what tells GE's phases apart; clock: acquisition times alone, as in I-SPY 1"] = (
        "clock"
    )
    frames: Annotated[Frames, "one file per image, or one multi-frame file per dynamic series"] = "classic"
    compression: Annotated[Compression, "lossless compression of the pixels"] = "none"
    ucsf: Annotated[bool, "add UCSF's SER map, which records VOI, thresholds and phases"] = True
    derived_series: Annotated[bool, "add subtractions between the phases (Siemens always has one at the end)"] = False
    varying_tags: Annotated[bool, "echo, window and direction cosines that differ in the last digits"] = False
    missing_slice: Annotated[bool, "leave out one image of the last phase"] = False
    exchanged: Annotated[bool, "the pre-contrast images in the place of the first post-contrast ones, and back"] = False

    def __post_init__(self) -> None:
        choices = (("vendor", Vendor), ("ge_times", GeTimes), ("frames", Frames), ("compression", Compression))
        for name, allowed in choices:
            if getattr(self, name) not in get_args(allowed):
                words = ", ".join(get_args(allowed))
                raise SettingsError(f"habit.{name} must be one of {words}, not {getattr(self, name)!r}")
        if self.ge_times != "clock" and self.vendor != "ge":
            raise SettingsError(f"habit.ge_times = {self.ge_times} is a habit of GE, not of {self.vendor}")
        if self.ge_times == "none" and self.frames == "enhanced":
            raise SettingsError("habit.ge_times = none: an enhanced object always holds times")


def write_study(study: Study, folder: Path, habit: Habit, seed: int, ucsf: UcsfMap | None = None) -> int:
    """Write `study` below `folder` and return the number of files.

    study: integer phases with known times, slices along the normal of the image plane (`ValueError` otherwise).
    seed: decides UIDs and what a vendor leaves to chance (file names, drifts, rescale slopes).
    ucsf: the SER map to write where the habit asks for one; without it none is written.
    Raises `Refusal` NO_SPACE where the folder cannot be written.
    """
    identity = Identity((study.case_id, str(seed), habit.vendor, habit.frames, habit.compression))
    images = _pictures(study, habit, np.random.default_rng([seed, *habit.vendor.encode()]))

    def header(image: Picture) -> Dataset:
        return classic_header(image, study, habit.vendor, identity)

    def map_header(image: Picture) -> Dataset:
        dataset = header(image)
        if ucsf is not None:
            add_group(dataset, study, ucsf)
        return dataset

    dynamic = next(image.series for image in images if image.phase is not None)
    count = 0
    if habit.frames == "enhanced":
        count = _write_enhanced([image for image in images if image.phase is not None], header, study, folder, habit)
        images = [image for image in images if image.phase is None]
    count += _write_classic(images, header, folder, habit)
    if habit.ucsf and ucsf is not None:
        count += _write_classic(
            map_pictures(study, ucsf, dynamic.number, dynamic.description), map_header, folder, habit
        )
    return count


def _pictures(study: Study, habit: Habit, rng: np.random.Generator) -> list[Picture]:
    """The images of the study in the habit asked for, UCSF's map apart."""
    if habit.exchanged:
        study = exchanged(study)
    if habit.vendor == "ge":
        images = vendors.ge(study, rng, habit.ge_times)
    elif habit.vendor == "siemens":
        images = vendors.siemens(study, rng, between=habit.derived_series)
    else:
        images = vendors.philips(study, rng)
    if habit.derived_series and habit.vendor != "siemens":
        number = images[0].series.number + 1
        images += subtraction(study, Series(number, "SUB", ("DERIVED", "SECONDARY", "SUBTRACT"), "sub"))
    if habit.varying_tags:
        images = varied(images, study.acquisition, rng)
    return without_one(images) if habit.missing_slice else images


def _write_classic(images: list[Picture], header: Callable[[Picture], Dataset], folder: Path, habit: Habit) -> int:
    for image in images:
        dataset = header(image)
        set_pixels(dataset, [image.pixels], habit.compression)
        write_bytes_whole(folder / image.series.folder / image.file, file_bytes(dataset, habit.compression))
    return len(images)


def _write_enhanced(
    images: list[Picture], header: Callable[[Picture], Dataset], study: Study, folder: Path, habit: Habit
) -> int:
    by_series: dict[int, list[Picture]] = {}
    for image in images:
        by_series.setdefault(image.series.number, []).append(image)
    for frames in by_series.values():
        dataset = multi_frame(frames, header(frames[0]), study)
        set_pixels(dataset, [image.pixels for image in frames], habit.compression)
        write_bytes_whole(folder / frames[0].series.folder / "frames.dcm", file_bytes(dataset, habit.compression))
    return len(by_series)
