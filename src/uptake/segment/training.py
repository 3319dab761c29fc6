"""One fold: a network fitted to its training cases, the epoch chosen by its validation cases. A task of executors."""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from uptake.io.store import RefusalRecord
from uptake.io.tables import write_csv
from uptake.segment.augment import augmented
from uptake.segment.checkpoint import EpochRow, Progress, read_progress, write_progress
from uptake.segment.data import TrainingCase
from uptake.segment.export import write_onnx
from uptake.segment.losses import class_weights, loss_of
from uptake.segment.networks import build
from uptake.segment.patches import Batch, case_patches, epoch_batches
from uptake.segment.recipes import Recipe
from uptake.segment.schedule import factor
from uptake.segment.windows import slide
from uptake.study import Code, Refusal, SettingsError

if TYPE_CHECKING:
    import torch
    from torch import nn

NETWORK = "network.onnx"
LOG = "log.csv"
CLIP_NORM = 12.0
"""Longest gradient that is followed (nnU-Net's); no limit with SGD, as in the paper's recipe."""
AT_ONCE = 4
"""Patches in a pass of the validation. One alone takes PyTorch's CPU convolutions of few channels thrice as long."""


@dataclass(frozen=True)
class FoldTask:
    """One fold to be trained: small, and sent to whichever process trains it. device: auto, cpu, cuda or cuda:N."""

    folder: Path
    outer: int
    inner: int
    recipe: Recipe
    train: tuple[TrainingCase, ...]
    validation: tuple[TrainingCase, ...]
    device: str = "auto"
    threads: int = 1

    @property
    def name(self) -> str:
        """The name of the fold and of its folder."""
        return self.folder.name

    @property
    def fingerprint(self) -> str:
        """What the fold is a training of: recipe, fold, and the keys of its cases."""
        cases = [[(case.case_id, case.key) for case in part] for part in (self.train, self.validation)]
        text = json.dumps([asdict(self.recipe), self.outer, self.inner, cases], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class FoldResult:
    """What became of a fold: epochs trained, the best of them (from 0) with its validation, or why there is none."""

    name: str
    epochs: int = 0
    best_epoch: int = -1
    best_loss: float | None = None
    best_dice: float | None = None
    refusal: RefusalRecord | None = None


OnEpoch = Callable[[EpochRow], None]


def train_fold(task: FoldTask, on_epoch: OnEpoch = lambda _: None) -> FoldResult:
    """Train a fold from where it stands to its end and write its network; what is wrong is in the result."""
    try:
        with free_device(task.device) as device:
            progress = fitted(task, device, on_epoch)
        write_onnx(task.recipe, progress.best, task.folder / NETWORK)
    except Refusal as error:
        return FoldResult(task.name, refusal=RefusalRecord(error.code.value, error.found, error.allowed, error.remedy))
    best = progress.rows[progress.best_epoch]
    return FoldResult(task.name, len(progress.rows), progress.best_epoch, best.validation_loss, best.validation_dice)


def fitted(task: FoldTask, device: str, on_epoch: OnEpoch = lambda _: None) -> Progress:
    """The fold's state at its end. After every epoch it is kept, so that a killed training goes on from there."""
    import torch

    progress = read_progress(task.folder, task.fingerprint)
    torch.set_num_threads(progress.threads if progress else task.threads)
    torch.manual_seed(_seed(task, 0))
    fold = _Fold(task, torch.device(device))
    if progress is not None:
        fold.restore(progress)
    else:
        progress = fold.state(Progress(task.fingerprint, {}, {}, {}, threads=task.threads))
    with _tensorboard(task.folder, len(progress.rows)) as board:
        while not _ended(progress, task.recipe):
            try:
                row = fold.epoch(len(progress.rows))
            except torch.OutOfMemoryError as error:
                raise _too_large(device) from error
            progress = _grown(fold.state(progress), row)
            progress.finished = _ended(progress, task.recipe)
            write_progress(task.folder, progress)
            write_log(task.folder, progress.rows)
            board(row)
            on_epoch(row)
    write_log(task.folder, progress.rows)
    return progress


def write_log(folder: Path, rows: Sequence[EpochRow]) -> None:
    """Write ``log.csv``: one row per epoch."""
    write_csv([item.name for item in fields(EpochRow)], rows, folder / LOG)


@contextmanager
def free_device(wanted: str) -> Iterator[str]:
    """A device by name; for "auto" a GPU that no other fold of this user is on, or the CPU where there is none.

    Waits while every GPU is in use. Raises SettingsError for a device that is not there.
    """
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted.startswith("cuda") and not count:
        raise SettingsError(f"there is no {wanted} on this machine: --device cpu")
    if wanted != "auto" or not count:
        yield wanted if wanted != "auto" else "cpu"
        return
    handles = [(Path(tempfile.gettempdir()) / f"uptake-cuda-{n}-{os.getuid()}.lock").open("w") for n in range(count)]
    try:
        yield f"cuda:{_locked(handles)}"
    finally:
        for handle in handles:
            handle.close()


def _locked(handles: Sequence[Any]) -> int:
    """The number of a device whose lock we got; the first one's, waited for, where all are held."""
    for number, handle in enumerate(handles):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        return number
    fcntl.flock(handles[0], fcntl.LOCK_EX)
    return 0


class _Fold:
    """Network, optimiser and cases of one fold while it is trained."""

    def __init__(self, task: FoldTask, device: torch.device) -> None:
        import torch

        self.task, self.recipe, self.device = task, task.recipe, device
        self.network: nn.Module = build(task.recipe).to(device)
        if device.type == "cpu":  # a third faster there; the weights are the same numbers
            self.network.to(memory_format=torch.channels_last_3d)
        self.optimiser = _optimiser(self.network, task.recipe)
        self.mixed = task.recipe.amp and device.type == "cuda"
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.mixed)
        lesion = sum(len(case.lesion) for case in task.train)
        if not lesion:
            raise _nothing_to_learn(task)
        self.loss = loss_of(task.recipe, class_weights(sum(c.label.size for c in task.train) - lesion, lesion))

    def state(self, progress: Progress) -> Progress:
        """The progress with the weights as they are now."""
        progress.model = _copied(self.network.state_dict())
        progress.optimiser = self.optimiser.state_dict()
        progress.scaler = self.scaler.state_dict()
        return progress

    def restore(self, progress: Progress) -> None:
        """Go on from an earlier state."""
        self.network.load_state_dict(progress.model)
        self.optimiser.load_state_dict(progress.optimiser)
        if progress.scaler:  # a CPU leaves none
            self.scaler.load_state_dict(progress.scaler)

    def epoch(self, number: int) -> EpochRow:
        """Once through the training cases, then the validation."""
        import torch

        rate = self.recipe.rate * factor(self.recipe, number)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        torch.manual_seed(_seed(self.task, number + 1))
        self.network.train()
        seeds = (self.recipe.seed, self.task.outer, self.task.inner, number)
        losses = [self._step(batch, number) for batch in epoch_batches(self.task.train, self.recipe, seeds)]
        loss, dice = self._validated()
        if not math.isfinite(loss):
            raise _diverged(number, "validation")
        return EpochRow(number, rate, float(np.mean(losses)), loss, dice)

    def _step(self, batch: Batch, epoch: int) -> float:
        import torch

        images = torch.from_numpy(batch.images).to(self.device)
        labels = torch.from_numpy(batch.labels).to(self.device)
        if self.recipe.augment_on == "patch":
            images, labels = augmented(images, labels, self.recipe, batch.seed)
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, enabled=self.mixed):
            logits = self.network(images)
        loss = self.loss(logits, labels)
        if not torch.isfinite(loss):
            raise _diverged(epoch, "training")
        self.scaler.scale(loss).backward()
        if self.recipe.optimiser == "adamw":
            self.scaler.unscale_(self.optimiser)
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_NORM)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return float(loss.detach())

    def _validated(self) -> tuple[float, float]:
        """Mean loss of the cases, and the Dice of the thresholded lesion over all their voxels together."""
        import torch

        self.network.eval()
        losses, both, sizes = [], 0, 0
        with torch.inference_mode():
            for case in self.task.validation:
                probability, label = self._of_case(case)
                found, true = probability >= 0.5, label.astype(bool)
                both, sizes = both + int((found & true).sum()), sizes + int(found.sum()) + int(true.sum())
                losses.append(self._loss_of(probability, label))
        return float(np.mean(losses)), 2 * both / sizes if sizes else 0.0

    def _of_case(self, case: TrainingCase) -> tuple[Any, Any]:
        """Probabilities and labels of a validation case, (n, i, j, k)."""
        if self.recipe.validate_on == "volume":
            recipe = self.recipe
            image = slide(np.array(case.image), recipe.patch, 0.0, "constant", self._probability, AT_ONCE)
            return image[None], np.array(case.label)[None]
        plain = _as_validated(self.recipe)
        found = case_patches(case, plain, (self.recipe.seed, self.task.outer, self.task.inner, 2))
        images, labels = (np.stack(arrays) for arrays in zip(*found, strict=True))
        groups = [images[start : start + AT_ONCE] for start in range(0, len(images), AT_ONCE)]
        return np.concatenate([self._probability(group) for group in groups]), labels

    def _probability(self, images: Any) -> Any:  # noqa: ANN401 (arrays)
        import torch

        with torch.autocast(self.device.type, enabled=self.mixed):
            logits = self.network(torch.from_numpy(np.ascontiguousarray(images)).to(self.device))
        return torch.softmax(logits.float(), dim=1)[:, 1].cpu().numpy()

    def _loss_of(self, probability: Any, label: Any) -> float:  # noqa: ANN401 (arrays)
        """The recipe's loss, of probabilities: their logits have the same softmax."""
        import torch

        lesion = torch.from_numpy(np.ascontiguousarray(probability)).clamp(1e-7, 1 - 1e-7)
        logits = torch.stack([torch.log1p(-lesion), torch.log(lesion)], dim=1)
        return float(self.loss(logits, torch.from_numpy(np.ascontiguousarray(label))))


