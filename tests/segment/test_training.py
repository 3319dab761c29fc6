"""A fold of the training: same seed, same weights; killed and resumed, the same; what is wrong is said."""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from uptake.io.tables import read_csv
from uptake.segment import training
from uptake.segment.checkpoint import CHECKPOINT, EpochRow, read_progress
from uptake.segment.data import keep_case
from uptake.segment.recipes import PAPER, Recipe
from uptake.segment.training import FoldTask, fitted, free_device, train_fold
from uptake.study import Code, Refusal, SettingsError

Fold = Callable[..., FoldTask]


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


def kill_after(epoch: int) -> Callable[[EpochRow], None]:
    def on_epoch(row: EpochRow) -> None:
        if row.epoch == epoch:
            raise Killed

    return on_epoch


def weights(task: FoldTask) -> dict[str, Any]:
    progress = read_progress(task.folder)
    assert progress
    return {"best": progress.best_epoch, **{name: tensor.numpy() for name, tensor in progress.model.items()}}


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("after", [0, 1])
def test_a_fold_killed_after_any_epoch_ends_as_one_that_was_not(torch: Any, fold: Fold, after: int) -> None:
    whole, stopped = fold("whole"), fold("stopped")
    assert train_fold(whole).refusal is None
    with pytest.raises(Killed):
        train_fold(stopped, kill_after(after))
    assert len(read_progress(stopped.folder).rows) == after + 1  # type: ignore[union-attr]
    seen: list[int] = []
    train_fold(stopped, lambda row: seen.append(row.epoch))
    assert seen == list(range(after + 1, 3)), "what was trained is not trained again"
    assert same(weights(whole), weights(stopped))
    for name in ("log.csv", "network.onnx"):
        assert (whole.folder / name).read_bytes() == (stopped.folder / name).read_bytes()


def test_dropout_and_the_paper_s_augmentation_come_out_the_same_after_a_kill_too(torch: Any, fold: Fold) -> None:
    pytest.importorskip("torchio")
    small = {"filters": 2, "patch": 32, "patches_per_case": 1, "epochs": 2, "channels": "kinetic"}
    recipe = dataclasses.replace(PAPER, **small)  # type: ignore[arg-type]
    whole, stopped = fold("whole", recipe), fold("stopped", recipe)
    fitted(whole, "cpu")
    with pytest.raises(Killed):
        fitted(stopped, "cpu", kill_after(0))
    fitted(stopped, "cpu")
    assert same(weights(whole), weights(stopped))


def test_two_trainings_with_one_seed_give_one_network_and_with_two_seeds_two(
    torch: Any, fold: Fold, small: Recipe
) -> None:
    one = dataclasses.replace(small, epochs=1)
    first, again, other = fold("first", one), fold("again", one), fold("other", dataclasses.replace(one, seed=1))
    for task in (first, again, other):
        train_fold(task)
    assert same(weights(first), weights(again))
    assert not same(weights(first), weights(other))


def test_a_network_learns_a_bright_ball(torch: Any, fold: Fold, small: Recipe) -> None:
    recipe = dataclasses.replace(small, epochs=6, filters=4, patches_per_case=4, rate=0.03, patience=6)
    result = train_fold(fold(recipe=recipe))
    assert result.best_dice is not None
    assert result.best_dice > 0.8


def test_the_log_has_a_row_per_epoch_with_the_rate_of_the_schedule(torch: Any, fold: Fold) -> None:
    task = fold()
    train_fold(task)
    rows = read_csv(task.folder / "log.csv")
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert [float(row["rate"]) for row in rows] == pytest.approx([0.01 * (1 - n / 3) ** 0.9 for n in range(3)])
    assert list((task.folder / "tensorboard").glob("events*"))


def test_a_fold_ends_when_its_patience_is_over(torch: Any, fold: Fold, small: Recipe, monkeypatch: Any) -> None:
    losses = iter([3.0, 1.0, 2.0, 2.0, 2.0, 2.0])
    monkeypatch.setattr(training._Fold, "_validated", lambda _: (next(losses), 0.5))
    result = train_fold(fold(recipe=dataclasses.replace(small, epochs=6, patience=2, patches_per_case=1)))
    assert (result.epochs, result.best_epoch, result.best_loss) == (5, 1, 1.0)


