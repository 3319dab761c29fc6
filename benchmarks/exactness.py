"""FTV and SER of a finished cohort against what UCSF published for the same studies.

    uptake run SOURCE... --out COHORT
    python benchmarks/exactness.py COHORT SOURCE...

For every case with a UCSF SER map among its sources: voxels in which the PE-rule FTV differs from the non-zero voxels
of the map inside the VOI, whether the stored map comes out identical, and the counts beside those of the map's header.
The map's pixels are read here alone; uptake never reads them.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom

from uptake.study import Box
from uptake.tumour.enhancement import stored_ser
from uptake.tumour.voi import region_of
from uptake.volume import DCM2NIIX

RESULTS, COUNT, NAME = (0x0117, 0x10B0), (0x0117, 0x10B3), (0x0117, 0x10B5)


def main() -> None:
    """Compare every case."""
    cohort, sources = Path(sys.argv[1]), [Path(p) for p in sys.argv[2:]]
    print("case | XOR voxels in VOI | stored map | FTV PE (UCSF) | SER >= 0.9f (UCSF) | SER > 0.9")
    for patient, slices in sorted(ser_maps(sources).items()):
        case = cohort / "cases" / patient
        numbers = json.loads((case / "ftv.json").read_text())
        published = np.stack([x.pixel_array for x in slices]).transpose(2, 1, 0)[:, ::-1]
        mask = np.asanyarray(nib.load(case / "masks/ftv_pe.nii.gz").dataobj) > 0
        ser = np.asanyarray(nib.load(case / "maps/ser.nii.gz").dataobj)
        voi = Box(tuple(numbers["voi"]["start"]), tuple(numbers["voi"]["end"]))
        inside = region_of(voi, (), mask.shape, DCM2NIIX).inside
        differing = np.count_nonzero(mask ^ ((published != 0) & inside))
        same = np.array_equal(stored_ser(ser)[mask], published[mask])
        counts = {str(item[NAME].value): int(item[COUNT].value) for item in slices[0][RESULTS].value}
        theirs = [value for _, value in sorted(counts.items())]
        print(
            f"{patient} | {differing} | {'identical' if same else 'DIFFERS'} | {numbers['ftv_pe_voxels']} ({theirs[0]})"
            f" | {numbers['ftv_ser_inclusive_voxels']} ({theirs[1]}) | {numbers['ftv_ser_voxels']}"
        )


def ser_maps(sources: list[Path]) -> dict[str, list[pydicom.Dataset]]:
    """The slices of every patient's SER map along the slice normal."""
    found: dict[str, list[pydicom.Dataset]] = defaultdict(list)
    for data in files(sources):
        dataset = pydicom.dcmread(BytesIO(data), force=True)
        if "SER" in dataset.get("ImageType", []):
            found[str(dataset.PatientID)].append(dataset)
    for slices in found.values():
        slices.sort(key=along_normal)
    return found


def along_normal(dataset: pydicom.Dataset) -> float:
    """Position of a slice along its normal in mm."""
    row, column = np.array(dataset.ImageOrientationPatient, float).reshape(2, 3)
    return float(np.cross(row, column) @ np.array(dataset.ImagePositionPatient, float))


def files(sources: list[Path]) -> Iterator[bytes]:
    """The bytes of every file of folders and zips."""
    for source in sources:
        if source.is_dir():
            yield from (path.read_bytes() for path in source.rglob("*") if path.is_file())
        else:
            with zipfile.ZipFile(source) as archive:
                yield from (archive.read(name) for name in archive.namelist() if not name.endswith("/"))


if __name__ == "__main__":
    main()
