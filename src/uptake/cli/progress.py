"""Progress on the terminal: bars for a person, plain lines for a log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from uptake.verbs import Event

OnEvent = Callable[[Event], None]
WORDED = frozenset({"fold", "predicted"})
"""Events that say in words what came to an end."""
LOGGED_EPOCHS = 10
"""In a log, one epoch of so many gets a line."""


@contextmanager
def silence() -> Iterator[OnEvent]:
    """No progress at all: for output that a machine reads."""
    yield lambda _: None


@contextmanager
def lines() -> Iterator[OnEvent]:
    """A line per case that ends, on standard error."""

    def show(event: Event) -> None:
        if event.kind == "case":
            print(f"[{event.done}/{event.total}] {case_words(event)}", file=sys.stderr, flush=True)
        elif event.kind in WORDED or (event.kind == "epoch" and event.done % LOGGED_EPOCHS in {0, 1}):
            print(f"[{event.done}/{event.total}] {event.case_id}: {event.step}", file=sys.stderr, flush=True)

    yield show


@contextmanager
def bars() -> Iterator[OnEvent]:
    """A bar over the cases, with the step under way, on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading files", total=None)

        def show(event: Event) -> None:
            if event.kind == "scan":
                progress.update(task, completed=event.done)
            elif event.kind == "start":
                progress.reset(task, total=event.total, description="cases")
            elif event.kind in {"step", "epoch"}:
                progress.update(task, description=f"{event.case_id}: {event.step}")
            elif event.kind == "searched":
                progress.update(task, completed=event.done, description="searching for patient data")
            elif event.kind == "fetched":
                progress.update(task, completed=event.done)
            elif event.kind in WORDED:
                words = f"{event.case_id}: {event.step}"
                progress.console.print(words, highlight=False, markup=False)
                progress.update(task, completed=event.done, description="folds" if event.kind == "fold" else "cases")
            elif event.kind == "case":
                progress.console.print(case_words(event), highlight=False, markup=False)
                progress.update(task, completed=event.done, description="cases")

        yield show


def case_words(event: Event) -> str:
    """What became of a case, in a line."""
    result = event.result
    if result is None:
        return event.case_id
    if result.refusal is not None:
        return f"{event.case_id}: refused: {result.refusal.code}: {result.refusal.found}"
    if not result.done:
        return f"{event.case_id}: nothing to do"
    return f"{event.case_id}: made {', '.join(result.done)} in {result.seconds:.1f} s"
