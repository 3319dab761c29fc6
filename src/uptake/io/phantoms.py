"""Phantom cohorts on disk: DICOM in a vendor's habit, a table of the truth and its volumes.

``DIR/<case_id>/...dcm``, ``DIR/truth.csv``, ``DIR/truth/<case_id>/...`` (`uptake.io.truth`) and ``DIR/phantom.json``,
which says with what the cohort was asked for and so whose folder it is. Cases are independent: `write_phantom_case`
writes each, in any process, and `write_truth_table` the table once at the end.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from uptake.io.dicom.write import Habit, write_study
from uptake.io.dicom.writing.ucsf_map import UcsfMap, UcsfResult
from uptake.io.files import writable
from uptake.io.store import LOCK
from uptake.io.tables import write_csv
from uptake.io.truth import COLUMNS, Truth, truth_row, truth_volumes, write_legend, write_volumes
from uptake.io.values import read_value, to_plain, write_value
from uptake.phantom import Phantom, PhantomSettings, make
from uptake.study import Code, Refusal, SettingsError, Study
from uptake.tumour.enhancement import enhancement, stored_ser
from uptake.tumour.ftv import Ftv, FtvResult, functional_tumour_volume, measure, thresholds
from uptake.tumour.phases import Timing, choose_phases
from uptake.tumour.voi import Voi, VoiRegion, choose_voi
from uptake.volume import Volume

TRUTH_FOLDER = "truth"
TRUTH_TABLE = "truth.csv"
PLAN = "phantom.json"
DONE = "truth.json"
"""In the truth of a case: its row. It appears last, so a case without one is made again."""
MAXIMUM_CASES = 9999


@dataclass(frozen=True)
class Written:
    """What a case's ``truth.json`` holds: its row, and the version of the program that made it."""

    made_by: str
    row: Truth


@dataclass(frozen=True)
class Kind:
    """What a case's files are like: the habit, the names of what it adds to its vendor's own, and of its defects."""

    habit: Habit = field(default_factory=Habit)
    names: tuple[str, ...] = ()
    defects: tuple[str, ...] = ()


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


def check_folder(folder: Path, plan: Mapping[str, Any]) -> None:
    """Refuse a folder that holds anything but a phantom cohort asked for in the same way; nothing is written.

    Raises `Refusal` NO_SPACE: a file in its place, a folder with other things, a cohort of another seed or settings.
    """
    if not folder.exists() or (folder.is_dir() and all(path.name == LOCK for path in folder.iterdir())):
        return
    allowed = "a new or empty folder, or phantoms that were asked for in the same way"
    remedy = "choose another folder with --to; nothing was changed"
    there = _plan(folder / PLAN)
    if there is None:
        what = "holds other files" if folder.is_dir() else "is no folder"
        raise Refusal(Code.NO_SPACE, found=f"{folder.name} {what}", allowed=allowed, remedy=remedy)
    wanted = json.loads(json.dumps(to_plain(plan)))
    other = [f"{name} {there.get(name)} and not {value}" for name, value in wanted.items() if there.get(name) != value]
    if other:
        found = f"{folder.name} holds phantoms with " + ", ".join(other)
        raise Refusal(Code.NO_SPACE, found=found, allowed=allowed, remedy=remedy)


def begin(folder: Path, plan: Mapping[str, Any]) -> None:
    """Write what the cohort is asked for with, and the legend. Raises the refusals of `check_folder`."""
    check_folder(folder, plan)
    write_value(plan, folder / PLAN)
    write_legend(folder / TRUTH_FOLDER)


def made_case(folder: Path, case_id: str) -> Truth | None:
    """The row of a case that is complete and made by this version of the program, else None."""
    path = folder / TRUTH_FOLDER / case_id / DONE
    if not path.is_file() or not (folder / case_id).is_dir():
        return None
    written = read_value(Written, path)
    return written.row if written.made_by == _version() else None


def write_phantom_case(
    folder: Path, case_id: str, seed: int, settings: PhantomSettings | None = None, kind: Kind | None = None
) -> Truth:
    """Write one phantom: its DICOM files and its truth volumes. The folder of a case appears when it is complete.

    One that is there already is made anew. Raises `Refusal` NO_SPACE.
    """
    kind = kind or Kind()
    phantom = make(seed=seed, case_id=case_id, **vars(settings or PhantomSettings()))
    true = ftv_of(phantom.clean)
    row = truth_row(phantom, true, kind.habit.vendor, kind.names, kind.defects)

    def write_truth(there: Path) -> None:
        write_volumes(truth_volumes(phantom, true, kind.habit.vendor), there)
        write_value(Written(_version(), row), there / DONE)

    _replace(folder / case_id, lambda there: _write_dicom(phantom, kind.habit, there))
    _replace(folder / TRUTH_FOLDER / case_id, write_truth)
    return row


def ftv_of(study: Study) -> FtvResult:
    """The FTV of a study of integer or float phases by what it records: VOI, thresholds, phases."""
    return _measured(study).ftv


def write_truth_table(folder: Path, rows: Sequence[Truth]) -> None:
    """Write ``truth.csv``, one row per case in the order given."""
    write_csv(COLUMNS, rows, folder / TRUTH_TABLE)


def _write_dicom(phantom: Phantom, habit: Habit, folder: Path) -> None:
    ucsf = _ucsf_map(phantom) if habit.ucsf else None
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


def _ucsf_map(phantom: Phantom) -> UcsfMap | None:
    """What UCSF's software would have stored of the noisy study. Like the published maps it is not cut to the VOI.

    It is made before anyone swaps phases; of a study that lacks one it is not made.
    """
    study = phantom.study
    if len(study.phases) < len(phantom.clean.phases):
        return None
    if "swapped-phases" in phantom.settings.defects:
        study = _put_back(study)
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


def _put_back(study: Study) -> Study:
    """The post-contrast phases that the phantom's defect has exchanged, in their right order."""
    _, early, late = study.acquisition.recorded.phase_indices or (0, 1, 2)
    volumes = list(study.volumes)
    volumes[early], volumes[late] = volumes[late], volumes[early]
    return study.with_volumes(tuple(volumes))


def _plan(path: Path) -> dict[str, Any] | None:
    """What a cohort was asked for with; None where there is no such file, or another program's of the same name."""
    if not path.is_file():
        return None
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    return plan if isinstance(plan, dict) else None


def _version() -> str:
    return f"uptake {metadata.version('uptake')}"


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