def test_of_equal_epochs_the_later_is_kept(torch: Any, fold: Fold, small: Recipe, monkeypatch: Any) -> None:
    monkeypatch.setattr(training._Fold, "_validated", lambda _: (1.0, 0.5))
    assert train_fold(fold(recipe=dataclasses.replace(small, epochs=2))).best_epoch == 1


def test_a_loss_that_is_no_number_ends_the_fold_and_keeps_what_was_trained(
    torch: Any, fold: Fold, small: Recipe
) -> None:
    """A learning rate of 1e30 makes the weights overflow after a few steps."""
    recipe = dataclasses.replace(small, optimiser="sgd", rate=1e30, schedule="constant")
    result = train_fold(fold(recipe=recipe))
    assert result.refusal
    assert result.refusal.code == Code.DIVERGED
    assert "recipe.rate" in result.refusal.remedy
    assert not (fold().folder / "network.onnx").exists()


def test_a_full_memory_of_the_gpu_is_refused_and_the_epochs_before_stay(
    torch: Any, fold: Fold, monkeypatch: Any
) -> None:
    task, epoch = fold(), training._Fold.epoch

    def full(self: Any, number: int) -> Any:
        if number == 1:
            raise torch.OutOfMemoryError
        return epoch(self, number)

    monkeypatch.setattr(training._Fold, "epoch", full)
    result = train_fold(task)
    assert result.refusal
    assert "does not hold" in result.refusal.found
    assert len(read_progress(task.folder).rows) == 1  # type: ignore[union-attr]


def test_a_fold_that_diverges_later_keeps_the_epochs_before(torch: Any, fold: Fold, monkeypatch: Any) -> None:
    task, losses = fold(), iter([(1.0, 0.5), (float("nan"), 0.0)])
    monkeypatch.setattr(training._Fold, "_validated", lambda _: next(losses))
    result = train_fold(task)
    assert result.refusal
    assert result.refusal.code == Code.DIVERGED
    assert len(read_progress(task.folder).rows) == 1  # type: ignore[union-attr]


