"""The command line as a user starts it."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Ended:
    """What a command of the command line left behind."""

    exit_code: int
    output: str
    cohort: Path

    @property
    def refusals(self) -> list[dict[str, str]]:
        """The rows of ``tables/refusals.csv``."""
        with (self.cohort / "tables" / "refusals.csv").open(newline="", encoding="utf-8") as handle:
            return list(csv.DictReader(handle))


@pytest.fixture(scope="session")
def uptake_command() -> Callable[..., Ended]:
    """Runs ``uptake`` in a process of its own, to the end; with `cohort` as its ``--out`` where one is given."""

    def run(verb: str, *arguments: object, cohort: Path | None = None) -> Ended:
        out = ["--out", str(cohort)] if cohort is not None else []
        command = [sys.executable, "-c", "from uptake.cli import main; main()", verb, *map(str, arguments), *out]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        return Ended(done.returncode, done.stderr + done.stdout, cohort or Path())

    return run
