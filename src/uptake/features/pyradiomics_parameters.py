"""A parameter file of PyRadiomics as settings of feature extraction, so that its users can move."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import floor, inf
from typing import Annotated, Any, get_args

import numpy as np

from uptake.features.extraction import extract
from uptake.features.pyradiomics_names import FAMILIES, TAGS, WITHOUT, ClassName, pyradiomics_name
from uptake.features.settings import Features
from uptake.features.table import FeatureTable
from uptake.study import Code, Refusal, SettingsError
from uptake.volume import Volume

CLASSES: tuple[ClassName, ...] = get_args(ClassName)
WITHOUT_EFFECT = frozenset(
    {
        "additionalInfo",
        "correctMask",
        "enableCExtensions",
        "geometryTolerance",
        "label_channel",
        "minimumROIDimensions",
        "minimumROISize",
        "normalizeScale",
        "padDistance",
        "preCrop",
        "resegmentMode",  # read with resegmentRange
        "force2Ddimension",  # read with force2D
    }
)
ONLY: Mapping[str, tuple[object, ...]] = {
    "normalize": (False, None),
    "removeOutliers": (None,),
    "weightingNorm": (None, "no_weighting"),
    "symmetricalGLCM": (True,),
    "resegmentShape": (False,),
    "voxelArrayShift": (0,),
    "kernelRadius": (),
    "maskedKernel": (),
}
"""Settings that have no counterpart, and the values with which they change nothing."""


@dataclass(frozen=True)
class PyRadiomicsParameters:
    """What a parameter file of PyRadiomics asks for.

    settings: without the origin of bins of fixed width, which follows from the image, see `extract_as_pyradiomics`.
    names: features that are given, in the order of PyRadiomics' classes. left_out: asked for, but not given, and why.
    """

    settings: Features
    label: Annotated[int, "value of the mask's voxels that are inside"] = 1
    force_2d: Annotated[bool, "texture of slices (axis k) instead of the volume"] = False
    names: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()


def read_parameters(text: str) -> PyRadiomicsParameters:
    """Parameters from the text of PyRadiomics' YAML file (or JSON); what is not set has PyRadiomics' own default.

    Raises SettingsError for an unknown setting, class or feature, and for what would give other values than
    PyRadiomics: filtered images, normalisation, weighting, a shift of intensities, shapes of the re-segmented mask,
    2D shapes; also where PyYAML is not installed.
    With `resampledPixelSpacing` values come close but do not agree: PyRadiomics aligns its grid with a corner of the
    mask and takes the nearest voxel of it, and the IBSI the centre and linear interpolation.
    """
    document = _mapping(_load(text), "the file")
    _check_keys("section", document, ("imageType", "featureClass", "setting"))
    images = _mapping(document.get("imageType"), "imageType")
    if set(images) - {"Original"} or (document.get("imageType") is not None and not images):
        raise SettingsError(f"imageType {', '.join(map(str, images)) or 'none'}: allowed is Original only")
    settings = _mapping(document.get("setting"), "setting")
    for name, value in settings.items():
        _check_setting(name, value)
    asked = _asked(document.get("featureClass"))
    features = _features(settings, tuple(dict.fromkeys(f for group in asked for f in FAMILIES[group])))
    return PyRadiomicsParameters(
        features,
        _whole(settings, "label", 1, 1),
        features.aggregations == ("2.5D direction-merged",),
        tuple(f"original_{group}_{name}" for group, names in asked.items() for name in names if name in TAGS[group]),
        tuple(
            (f"original_{group}_{name}", WITHOUT[group][name])
            for group, names in asked.items()
            for name in names
            if name in WITHOUT[group]
        ),
    )


def extract_as_pyradiomics(volume: Volume, labels: Volume, parameters: PyRadiomicsParameters) -> FeatureTable:
    """The features that a parameter file asks for, of the voxels of its label, in the order of its names.

    labels: whole numbers on the image's grid. PyRadiomics' bins of fixed width lie at multiples of the width, not at
    the lowest intensity, so that is where they begin here.
    Raises Refusal as `uptake.features.extract` does, EMPTY_MASK for a label that no voxel has.
    """
    inside = labels.with_array(labels.array == parameters.label)
    if not inside.array.any():
        raise Refusal(
            Code.EMPTY_MASK,
            found=f"no voxel of the mask has the label {parameters.label}",
            allowed="at least one voxel",
            remedy="give the label of the region in the parameter file",
        )
    settings = _anchored(parameters.settings, volume, inside) if volume.grid.same_as(labels.grid) else Features()
    found = {
        pyradiomics_name(row.ibsi_tag, force_2d=parameters.force_2d): row for row in extract(volume, inside, settings)
    }
    return FeatureTable(tuple(found[name] for name in parameters.names))


def _anchored(settings: Features, volume: Volume, inside: Volume) -> Features:
    """Bins of fixed width from a multiple of the width on: the lower end of a range, which cuts nothing off."""
    if settings.discretisation != "fixed-bin-size":
        return settings
    values = volume.array[inside.array].astype(np.float64)
    low, high = settings.resegment_range or (-inf, inf)
    kept = values[(values >= low) & (values <= high)]
    if settings.resegment_outliers:
        away = settings.resegment_outliers * float(kept.std()) if kept.size else 0.0
        kept = kept[np.abs(kept - kept.mean()) <= away] if kept.size else kept
    if not kept.size or not np.isfinite(kept).all():
        return settings  # refused by the extraction
    return replace(settings, resegment_range=(floor(kept.min() / settings.bin_width) * settings.bin_width, high))


def _load(text: str) -> object:
    try:
        import yaml  # type: ignore[import-untyped]
    except ModuleNotFoundError:
        raise SettingsError("reading a parameter file of PyRadiomics needs PyYAML: pip install pyyaml") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"the parameter file is no YAML: {str(error).splitlines()[0]}") from None


def _mapping(value: object, what: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise SettingsError(f"{what} is {value!r}: allowed is a mapping of names to values")
    return {str(name): entry for name, entry in value.items()}


def _check_keys(what: str, found: Mapping[str, object], allowed: tuple[str, ...]) -> None:
    unknown = [name for name in found if name not in allowed]
    if unknown:
        raise SettingsError(f"{what} {', '.join(unknown)}: allowed are {', '.join(allowed)}")


def _check_setting(name: str, value: object) -> None:
    if name in ONLY:
        if value not in ONLY[name]:
            allowed = " or ".join(map(str, ONLY[name])) or "not to give it"
            raise SettingsError(f"setting {name} = {value}: this has no counterpart; allowed is {allowed}")
    elif name not in WITHOUT_EFFECT and name not in _READ:
        raise SettingsError(f"setting {name}: PyRadiomics has no such setting")


def _asked(classes: object) -> dict[ClassName, tuple[str, ...]]:
    """Features by class: those that are listed, or all of a class."""
    given = _mapping(classes, "featureClass")
    _check_keys("featureClass", given, CLASSES)
    asked: dict[ClassName, tuple[str, ...]] = {}
    for group in CLASSES:
        if group in given or not given:
            known = (*TAGS[group], *WITHOUT[group])
            names = tuple(map(str, given.get(group) or known))
            _check_keys(f"featureClass {group}:", dict.fromkeys(names), known)
            asked[group] = names
    return asked


def _features(settings: Mapping[str, Any], families: tuple[Any, ...]) -> Features:
    chosen: dict[str, Any] = {"families": families, "aggregations": ("3D averaged",)}
    for name, read in _READ.items():
        if settings.get(name) is not None:
            chosen |= read(settings)
    return Features(**{"discretisation": "fixed-bin-size", "bin_width": 25.0, **chosen})


def _spacing(settings: Mapping[str, Any]) -> dict[str, Any]:
    spacing = settings["resampledPixelSpacing"]
    if not (isinstance(spacing, list) and len(spacing) == 3):
        raise SettingsError(f"setting resampledPixelSpacing = {spacing}: allowed are three spacings in mm")
    ways = {"sitkBSpline": "cubic-spline", "sitkLinear": "linear"}
    way = settings.get("interpolator") or "sitkBSpline"
    if way not in ways:
        raise SettingsError(f"setting interpolator = {way}: allowed are {', '.join(ways)}")
    return {"spacing_mm": tuple(map(float, spacing)), "interpolation": ways[way]}


def _range(settings: Mapping[str, Any]) -> dict[str, Any]:
    limits, mode = settings["resegmentRange"], settings.get("resegmentMode") or "absolute"
    if not (isinstance(limits, list) and len(limits) in (1, 2)):
        raise SettingsError(f"setting resegmentRange = {limits}: allowed are one or two numbers")
    low, high = float(limits[0]), float(limits[1]) if len(limits) == 2 else inf
    if mode == "absolute":
        return {"resegment_range": (low, high)}
    if mode == "sigma" and low == -high:
        return {"resegment_outliers": high}
    raise SettingsError(
        f"setting resegmentMode = {mode} with the range {limits}: allowed are absolute, and sigma with -x and x"
    )


def _force_2d(settings: Mapping[str, Any]) -> dict[str, Any]:
    if not settings["force2D"]:
        return {}
    if settings.get("force2Ddimension", 0) != 0:
        raise SettingsError("setting force2Ddimension: allowed is 0, slices along the array's axis k")
    return {"aggregations": ("2.5D direction-merged",)}


def _bin_count(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {"discretisation": "fixed-bin-number", "bins": _whole(settings, "binCount", 1, 1)}


def _distances(settings: Mapping[str, Any]) -> dict[str, Any]:
    distances = settings["distances"]
    if not (isinstance(distances, list) and len(distances) == 1):
        raise SettingsError(f"setting distances = {distances}: allowed is a list of one distance in voxels")
    return {"distance": int(distances[0])}


def _whole(settings: Mapping[str, Any], name: str, default: int, least: int) -> int:
    value = settings.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SettingsError(f"setting {name} = {value}: allowed is a whole number of {least} or more")
    return value


_READ: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "binWidth": lambda settings: {"bin_width": float(settings["binWidth"])},
    "binCount": _bin_count,
    "resampledPixelSpacing": _spacing,
    "interpolator": lambda _: {},
    "resegmentRange": _range,
    "force2D": _force_2d,
    "distances": _distances,
    "gldm_a": lambda settings: {"alpha": _whole(settings, "gldm_a", 0, 0)},
    "label": lambda _: {},
}
"""How each setting is read; those without a field of their own are read elsewhere."""
