"""The network that comes with the package: from phantoms with everything about them varied, to the files that ship.

    python benchmarks/shipped_network.py phantoms --to WORK --jobs 2     # noise-free phantoms on 2 mm blocks
    python benchmarks/shipped_network.py variants --to WORK              # each of them several times, varied
    python benchmarks/shipped_network.py train --to WORK --device auto   # goes on where it was stopped
    python benchmarks/shipped_network.py ship --to WORK                  # src/uptake/segment/shipped, with its figures

What is drawn stands in `shipped_network.toml` beside this file. No image of a patient is used anywhere in it.
"""

from __future__ import annotations

import argparse
import time
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields
from importlib import metadata
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from uptake.cohort.folds import Folds, Outer, Subject, plan_whole
from uptake.cohort.judging import Figures, Judged, figures, judge, size_strata
from uptake.io.files import write_bytes_whole
from uptake.io.nifti import read_mask
from uptake.io.store import open_cohort
from uptake.io.tables import write_csv
from uptake.io.values import write_value
from uptake.phantom import make
from uptake.phantom.anatomy import Tissue
from uptake.phantom.variation import Scan, Vary, varied
from uptake.preprocess.resample import Resample, isotropic_grid, resample, resample_mask
from uptake.report.images import border, grey, window
from uptake.segment.card import card
from uptake.segment.cases import harmonised_study
from uptake.segment.channels import phase_channels
from uptake.segment.checkpoint import read_progress
from uptake.segment.coarse import coarsened, factors_to
from uptake.segment.data import TrainingCase, keep_case
from uptake.segment.export import write_onnx
from uptake.segment.inference import Predict, opened, predicted
from uptake.segment.model import FORMAT, Member, Model, digest, write_model
from uptake.segment.recipes import Recipe
from uptake.segment.training import NETWORK, FoldTask, train_fold, write_log
from uptake.segment.windows import Run
from uptake.study import Phase, Study
from uptake.verbs.predicting import SHIPPED
from uptake.volume import Grid, Volume

