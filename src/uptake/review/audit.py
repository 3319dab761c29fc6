"""The log as a table for others: one row per thing that a reader did."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from uptake.cohort import reading
from uptake.io import revisions
from uptake.io.revisions import COLUMNS

TRIGGERS = ("=", "+", "-", "@", "\t", "\r")


def audit_csv(cohort: Path, reader: str | None = None) -> str:
    """The log as CSV, oldest first. A case that `reader` still has to read blind shows her own rows only.

    reader: whose session asks, '' for one without a name yet; None: all of it, for whoever holds the cohort.
    """
    rows = []
    for entries in revisions.by_case(revisions.entries(cohort)).values():
        blind = reader is not None and reading.is_blind(entries, reader)
        rows += [entry for entry in entries if not blind or entry.reader == reader]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("number", *COLUMNS))
    for entry in sorted(rows, key=lambda item: item.number):
        writer.writerow([cell(getattr(entry, name)) for name in ("number", *COLUMNS)])
    return out.getvalue()


def cell(value: object) -> object:
    """A text that a spreadsheet would take for a formula is kept as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"'{value}" if isinstance(value, str) and value.startswith(TRIGGERS) else value
