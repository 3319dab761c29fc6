"""Technical validation of a cohort or of a release: pass, warn or fail, with the number and the limit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from uptake.cohort import reading
from uptake.cohort.agreement import limits_of_agreement
from uptake.cohort.collection import CaseFacts, CaseFinding, check_collection
from uptake.io import revisions
from uptake.io.files import write_bytes_whole, write_json_whole
from uptake.io.store import Cohort, locked, open_cohort
from uptake.io.tables import write_csv
from uptake.io.values import to_plain
from uptake.pipeline import executors
from uptake.pipeline.collect import collect
from uptake.pipeline.facts import PAIRS, CaseRead, Compared, Drawn, ReadTask, read_case
from uptake.pipeline.figures import figures
from uptake.pipeline.settings import from_layers, read_toml
from uptake.report.gallery import Figure, svg_file
from uptake.report.validation import (
    PairSummary,
    Plot,
    ValidationView,
    difference_plot,
    finite,
    plot_file,
    strip,
    validation_page,
)
from uptake.study import CohortError, SettingsError
from uptake.verbs.releasing import verify_release
from uptake.verbs.running import Event, OnEvent, at_once, silent

MANIFEST = "manifest.csv"
FINDING = ("case_id", "check", "status", "found", "allowed", "remedy")
QUERY = ("site", "case_id", "subject", "found", "allowed", "question")
AGREEMENT = ("case_id", "one", "other", "grid", "dice", "hd95_mm", "mean_surface_mm", "cc_one", "cc_other", "reason")
CASE_BYTES = 1_200_000_000
"""Memory to read the images of a case: float32 phases of a large study, and distance maps of its lesion."""


@dataclass(frozen=True)
class Verified:
    """Every finding on a cohort or a release; `page`: where people read it, None for a release."""

    folder: Path
    cases: int
    findings: tuple[CaseFinding, ...]
    page: Path | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing failed; warnings do not count."""
        return all(item.status != "fail" for item in self.findings)

    def plain(self) -> dict[str, Any]:
        """For machines: plain dicts and lists."""
        return {"ok": self.ok, "cases": self.cases, "findings": [to_plain(item) for item in self.findings]}


def verify(
    folder: str | Path,
    *,
    cases: Sequence[str] = (),
    readers: str | Path | None = None,
    jobs: int | None = None,
    on_event: OnEvent = silent,
    **settings: Mapping[str, Any],
) -> Verified:
    """Check a cohort (its images, masks, protocol, agreement) or a release (against its manifest).

    A cohort gets ``tables/verify.csv``, ``queries.csv``, ``agreement.csv``, ``report/verify.html``, plots and figures
    with their data. A release is only read, and as a whole. cases: only these. The masks that readers approved in the
    readers' record are compared with each other and with the network's. readers: a folder ``<reader>/<case>.nii.gz``
    in place of the record; nothing of it is taken over. settings: ``verify(..., verify={"outlier": 5.0})`` over those
    of the cohort.
    Raises CohortError where the folder is neither or the record cannot be used, SettingsError.
    """
    path = Path(folder)
    if is_release(path):
        if cases or readers or settings:
            raise SettingsError("a release is checked as a whole: --case, --readers and --set are for cohorts")
        found = verify_release(path)
        return Verified(path, len({item.case_id for item in found} - {""}), tuple(found))
    cohort = _cohort(path)
    chosen = from_layers([read_toml(path / "uptake.toml"), settings])
    with locked(cohort.path):
        names = _wanted(cohort, cases)
        drawn = _reader_masks(Path(readers), cohort.case_ids) if readers else _approved(cohort)
        tasks = [ReadTask(cohort.path.resolve(), name, chosen, drawn.get(name, ())) for name in names]
        read = _read(tasks, jobs, on_event)
        findings = check_collection([case.facts for case in read], chosen.verify)
        _write(cohort, read, findings, drawn)
        collect(cohort, chosen)  # the cohort's page links to it
    return Verified(path, len(read), findings, path / "report/verify.html")


def to_verify(folder: str | Path, *, cases: Sequence[str] = ()) -> list[str]:
    """What `verify` would check: the cases of a cohort, or the release as a whole. Raises as `verify`."""
    path = Path(folder)
    return [path.name] if is_release(path) else _wanted(_cohort(path), cases)


def is_release(path: Path) -> bool:
    """Whether a folder is a release rather than a cohort."""
    return (path / MANIFEST).is_file() and not (path / "uptake.toml").is_file()


def _cohort(path: Path) -> Cohort:
    try:
        return open_cohort(path)
    except CohortError as error:
        words = f"{path} is no cohort folder and no release: it has neither uptake.toml nor {MANIFEST}"
        raise CohortError(words) from error