Floats = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]
SETTINGS: dict[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
RECIPE = Recipe(**SETTINGS["recipe"])
PLAIN = Vary(
    contrast=0, bright_fat=0, enhancement=0, dose=0, late=0, coil=(1, 1), field=0, drift=0, moving=0, blurred=0,
    ghosts=0, spots=0, snr=(20, 20), gamma=(1, 1), cropped=0, turned=0, blanked=0,
)  # fmt: skip
LICENCE = "Apache-2.0, as uptake. For research only: it was trained on phantoms alone and on no patient."
NAME = "uptake-phantoms"
ABOUT = """\
Phantoms by `uptake.phantom` (half the matrix of a full study, seeds as the names say), noise-free, averaged over
blocks of 2 mm, and each shown several times as other scanners and patients might show it (`uptake.phantom.variation`):
contrast and enhancement of every tissue, fat suppression or none, timing, coils, resolution, noise, motion, ghosts,
bright spots, field of view. Settings and commands: `benchmarks/shipped_network.toml` and `.py`. The phantoms tested
here are shown varied in the same way, and once as they are with noise; neither says anything of patients. A phantom
counts as one patient however often it is shown, so the intervals are those of a handful of phantoms. The same seeds
give other phantoms wherever `uptake.phantom` has changed since: these can then be made only with the code of their
time."""
TRIED = "Predicted once, after the training; nothing was trained, chosen or tuned on them. The FTV is the rule's."
VARY = Vary(**SETTINGS["vary"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=("phantoms", "variants", "train", "ship"))
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--tried", type=Path, help="a cohort of real studies: how the network does on them, for the card"
    )
    asked = parser.parse_args()
    if asked.stage == "phantoms":
        phantoms(asked.to, asked.jobs)
    elif asked.stage == "variants":
        variants(asked.to, asked.jobs)
    elif asked.stage == "train":
        train(asked.to, asked.device)
    else:
        ship(asked.to, asked.tried)


def phantoms(work: Path, jobs: int) -> None:
    """Every phantom of the settings, unless it is there."""
    folder = work / "phantoms"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [seed for seed in (*seeds_of("training"), *seeds_of("held_out")) if not (folder / f"{seed}.npz").is_file()]
    with ProcessPoolExecutor(jobs) as pool:
        for seed in pool.map(_keep_phantom, wanted, repeat(folder)):
            print(seed, flush=True)


def variants(work: Path, jobs: int) -> None:
    """Every phantom to be trained on or validated with, varied so many times."""
    (work / "cases").mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(jobs) as pool:
        for seed in pool.map(_keep_variants, seeds_of("training"), repeat(work)):
            print(seed, flush=True)


def _keep_variants(seed: int, work: Path) -> int:
    scan = scan_of(work, seed)
    for number in range(SETTINGS["variants"]["each"]):
        case = variant(work, seed, number)
        if (case.folder / f"{case.case_id}-label.npy").is_file():
            continue
        rng = np.random.default_rng([seed, 2, number])
        (pre, first, second), lesion = varied(scan, VARY, rng)
        image = np.stack(phase_channels(pre, first, second, RECIPE.channels))
        keep_case(case, image, lesion, RECIPE.patch)
    return seed


def variant(work: Path, seed: int, number: int) -> TrainingCase:
    """One of a phantom's variants, as training reads it."""
    key = f"{SETTINGS['phantoms']} {VARY} {seed} {number}"
    return TrainingCase(f"{name_of(seed)}-{number}", work / "cases", key, (RECIPE.spacing_mm,) * 3)


def scan_of(work: Path, seed: int) -> Scan:
    """A phantom as `phantoms` kept it."""
    with np.load(work / "phantoms" / f"{seed}.npz") as kept:
        tissue = kept["tissue"].astype(np.float32) / 255
        return Scan(kept["phases"], tissue, kept["bias"], kept["stv"], RECIPE.spacing_mm)


def train(work: Path, device: str) -> None:
    """The one network, from where it stands."""
    plan = folds()
    inside = plan.outer[0].inner[0]
    each, judged = SETTINGS["variants"]["each"], SETTINGS["variants"]["validation"]

    def cases(names: Sequence[str], count: int) -> tuple[TrainingCase, ...]:
        return tuple(variant(work, int(name.rpartition("-")[2]), n) for name in names for n in range(count))

    task = FoldTask(
        work / "0-0", 0, 0, RECIPE, cases(inside.train, each), cases(inside.validation, judged), device, threads=1
    )
    result = train_fold(task, lambda row: print(time.strftime("%H:%M:%S"), row, flush=True))
    print(result)


def folds() -> Folds:
    """Which phantoms are trained on, which choose the epoch, and which are in neither and tested in the end."""
    inside = (
        plan_whole([Subject(name_of(seed), name_of(seed)) for seed in seeds_of("training")], inner=6).outer[0].inner
    )
    return Folds((Outer(tuple(map(name_of, seeds_of("held_out"))), inside),))


def ship(work: Path, tried: Path | None) -> None:
    """The network as it is best, judged on phantoms held out, into the package."""
    progress = read_progress(work / "0-0")
    if progress is None:
        raise SystemExit("train it first")
    write_onnx(RECIPE, progress.best, SHIPPED / "0-0" / NETWORK)
    write_log(SHIPPED / "0-0", progress.rows)
    best = progress.rows[progress.best_epoch]
    losses = (best.validation_loss, best.validation_dice)
    member = Member("0-0", 0, 0, digest(SHIPPED / "0-0" / NETWORK), len(progress.rows), progress.best_epoch, *losses)
    plan, version = folds(), metadata.version("uptake")
    patients = {name: name for name in plan.case_ids}
    model = Model(FORMAT, NAME, "shipped", RECIPE, "truth", patients, plan, (member,), version, LICENCE)
    write_model(SHIPPED, model)
    run = opened(SHIPPED / "0-0", RECIPE, "onnx", threads=1)
    rows, strata = judged_variants(work, run)
    found = figures_of(rows, strata)
    write_csv([item.name for item in fields(Judged)], rows, SHIPPED / "judged.csv")
    write_value({"figures": list(found), "differences": []}, SHIPPED / "figures.json")
    picture(work, run, Path(__file__).parents[1] / "docs/images/network.png")
    stopped = f"Training was stopped after {len(progress.rows)} of {RECIPE.epochs} epochs: there was no more time."
    about = [ABOUT, *([] if progress.finished else [stopped]), *([tried_on(tried, run)] if tried else [])]
    write_bytes_whole(SHIPPED / "card.md", card(model, found, (), {}, about).encode())


def figures_of(rows: Sequence[Judged], strata: Mapping[str, Sequence[str]]) -> tuple[Figures, ...]:
    """The figures of images, several of which show one phantom."""
    sizes = size_strata({row.case_id: row.truth_cc for row in rows})
    return figures(rows, {**sizes, **strata}, {row.case_id: row.case_id.rpartition("-")[0] for row in rows})


def judged_variants(work: Path, run: Run) -> tuple[list[Judged], dict[str, list[str]]]:
    """Every phantom held out, varied as the others were and as it is, predicted and judged; which of them are alike."""
    rows, strata = [], {}
    for seed in seeds_of("held_out"):
        scan, kind = scan_of(work, seed), phantom_kind(seed)
        for number in range(SETTINGS["variants"]["test"] + 1):
            plain = number == SETTINGS["variants"]["test"]
            images, lesion = varied(scan, PLAIN if plain else VARY, np.random.default_rng([seed, 2, number]))
            grid = Grid(lesion.shape, np.diag([RECIPE.spacing_mm] * 3 + [1.0]))
            name = f"{name_of(seed)}-{'plain' if plain else number}"
            study = Study(name, tuple(Phase(Volume(image, grid), None) for image in images))
            mask = predicted(study, None, [run], RECIPE, Predict()).mask
            rows.append(judge(name, "network", mask, Volume(lesion, grid)))
            strata.setdefault("not varied, SNR 20" if plain else "varied", []).append(name)
            strata.setdefault(kind["view"], []).append(name)
    return rows, strata


def picture(work: Path, run: Run, path: Path) -> None:
    """Four phantoms held out, varied: early phase and subtraction, the truth in amber, the prediction in cyan."""
    columns = []
    for seed in seeds_of("held_out")[:4]:
        images, lesion = varied(scan_of(work, seed), VARY, np.random.default_rng([seed, 2, 0]))
        grid = Grid(lesion.shape, np.diag([RECIPE.spacing_mm] * 3 + [1.0]))
        study = Study(name_of(seed), tuple(Phase(Volume(image, grid), None) for image in images))
        mask = predicted(study, None, [run], RECIPE, Predict()).mask.array
        k = int(np.argmax(lesion.sum(axis=(0, 1))))
        planes = (images[1][:, :, k], images[1][:, :, k] - images[0][:, :, k])
        tiles = [_tile(plane, lesion[:, :, k], mask[:, :, k]) for plane in planes]
        columns.append(np.concatenate(tiles))
    Image.fromarray(np.concatenate(columns, axis=1)).save(path, optimize=True)


def _tile(plane: Floats, truth: Bool, found: Bool, side: int = 120, zoom: int = 2) -> npt.NDArray[np.uint8]:
    """A plane (i, j) as a square, i to the right and j upwards, cut or filled up with black."""
    shown = np.zeros((side, side, 3), np.uint8)
    width, height = (min(n, side) for n in plane.shape)
    upright = [array[:width, :height].T[::-1] for array in (plane, truth, found)]
    shown[:height, :width] = grey(upright[0], window(upright[0]))[..., None]
    shown = shown.repeat(zoom, axis=0).repeat(zoom, axis=1)
    for mask, colour in zip(upright[1:], ((255, 179, 0), (0, 229, 255)), strict=True):
        edge = border(mask.repeat(zoom, axis=0).repeat(zoom, axis=1))
        shown[: zoom * height, : zoom * width][edge] = colour
    return shown


def tried_on(path: Path, run: Run) -> str:
    """How much of the FTV of real studies lies in the prediction, and how large that is."""
    cohort = open_cohort(path)
    lines = [
        "## Real studies",
        TRIED,
        "| study | FTV inside the prediction | predicted, cc | FTV, cc |",
        "|---|---|---|---|",
    ]
    for case_id in cohort.case_ids:
        study = harmonised_study(cohort, case_id)
        ftv = read_mask(cohort.case(case_id) / "masks/ftv.nii.gz")
        mask = predicted(study, None, [run], RECIPE, Predict()).mask
        inside = resample_mask(mask, ftv.grid).array[ftv.array].mean()
        lines.append(f"| {case_id} | {inside:.0%} | {mask.cc:.1f} | {ftv.cc:.1f} |")
    return "\n".join([lines[0], "", lines[1], "", *lines[2:]])


def name_of(seed: int) -> str:
    """The case that a phantom is, in ``model.json``."""
    return f"SHIPPED-{seed}"


def seeds_of(part: str) -> range:
    """The seeds of the phantoms that are trained on or validated with, or of those that are held out to the end."""
    drawn = SETTINGS["phantoms"]
    return range(drawn["first_seed"][part], drawn["first_seed"][part] + drawn[part])


def _keep_phantom(seed: int, folder: Path) -> int:
    kind = phantom_kind(seed)
    made = make(seed=seed, case_id=name_of(seed), size="half", **kind)
    grid = isotropic_grid(made.study.grid)
    factors = factors_to(grid.spacing_mm, RECIPE.spacing_mm)
    used = made.study.acquisition.recorded.phase_indices or ()
    chosen = [made.clean.volumes[n] for n in used]
    shading = resample(made.bias, grid, Resample(edge="extend"))  # it is divided by: nowhere 0
    images = coarsened(np.stack([*(resample(volume, grid).array for volume in chosen), shading.array]), factors)
    share = coarsened(resample(made.stv_occupancy, grid).array[None], factors)[0]
    tissue = [
        coarsened(resample_mask(made.tissue.with_array(made.tissue.array == label), grid).array[None], factors)[0]
        for label in Tissue
    ]
    part = folder / f"{seed}.part.npz"
    np.savez(
        part,
        phases=images[:3],
        bias=images[3],
        stv=share >= 0.5,
        tissue=np.round(255 * np.stack(tissue)).astype(np.uint8),
        sigma_at_snr_1=np.float32(made.sigma * made.settings.snr),
        kind=np.array([f"{kind}", made.lesion_kind, made.background]),
    )
    part.rename(folder / f"{seed}.npz")
    return seed


def phantom_kind(seed: int) -> dict[str, Any]:
    """What a phantom is like, as often as the settings say."""
    rng = np.random.default_rng([seed, 1])
    drawn = SETTINGS["phantoms"]

    def one(name: str) -> Any:  # noqa: ANN401 (a name or a number)
        shares: Sequence[float] = drawn[name]["shares"]
        return drawn[name]["values"][int(rng.choice(len(shares), p=shares))]

    return {name: one(name) for name in ("view", "vendor", "field_t", "background", "phases", "lesion", "chest_band")}


if __name__ == "__main__":
    main()
