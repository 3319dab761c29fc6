"""Cases of a public collection, downloaded through an existing client, completed and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uptake.io.fetching import CLIENTS, Client, Idc, Series, total_megabytes
from uptake.io.tables import read_csv, write_csv
from uptake.study import Code, Refusal, SettingsError
from uptake.verbs.running import Event, OnEvent, silent

LIST = "fetched.csv"
COLUMNS = ("patient_id", "collection", "doi", "licence", "study_uid", "series_uid", "modality", "files", "folder")


@dataclass(frozen=True)
class Fetched:
    """What came of a download: cases that are complete, those that are not with the reason, all their series."""

    complete: tuple[str, ...]
    failed: Mapping[str, Refusal]
    series: tuple[Series, ...]
    new: int

    def plain(self) -> dict[str, Any]:
        """For machines: plain dicts and lists."""
        failed = {case: {"code": r.code.value, "found": r.found, "remedy": r.remedy} for case, r in self.failed.items()}
        return {
            "complete": list(self.complete),
            "failed": failed,
            "series": [vars(one) for one in self.series],
            "new": self.new,
        }

    def lines(self) -> list[str]:
        """For people: a line per case."""
        lines = []
        for case in self.complete:
            mine = [one for one in self.series if one.patient_id == case]
            files, size = sum(one.files for one in mine), total_megabytes(mine)
            lines.append(f"{case}: {len(mine)} series, {files} files, {size:.0f} MB")
        lines += [f"{case}: {refusal}" for case, refusal in self.failed.items()]
        return [*lines, f"{self.new} series were downloaded in this run"]


def fetch(  # noqa: PLR0913 (what a user may ask for)
    cases: Sequence[str],
    to: str | Path,
    *,
    collection: str = "",
    client: str = "idc",
    endpoint: str = "",
    dry_run: bool = False,
    on_event: OnEvent = silent,
) -> Fetched:
    """Every series of the cases (PatientIDs) below `to`, each file as the archive has it by size and checksum.

    What is there and right is not fetched again, so a download that was cut off goes on. ``fetched.csv`` lists
    collection, DOI and licence of every series. client: idc or tcia. endpoint: of IDC's object store, for a mirror.
    dry_run: what would be fetched, by the index alone. Raises SettingsError; Refusal NETWORK where the archive does not
    answer at all; what is wrong with one case is in the result.
    """
    if client not in CLIENTS:
        raise SettingsError(f"client is one of {', '.join(CLIENTS)}, not {client!r}")
    if Path(to).exists() and not Path(to).is_dir():
        raise SettingsError(f"{to} is no folder: name one to download to")
    source: Client = Idc(endpoint) if client == "idc" else CLIENTS[client]()
    wanted = list(dict.fromkeys(cases))
    found = source.find(wanted, collection)
    by_case = {case: [one for one in found if one.patient_id == case] for case in wanted}
    failed = {case: _unknown(case, collection) for case, series in by_case.items() if not series}
    if dry_run:
        return Fetched(tuple(c for c in wanted if c not in failed), failed, tuple(found), 0)
    on_event(Event("start", total=len(found)))
    new, refused = _downloaded(source, by_case, Path(to), on_event)
    failed |= refused
    kept = [one for one in found if one.patient_id not in failed]
    if kept:
        rows = [{**vars(one), "folder": one.folder} for one in kept]
        write_csv(COLUMNS, _joined(Path(to), rows), Path(to) / LIST)
    return Fetched(tuple(c for c in wanted if c not in failed), failed, tuple(found), new)


def _downloaded(
    client: Client, by_case: Mapping[str, Sequence[Series]], to: Path, on_event: OnEvent
) -> tuple[int, dict[str, Refusal]]:
    """Complete every series; how many were downloaded, and the cases that could not be completed."""
    new, done, total = 0, 0, sum(map(len, by_case.values()))
    refused: dict[str, Refusal] = {}
    for case, series in by_case.items():
        for one in series:
            on_event(Event("step", case_id=case, step=f"{one.modality} series of {one.files} files"))
            try:
                new += _completed(client, one, to)
            except Refusal as refusal:
                refused[case] = refusal
                break
            done += 1
            on_event(Event("fetched", done, total))
    return new, refused


def _completed(client: Client, series: Series, to: Path) -> bool:
    """Fetch what is missing of a series; whether anything was. Raises `Refusal` UNREADABLE for one that stays so."""
    folder = to / series.folder
    if not client.wrong(series, folder):
        return False
    client.download(series, to)
    missing = client.wrong(series, folder)
    if missing:
        raise Refusal(
            Code.UNREADABLE,
            found=f"{len(missing)} files of {series.modality} series {series.series_uid} are missing or damaged, "
            f"{missing[0]} first",
            allowed="every file with the size and checksum that the archive lists",
            remedy="run the same command again: what is complete is kept",
        )
    return True


def _joined(to: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with those of earlier downloads to this folder."""
    before = read_csv(to / LIST) if (to / LIST).is_file() else []
    known = {row["series_uid"] for row in rows}
    return sorted([*rows, *(row for row in before if row["series_uid"] not in known)], key=lambda r: str(r["folder"]))


def _unknown(case: str, collection: str) -> Refusal:
    where = f"the collection {collection}" if collection else "the archive"
    return Refusal(
        Code.NO_STUDY,
        found=f"{where} has no patient {case!r}",
        allowed="PatientIDs as the archive spells them, such as ISPY1_1001",
        remedy="check the spelling, or name the other client with --client",
    )