def _approved(cohort: Cohort) -> dict[str, Drawn]:
    """The revision of each case that each reader approved; their consensus is the case's own mask, and no reader's."""
    return {
        case_id: tuple(
            (chain, mask)
            for chain in sorted(reading.chains(entries))
            if chain != reading.CONSENSUS and (mask := reading.approved(entries, chain))
        )
        for case_id, entries in revisions.by_case(revisions.entries(cohort.path)).items()
    }


def _reader_masks(folder: Path, known: Sequence[str]) -> dict[str, Drawn]:
    """The masks of each case by reader. Raises SettingsError for fewer than two readers or a mask of no case."""
    readers = sorted(path for path in folder.glob("*") if path.is_dir())
    if len(readers) < 2:
        words = f"a folder with a folder per reader, two at least; {folder.name} has {len(readers)}"
        raise SettingsError(f"--readers takes {words}")
    found: dict[str, Drawn] = {}
    for reader in readers:
        for path in sorted(reader.glob("*.nii.gz")):
            case_id = path.name.removesuffix(".nii.gz")
            if case_id not in known:
                raise SettingsError(f"{reader.name}/{path.name}: there is no case {case_id}")
            found[case_id] = (*found.get(case_id, ()), (reader.name, path.resolve()))
    return found


def _wanted(cohort: Cohort, cases: Sequence[str]) -> list[str]:
    unknown = sorted(set(cases) - set(cohort.case_ids))
    if unknown:
        raise SettingsError(f"there is no case {', '.join(unknown)}; there are {', '.join(cohort.case_ids) or 'none'}")
    return [name for name in cohort.case_ids if not cases or name in cases]


def _read(tasks: Sequence[ReadTask], jobs: int | None, on_event: OnEvent) -> list[CaseRead]:
    count = at_once(len(tasks), CASE_BYTES, jobs) if tasks else 1
    ended = executors.in_pool(read_case, tasks, count) if count > 1 else executors.in_process(read_case, tasks)
    on_event(Event("start", total=len(tasks)))
    found: dict[str, CaseRead] = {}
    for done, (task, result) in enumerate(ended, start=1):
        found[task.case_id] = _lost(task) if isinstance(result, Exception) else result
        on_event(Event("case", done, len(tasks), task.case_id))
    return [found[task.case_id] for task in tasks]


def _lost(task: ReadTask) -> CaseRead:
    fault = "the process that read the case was killed, most often for lack of memory"
    return CaseRead(CaseFacts(task.case_id, "unfinished", faults=(fault,)), ())


def _write(
    cohort: Cohort, read: Sequence[CaseRead], findings: Sequence[CaseFinding], drawn: Mapping[str, Drawn]
) -> None:
    tables, report = cohort.path / "tables", cohort.path / "report"
    write_csv(FINDING, findings, tables / "verify.csv")
    write_json_whole(tables / "verify.json", [to_plain(item) for item in findings])
    write_csv(QUERY, queries([case.facts for case in read], findings), tables / "queries.csv")
    rows = [(case.facts.case_id, item) for case in read for item in case.compared]
    write_csv(AGREEMENT, [_agreement_row(name, item) for name, item in rows], tables / "agreement.csv")
    pairs = summaries(rows)
    summary = [_summary_row(pair) for pair in pairs]
    columns = dict.fromkeys(["one", "other", "grid", "cases", *(name for row in summary for name in row)])
    write_csv(list(columns), summary, tables / "agreement_summary.csv")
    plots = (*_plots([case.facts for case in read], findings), *_difference_plots(rows, pairs))
    made = figures(cohort, read, drawn)
    _write_drawings(report, plots, made)
    view = ValidationView(
        name=cohort.path.resolve().name,
        cases=len(read),
        findings=tuple(findings),
        plots=plots,
        pairs=pairs,
        figures=made,
        version=metadata.version("uptake"),
    )
    write_bytes_whole(report / "verify.html", validation_page(view).encode())


def _write_drawings(report: Path, plots: Sequence[Plot], made: Sequence[Figure]) -> None:
    """Every plot and figure as SVG with its data; those of an earlier run go."""
    for folder, items in (("plots", plots), ("figures", made)):
        wanted = {f"{item.name}{suffix}" for item in items for suffix in (".svg", ".csv")}
        for path in (report / folder).glob("*.*"):
            if path.name not in wanted:
                path.unlink()
        for item in items:
            text = plot_file(item.drawing) if isinstance(item, Plot) else svg_file(item.drawing)
            write_bytes_whole(report / folder / f"{item.name}.svg", text.encode())
            columns = list(dict.fromkeys(name for row in item.rows for name in row))
            write_csv(columns, item.rows, report / folder / f"{item.name}.csv")