def test_a_full_disk_at_checkpoint_time_is_refused_and_the_last_checkpoint_stays(
    torch: Any, fold: Fold, monkeypatch: Any
) -> None:
    task = fold()
    with pytest.raises(Killed):
        train_fold(task, kill_after(0))
    before = (task.folder / CHECKPOINT).read_bytes()
    opened = Path.open

    class Full:
        def __init__(self, handle: Any) -> None:
            self.handle = handle

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self.handle.close()

        def write(self, _: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def full(path: Path, *arguments: Any, **named: Any) -> Any:
        handle = opened(path, *arguments, **named)
        return Full(handle) if path.name == f".{CHECKPOINT}.partial" else handle

    monkeypatch.setattr(Path, "open", full)
    result = train_fold(task)
    assert result.refusal
    assert result.refusal.code == Code.NO_SPACE
    assert (task.folder / CHECKPOINT).read_bytes() == before
    assert not list(task.folder.glob(".*partial"))
    monkeypatch.undo()
    assert train_fold(task).epochs == 3


@pytest.mark.parametrize("place", [0, 70, 0.5, 0.99])
def test_a_checkpoint_with_one_changed_bit_is_refused(torch: Any, fold: Fold, small: Recipe, place: float) -> None:
    task = fold(recipe=dataclasses.replace(small, epochs=1))
    train_fold(task)
    data = bytearray((task.folder / CHECKPOINT).read_bytes())
    data[int(place * len(data)) if place < 1 else int(place)] ^= 64
    (task.folder / CHECKPOINT).write_bytes(bytes(data))
    result = train_fold(task)
    assert result.refusal
    assert (result.refusal.code, "damaged" in result.refusal.found) == (Code.MODEL, True)


@pytest.mark.parametrize("spoiled", [b"", b"PK\x03\x04 half a file", b"uptake checkpoint"])
def test_what_is_no_checkpoint_is_refused(torch: Any, fold: Fold, spoiled: bytes) -> None:
    task = fold()
    task.folder.mkdir()
    (task.folder / CHECKPOINT).write_bytes(spoiled)
    result = train_fold(task)
    assert result.refusal
    assert (result.refusal.code, "damaged" in result.refusal.found) == (Code.MODEL, True)


def test_a_fold_goes_on_with_the_threads_that_it_was_begun_with(torch: Any, fold: Fold, monkeypatch: Any) -> None:
    task = fold()
    with pytest.raises(Killed):
        train_fold(dataclasses.replace(task, threads=2), kill_after(0))
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    train_fold(task)
    assert asked == [2]


def test_a_fold_begun_on_a_cpu_goes_on_where_the_scaler_is_in_use(torch: Any, fold: Fold, monkeypatch: Any) -> None:
    task = fold()
    with pytest.raises(Killed):
        train_fold(task, kill_after(0))
    plain = torch.amp.GradScaler
    monkeypatch.setattr(torch.amp, "GradScaler", lambda device, enabled: plain(device, enabled=True))
    assert train_fold(task).epochs == 3


def test_a_checkpoint_of_another_recipe_is_refused(torch: Any, fold: Fold, small: Recipe) -> None:
    train_fold(fold(recipe=dataclasses.replace(small, epochs=1)))
    result = train_fold(fold(recipe=dataclasses.replace(small, epochs=1, rate=0.02)))
    assert result.refusal
    assert "another recipe" in result.refusal.found


def test_a_checkpoint_of_other_labels_is_refused(torch: Any, fold: Fold, small: Recipe, blobs: Any) -> None:
    recipe = dataclasses.replace(small, epochs=1)
    train_fold(fold(recipe=recipe))
    relabelled = dataclasses.replace(blobs[0], key="another reader")
    result = train_fold(fold(recipe=recipe, train=(relabelled, blobs[1])))
    assert result.refusal
    assert result.refusal.code == Code.MODEL


def test_a_fold_whose_training_cases_have_no_lesion_is_refused(
    torch: Any, fold: Fold, small: Recipe, blobs: Any, tmp_path: Path
) -> None:
    empty = dataclasses.replace(blobs[0], case_id="EMPTY", folder=tmp_path)
    keep_case(empty, np.array(blobs[0].image), np.zeros(blobs[0].label.shape, bool), small.patch)
    result = train_fold(fold(train=(empty,)))
    assert result.refusal
    assert (result.refusal.code, "without one voxel" in result.refusal.found) == (Code.LABELS, True)
    assert not (fold().folder / CHECKPOINT).exists()


def test_whole_volumes_can_be_validated_on(torch: Any, fold: Fold, small: Recipe) -> None:
    recipe = dataclasses.replace(small, validate_on="volume", epochs=1)
    result = train_fold(fold(recipe=recipe))
    assert result.best_loss is not None


def test_a_device_that_is_not_there_makes_no_sense(torch: Any) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(SettingsError, match="--device cpu"), free_device("cuda"):
        pass
    with free_device("auto") as device:
        assert device == "cpu"


def test_folds_on_one_machine_take_a_gpu_each(torch: Any, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    with free_device("auto") as first:
        with free_device("auto") as second:
            assert {first, second} == {"cuda:0", "cuda:1"}
        with free_device("auto") as third:
            assert third == second


@pytest.mark.gpu
def test_a_fold_trains_on_a_gpu_with_mixed_precision(torch: Any, fold: Fold, small: Recipe) -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no GPU on this machine")
    task = dataclasses.replace(fold(recipe=dataclasses.replace(small, amp=True)), device="cuda")
    assert train_fold(task).refusal is None


def test_refusals_are_raised_by_what_is_called_from_python(torch: Any, fold: Fold, small: Recipe) -> None:
    with pytest.raises(Refusal, match="no number"):
        fitted(fold(recipe=dataclasses.replace(small, optimiser="sgd", rate=1e30, schedule="constant")), "cpu")
