"""Phantoms in all vendors' habits through `uptake run`: is the noise-free functional tumour volume found again?

    python benchmarks/phantom_cohort.py --cases 100 --seed 1000 --snr 40 20 15 --jobs 2

Writes the phantoms (small unless --size full), runs them and prints a table in Markdown for every SNR: cases, lost
ones, cases whose phases are in order (the voxels of every phase equal the phantom's), and the error of both volumes in
percent of the noise-free one. Errors are given over cases of at least --least voxels: a voxel is 5 % of twenty.
--direct leaves files and `uptake run` out and applies the rule to the noisy phases as they are made: the same counts,
for the files hold the same voxels, in a fraction of the time. The worst cases are listed. While `uptake run` works, the
memory of its processes is looked at every second (Linux): the largest in each quarter of the time is printed.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

import uptake
from uptake import verbs
from uptake.io.habits import habit_of
from uptake.io.phantoms import ftv_of, phantom_cases
from uptake.phantom import make


@dataclass(frozen=True)
class Case:
    """One phantom: whose habit, whether it is there with its phases in order, both volumes true and found."""

    name: str
    habit: str
    found: bool
    in_order: bool
    pe: tuple[int, int]
    ser: tuple[int, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--snr", type=float, nargs="+", default=[40.0])
    parser.add_argument("--motion", type=float, default=0.0)
    parser.add_argument("--vendor", default="mixed")
    parser.add_argument("--view", default="sagittal")
    parser.add_argument("--size", default="small")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--least", type=int, default=100)
    parser.add_argument("--direct", action="store_true")
    asked = parser.parse_args()
    for snr in asked.snr:
        with tempfile.TemporaryDirectory() as scratch:
            print(f"\nSNR {snr:g}, {asked.cases} cases, {asked.size}, {asked.view}\n", flush=True)
            cases = directly(asked, snr) if asked.direct else measured(Path(scratch), asked, snr)
            show(cases, asked.least, files=not asked.direct)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\npeak memory of this process {peak:.0f} MiB")


def measured(scratch: Path, asked: argparse.Namespace, snr: float) -> list[Case]:
    """Write the phantoms, run them, compare."""
    dicom, cohort = scratch / "dicom", scratch / "cohort"
    kind = {"vendor": asked.vendor, "view": asked.view, "size": asked.size, "snr": snr, "motion": asked.motion}
    verbs.phantom(dicom, cases=asked.cases, seed=asked.seed, jobs=asked.jobs, **kind)
    with memory_watched():
        uptake.run(dicom, cohort, jobs=asked.jobs)
    counted = {row["case_id"]: row for row in rows(cohort / "tables/ftv.csv")}
    return [compared(row, counted.get(row["case_id"]), cohort) for row in rows(dicom / "truth.csv")]


def directly(asked: argparse.Namespace, snr: float) -> list[Case]:
    """The rule on the noisy and on the noise-free phases of every phantom."""
    found = []
    for number, (case_id, seed) in enumerate(phantom_cases(asked.cases, asked.seed)):
        vendor = habit_of(number, asked.vendor, ())[0].vendor
        kind = {"vendor": vendor, "view": asked.view, "size": asked.size, "snr": snr, "motion_mm": asked.motion}
        phantom = make(seed=seed, case_id=case_id, **kind)
        true, counted = (ftv_of(study).numbers for study in (phantom.clean, phantom.study))
        pe, ser = ((getattr(true, name), getattr(counted, name)) for name in ("ftv_pe_voxels", "ftv_ser_voxels"))
        found.append(Case(case_id, vendor, True, True, pe, ser))
    return found


def compared(truth: dict[str, str], counted: dict[str, str] | None, cohort: Path) -> Case:
    habit = " ".join((truth["vendor"], truth["habits"])).strip()
    if counted is None or not counted["ftv_pe_voxels"]:
        return Case(
            truth["case_id"], habit, False, False, (int(truth["ftv_pe_voxels"]), 0), (int(truth["ftv_ser_voxels"]), 0)
        )
    pe, ser = ((int(truth[name]), int(counted[name])) for name in ("ftv_pe_voxels", "ftv_ser_voxels"))
    return Case(truth["case_id"], habit, True, in_order(truth, cohort), pe, ser)


def in_order(truth: dict[str, str], cohort: Path) -> bool:
    """Whether every phase of the cohort holds the voxels of the phantom's phase."""
    case_id = truth["case_id"]
    made = make(
        seed=int(truth["seed"]), case_id=case_id, vendor=truth["vendor"], view=truth["view"], size=truth["size"],
        field_t=float(truth["field_t"]), snr=float(truth["snr"]), motion_mm=float(truth["motion_mm"]),
    )  # fmt: skip
    for n, volume in enumerate(made.study.volumes):
        native = nib.load(cohort / f"cases/{case_id}/native/{case_id}_{n:04d}.nii.gz")
        pair = (native, nib.Nifti1Image(volume.array, volume.grid.affine))
        one, other = (np.asanyarray(nib.as_closest_canonical(image).dataobj) for image in pair)
        if not np.array_equal(one, other):
            return False
    return True


def show(cases: list[Case], least: int, files: bool) -> None:
    print("| habit | cases | lost | in order | FTV by PE: median, 95th percentile, largest error | by PE and SER |")
    print("|---|---|---|---|---|---|")
    for habit in [*sorted({case.habit for case in cases}), "all"]:
        group = [case for case in cases if habit in (case.habit, "all")]
        lost, ordered = sum(not case.found for case in group), sum(case.in_order for case in group)
        pe, ser = (words([getattr(case, name) for case in group if case.found], least) for name in ("pe", "ser"))
        counts = (lost, ordered) if files else ("no files", "no files")
        print(f"| {habit} | {len(group)} | {counts[0]} | {counts[1]} | {pe} | {ser} |", flush=True)
    print("\nLargest errors by PE, true and found voxels:")
    for case in sorted(cases, key=lambda case: -abs(case.pe[1] - case.pe[0]) / max(case.pe[0], 1))[:10]:
        print(f"{case.name} {case.habit}: {case.pe[0]} {case.pe[1]}")


def words(pairs: Sequence[tuple[int, int]], least: int) -> str:
    """Median, 95th percentile and maximum of the absolute error in percent, and the mean with its sign."""
    errors = np.array([100 * (found - true) / true for true, found in pairs if true >= least])
    if not errors.size:
        return f"none of {least} voxels"
    size = np.abs(errors)
    within = np.count_nonzero(size <= 5)
    return (
        f"{np.median(size):.1f}, {np.percentile(size, 95):.1f}, {size.max():.1f} % "
        f"(mean {errors.mean():+.1f} %; {within} of {size.size} within 5 %)"
    )


@contextmanager
def memory_watched() -> Iterator[None]:
    """Prints the largest resident memory of this process and its children in each quarter of what is done inside."""
    seen: list[float] = []
    done = threading.Event()

    def look() -> None:
        while not done.wait(1.0):
            seen.append(sum(resident_mib(pid) for pid in family(os.getpid())))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
        quarters = [f"{part.max():.0f}" for part in np.array_split(np.array(seen), 4) if part.size]
        print(f"largest memory of the run's processes by quarter of the time, MiB: {' '.join(quarters)}", flush=True)


def family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(one for child in children for one in family(int(child)))]


def resident_mib(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


if __name__ == "__main__":
    main()
