"""Which objects of a study cannot be a phase of its DCE, and the reason in words."""

from __future__ import annotations

import re
from typing import Final

from uptake.io.dicom.headers import MR_CLASSES, Header

UCSF_MAP = re.compile(r":\s*(?P<map>SER|PE\d?)\s*$")
NOT_A_PHASE = {
    "LOCALIZER": "a localizer",
    "PROJECTION IMAGE": "a projection",
    "MIP": "a projection",
    "MPR": "a reformat",
    "SUBTRACT": "a subtraction",
    "SUBTRACTION": "a subtraction",
    "SUB": "a subtraction",
    "SCREEN SAVE": "a screen capture",
    "MOSAIC": "a mosaic of many slices in one image",
    "PHASE MAP": "a map of signal phase",
    "PHASE": "a map of signal phase",
    "P": "a map of signal phase",
    "ADC": "a diffusion map",
    "FA": "a diffusion map",
}
"""Values of ImageType that say what else an image is."""
NAMED = (
    (re.compile(r"(?<![a-z])(sub|subtract|subtraction|subtracted|su)\d*(?![a-z])", re.I), "named as a subtraction"),
    (re.compile(r"\(\d+/\d+/\d+\)-\(\d+/\d+/\d+\)"), "named as a subtraction"),
    (re.compile(r"(?<![a-z])(mip|pjn|projection)(?![a-z])", re.I), "named as a projection"),
    (re.compile(r"(?<![a-z])mpr(?![a-z])", re.I), "named as a reformat"),
)
"""What a series description gives away."""


FROM_OTHERS: Final = "derived from other images"
"""The one reason that UCSF's maps may overrule: sums of two images have been the source of a map."""


def is_mr_image(header: Header) -> bool:
    """Whether an object is an image of an MR scanner, original or derived."""
    return header.modality == "MR" and header.sop_class in MR_CLASSES


def is_ucsf_object(header: Header) -> bool:
    """Whether UCSF derived an object from the study: by its private group (originals can have one too) or its name."""
    named = UCSF_MAP.search(header.description) is not None
    return header.modality == "SEG" or named or (header.ucsf and is_derived(header))


def reason_to_leave(header: Header) -> str | None:
    """Why an object is no phase, whatever else the study holds; None for an image that may be one."""
    if not is_mr_image(header):
        return f"not an MR image ({header.modality or 'no modality'})"
    if is_ucsf_object(header):
        return "a map derived from the DCE: only what its header records is used"
    if header.pixels is not None and header.pixels.samples != 1:
        return "a colour image"
    return _said_by_image_type(header) or _said_by_name(header) or _said_by_references(header)


def is_derived(header: Header) -> bool:
    """Whether ImageType says that the pixels were computed from other images."""
    return bool(header.image_type) and header.image_type[0].upper() == "DERIVED"


def _said_by_image_type(header: Header) -> str | None:
    values = [value for value in header.image_type[2:] if value.upper() in NOT_A_PHASE]
    return f"{NOT_A_PHASE[values[0].upper()]} (ImageType {values[0]})" if values else None


def _said_by_name(header: Header) -> str | None:
    return next((reason for pattern, reason in NAMED if pattern.search(header.description)), None)


def _said_by_references(header: Header) -> str | None:
    return FROM_OTHERS if is_derived(header) and header.derived_from else None
