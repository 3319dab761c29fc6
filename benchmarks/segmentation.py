"""Our recipe, the paper's, GaNDLF's residual U-Net and nnU-Net on the same phantoms: nested folds, equal time.

    python benchmarks/segmentation.py FOLDER [--gandlf PYTHON] [--nnunet PYTHON] [--cases 24] [--minutes 6] ...

PYTHON is the interpreter of an environment that holds the peer; one that is not given is left out:

    python3.11 -m venv gandlf && gandlf/bin/pip install GANDLF==0.1.5 "setuptools<80"
    python3.11 -m venv nnunet && nnunet/bin/pip install "nnunetv2==2.8.*"

FOLDER gets the phantoms, the cohort (harmonised at 2 mm), the folds that all methods have, and every trained network;
called again, what is there is not done again. Every method trains one network in each of the first --networks inner
folds of every outer fold, or in as many as its own setting `networks` says, in --minutes for all of them together: on
the same folds, in the same time. A first run of an epoch or two says how long one takes, and the budget how many of
them there are; so no clock decides when a training ends. --clock processor counts processor time per thread: what a
free machine would take, on one that is not free.
The mean probability of an outer fold's networks, thresholded and cleaned in the same way for all inside the VOI that
the study records (the FTV rule counts nowhere else), is judged by `uptake.cohort.judging` on cases that none of them
saw. Printed are tables in Markdown.

On two cores, an hour in all: --cases 24 --outer 3 --minutes 6 --at-once 2. With a GPU: --cases 100 --outer 5
--minutes 120 --networks 2 --device cuda --threads 16, and --paper filters=30 --gandlf-set filters=30.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from segmentation_engines import Done, Job

from uptake import verbs
from uptake.cohort.folds import Folds, from_plain
from uptake.cohort.judging import Figures, Judged, difference, figures, judge
from uptake.io.nifti import read_mask, write_volume
from uptake.io.store import Cohort, open_cohort
from uptake.io.values import write_value
from uptake.preprocess.resample import resample_mask
from uptake.segment.cases import harmonised_study, label_of, voi_of
from uptake.segment.inference import Predict, cleaned
from uptake.volume import Volume

ENGINES = Path(__file__).with_name("segmentation_engines.py")
NAMES = {"ours": "our recipe", "paper": "the paper's recipe", "gandlf": "GaNDLF 0.1.5", "nnunet": "nnU-Net 2.8"}
BASELINE, BASELINE_FILE = "FTV (PE rule)", "masks/ftv_pe.nii.gz"
PACE_EPOCHS = {"ours": 2, "paper": 1, "gandlf": 1, "nnunet": 1}
"""Of the run that says how long an epoch takes: the first one of a fast method is mostly start."""
SETTINGS: dict[str, dict[str, Any]] = {
    "ours": {"filters": 8, "rate": 0.003, "networks": 3},
    "paper": {"filters": 8, "batch": 2},
    "gandlf": {"filters": 8, "batch": 2, "norm": "instance"},
    "nnunet": {"memory": 1.0, "mirror": False},
}
"""What differs from each method's own defaults on two cores; --ours, --paper, --gandlf-set, --nnunet-set add to it."""
PATCHES = {"ours": 4, "paper": 10, "gandlf": 10, "nnunet": 10}
"""Of an epoch: patches of every case; for nnU-Net batches."""


@dataclass(frozen=True)
class Trained:
    """A network that was trained: which outer fold it belongs to, where its answers lie, what it took."""

    method: str
    outer: int
    folder: Path
    done: Done


