"""Epochs as they end, wherever a fold is trained: other processes and machines tell by their fold's ``log.csv``."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields

from uptake.io.tables import read_csv
from uptake.segment.checkpoint import EpochRow
from uptake.segment.training import LOG, FoldTask
from uptake.verbs.running import Event, OnEvent

LOOK_EVERY_S = 1.0


@contextmanager
def followed(tasks: Sequence[FoldTask], on_event: OnEvent, every_s: float = LOOK_EVERY_S) -> Iterator[None]:
    """While the block runs, an event for every fold that has come further, from a thread of its own.

    Epochs of an earlier training are no news. One event a look and fold: of several new epochs the last is told.
    """
    over = threading.Event()
    known = {task.name: len(rows_of(task)) for task in tasks}

    def watch() -> None:
        while not over.wait(every_s):
            for task in tasks:
                rows = rows_of(task)
                if len(rows) > known[task.name]:
                    known[task.name] = len(rows)
                    on_event(epoch_event(task, rows[-1]))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def rows_of(task: FoldTask) -> tuple[EpochRow, ...]:
    """The epochs that a fold has behind it; none before its first."""
    path = task.folder / LOG
    if not path.is_file():
        return ()
    names = [item.name for item in fields(EpochRow)]
    return tuple(EpochRow(int(row["epoch"]), *(float(row[name]) for name in names[1:])) for row in read_csv(path))


def epoch_event(task: FoldTask, row: EpochRow) -> Event:
    """An epoch as progress: how many of how many, and its losses in words."""
    words = f"loss {row.train_loss:.3f}, validation {row.validation_loss:.3f}, Dice {row.validation_dice:.3f}"
    return Event("epoch", row.epoch + 1, task.recipe.epochs, task.name, f"epoch {row.epoch + 1}: {words}")
