"""Phantom cohorts on disk: DICOM in a vendor's habit, a table of the truth and its volumes.

``DIR/<case_id>/...dcm``, ``DIR/truth.csv`` and ``DIR/truth/<case_id>/<name>.nii.gz``. Cases are independent:
`write_phantom_case` writes each, in any process, and `write_truth_table` the table once at the end.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from uptake.io.dicom.write import Habit, write_study
from uptake.io.dicom.writing.layouts import layout_when_read, relaid
from uptake.io.dicom.writing.ucsf_map import UcsfMap, UcsfResult
from uptake.io.dicom.writing.vendors import Vendor
from uptake.io.files import writable
from uptake.io.nifti import write_volume
from uptake.io.tables import write_csv
from uptake.phantom import Phantom, PhantomSettings, make
from uptake.study import SettingsError, Study
from uptake.tumour.enhancement import enhancement, stored_ser
from uptake.tumour.ftv import Ftv, FtvResult, functional_tumour_volume, measure, thresholds
from uptake.tumour.phases import Timing, choose_phases
from uptake.tumour.voi import Voi, VoiRegion, choose_voi
from uptake.volume import Volume

TRUTH_FOLDER = "truth"
TRUTH_TABLE = "truth.csv"
MAXIMUM_CASES = 9999


@dataclass(frozen=True)
class Truth:
    """One row of ``truth.csv``.

    seed: `uptake.phantom.make` with it gives the case again. ftv_pe_voxels, ftv_ser_voxels: the FTV rule with the
    study's VOI on the noise-free phases. stv_cc: voxels at least half inside the STV.
    """

    case_id: str
    seed: int
    ftv_pe_voxels: int
    ftv_ser_voxels: int
    stv_cc: float


def phantom_cases(cases: int, seed: int) -> tuple[tuple[str, int], ...]:
    """(case_id, seed) of each case of a cohort. A longer cohort of the same seed begins with the same cases.

    Raises `SettingsError` for a number of cases or a seed that makes no sense.
    """
    if not 1 <= cases <= MAXIMUM_CASES:
        raise SettingsError(f"cases must be in 1-{MAXIMUM_CASES}, not {cases}")
    if seed < 0:
        raise SettingsError(f"seed must be 0 or more, not {seed}")
    seeds = (int(np.random.SeedSequence([seed, n]).generate_state(1)[0]) for n in range(1, cases + 1))
    return tuple((f"PHANTOM-{n:04d}", case_seed) for n, case_seed in enumerate(seeds, start=1))


def write_phantom_case(
    folder: Path, case_id: str, seed: int, settings: PhantomSettings | None = None, habit: Habit | None = None
) -> Truth:
    """Write one phantom: its DICOM files and its truth volumes. The folder of a case appears when it is complete.

    One that is there already is made anew. Raises `Refusal` NO_SPACE.
    """
    habit = habit or Habit()
    phantom = make(seed=seed, case_id=case_id, **vars(settings or PhantomSettings()))
    true = _measured(phantom.clean).ftv
    volumes = truth_volumes(phantom, true, habit.vendor)
    _replace(folder / TRUTH_FOLDER / case_id, lambda there: _write_volumes(volumes, there))
    _replace(folder / case_id, lambda there: _write_dicom(phantom, habit, there))
    numbers = true.numbers
    return Truth(case_id, seed, numbers.ftv_pe_voxels, numbers.ftv_ser_voxels, round(phantom.stv.cc, 6))


def write_truth_table(folder: Path, rows: Sequence[Truth]) -> None:
    """Write ``truth.csv``, one row per case in the order given."""
    write_csv([field.name for field in fields(Truth)], rows, folder / TRUTH_TABLE)


def truth_volumes(phantom: Phantom, true: FtvResult, vendor: Vendor) -> Mapping[str, Volume]:
    """The volumes below ``truth/<case_id>/`` by file name, on the acquired grid as the study will be read."""
    volumes = {
        "stv": phantom.stv,
        "stv_occupancy": phantom.stv_occupancy,
        "lesion": phantom.lesion,
        "tissue": phantom.tissue,
        "bias": phantom.bias,
        "ftv_pe": true.pe_mask,
        "ftv_ser": true.ser_mask,
    }
    layout = phantom.study.acquisition.layout
    wanted = layout_when_read(phantom.study.grid, layout, vendor)
    return {name: relaid(volume, layout, wanted) for name, volume in volumes.items()}


def _write_volumes(volumes: Mapping[str, Volume], folder: Path) -> None:
    for name, volume in volumes.items():
        write_volume(volume, folder / f"{name}.nii.gz")


def _write_dicom(phantom: Phantom, habit: Habit, folder: Path) -> None:
    ucsf = _ucsf_map(phantom.study) if habit.ucsf else None
    write_study(phantom.study, folder, habit, phantom.seed, ucsf)


@dataclass(frozen=True, eq=False)
class _Measured:
    """The FTV of a study, and its SER map: thousandths where the rules hold, the VOI apart."""

    ftv: FtvResult
    stored_ser: Volume


def _measured(study: Study) -> _Measured:
    """FTV and SER map of a study with its recorded VOI, thresholds and phases."""
    acquisition = study.acquisition
    phases = choose_phases(study, Timing())
    pre, early, late = (study.volumes[n] for n in phases.indices)
    maps = enhancement(pre, early, late)
    voi, region = choose_voi(pre, early, acquisition.layout, acquisition.recorded, None, Voi())
    limits = thresholds(pre.array, region, acquisition.recorded, Ftv())
    everywhere = VoiRegion(np.ones_like(region.inside), region.sample)
    whole = functional_tumour_volume((pre, early, late), maps, everywhere, limits)
    inside = (whole[0] & region.inside, whole[1] & region.inside)
    stored = np.where(whole[0], stored_ser(maps.ser.array), np.int16(0))
    return _Measured(measure(inside, maps, limits, phases, voi), pre.with_array(stored))


def _ucsf_map(study: Study) -> UcsfMap:
    """What UCSF's software would have stored of the noisy study. Like the published maps it is not cut to the VOI."""
    measured = _measured(study)
    numbers = measured.ftv.numbers
    percent = f"{numbers.pe_threshold_percent.value:g}"
    inclusive_cc = numbers.ftv_ser_inclusive_voxels * numbers.voxel_volume_mm3 / 1000
    results = (
        UcsfResult(0.0, 3.0, numbers.ftv_pe_voxels, numbers.ftv_pe_cc, f"FTVpe(PEearly>{percent}%)"),
        UcsfResult(
            float(np.float32(0.9)),
            3.0,
            numbers.ftv_ser_inclusive_voxels,
            inclusive_cc,
            f"FTVser(PEearly>{percent}%, SER>0.9)",
        ),
    )
    return UcsfMap(measured.stored_ser, results)


def _replace(folder: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a folder of another name, then put it in the place of `folder`."""
    partial = folder.with_name(f".{folder.name}.partial")
    with writable(folder):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        write(partial)
        if folder.is_dir():
            shutil.rmtree(folder)
        partial.rename(folder)
