"""What is true of a phantom, as files: volumes on the acquired grid and at 1 mm, a row of numbers, a legend.

``DIR/truth/<case_id>/<name>.nii.gz``, ``DIR/truth/<case_id>/1mm/<name>.nii.gz``, ``DIR/truth/legend.csv`` and
``DIR/truth/tissue-labels.txt``, which ITK-SNAP and 3D Slicer's importers read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from uptake.io.dicom.writing.layouts import layout_when_read, relaid
from uptake.io.dicom.writing.vendors import Vendor
from uptake.io.files import write_bytes_whole
from uptake.io.nifti import write_volume
from uptake.io.tables import write_csv
from uptake.phantom import Phantom, Tissue, truth_on
from uptake.preprocess.resample import Resample, isotropic_grid, resample, resample_mask
from uptake.tumour.ftv import FtvResult
from uptake.volume import Grid, Volume

ISOTROPIC = "1mm"
LEGEND, LABELS = "legend.csv", "tissue-labels.txt"


@dataclass(frozen=True)
class Truth:
    """One row of ``truth.csv``.

    seed: `uptake.phantom.make` with it and the row's settings gives the case again. ftv_*: the FTV rule with the
    study's VOI on the noise-free phases. stv_cc: voxels at least half inside the STV; stv_occupancy_cc: the sum of
    every voxel's share. stv_components: pieces of the STV, counted as
    in the published table (6 neighbours). longest_diameter_mm: over all foci.
    habits: what the files have beside the vendor's own habit. defects: what is wrong with images and files.
    """

    case_id: str
    seed: int
    ftv_pe_voxels: int
    ftv_ser_voxels: int
    stv_cc: float
    ftv_pe_cc: float
    ftv_ser_cc: float
    stv_occupancy_cc: float
    lesion_cc: float
    stv_components: int
    longest_diameter_mm: float
    lesion_kind: str
    background: str
    background_threshold: int
    voi: str
    voxel_mm3: float
    slices: int
    phases: int
    vendor: str
    habits: str
    view: str
    size: str
    field_t: float
    snr: float
    motion_mm: float
    defects: str


COLUMNS = tuple(field.name for field in fields(Truth))


@dataclass(frozen=True)
class Meaning:
    """A line of the legend."""

    file: str
    values: str
    meaning: str


MEANINGS = (
    Meaning("stv", "0, 1", "structural tumour volume: voxels at least half inside the primary lesion with its core"),
    Meaning("stv_occupancy", "0-1", "share of each voxel inside the structural tumour volume"),
    Meaning("lesion", "0, 1", "all disease: the primary lesion and every satellite, at least half inside"),
    Meaning("lesion_occupancy", "0-1", "share of each voxel inside any disease"),
    Meaning("ftv_pe", "0, 1", "functional tumour volume by PE, the study's rule on the noise-free phases"),
    Meaning("ftv_ser", "0, 1", "functional tumour volume by PE and SER above 0.9, on the noise-free phases"),
    Meaning("ktrans", "1/min", "volume transfer constant of the extended Tofts model"),
    Meaning("ve", "0-1", "volume of extravascular extracellular space per volume of tissue"),
    Meaning("vp", "0-1", "volume of plasma per volume of tissue"),
    Meaning("bias", "factor", "coil shading by which the signal was multiplied"),
    Meaning("tissue", "labels", "the tissue with the largest share: " + LABELS),
    Meaning(
        "displacement_<phase>_<x, y or z>",
        "mm",
        "how far tissue moved from the first phase to this one (phases from 0), towards right, front or head; "
        "absent where nothing moved",
    ),
)

COLOURS: Mapping[Tissue, tuple[int, int, int]] = {
    Tissue.FAT: (240, 214, 120),
    Tissue.GLAND: (224, 154, 168),
    Tissue.SKIN: (214, 178, 148),
    Tissue.MUSCLE: (168, 72, 72),
    Tissue.LUNG: (120, 170, 214),
    Tissue.LESION: (230, 40, 40),
    Tissue.CORE: (90, 20, 90),
    Tissue.VESSEL: (40, 80, 220),
    Tissue.HEART: (190, 30, 60),
    Tissue.NODE: (60, 170, 80),
    Tissue.DUCT: (250, 240, 90),
    Tissue.RIB: (200, 200, 190),
}


def truth_volumes(phantom: Phantom, true: FtvResult, vendor: Vendor) -> Mapping[str, Volume]:
    """The volumes below ``truth/<case_id>/`` by file name: on the acquired grid as the study will be read, and at 1 mm.

    The isotropic ones of a full-size phantom are made of the phantom itself, not of its voxels, but for the FTV, which
    is a rule about voxels, and the displacement, which is smooth. Those two, and all of a small one, are resampled.
    """
    layout = phantom.study.acquisition.layout
    wanted = layout_when_read(phantom.study.grid, layout, vendor)
    masks = {"ftv_pe": true.pe_mask, "ftv_ser": true.ser_mask}
    moved = _displacement(phantom)
    acquired = {name: getattr(phantom, name) for name in ON_THE_GRID} | masks | moved
    here = {name: relaid(volume, layout, wanted) for name, volume in acquired.items()}
    grid = isotropic_grid(here["stv"].grid)
    rendered = truth_on(phantom, grid) if phantom.settings.size == "full" else _resampled(here, ON_THE_GRID, grid)
    finer = {**rendered, **_resampled(here, [*masks, *moved], grid)}
    return here | {f"{ISOTROPIC}/{name}": volume for name, volume in finer.items()}


ON_THE_GRID = ("stv", "stv_occupancy", "lesion", "lesion_occupancy", "tissue", "ktrans", "ve", "vp", "bias")


def _resampled(volumes: Mapping[str, Volume], names: Iterable[str], grid: Grid) -> dict[str, Volume]:
    """Shares and maps linearly, masks where their share is at least a half, labels and functional volumes nearest."""
    linear, nearest = Resample(edge="extend"), Resample(edge="extend", interpolation="nearest")
    result = {}
    for name in names:
        volume, share = volumes[name], volumes.get(f"{name}_occupancy")
        if share is not None:
            result[name] = Volume(resample(share, grid, linear).array >= np.float32(0.5), grid)
        elif volume.is_mask:
            result[name] = resample_mask(volume, grid)
        elif volume.array.dtype == np.uint8:
            result[name] = Volume(resample(volume, grid, nearest).array.astype(np.uint8), grid)
        else:
            result[name] = resample(volume, grid, linear)
    return result


def truth_row(
    phantom: Phantom, true: FtvResult, vendor: str, habits: tuple[str, ...], defects: tuple[str, ...]
) -> Truth:
    """The numbers of a phantom: `habits` and `defects` by name, those of the files included."""
    numbers, settings, voxel_mm3 = true.numbers, phantom.settings, phantom.stv.grid.voxel_volume_mm3
    share = float(phantom.stv_occupancy.array.sum(dtype=np.float64))
    return Truth(
        case_id=phantom.study.case_id,
        seed=phantom.seed,
        ftv_pe_voxels=numbers.ftv_pe_voxels,
        ftv_ser_voxels=numbers.ftv_ser_voxels,
        stv_cc=round(phantom.stv.cc, 6),
        ftv_pe_cc=round(numbers.ftv_pe_cc, 6),
        ftv_ser_cc=round(numbers.ftv_ser_cc, 6),
        stv_occupancy_cc=round(share * voxel_mm3 / 1000, 6),
        lesion_cc=round(phantom.lesion.cc, 6),
        stv_components=_components(phantom.stv),
        longest_diameter_mm=round(phantom.longest_diameter_mm, 3),
        lesion_kind=phantom.lesion_kind,
        background=phantom.background,
        background_threshold=round(float(numbers.background_threshold.value)),
        voi=f"{_triple(phantom.voi.start)}:{_triple(phantom.voi.end)}",
        voxel_mm3=round(voxel_mm3, 6),
        slices=phantom.study.acquisition.layout.dicom_shape(phantom.study.grid.shape)[2],
        phases=len(phantom.clean.phases),
        vendor=vendor,
        habits=" ".join(habits),
        view=settings.view,
        size=settings.size,
        field_t=settings.field_t,
        snr=settings.snr,
        motion_mm=settings.motion_mm,
        defects=" ".join(defects),
    )


def write_volumes(volumes: Mapping[str, Volume], folder: Path) -> None:
    """One compressed NIfTI file each."""
    for name, volume in volumes.items():
        write_volume(volume, folder / f"{name}.nii.gz")


def write_legend(folder: Path) -> None:
    """What the volumes mean, and the names and colours of the tissue labels."""
    write_csv([field.name for field in fields(Meaning)], MEANINGS, folder / LEGEND)
    lines = ['    0     0    0    0        0  0  0    "air"']
    for tissue, (red, green, blue) in COLOURS.items():
        lines.append(f'{tissue:5d} {red:5d} {green:4d} {blue:4d}        1  1  1    "{tissue.name.lower()}"')
    write_bytes_whole(folder / LABELS, ("\n".join(lines) + "\n").encode())


def _components(mask: Volume) -> int:
    from scipy import ndimage

    return int(ndimage.label(mask.array)[1])


def _displacement(phantom: Phantom) -> dict[str, Volume]:
    return {
        f"displacement_{phase}_{axis}": part
        for phase, parts in enumerate(phantom.displacement_mm)
        if phase > 0
        for axis, part in zip("xyz", parts, strict=True)
    }


def _triple(values: tuple[int, int, int]) -> str:
    return ",".join(map(str, values))
