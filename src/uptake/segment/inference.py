"""From a harmonised study to the predicted structural tumour volume: networks averaged, thresholded, cleaned.

ONNX Runtime on the CPU needs no torch; where torch sees a GPU, the same weights run there.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt

from uptake.segment.channels import channel_stack
from uptake.segment.checkpoint import CHECKPOINT, read_progress
from uptake.segment.coarse import Factors, coarsened, factors_to, refined
from uptake.segment.export import probability_network
from uptake.segment.recipes import Recipe
from uptake.segment.training import NETWORK
from uptake.segment.windows import Run, slide
from uptake.study import Code, Refusal, SettingsError, Study, require
from uptake.tumour.stv import largest_component, near_largest
from uptake.volume import Volume

Floats = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]
Backend = Literal["auto", "onnx", "torch"]


@dataclass(frozen=True)
class Predict:
    """How a mask is made of what the networks say."""

    threshold: Annotated[float, "probability from which on a voxel belongs to the lesion"] = 0.5
    keep: Annotated[
        Literal["near", "largest", "all"], "largest component with what is near it, it alone, or all of them"
    ] = "near"
    max_gap_mm: Annotated[float, "mm; what is farther from the largest component is dropped, for near"] = 20.0
    mirror: Annotated[bool, "average over the eight mirror images: eight times as long"] = False
    overlap: Annotated[float, "share of a patch that neighbouring windows share; 0: the recipe's"] = 0.0

    def __post_init__(self) -> None:
        require(0 < self.threshold < 1, "predict.threshold", "in (0, 1)", self.threshold)
        require(0 <= self.overlap < 1, "predict.overlap", "in [0, 1)", self.overlap)
        require(0 <= self.max_gap_mm <= 200, "predict.max_gap_mm", "in [0, 200]", self.max_gap_mm)


@dataclass(frozen=True)
class Prediction:
    """What the networks say of a case, on the harmonised grid.

    uncertainty: 1 - 2 sum(p m) / (sum(p) + sum(m)) with p the probability and m the mask: 0 where the networks are
    sure, towards 1 where they are not or nothing was found. members_cc: the volume by each network alone.
    """

    probability: Volume
    mask: Volume
    uncertainty: float
    members_cc: tuple[float, ...]


def predicted(
    harmonised: Study, voi: Bool | None, networks: Sequence[Run], recipe: Recipe, settings: Predict
) -> Prediction:
    """The prediction of several networks together: the mean of their probabilities, then the mask.

    voi: on the harmonised grid; with a recipe that has a prompt it is a channel, and nothing outside it is predicted.
    """
    factors = factors_to(harmonised.grid.spacing_mm, recipe.spacing_mm)
    image = coarsened(channel_stack(harmonised, recipe.channels, voi, prompt=recipe.prompt), factors)
    allowed = voi if recipe.prompt else None
    coarse = [_whole(image, network, recipe, settings, _any(allowed, factors)) for network in networks]
    maps = [_fine(found, factors, harmonised.grid.shape, allowed) for found in coarse]
    probability: Floats = np.asarray(np.mean(maps, axis=0, dtype=np.float32))
    grid = harmonised.grid
    mask = cleaned(np.asarray(probability >= settings.threshold), grid.spacing_mm, settings)
    alone = (Volume(cleaned(np.asarray(m >= settings.threshold), grid.spacing_mm, settings), grid).cc for m in maps)
    return Prediction(Volume(probability, grid), Volume(mask, grid), uncertainty(probability, mask), tuple(alone))


def uncertainty(probability: Floats, mask: Bool) -> float:
    """1 - the Dice that a mask is expected to have if the probabilities are right; 1 for an empty mask."""
    both, either = float(probability[mask].sum()), float(probability.sum()) + float(np.count_nonzero(mask))
    return 1 - 2 * both / either if either else 1.0


def cleaned(mask: Bool, spacing_mm: tuple[float, float, float], settings: Predict) -> Bool:
    """The mask without components that do not belong to the primary lesion; empty stays empty."""
    if settings.keep == "near":
        return near_largest(mask, spacing_mm, settings.max_gap_mm)
    return largest_component(mask) if settings.keep == "largest" else mask


def opened(folder: Path, recipe: Recipe, backend: Backend, threads: int = 0, checkpoint: str | None = None) -> Run:
    """The network of a fold's folder, ready to run. threads: of ONNX Runtime; 0: one per core.

    auto: torch where it sees a GPU and the network's checkpoint is there (the package's network has none), else ONNX
    Runtime. checkpoint: its SHA-256 as the model has it; None: of a fold that was trained just now.
    Refuses (MODEL) a damaged network, one whose patches are not those of the recipe, and for torch a checkpoint that
    is not the model's. Raises SettingsError where what runs it is not installed.
    """
    if backend == "torch" or (backend == "auto" and (folder / CHECKPOINT).is_file() and _gpu()):
        return _torch_run(folder, recipe, checkpoint)
    return _onnx_run(folder / NETWORK, recipe, threads)


def _whole(image: Floats, run: Run, recipe: Recipe, settings: Predict, allowed: Bool | None) -> Floats:
    overlap = settings.overlap or recipe.overlap
    flips = list(itertools.product((False, True), repeat=3)) if settings.mirror else [(False, False, False)]
    total = np.zeros(image.shape[1:], np.float32)
    for flip in flips:
        axes = tuple(axis for axis, turned in enumerate(flip) if turned)
        turned = np.flip(image, tuple(axis + 1 for axis in axes))
        wanted = None if allowed is None else np.flip(allowed, axes)
        found = slide(turned, recipe.patch, overlap, recipe.weighting, run, wanted=wanted)
        total += np.flip(found, axes) / len(flips)
    return total


def _any(allowed: Bool | None, factors: Factors) -> Bool | None:
    """Which blocks hold a voxel in which something may be predicted."""
    return None if allowed is None else coarsened(allowed[None].astype(np.float32), factors)[0] > 0


def _fine(coarse: Floats, factors: Factors, shape: tuple[int, int, int], allowed: Bool | None) -> Floats:
    found = refined(coarse, factors, shape)
    return found if allowed is None else found * allowed


def _onnx_run(path: Path, recipe: Recipe, threads: int) -> Run:
    try:
        import onnxruntime
    except ModuleNotFoundError as missing:
        raise SettingsError("prediction needs the extra 'infer': pip install 'uptake[infer]'") from missing
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave the cores to others
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common base but this one
        if type(error).__module__.partition(".")[0] != "onnxruntime":
            raise
        raise _unusable(f"{path.parent.name}/{path.name} is no network ({type(error).__name__})") from error
    (given,) = session.get_inputs()
    if list(given.shape[1:]) != [recipe.inputs, *(recipe.patch,) * 3]:
        raise _unusable(f"{path.parent.name}/{path.name} takes patches {given.shape[1:]}, not those of its recipe")

    def run(patches: Floats) -> Floats:
        found: Floats = session.run(None, {given.name: patches})[0]
        return found

    return run


def _torch_run(folder: Path, recipe: Recipe, checkpoint: str | None) -> Run:
    try:
        import torch
    except ModuleNotFoundError as missing:
        raise SettingsError("this needs the extra 'torch': pip install 'uptake[torch]'") from missing
    device = "cuda" if torch.cuda.is_available() else "cpu"
    progress = read_progress(folder)
    if progress is None:
        raise _unusable(f"{folder.name} has no {CHECKPOINT}, which torch needs; ONNX Runtime does without")
    if checkpoint is not None and checkpoint != hashlib.sha256((folder / CHECKPOINT).read_bytes()).hexdigest():
        raise _unusable(f"{folder.name}/{CHECKPOINT} is not the model's; ONNX Runtime does without: --backend onnx")
    try:
        network = probability_network(recipe, progress.best).to(device)
    except RuntimeError as error:
        raise _unusable(f"{folder.name}/{CHECKPOINT} is of another recipe") from error

    def run(patches: Floats) -> Floats:
        with torch.inference_mode(), torch.autocast(device, enabled=recipe.amp and device == "cuda"):
            found: Floats = network(torch.from_numpy(patches).to(device)).float().cpu().numpy()
        return found

    return run


def _gpu() -> bool:
    import importlib.util

    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())


def _unusable(found: str) -> Refusal:
    return Refusal(
        Code.MODEL,
        found=found,
        allowed="a network as `uptake train` wrote it",
        remedy="train the model again, or copy its whole folder anew",
    )
