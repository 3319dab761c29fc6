"""The worklist: how every case stands, from small files and the log alone; 200 cases in a fraction of a second."""

from __future__ import annotations

import csv
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from uptake.cohort import reading
from uptake.cohort.checks import Finding
from uptake.cohort.reading import Entry
from uptake.io import revisions
from uptake.io.store import Cohort
from uptake.io.values import from_plain, read_value

PHASES = ("pre", "early", "late")


@dataclass(frozen=True)
class Facts:
    """What the files of one case say that a worklist needs."""

    ftv_cc: float | None
    proposal_cc: float | None
    stv_source: str
    flags: tuple[Finding, ...]


@dataclass
class Worklist:
    """The cases that can be reviewed. What their files say is read again when a file changed."""

    cohort: Cohort
    only: frozenset[str] = frozenset()
    kept: dict[str, tuple[tuple[int, ...], Facts]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def case_ids(self) -> tuple[str, ...]:
        """Every case with three harmonised phases, of `only` those where that is not empty."""
        names = (name for name in self.cohort.case_ids if not self.only or name in self.only)
        return tuple(name for name in names if phase_files(self.cohort.case(name)))

    def folder(self, case_id: str) -> Path | None:
        """The folder of a case that is in the list; None for any other name, whatever it says."""
        known = {path.name for path in (self.cohort.path / "cases").iterdir()}
        if case_id not in known or (self.only and case_id not in self.only):
            return None
        folder = self.cohort.case(case_id)
        return folder if phase_files(folder) else None

    def rows(self, reader: str, opened: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
        """One row per case, as `reader` may see it. opened: who has which case open."""
        log = revisions.by_case(revisions.entries(self.cohort.path))
        drafts = revisions.drafts(self.cohort.path)
        return [
            self._row(case_id, log.get(case_id, ()), drafts.get(case_id, ()), reader)
            | {"open_by": [name for name in opened.get(case_id, ()) if name != reader]}
            for case_id in self.case_ids()
        ]

    def refused(self) -> list[dict[str, str]]:
        """Cases that could not be made, and why: they cannot be looked at, and should not be forgotten either."""
        path = self.cohort.path / "tables/refusals.csv"
        if not path.is_file():
            return []
        with path.open(newline="", encoding="utf-8") as handle:
            return [
                {name: row[name] for name in ("case_id", "code", "found", "remedy")} for row in csv.DictReader(handle)
            ]

    def facts(self, case_id: str) -> Facts:
        """What the files of a case say, read again only if one of them changed."""
        folder = self.cohort.case(case_id)
        stamp = tuple(_stamp(folder / name) for name in ("ftv.json", "stv.json", "checks.json", "features.csv"))
        with self.lock:
            kept = self.kept.get(case_id)
        if kept is None or kept[0] != stamp:
            kept = stamp, _facts(folder)
            with self.lock:
                self.kept[case_id] = kept
        return kept[1]

    def _row(self, case_id: str, entries: Sequence[Entry], drafts: Sequence[str], reader: str) -> dict[str, Any]:
        facts, blind = self.facts(case_id), reading.is_blind(entries, reader)
        own = [e for e in entries if e.reader == reader] if blind else list(entries)
        mask = None if blind else reading.in_force(entries)
        last = next((e.reader for e in reversed(own)), None)
        return {
            "case_id": case_id,
            "state": reading.case_state(entries, bool(drafts)),
            "images": reading.images_state(entries)[0],
            "reader": last,
            "ftv_cc": facts.ftv_cc,
            "stv_cc": mask.volume_cc if mask else facts.proposal_cc,
            "stv_source": "reader" if mask else ("proposal" if blind else facts.stv_source),
            "flags": [flag_of(item) for item in facts.flags],
            "thumbnail": f"/api/cases/{case_id}/thumbnail",
            "blind": blind,
            "quality": reading.rating(own)[0],
            "corrupted": reading.rating(own)[1],
        }


def phase_files(folder: Path) -> tuple[Path, ...]:
    """The harmonised pre, early and late phase of a case; empty where they were not made."""
    files = tuple(folder / f"harmonised/{folder.name}_{n:04d}.nii.gz" for n in range(len(PHASES)))
    return files if all(path.is_file() for path in files) else ()


def flag_of(finding: Finding) -> dict[str, str]:
    """A check's finding for the page."""
    return {"check": finding.check, "level": finding.status, "text": finding.found, "remedy": finding.remedy}


def _facts(folder: Path) -> Facts:
    findings = from_plain(tuple[Finding, ...], _json(folder / "checks.json") or [])
    ftv, stv = _json(folder / "ftv.json") or {}, _json(folder / "stv.json") or {}
    return Facts(
        ftv.get("ftv_ser_cc"),
        stv.get("stv_proposal_cc"),
        _stv_source(folder / "features.csv"),
        tuple(item for item in findings if item.status != "pass"),
    )


def _json(path: Path) -> Any:  # noqa: ANN401 (JSON)
    return read_value(Any, path) if path.is_file() else None


def _stv_source(path: Path) -> str:
    """Which mask the features came from: one row of the table is enough."""
    if not path.is_file():
        return ""
    with path.open(newline="", encoding="utf-8") as handle:
        return next(csv.DictReader(handle), {}).get("stv_source", "")


def _stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.is_file() else 0