def _as_validated(recipe: Recipe) -> Recipe:
    """The recipe with patches as they are, half of them on the lesion: what a fold is validated with."""
    return replace(recipe, augment_on="patch", ghosting=0.0, foreground=max(recipe.foreground, 0.5))


def _optimiser(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    import torch

    if recipe.optimiser == "sgd":
        return torch.optim.SGD(network.parameters(), lr=recipe.rate, momentum=recipe.momentum)
    return torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay)


def _grown(progress: Progress, row: EpochRow) -> Progress:
    """The progress after an epoch; of equal validation losses the later epoch is the best, as in GaNDLF."""
    best = min((earlier.validation_loss for earlier in progress.rows), default=math.inf)
    progress.rows = [*progress.rows, row]
    if row.validation_loss <= best:
        progress.best, progress.best_epoch = progress.model, row.epoch
    return progress


def _ended(progress: Progress, recipe: Recipe) -> bool:
    trained = len(progress.rows)
    return trained >= recipe.epochs or (trained > 0 and trained - 1 - progress.best_epoch > recipe.patience)


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}


def _seed(task: FoldTask, number: int) -> int:
    """A seed of PyTorch's own generator (weights, dropout) for a moment of a fold."""
    words = [task.recipe.seed, task.outer, task.inner, number]
    return int(np.random.SeedSequence(words).generate_state(1)[0])


