"""Every refusal of an input: made as input, run by the command line, read from the table of refusals.

One run gets a good study and all bad ones together: what is wrong with one touches none of the others.
"""

from __future__ import annotations

import functools
import io
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG2MPML, CTImageStorage, generate_uid

from uptake.io.dicom.headers import UCSF_CREATOR
from uptake.io.dicom.write import Habit
from uptake.io.phantoms import Kind, write_phantom_case
from uptake.phantom import PhantomSettings
from uptake.study import Code

SMALL = PhantomSettings(size="small")
PLAIN = Habit(ucsf=False)
GOOD = "GOOD"

Files = dict[Path, FileDataset]
Ended = Any
Command = Callable[..., Ended]


@dataclass(frozen=True)
class Bad:
    """A bad input: the code it must be refused with, and the case it belongs to (None: it never became one)."""

    code: Code
    case_id: str | None
    make: Callable[[Path], None]


def _study(change: Callable[[Files], None], habit: Habit = PLAIN) -> Callable[[Path], None]:
    """A phantom study of which `change` has altered or removed files."""

    def make(folder: Path) -> None:
        files = {folder / name: dataset for name, dataset in _phantom(habit, folder.name).items()}
        change(files)
        for path, dataset in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            dataset.save_as(path)

    return make


def _phantom(habit: Habit, case_id: str) -> dict[str, FileDataset]:
    """The files of one phantom as those of another patient: a PatientID and UIDs of its own."""
    files = {}
    for name, data in _written(habit).items():
        uid = str(pydicom.dcmread(io.BytesIO(data), specific_tags=["StudyInstanceUID"]).StudyInstanceUID)
        own = uid[:-6] + str(100_000 + zlib.crc32(case_id.encode()) % 900_000)
        files[name] = pydicom.dcmread(io.BytesIO(data.replace(uid.encode(), own.encode())))
        files[name].PatientID = case_id
    return files