def queries(cases: Sequence[CaseFacts], findings: Sequence[CaseFinding]) -> list[dict[str, str]]:
    """What to ask each site: every finding on a case that did not pass, by scanner."""
    sites = {case.case_id: case.site for case in cases}
    rows = [
        {
            "site": sites[item.case_id],
            "case_id": item.case_id,
            "subject": item.check,
            "found": item.found,
            "allowed": item.allowed,
            "question": item.remedy or "is this as it was acquired?",
        }
        for item in findings
        if item.status != "pass" and item.case_id in sites
    ]
    return sorted(rows, key=lambda row: (row["site"], row["case_id"]))


def summaries(rows: Sequence[tuple[str, Compared]]) -> tuple[PairSummary, ...]:
    """The agreement of every pair over the cases that have both masks."""
    result = []
    for one, other in dict.fromkeys((*PAIRS, *((item.one, item.other) for _, item in rows))):
        found = [item for _, item in rows if (item.one, item.other) == (one, other)]
        if found:
            volumes = [(item.agreement.cc_one, item.agreement.cc_other) for item in found]
            limits = limits_of_agreement(*zip(*volumes, strict=True))
            dice = [item.agreement.dice for item in found if item.agreement.dice is not None]
            far = [item.agreement.hd95_mm for item in found if item.agreement.hd95_mm is not None]
            grids = " and ".join(sorted({item.grid for item in found}))
            result.append(PairSummary(one, other, grids, len(found), _quartiles(dice), _quartiles(far), limits))
    return tuple(result)


def _quartiles(values: Sequence[float]) -> tuple[float, float, float] | None:
    if not values:
        return None
    low, middle, high = (float(value) for value in np.percentile(values, (25, 50, 75)))
    return low, middle, high


def _agreement_row(case_id: str, item: Compared) -> dict[str, object]:
    return {"case_id": case_id, "one": item.one, "other": item.other, "grid": item.grid, **to_plain(item.agreement)}


def _summary_row(pair: PairSummary) -> dict[str, object]:
    row: dict[str, object] = {"one": pair.one, "other": pair.other, "grid": pair.grid, "cases": pair.cases}
    for name in ("dice", "hd95_mm"):
        values = getattr(pair, name) or (None, None, None)
        row |= dict(zip((f"{name}_q1", f"{name}_median", f"{name}_q3"), values, strict=True))
    if pair.volumes:
        for name, value in to_plain(pair.volumes).items():
            parts = {f"{name}_low": value[0], f"{name}_high": value[1]} if isinstance(value, list) else {name: value}
            row |= {f"volume_{key}": part for key, part in parts.items()}
    return row


def _plots(cases: Sequence[CaseFacts], findings: Sequence[CaseFinding]) -> tuple[Plot, ...]:
    names = dict.fromkeys(name for case in cases for name in case.numbers)
    measured: dict[str, Mapping[str, float]] = {
        name: {case.case_id: case.numbers[name] for case in cases if name in case.numbers} for name in names
    }
    measured["mean of the harmonised intensities"] = finite({c.case_id: c.harmonised_mean for c in cases})
    measured["standard deviation of the harmonised intensities"] = finite({c.case_id: c.harmonised_sd for c in cases})
    plots = []
    for name, values in measured.items():
        if values:
            apart = [item.case_id for item in findings if item.check == f"outlier: {name}"]
            rows = tuple({"case_id": case, name: value, "outlier": case in apart} for case, value in values.items())
            caption = f"{len(values)} cases" + (f", outliers: {', '.join(apart)}." if apart else ".")
            plots.append(Plot(_file_name(name), caption, strip(name, values, apart), rows))
    return tuple(plots)


def _difference_plots(rows: Sequence[tuple[str, Compared]], pairs: Sequence[PairSummary]) -> tuple[Plot, ...]:
    plots = []
    for pair in pairs:
        if pair.volumes is not None:
            points = [
                (name, item.agreement.cc_one, item.agreement.cc_other)
                for name, item in rows
                if (item.one, item.other) == (pair.one, pair.other)
            ]
            data = tuple({"case_id": name, "cc_one": one, "cc_other": other} for name, one, other in points)
            words = f"Volumes of {pair.one} and {pair.other}: bias and limits of agreement with 95 % intervals."
            drawn = difference_plot(points, pair.volumes, (pair.one, pair.other))
            plots.append(Plot(_file_name(f"volume {pair.one} {pair.other}"), words, drawn, data))
    return tuple(plots)


def _file_name(words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