def main() -> None:
    asked = _asked()
    folder: Path = asked.folder.resolve()
    pythons = {"ours": sys.executable, "paper": sys.executable, "gandlf": asked.gandlf, "nnunet": asked.nnunet}
    methods = [name for name in asked.methods if pythons[name]]
    for name in asked.methods:
        if not pythons[name]:
            print(f"{NAMES[name]} is left out: name the Python of its environment with --{name}.\n")
    cohort = prepared(folder, asked)
    folds = from_plain(json.loads((cohort.path / "folds.json").read_text("utf-8")))
    exported(cohort, folder / "data", folds.case_ids)
    trained: list[Trained] = []
    for method in methods:
        jobs = planned(method, folds, folder, asked, pythons[method])
        with ThreadPoolExecutor(asked.at_once) as pool:
            done = list(pool.map(lambda job, m=method: finished(job, pythons[m]), jobs))
        trained += [
            Trained(method, job.split // len(folds.outer[0].inner), Path(job.folder), d)
            for job, d in zip(jobs, done, strict=True)
        ]
    rows = list(judged(cohort, folds, trained))
    write_value([asdict(row) for row in rows], folder / "judged.json")
    show(rows, trained, methods, asked)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gandlf", metavar="PYTHON")
    parser.add_argument("--nnunet", metavar="PYTHON")
    parser.add_argument("--methods", nargs="+", choices=list(NAMES), default=list(NAMES))
    parser.add_argument("--cases", type=int, default=24)
    parser.add_argument("--seed", type=int, default=7000)
    parser.add_argument("--snr", type=float, default=40.0)
    parser.add_argument("--size", default="small")
    parser.add_argument("--outer", type=int, default=3)
    parser.add_argument("--inner", type=int, default=3)
    parser.add_argument("--networks", type=int, default=1, help="of each outer fold: its first so many inner folds")
    parser.add_argument("--minutes", type=float, default=6.0, help="of training, for every method and outer fold")
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--patch", type=int, default=48, help="voxels; edge of the patches, for nnU-Net its plan's")
    for name in NAMES:
        option = name if name in ("ours", "paper") else f"{name}-set"
        parser.add_argument(f"--{option}", dest=f"{name}_set", nargs="+", default=[], metavar="NAME=VALUE")
    return parser.parse_args()


def prepared(folder: Path, asked: argparse.Namespace) -> Cohort:
    """The phantoms, run at 2 mm, with their truth and their folds; what is there already stays."""
    dicom, cohort = folder / "dicom", folder / "cohort"
    verbs.phantom(dicom, cases=asked.cases, seed=asked.seed, snr=asked.snr, size=asked.size, jobs=asked.at_once)
    verbs.run(dicom, cohort, jobs=asked.at_once, resample={"spacing_mm": 2.0})
    verbs.import_masks(cohort, dicom / "truth", as_="truth")
    if not (cohort / "folds.json").is_file():
        verbs.train(cohort, plan_only=True, outer=asked.outer, inner=asked.inner, seed=asked.seed)
    return open_cohort(cohort)


def exported(cohort: Cohort, data: Path, cases: Sequence[str]) -> None:
    """Three harmonised phases and the truth of every case as NIfTI, named as nnU-Net and GaNDLF's tables want them."""
    for name in cases:
        label = data / "labels" / f"{name}.nii.gz"
        truth = label_of(cohort, name, "truth")
        if truth is None or label.is_file():
            continue
        for number, volume in enumerate(harmonised_study(cohort, name).volumes):
            write_volume(volume, data / "images" / f"{name}_{number:04d}.nii.gz")
        write_volume(truth, label)


def planned(method: str, folds: Folds, folder: Path, asked: argparse.Namespace, python: str) -> list[Job]:
    """A job for every network of a method, with as many epochs as the budget holds."""
    settings = SETTINGS[method] | dict(_setting(text) for text in getattr(asked, f"{method}_set"))
    patches = int(settings.pop("patches_per_case", PATCHES[method]))
    networks = min(int(settings.pop("networks", asked.networks)), len(folds.outer[0].inner))
    jobs = [
        Job(
            method,
            str(folder / "data"),
            str(folder / method / f"{outer}-{place}"),
            list(inner.train),
            list(inner.validation),
            list(fold.test),
            0,
            patches,
            asked.patch,
            asked.threads,
            asked.seed,
            outer * len(fold.inner) + place,
            asked.device,
            settings,
        )
        for outer, fold in enumerate(folds.outer)
        for place, inner in enumerate(fold.inner[:networks])
    ]
    if method == "nnunet":
        _prepare_nnunet(folds, folder, jobs[0], python)
    pace = replace(jobs[0], folder=str(folder / method / "pace"), epochs=PACE_EPOCHS[method], test=[])
    epochs = epochs_within(finished(pace, python), 60 * asked.minutes / networks, asked.clock, asked.threads)
    return [replace(job, epochs=epochs) for job in jobs]


def epochs_within(pace: Done, seconds: float, clock: str, threads: int) -> int:
    """How many epochs a budget holds, by the last epoch of a first run; at least one."""
    before, after = [(0.0, 0.0), *pace.ends][-2:]
    wall, processor = (b - a for a, b in zip(before, after, strict=True))
    return max(1, int(seconds / (wall if clock == "wall" else processor / threads)))


def _prepare_nnunet(folds: Folds, folder: Path, job: Job, python: str) -> None:
    """nnU-Net's own preparation, and our folds in the file that it reads them from."""
    ready = folder / "nnunet/preprocessed/Dataset001_Phantoms"
    if not (ready / "splits_final.json").is_file():
        everything = replace(
            job, folder=str(folder / "nnunet/plan"), train=[], validation=[], test=list(folds.case_ids)
        )
        _run(everything, python)
        write_value(nnunet_splits(folds), ready / "splits_final.json")


def nnunet_splits(folds: Folds) -> list[dict[str, list[str]]]:
    """Every inner fold of every outer one, in order; the test cases of the outer fold are in none of its parts."""
    return [{"train": list(i.train), "val": list(i.validation)} for outer in folds.outer for i in outer.inner]


def finished(job: Job, python: str) -> Done:
    """What a job took; it is run unless it was."""
    done = Path(job.folder, "done.json")
    if not done.is_file():
        _run(job, python)
    return Done(**json.loads(done.read_text("utf-8")))


def _run(job: Job, python: str) -> None:
    Path(job.folder).mkdir(parents=True, exist_ok=True)
    told = Path(job.folder, "job.json")
    told.write_text(json.dumps(asdict(job)), "utf-8")
    threads = {name: str(job.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    print(f"{NAMES[job.method]}: {Path(job.folder).name}", file=sys.stderr, flush=True)
    with Path(job.folder, "log.txt").open("w") as log:
        line = [python, str(ENGINES), str(told)]
        ended = subprocess.run(line, env=os.environ | threads, stdout=log, stderr=log, check=False)
    if ended.returncode:
        raise SystemExit(f"{NAMES[job.method]} ended with {ended.returncode}: see {log.name}")


def judged(cohort: Cohort, folds: Folds, trained: Sequence[Trained]) -> Iterator[Judged]:
    """Every tested case by every method, and by the rule that needs no network."""
    for number, outer in enumerate(folds.outer):
        own = [network for network in trained if network.outer == number]
        for name in outer.test:
            truth = label_of(cohort, name, "truth")
            if truth is None:
                continue
            voi = voi_of(cohort, name, truth.grid)
            for method in dict.fromkeys(network.method for network in own):
                maps = [np.load(n.folder / f"{name}.npy") for n in own if n.method == method]
                yield judge(name, NAMES[method], masked(np.mean(maps, axis=0), truth, voi), truth)
            rule = read_mask(cohort.case(name) / BASELINE_FILE)
            yield judge(name, BASELINE, resample_mask(rule, truth.grid), truth)


def masked(probability: np.ndarray, truth: Volume, voi: np.ndarray | None) -> Volume:
    """The mask of a probability map, for all methods: inside the VOI, from 0.5 on, the largest part and what is near.

    voi: the box that the study records, in which the functional tumour volume is counted too; None: everywhere.
    """
    settings = Predict()
    found = probability >= settings.threshold
    mask = cleaned(found if voi is None else found & voi, truth.grid.spacing_mm, settings)
    return Volume(mask, truth.grid)


def show(rows: Sequence[Judged], trained: Sequence[Trained], methods: Sequence[str], asked: argparse.Namespace) -> None:
    """The tables: what every method reached, what it took, and how it differs from ours."""
    cases = len({row.case_id for row in rows})
    print(
        f"{cases} phantoms ({asked.size}, SNR {asked.snr:g}, seed {asked.seed}, 2 mm), {asked.outer} outer folds, "
        f"{asked.minutes:g} minutes of {asked.clock} time for each and method on {asked.threads} thread(s), "
        f"{asked.device}.\n"
    )
    print("| method | Dice | HD95 mm | surface Dice 2 mm | volume bias % | detected |\n|---|---|---|---|---|---|")
    for line in figures(rows, {}):
        print(figure_line(line))
    print(
        "\n| method | networks | parameters | patch | epochs | patches/s | of 48³ voxels/s | min wall | min processor |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for method in methods:
        print(cost_line(NAMES[method], [n.done for n in trained if n.method == method], asked.threads))
    print("\n| difference in Dice, case by case | median | p (Wilcoxon) |\n|---|---|---|")
    pairs = [("ours", other) for other in ("paper", "gandlf", "nnunet")]
    named = [(NAMES[a], NAMES[b]) for a, b in pairs] + [(NAMES[m], BASELINE) for m in NAMES]
    for method, other in named:
        found = difference(rows, method, other)
        if found is not None:
            p = "" if found.p is None else f"{found.p:.2g}"
            print(f"| {method} − {other} | {_words(found.dice, 3, '+')} | {p} |")


def figure_line(line: Figures) -> str:
    """A row of the first table; medians with 95 % intervals, HD95 of the cases in which anything was found."""
    distance = "none found" if line.hd95_mm is None else _words(line.hd95_mm, 1)
    if 0 < line.hd95_cases < line.cases:
        distance += f" [{line.hd95_cases} of {line.cases}]"
    surface = _words(line.surface_dice_2mm, 2)
    dice, bias = _words(line.dice, 3), _words(line.volume_bias_percent, 0, "+")
    return f"| {line.method} | {dice} | {distance} | {surface} | {bias} | {100 * line.detected:.0f} % |"


def cost_line(name: str, done: Sequence[Done], threads: int) -> str:
    """A row of the second table, over all networks of a method; by processor time for each thread."""
    wall, processor = sum(d.wall_s for d in done), sum(d.processor_s for d in done)
    patches = sum(d.patches for d in done)
    voxels = sum(d.patches * int(np.prod(d.patch)) for d in done)
    edge = " x ".join(str(n) for n in done[0].patch)
    epochs, size = sorted({d.epochs for d in done}), done[0].parameters / 1e6
    return (
        f"| {name} | {len(done)} | {size:.1f} M | {edge} | {', '.join(map(str, epochs))} | "
        f"{patches * threads / processor:.2f} | {voxels * threads / 48**3 / processor:.2f} | "
        f"{wall / 60:.1f} | {processor / 60:.1f} |"
    )


def _words(found: Any, places: int, sign: str = "") -> str:  # noqa: ANN401 (Interval)
    value, low, high = (f"{number:{sign}.{places}f}" for number in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})"


def _setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


if __name__ == "__main__":
    main()
