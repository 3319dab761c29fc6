"""What training and prediction read of a case in a cohort folder, and what prediction keeps there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from uptake.io import forms
from uptake.io.files import writable
from uptake.io.forms import StudyFile
from uptake.io.given import MODEL_MASKS, READER_MASKS, TRUTH_MASKS
from uptake.io.nifti import read_mask, write_volume
from uptake.io.store import Cohort
from uptake.io.values import read_value, write_value
from uptake.preprocess.resample import MaskRule, resample_mask
from uptake.segment.channels import channel_stack
from uptake.segment.coarse import coarsened, factors_to
from uptake.segment.data import TrainingCase, keep_case
from uptake.segment.inference import Prediction
from uptake.segment.recipes import Recipe
from uptake.study import Code, Refusal, Study
from uptake.tumour.voi import VoiChoice
from uptake.volume import Grid, Volume

Labels = Literal["reader", "truth", "proposal"]
LABELS: dict[str, str] = {
    "reader": READER_MASKS[0],
    "truth": TRUTH_MASKS[0],
    "proposal": "masks/stv_proposal.nii.gz",
}
"""Where each kind of label lies; masks made elsewhere are a reader's once they are imported as such."""
PREDICTED = "masks/stv_predicted.json"
PROBABILITY = "maps/stv_probability.nii.gz"


@dataclass(frozen=True)
class PredictedFile:
    """What ``masks/stv_predicted.json`` holds. key: what it was made of; networks: the folds that made it."""

    model: str
    networks: tuple[str, ...]
    threshold: float
    stv_predicted_voxels: int
    stv_predicted_cc: float
    uncertainty: float
    members_cc: tuple[float, ...]
    key: str


def label_of(cohort: Cohort, case_id: str, labels: Labels) -> Volume | None:
    """A case's label on the harmonised grid; None where it has none, or an empty one."""
    path = cohort.case(case_id) / LABELS[labels]
    if not path.is_file():
        return None
    mask = read_mask(path)
    return mask if mask.array.any() else None


def training_case(cohort: Cohort, case_id: str, labels: Labels, recipe: Recipe, cache: Path) -> TrainingCase:
    """A labelled case as training reads it, written to `cache`.

    Refuses (LABELS) a case without a label, with one on another grid, or with one too small for the recipe's blocks;
    what `harmonised_study` refuses.
    """
    study = harmonised_study(cohort, case_id)
    label = label_of(cohort, case_id, labels)
    if label is None or not label.grid.same_as(study.grid):
        raise Refusal(
            Code.LABELS,
            found=f"{case_id} has no {labels}'s mask with a voxel on the grid of its images",
            allowed="a mask on the harmonised grid",
            remedy="import it again: uptake import brings it to the grid in force",
        )
    voi = voi_of(cohort, case_id, study.grid) if recipe.prompt else None
    image = channel_stack(study, recipe.channels, voi, prompt=recipe.prompt)
    written = hashlib.sha256((cohort.case(case_id) / LABELS[labels]).read_bytes()).hexdigest()
    key = f"{harmonised_key(cohort, case_id)} {written}" + (f" {_voi_key(voi)}" if recipe.prompt else "")
    factors = factors_to(study.grid.spacing_mm, recipe.spacing_mm)
    i, j, k = (spacing * factor for spacing, factor in zip(study.grid.spacing_mm, factors, strict=True))
    case = TrainingCase(case_id, cache, key, (i, j, k))
    inside = coarsened(label.array[None].astype(np.float32), factors)[0] >= 0.5
    if not inside.any():
        raise Refusal(
            Code.LABELS,
            found=f"the mask of {case_id} ({label.cc:.3g} cc) fills no block of {recipe.spacing_mm:g} mm by half",
            allowed="a mask that is still there on the voxels that the network sees",
            remedy="--set spacing_mm=0, or leave the case out: --case for each of the others (planned folds stay)",
        )
    keep_case(case, coarsened(image, factors), inside, recipe.patch)
    return case


def harmonised_study(cohort: Cohort, case_id: str) -> Study:
    """The harmonised phases of a case. Refuses (NO_STUDY) one whose images were not made."""
    folder = cohort.case(case_id)
    if not harmonised_key(cohort, case_id) or not (folder / "harmonised/statistics.json").is_file():
        raise Refusal(
            Code.NO_STUDY,
            found=f"{case_id} has no harmonised images",
            allowed="a case that was made",
            remedy="run it first: uptake run; see tables/refusals.csv for why it was refused",
        )
    study: Study = forms.HARMONISED.read(folder).study
    return study


def harmonised_key(cohort: Cohort, case_id: str) -> str:
    """The key under which a case's harmonised images were made; empty where they were not."""
    made = cohort.record(case_id).results.get("harmonised")
    return made.key if made and not made.refusal else ""


def voi_of(cohort: Cohort, case_id: str, grid: Grid) -> npt.NDArray[np.bool_] | None:
    """The VOI that the study records or a user gave, on the harmonised grid; None where it was found automatically."""
    folder = cohort.case(case_id)
    if not (folder / "voi.json").is_file():
        return None
    choice = read_value(VoiChoice, folder / "voi.json")
    if choice.automatic:
        return None
    file = read_value(StudyFile, folder / "study.json")
    acquired = Grid(file.geometry.shape, np.array(file.geometry.affine))
    inside = np.zeros(acquired.shape, dtype=np.bool_)
    i, j, k = (int(n) + 1 for n in choice.end)
    inside[file.acquisition.layout.slices(choice.start, (i, j, k), acquired.shape)] = True
    return resample_mask(Volume(inside, acquired), grid).array


def _voi_key(voi: npt.NDArray[np.bool_] | None) -> str:
    return "everywhere" if voi is None else hashlib.sha256(np.packbits(voi).tobytes()).hexdigest()


def write_prediction(cohort: Cohort, case_id: str, made: Prediction, file: PredictedFile, rule: MaskRule) -> None:
    """Keep a prediction: probability, mask on both grids, numbers.

    The numbers are removed first and written last, so that a killed prediction never passes as a whole one.
    """
    folder = cohort.case(case_id)
    geometry = read_value(StudyFile, folder / "study.json").geometry
    acquired = Grid(geometry.shape, np.array(geometry.affine))
    with writable(folder / PREDICTED):
        (folder / PREDICTED).unlink(missing_ok=True)
    write_volume(made.probability, folder / PROBABILITY)
    write_volume(resample_mask(made.mask, acquired, rule), folder / MODEL_MASKS[1])
    write_volume(made.mask, folder / MODEL_MASKS[0])
    write_value(file, folder / PREDICTED)
