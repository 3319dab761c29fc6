"""Progress of folds that other processes train."""

from __future__ import annotations

import time
from pathlib import Path

from uptake.segment.checkpoint import EpochRow
from uptake.segment.recipes import Recipe
from uptake.segment.training import FoldTask, write_log
from uptake.verbs.epochs import followed
from uptake.verbs.running import Event

ROWS = tuple(EpochRow(n, 0.001, 0.5 - 0.1 * n, 0.6 - 0.1 * n, 0.2 + 0.1 * n) for n in range(3))


def fold(folder: Path, name: str) -> FoldTask:
    return FoldTask(folder / name, 0, 0, Recipe(epochs=7), (), ())


def waited(told: list[Event], count: int) -> None:
    until = time.monotonic() + 20
    while len(told) < count and time.monotonic() < until:
        time.sleep(0.01)


def test_an_epoch_that_another_process_ends_is_told_in_words(tmp_path: Path) -> None:
    told: list[Event] = []
    task = fold(tmp_path, "0-1")
    with followed([task, fold(tmp_path, "1-0")], told.append, every_s=0.01):
        write_log(task.folder, ROWS[:1])
        waited(told, 1)
    (event,) = told
    assert (event.kind, event.done, event.total, event.case_id) == ("epoch", 1, 7, "0-1")
    assert event.step == "epoch 1: loss 0.500, validation 0.600, Dice 0.200"


def test_epochs_of_an_earlier_training_are_no_news_and_only_the_last_of_several_is_told(tmp_path: Path) -> None:
    told: list[Event] = []
    task = fold(tmp_path, "0-0")
    write_log(task.folder, ROWS[:1])
    with followed([task], told.append, every_s=0.01):
        time.sleep(0.1)
        assert not told
        write_log(task.folder, ROWS)
        waited(told, 1)
    assert [event.done for event in told] == [3]