@functools.cache
def _written(habit: Habit) -> dict[str, bytes]:
    """A phantom's DICOM files by their names, made once for all bad inputs."""
    with TemporaryDirectory() as folder:
        write_phantom_case(Path(folder), "ORIGINAL", 5, SMALL, Kind(habit))
        paths = sorted(path for path in (Path(folder) / "ORIGINAL").rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def _phases(files: Files) -> list[list[Path]]:
    """The files of each phase, each in the order of its slices."""
    slices: dict[float, list[Path]] = defaultdict(list)
    for path, dataset in files.items():
        slices[float(dataset.SliceLocation)].append(path)
    in_time = [
        sorted(paths, key=lambda path: (files[path].AcquisitionTime, files[path].InstanceNumber))
        for _, paths in sorted(slices.items())
    ]
    return [list(phase) for phase in zip(*in_time, strict=True)]


def _drop(files: Files, paths: list[Path]) -> None:
    for path in paths:
        del files[path]


def _missing_slice(files: Files) -> None:
    _drop(files, [_phases(files)[2][10]])


def _unequal_gap(files: Files) -> None:
    _drop(files, [phase[10] for phase in _phases(files)])


def _one_post_contrast_phase(files: Files) -> None:
    _drop(files, _phases(files)[2])


def _two_patients(files: Files) -> None:
    for path in _phases(files)[1]:
        files[path].PatientID = "SOMEBODY-ELSE"


def _all_zero(files: Files) -> None:
    for path in _phases(files)[1]:
        files[path].PixelData = bytes(len(files[path].PixelData))


def _no_orientation(files: Files) -> None:
    for dataset in files.values():
        del dataset.ImageOrientationPatient, dataset.ImagePositionPatient


def _wrong_modality(files: Files) -> None:
    for dataset in files.values():
        dataset.Modality = "CT"
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage


def _another_geometry(files: Files) -> None:
    for path in _phases(files)[2]:
        files[path].PixelSpacing = [3.0, 3.0]


def _rescale_that_is_no_number(files: Files) -> None:
    for dataset in files.values():
        dataset.RescaleSlope, dataset.RescaleIntercept = 0, 0


def _unknown_compression(files: Files) -> None:
    for dataset in files.values():
        dataset.PixelData = encapsulate([dataset.PixelData])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = MPEG2MPML


def _second_dynamic_series(folder: Path) -> None:
    _study(lambda _: None)(folder)
    series = generate_uid()
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        dataset = pydicom.dcmread(path)
        dataset.SeriesInstanceUID, dataset.SeriesNumber, dataset.SeriesDescription = series, 9, "Dynamic-again"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.save_as(path.with_name(f"again-{path.name}"))


def _truncated(folder: Path) -> None:
    _study(lambda _: None)(folder)
    path = sorted(path for path in folder.rglob("*") if path.is_file())[5]
    path.write_bytes(path.read_bytes()[:-500])


def _text_called_dicom(folder: Path) -> None:
    (folder / "notes.dcm").write_text("The patient moved between the second and the third phase.\n" * 5)


def _zip_that_leads_out(folder: Path) -> None:
    with zipfile.ZipFile(folder / "study.zip", "w") as archive:
        archive.writestr("../outside.dcm", b"\0" * 128 + b"DICM")


def _zip_bomb(folder: Path) -> None:
    with zipfile.ZipFile(folder / "study.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.dcm", b"\0" * 128 + b"DICM" + bytes(64 * 2**20))


def _zip_cut_short(folder: Path) -> None:
    with zipfile.ZipFile(folder / "study.zip", "w") as archive:
        archive.writestr("image.dcm", b"\0" * 128 + b"DICM" + bytes(1000))
    whole = (folder / "study.zip").read_bytes()
    (folder / "study.zip").write_bytes(whole[: len(whole) // 2])


def _omit_region_along_an_unknown_axis(files: Files) -> None:
    region = Dataset()
    block = region.private_block(0x0117, UCSF_CREATOR, create=True)
    block.add_new(0x41, "US", 1)  # switched on
    block.add_new(0x51, "US", 3)
    block.add_new(0x56, "LO", "OMIT")
    for dataset in files.values():
        if dataset.SeriesDescription.endswith(": SER"):
            dataset.private_block(0x0117, UCSF_CREATOR).add_new(0x22, "SQ", [region])


def _nothing_usable(folder: Path) -> None:
    (folder / "readme.txt").write_text("The images are on the other disk.\n")


def _non_finite_nifti(folder: Path) -> None:
    _nifti_phases(folder, 3, at_one_voxel=np.nan)


def _nifti_without_times(folder: Path) -> None:
    _nifti_phases(folder, 4, at_one_voxel=1)


def _nifti_phases(folder: Path, count: int, at_one_voxel: float) -> None:
    rng = np.random.default_rng(1)
    for phase in range(count):
        array = rng.uniform(100, 200, (16, 16, 12)).astype(np.float32)
        array[3, 4, 5] = at_one_voxel
        nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), folder / f"{folder.name}_{phase:04d}.nii.gz")


BAD = {
    "TRUNCATED": Bad(Code.UNREADABLE, "TRUNCATED", _truncated),
    "MISSING-SLICE": Bad(Code.MISSING_SLICE, "MISSING-SLICE", _study(_missing_slice)),
    "UNEQUAL-GAP": Bad(Code.SLICE_GAP, "UNEQUAL-GAP", _study(_unequal_gap)),
    "ONE-POST": Bad(Code.FEW_PHASES, "ONE-POST", _study(_one_post_contrast_phase)),
    "TWO-PATIENTS": Bad(Code.TWO_PATIENTS, "SOMEBODY-ELSE", _study(_two_patients)),
    "ALL-ZERO": Bad(Code.ALL_ZERO, "ALL-ZERO", _study(_all_zero)),
    "NO-ORIENTATION": Bad(Code.NO_ORIENTATION, "NO-ORIENTATION", _study(_no_orientation)),
    "WRONG-MODALITY": Bad(Code.NOT_MR, "WRONG-MODALITY", _study(_wrong_modality)),
    "ANOTHER-GEOMETRY": Bad(Code.GEOMETRY, "ANOTHER-GEOMETRY", _study(_another_geometry)),
    "RESCALE": Bad(Code.RESCALE, "RESCALE", _study(_rescale_that_is_no_number)),
    "COMPRESSION": Bad(Code.TRANSFER_SYNTAX, "COMPRESSION", _study(_unknown_compression)),
    "TWO-SERIES": Bad(Code.SEVERAL_SERIES, "TWO-SERIES", _second_dynamic_series),
    "NON-FINITE": Bad(Code.NON_FINITE, "NON-FINITE", _non_finite_nifti),
    "NO-TIMES": Bad(Code.NO_TIMES, "NO-TIMES", _nifti_without_times),
    "OMIT": Bad(Code.OMIT_REGION, "OMIT", _study(_omit_region_along_an_unknown_axis, Habit(ucsf=True))),
    "TEXT": Bad(Code.NOT_DICOM, None, _text_called_dicom),
    "ZIP-OUT": Bad(Code.UNSAFE_ARCHIVE, None, _zip_that_leads_out),
    "ZIP-BOMB": Bad(Code.UNSAFE_ARCHIVE, None, _zip_bomb),
    "ZIP-CUT": Bad(Code.UNREADABLE, None, _zip_cut_short),
    "NOTHING": Bad(Code.NO_STUDY, None, _nothing_usable),
}


ELSEWHERE = {
    Code.CASE_ID,
    Code.EMPTY_MASK,
    Code.MASK_GRID,
    Code.NO_SPACE,
    Code.PHASES,
    Code.VOI,
    Code.MOTION,  # needs a setting: in the tests of registration
    Code.CLINICAL,  # tables of patients and of series: in the tests of `uptake cohort`
    Code.INDEX,
    Code.FOLDS,  # training and prediction: in the tests of the network
    Code.LABELS,
    Code.MODEL,
    Code.DIVERGED,
    Code.PATIENT_DATA,  # in the tests of releases and of `uptake fetch`
    Code.RELEASE,
    Code.NETWORK,
    Code.FAILED,  # no input: an error of the program, and a killed process
    Code.WORKER_DIED,
}
"""Refusals that need more than an input: two studies (below), a request (test_bad_request), a run that dies."""


def test_every_refusal_has_an_input_that_provokes_it() -> None:
    assert {bad.code for bad in BAD.values()} | ELSEWHERE == set(Code)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A folder per bad input, and one with a good study."""
    root = tmp_path_factory.mktemp("sources")
    for name, bad in BAD.items():
        (root / name).mkdir()
        bad.make(root / name)
    write_phantom_case(root / GOOD, GOOD, 7, SMALL, Kind(PLAIN))
    return sorted(root.iterdir())


@pytest.fixture(scope="module")
def run(sources: list[Path], uptake_command: Command, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """One run over all of them."""
    done = uptake_command("run", *sources, "--jobs", "1", cohort=tmp_path_factory.mktemp("cohort") / "cohort")
    assert (done.cohort / "tables" / "refusals.csv").is_file(), done.output
    return done


@pytest.mark.parametrize("name", BAD)
def test_a_bad_input_is_one_row_that_says_what_was_found_allowed_and_to_be_done(name: str, run: Ended) -> None:
    bad = BAD[name]
    rows = [row for row in run.refusals if (bad.case_id and row["case_id"] == bad.case_id) or name in row["source"]]
    assert [row["code"] for row in rows] == [bad.code.value], rows
    (row,) = rows
    assert row["found"]
    assert row["allowed"]
    assert row["remedy"]


def test_there_is_no_other_refusal(run: Ended) -> None:
    assert len(run.refusals) == len(BAD), run.refusals


def test_a_run_with_a_refusal_ends_with_1_and_says_how_many_of_how_many_and_where_to_read_why(run: Ended) -> None:
    cases = sum(bad.case_id is not None for bad in BAD.values()) + 1
    last = run.output.strip().splitlines()[-1]
    assert run.exit_code == 1
    assert f"1 of {cases}" in last
    assert "refusals.csv" in last


def test_a_refusal_shows_no_traceback_path_or_temporary_name(run: Ended, sources: list[Path]) -> None:
    table = (run.cohort / "tables" / "refusals.csv").read_text("utf-8")
    for text in (run.output, table):
        assert "Traceback" not in text
        assert str(sources[0].parent) not in text


def test_the_good_study_beside_them_is_made_whole(run: Ended) -> None:
    case = run.cohort / "cases" / GOOD
    wanted = ["study.json", "ftv.json", "features.csv", "report.html", "masks/stv_proposal.nii.gz"]
    assert [name for name in wanted if not (case / name).is_file()] == []
    assert GOOD in (run.cohort / "report" / "index.html").read_text("utf-8")


def test_the_good_study_comes_out_as_if_it_were_alone(
    run: Ended, sources: list[Path], uptake_command: Command, tmp_path: Path
) -> None:
    (good,) = [source for source in sources if source.name == GOOD]
    alone = uptake_command("run", good, "--jobs", "1", cohort=tmp_path / "alone")
    assert alone.exit_code == 0
    assert alone.refusals == []
    assert _bytes(alone.cohort / "cases" / GOOD) == _bytes(run.cohort / "cases" / GOOD)


def test_nothing_is_written_outside_the_cohort_and_nothing_half(run: Ended, sources: list[Path]) -> None:
    assert not list(sources[0].parent.parent.rglob("outside.dcm"))
    assert not list(run.cohort.rglob("*.partial"))


def test_a_second_run_refuses_the_same_again_and_makes_nothing_new(
    run: Ended, sources: list[Path], uptake_command: Command
) -> None:
    before = _bytes(run.cohort)
    again = uptake_command("run", *sources, "--jobs", "1", cohort=run.cohort)
    assert again.exit_code == 1
    assert _bytes(again.cohort) == before


def test_two_studies_that_would_get_one_name_are_refused(uptake_command: Command, tmp_path: Path) -> None:
    for study in ("ONE", "TWO"):  # two studies of one patient and one day
        (tmp_path / "in" / study).mkdir(parents=True)
        for number, dataset in enumerate(_phantom(PLAIN, study).values()):
            dataset.PatientID = "TWICE"
            dataset.save_as(tmp_path / "in" / study / f"{number}.dcm")
    done = uptake_command("run", tmp_path / "in", "--jobs", "1", cohort=tmp_path / "cohort")
    assert done.exit_code == 1
    assert [row["code"] for row in done.refusals] == [Code.CASE_ID.value]


def _bytes(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` but the provenance, which holds times."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in ("provenance.json", ".lock")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
