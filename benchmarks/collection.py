"""Time and memory of what is done with a whole collection, against its number of cases.

    python benchmarks/collection.py [--cases 125 250 500 1000] [--part tables --part verify --part cohort ...]

A few small phantoms go through the pipeline once; the collection is made of copies of them under other names (hard
links where nothing in the file names its case). Each part runs alone, in a process of its own: processor seconds and
peak memory of that process and its children. Parts: ``tables`` (tables and page of the cohort), ``verify`` (every file
read again, checks, agreement, plots), ``cohort`` (selection from a clinical table and an index of so many patients),
``release`` (published layout and DICOM, the gate over every byte; needs 3 MB of disk per case).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

ORIGINALS = 4
SMALL = {"resample": {"spacing_mm": 3.0}, "features": {"panels": ["ibsi"]}}


def main() -> None:
    """Measure every part at every size and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", type=int, default=[125, 250, 500, 1000])
    parser.add_argument("--part", action="append", choices=list(PARTS))
    parser.add_argument("--alone", nargs=2, metavar=("PART", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.alone:
        PARTS[asked.alone[0]](Path(asked.alone[1]))
        return
    print("part | cases | processor s | ms per case | peak MB", flush=True)
    with tempfile.TemporaryDirectory() as name:
        originals = made(Path(name))
        for count in asked.cases:
            folder = multiplied(originals, Path(name) / f"of_{count}", count)
            for part in asked.part or PARTS:
                if part == "release":
                    _with_sources(originals, folder)
                seconds, peak_mb = measured(part, folder)
                words = (part, str(count), f"{seconds:.1f}", f"{1000 * seconds / count:.0f}", f"{peak_mb:.0f}")
                print(" | ".join(words), flush=True)
            shutil.rmtree(folder)


def measured(part: str, folder: Path) -> tuple[float, float]:
    """Processor seconds and peak memory in MB of one part, in a process of its own."""
    process = subprocess.Popen([sys.executable, __file__, "--alone", part, str(folder)])
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{part} failed")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def made(folder: Path) -> Path:
    """A cohort of small phantoms."""
    from uptake import verbs

    verbs.phantom(folder / "dicom", cases=ORIGINALS, seed=5, size="small", jobs=2)
    verbs.run([folder / "dicom"], folder / "originals", jobs=2, **SMALL)
    verbs.import_masks(folder / "originals", folder / "dicom/truth", as_="truth")
    verbs.run((), folder / "originals", jobs=2)
    return folder / "originals"


def multiplied(originals: Path, target: Path, count: int) -> Path:
    """A cohort of `count` cases, copies in turn of the originals under names of the same length."""
    names = sorted(path.name for path in (originals / "cases").iterdir())
    target.mkdir()
    shutil.copy(originals / "uptake.toml", target)
    given: dict[str, str] = {}
    for number in range(1, count + 1):
        old, new = names[(number - 1) % len(names)], f"PHANTOM-{number:04d}"
        for path in sorted((originals / "cases" / old).rglob("*")):
            if path.is_file():
                _copied(path, target / "cases" / new / path.relative_to(originals / "cases" / old), old, new)
        given[f"uid.{number}"] = new
    (target / "provenance.json").write_text(json.dumps({"case_ids": given, "refused_sources": {}, "results": {}}))
    return target


def _copied(path: Path, target: Path, old: str, new: str) -> None:
    """The same file under another case's name; texts name the new case, images are linked."""
    target = target.with_name(target.name.replace(old, new))
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in {".json", ".html", ".csv"}:
        target.write_text(path.read_text().replace(old, new))
    else:
        os.link(path, target)


def tables(folder: Path) -> None:
    """The cohort's tables and page, made anew."""
    from uptake.io.store import Cohort
    from uptake.pipeline.collect import collect
    from uptake.pipeline.settings import Settings

    run = collect(Cohort(folder), Settings())
    if set(run.done) != {"tables", "index"}:
        raise SystemExit(f"made {run.done}, refused {run.refusal}")


def verify(folder: Path) -> None:
    """The technical validation, in this process."""
    from uptake import verbs

    found = verbs.verify(folder, jobs=1)
    if not found.ok:
        raise SystemExit(str([item for item in found.findings if item.status == "fail"][:5]))


def cohort(folder: Path) -> None:
    """The selection from as many patients as the cohort has cases, ten series each."""
    from uptake import verbs

    count = len(list((folder / "cases").iterdir()))
    clinical = ["SUBJECTID,age,grade,event"]
    index = ["PatientID,StudyDate,Modality,Manufacturer,ManufacturerModelName"]
    for number in range(count):
        clinical.append(f"{number},{30 + number % 50},{number % 3},{number % 4 == 0:d}")
        index += [f"P_{number:05d},2001010{1 + s % 4},MR,Maker {number % 3},Model {number % 7}" for s in range(10)]
    (folder / "clinical.csv").write_text("\n".join(clinical) + "\n")
    (folder / "index.csv").write_text("\n".join(index) + "\n")
    chosen = verbs.cohort(folder / "clinical.csv", folder / "index.csv", folder / "chosen", by="event")
    if len(chosen.included) != count:
        raise SystemExit(f"{len(chosen.included)} of {count} included")


def release(folder: Path) -> None:
    """Everything from the cohort and its DICOM files to a release that has passed the gate, in this process."""
    from uptake import verbs

    count = len(list((folder / "cases").iterdir()))
    made = verbs.release(folder, folder.parent / f"release_of_{count}", jobs=1, layouts=("ispy1", "dicom"))
    shutil.rmtree(made.folder)
    if len(made.cases) != count:
        raise SystemExit(f"{len(made.cases)} of {count} released: {made.left_out}")


def _with_sources(originals: Path, folder: Path) -> None:
    """The DICOM files of every case where it finds them: copies with a PatientID and UIDs of its own, as long."""
    given: dict[str, str] = {}
    names = sorted(path.name for path in (originals / "cases").iterdir())
    for number, case in enumerate(sorted(path.name for path in (folder / "cases").iterdir())):
        old = names[number % len(names)]
        record = json.loads((folder / "cases" / case / "provenance.json").read_text())
        uid = record["study_uid"]
        new = f"{uid[:-6]}{number:06d}"
        source = originals.parent / "dicom" / old
        for path in sorted(source.rglob("*.dcm")):
            target = folder / "sources" / case / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(
                path.read_bytes().replace(uid.encode(), new.encode()).replace(old.encode(), case.encode())
            )
        given[new] = case
    plain = {"case_ids": given, "refused_sources": {}, "results": {}, "source_paths": [str(folder / "sources")]}
    (folder / "provenance.json").write_text(json.dumps(plain))
    _recorded(folder)


def _recorded(folder: Path) -> None:
    """The records of all cases as if each had been made of its own copy of the files."""
    from uptake.io.dicom.scan import scan
    from uptake.io.store import Cohort
    from uptake.pipeline.cases import case_todo
    from uptake.pipeline.settings import from_layers, read_toml

    cohort, settings = Cohort(folder), from_layers([read_toml(folder / "uptake.toml")])
    for source in scan([folder / "sources"]).studies:
        record = replace(cohort.record(source.patient_id), study_uid=source.study_uid, source_key=source.digest)
        cohort.write_record(record)
        keys = {todo.step.makes: todo for todo in case_todo(cohort, record.case_id, settings)}
        results = {
            name: replace(result, key=keys[name].key, inputs=keys[name].inputs)
            for name, result in record.results.items()
        }
        cohort.write_record(replace(record, results=results))


PARTS: dict[str, Callable[[Path], None]] = {"tables": tables, "verify": verify, "cohort": cohort, "release": release}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
