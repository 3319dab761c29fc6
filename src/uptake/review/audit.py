"""The log as a table for others: one row per thing that a reader did."""

from __future__ import annotations

from pathlib import Path

from uptake.cohort import reading
from uptake.io import revisions
from uptake.io.revisions import COLUMNS
from uptake.io.tables import csv_text


def audit_csv(cohort: Path, reader: str | None = None) -> str:
    """The log as CSV, oldest first. A case that `reader` still has to read blind shows her own rows only.

    reader: whose session asks, '' for one without a name yet; None: all of it, for whoever holds the cohort.
    """
    rows = []
    for entries in revisions.by_case(revisions.entries(cohort)).values():
        blind = reader is not None and reading.is_blind(entries, reader)
        rows += [entry for entry in entries if not blind or entry.reader == reader]
    return csv_text(("number", *COLUMNS), sorted(rows, key=lambda entry: entry.number))
