"""A case as a task that any process can do, one after the other."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

from uptake.pipeline.cases import CaseTask, make_case
from uptake.pipeline.settings import Settings


class Large:
    """Stands for the volumes of a case, which something that refers to itself still holds."""

    def __init__(self) -> None:
        self.itself = self


def test_what_a_case_left_in_cycles_is_gone_when_the_next_one_begins(tmp_path: Path) -> None:
    """Python alone waits for many objects before it looks; a hundred cases grew by 12 MB each."""
    gc.disable()
    try:
        make_case(CaseTask(tmp_path, "FIRST", Settings()))
        left = weakref.ref(Large())
        assert left() is not None
        make_case(CaseTask(tmp_path, "SECOND", Settings()))
        assert left() is None
    finally:
        gc.enable()