def _nothing_to_learn(task: FoldTask) -> Refusal:
    return Refusal(
        Code.LABELS,
        found=f"fold {task.name} trains on {len(task.train)} cases without one voxel of a lesion",
        allowed="a lesion in one case of every training part at least",
        remedy="look at the labels of these cases, or plan other folds",
    )


def _too_large(device: str) -> Refusal:
    return Refusal(
        Code.MODEL,
        found=f"the memory of {device} does not hold the training",
        allowed="a network and patches that fit",
        remedy="train under another --name with --set batch=1, or fewer filters or a smaller patch",
    )


def _diverged(epoch: int, where: str) -> Refusal:
    return Refusal(
        Code.DIVERGED,
        found=f"the {where} loss of epoch {epoch} is no number",
        allowed="a finite loss",
        remedy="train under another --name with a lower recipe.rate, or with recipe.amp off; this fold stays as it is",
    )


@contextmanager
def _tensorboard(folder: Path, first: int) -> Iterator[OnEpoch]:
    """Writes epochs for TensorBoard, those after a resumed one in place of what was there."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(folder / "tensorboard", purge_step=first or None) as writer:

        def write(row: EpochRow) -> None:
            for name in ("rate", "train_loss", "validation_loss", "validation_dice"):
                writer.add_scalar(name, getattr(row, name), row.epoch)

        yield write
