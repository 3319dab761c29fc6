"""Selection of a cohort from a clinical table and an index of images, with its tables 1 and 2."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from uptake.cohort import describe, ids
from uptake.cohort.joining import Sheet, by_patient, joined, last_visit, patients
from uptake.cohort.rules import Groups, Rule, RuleSet
from uptake.cohort.selection import Patient, Row, Selection, as_text, select
from uptake.io.clinical import Table, read_clinical, read_index
from uptake.io.files import write_bytes_whole
from uptake.io.tables import Sheet as XlsxSheet
from uptake.io.tables import read_csv, write_csv, write_xlsx
from uptake.io.values import to_plain, write_value
from uptake.report import characteristics
from uptake.report.characteristics import Printed
from uptake.report.flow import flow_diagram, flow_file
from uptake.report.selection import SelectionView, html_table, selection_page
from uptake.study import Code, Refusal, SettingsError
from uptake.verbs.rule_files import rule_set

RECORD = "selection.json"
LISTED = Rule("the inclusion list", "listed", "not on the inclusion list")
FLOW = ("step", "entered", "excluded", "remaining", "reason", "excluded_ids", "source")
EXCLUDED = ("patient_id", "step", "reason", "found", "also")


@dataclass(frozen=True)
class CohortSelected:
    """What `cohort` found: who was chosen, the flow, the tables as printed, and how the features joined."""

    folder: Path
    rules: str
    selection: Selection
    table1: Printed
    table2: Printed
    features: str

    @property
    def included(self) -> tuple[str, ...]:
        """The identifiers of the included patients."""
        return tuple(patient.patient_id for patient in self.selection.included)

    def plain(self) -> dict[str, Any]:
        """For machines: plain dicts and lists."""
        return {
            "rules": self.rules,
            "included": list(self.included),
            "flow": [to_plain(step) for step in self.selection.flow],
            "excluded": [to_plain(item) for item in self.selection.exclusions],
            "table1": self.table1.rows(),
            "table2": self.table2.rows(),
            "features": self.features,
        }


@dataclass(frozen=True)
class Inputs:
    """The tables of a selection, read and joined; `columns`: of the clinical table."""

    rules: RuleSet
    patients: tuple[Patient, ...]
    columns: tuple[str, ...]
    index_columns: tuple[str, ...]
    features: Mapping[str, Row]


def cohort(  # noqa: PLR0913 (what a user may ask for)
    clinical: str | Path,
    index: str | Path,
    to: str | Path,
    *,
    include: str | Path | None = None,
    rules: str | Path | None = None,
    features: str | Path | None = None,
    sheets: Sequence[str] = (),
    columns: Sequence[str] = (),
    by: str | None = None,
    dry_run: bool = False,
) -> CohortSelected:
    """Apply rules to a clinical table and an imaging index, and write who was chosen, who was not and why, and tables.

    clinical: XLSX, CSV or Parquet, one row per patient and sheet. index: CSV, XLSX or Parquet, a row per series or
    study. include: an inclusion list (its first column, or the one with identifiers). rules: a rule set by name
    (ispy1, series, cohort) or a TOML file; None: the first that fits the index. features: a table that is joined
    to the chosen patients. sheets: data sheets that the workbook must have. columns, by: what Table 1 shows, and the
    column that makes its groups, instead of the rules' own.
    Raises SettingsError, Refusal CLINICAL or INDEX; NO_SPACE for a folder that holds other files.
    """
    folder = Path(to)
    _empty_or_ours(folder)
    given = _inputs(Path(clinical), Path(index), _path(include), (rules, _path(features)), sheets)
    steps = (*given.rules.steps, *((LISTED,) if include else ()))
    _columns_exist(given, steps)
    selection = select(given.patients, steps)
    table1, numbers = _table_one(selection, given.rules, columns, by)
    table2 = _table_two(selection, given.rules)
    joined_rows, words = _joined_features(given, selection)
    result = CohortSelected(folder, given.rules.name, selection, table1, table2, words)
    if not dry_run:
        names = (Path(clinical).name, Path(index).name, Path(include).name if include else "")
        _write_flow(folder, given, selection)
        _write_tables(folder, given, result, numbers)
        (folder / "features.csv").unlink(missing_ok=True)  # of an earlier selection
        if features:
            write_csv(_names(joined_rows), joined_rows, folder / "features.csv")
        write_bytes_whole(folder / "index.html", _page(given, result, names).encode())
        record = {"rules": to_plain(given.rules), "clinical": names[0], "index": names[1], "include": names[2]}
        write_value({**record, "included": list(result.included)}, folder / RECORD)
    return result


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)


def _empty_or_ours(folder: Path) -> None:
    if folder.exists() and not (folder.is_dir() and ((folder / RECORD).is_file() or not any(folder.iterdir()))):
        raise Refusal(
            Code.NO_SPACE,
            found=f"{folder.name} exists and holds other files",
            allowed="a new or empty folder, or one that `uptake cohort` made",
            remedy="name another folder with --to",
        )


def _inputs(
    clinical: Path,
    index: Path,
    include: Path | None,
    chosen: tuple[str | Path | None, Path | None],
    sheets: Sequence[str],
) -> Inputs:
    """Everything read and spelled alike."""
    any_id = tuple(dict.fromkeys((*RuleSet.index_id, *RuleSet.clinical_id)))
    rules_given, features = chosen
    table = read_index(index, any_id)
    rules = rule_set(rules_given, table)
    images = by_patient(_sheet(table, rules.index_id))
    data = read_clinical(clinical, rules.clinical_id, sheets)
    rows = joined([_sheet(item, rules.clinical_id) for item in data], list(images))
    known = sorted({*rows, *images})
    listed = _listed(include, any_id, known) if include else None
    measured = joined([_sheet(read_index(features, any_id), any_id)], known) if features else {}
    names = tuple(dict.fromkeys(name for row in rows.values() for name in row))
    return Inputs(rules, patients(rows, images, rules, listed), names, table.columns, measured)


def _sheet(table: Table, identifiers: Sequence[str]) -> Sheet:
    identifier = table.column(identifiers)
    if identifier is None:
        raise Refusal(
            Code.INDEX,
            found=f"{table.name}: no column {' or '.join(identifiers)}",
            allowed="a column with the patient's identifier",
            remedy="name the column so, or list its name in the rules",
        )
    return Sheet(table.name, identifier, table.rows, table.dates)


def _listed(path: Path, identifiers: Sequence[str], known: Sequence[str]) -> list[str]:
    """The patients of an inclusion list: a text with one per line, or a table with a column of identifiers.

    Of a CSV without such a column the first one is taken, its heading too where that is a patient.
    """
    if not path.is_file():
        raise SettingsError(f"there is no inclusion list {path}")
    if path.suffix.lower() in {".txt", ""}:
        names = [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    elif path.suffix.lower() == ".csv" and (rows := read_csv(path)) and not set(rows[0]) & set(identifiers):
        heading = next(iter(rows[0]))
        names = [heading] if ids.spelled_as([heading], known, path.name)[heading] in set(known) else []
        names += [next(iter(row.values())) for row in rows]
    else:
        table = read_index(path, identifiers)
        names = _sheet(table, identifiers).identifiers
    spelled = ids.spelled_as(names, known, path.name)
    ids.unique(names, path.name, spelled)
    strangers = [name for name in names if spelled[name] not in set(known)]
    if strangers:
        raise Refusal(
            Code.CLINICAL,
            found=f"{path.name}: {len(strangers)} of {len(names)} patients are in neither table, as {strangers[0]!r}",
            allowed="patients of the clinical table or of the index",
            remedy="mend the list: nobody is left out silently",
        )
    return list(spelled.values())


def _columns_exist(given: Inputs, steps: Sequence[Rule]) -> None:
    """A rule about a column that no sheet has (most often a sheet is missing), or that the index has not."""
    for rule in steps:
        if rule.needs in {"series", "phases"} and rule.column not in given.index_columns:
            raise Refusal(
                Code.INDEX,
                found=f"the index has no column {rule.column}, which the step {rule.step!r} asks for",
                allowed="every column of the rules in the index",
                remedy="mend the name in the rules, or give another --index",
            )
        wanted = (
            rule.columns if rule.needs == "complete" else (rule.column,) if rule.needs in {"range", "one-of"} else ()
        )
        lost = [name for name in wanted if name not in given.columns]
        if lost:
            raise Refusal(
                Code.CLINICAL,
                found=f"the clinical table has no column {', '.join(lost)}, which the step {rule.step!r} asks for",
                allowed="every column of the rules in one of the sheets",
                remedy="is a sheet missing? give the whole workbook, or other --rules",
            )


def _table_one(
    selection: Selection, rules: RuleSet, columns: Sequence[str], by: str | None
) -> tuple[Printed, list[Row]]:
    rows = [patient.clinical or {} for patient in selection.included]
    variables = describe.found_variables(rows, columns) if columns else rules.variables
    groups = rules.groups if by is None else Groups(by) if by else Groups()
    if not (columns or rules.variables) and rows:
        variables = _every(rows, groups.column)
    table = describe.table_one(rows, variables, groups)
    sizes = {label: len(part) for label, part in describe.grouped(rows, groups).items()}
    numbers: list[Row] = [
        {"label": line.label, "level": line.level, "test": line.test, "p_value": line.p_value, **to_plain(item)}
        for line in table
        for item in line.groups
    ]
    return characteristics.table_one(table, sizes), numbers


def _every(rows: Sequence[Row], group: str) -> tuple[Any, ...]:
    """Every column that is a characteristic: a number, or few different values."""
    names = [name for name in dict.fromkeys(n for row in rows for n in row) if name != group]
    found = describe.found_variables(rows, names)
    few = {name for name in names if len({as_text(row.get(name)) for row in rows}) <= describe.MOST_LEVELS}
    return tuple(item for item in found if item.kind == "number" or item.column in few)


def _table_two(selection: Selection, rules: RuleSet) -> Printed:
    def made(rows: Sequence[Row]) -> list[Row]:
        return [row for row in rows if not rules.image_column or row.get(rules.image_column) in rules.image_values]

    chosen = selection.included
    first = describe.scanners([made(patient.baseline) for patient in chosen], rules.scanner)
    last = describe.scanners([made(last_visit(patient.images, rules)) for patient in chosen], rules.scanner)
    headings = tuple(" ".join(re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)).capitalize() for name in rules.scanner)
    return characteristics.table_two(first, last, headings, ("first", "last"))


def _joined_features(given: Inputs, selection: Selection) -> tuple[list[Row], str]:
    """Rows of the feature table of chosen patients with their clinical columns, and in words who has none.

    A feature with the name of a clinical column is called ``features.<column>``.
    """
    if not given.features:
        return [], ""
    chosen = {patient.patient_id: patient for patient in selection.included}
    rows: list[Row] = [
        {
            "patient_id": name,
            **(chosen[name].clinical or {}),
            **{f"features.{column}" if column in given.columns else column: value for column, value in row.items()},
        }
        for name, row in given.features.items()
        if name in chosen
    ]
    lost = sorted(set(given.features) - set(chosen))
    without = sorted(set(chosen) - set(given.features))
    words = f"{len(rows)} of {len(given.features)} rows of the feature table joined"
    words += f"; not chosen: {', '.join(lost)}" if lost else "; no patient lost"
    words += f"; chosen patients without features: {', '.join(without)}" if without else ""
    return rows, words


def _write_flow(folder: Path, given: Inputs, selection: Selection) -> None:
    before = [
        {"step": item.step, "entered": item.patients + item.lost, "excluded": item.lost, "remaining": item.patients,
         "reason": item.reason, "excluded_ids": "", "source": f"published: {item.source}"}
        for item in given.rules.published if not item.beside
    ]  # fmt: skip
    steps = [{**to_plain(s), "excluded_ids": " ".join(s.excluded_ids), "source": "tables"} for s in selection.flow]
    write_csv(FLOW, [*before, *steps], folder / "flow.csv")
    write_csv(EXCLUDED, selection.exclusions, folder / "excluded.csv")
    diagram = flow_diagram(selection.flow, given.rules.published, given.rules.title)
    write_bytes_whole(folder / "flow.svg", flow_file(diagram).encode())


def _write_tables(folder: Path, given: Inputs, result: CohortSelected, numbers: Sequence[Row]) -> None:
    chosen = [_included_row(patient, given.rules) for patient in result.selection.included]
    names = _names(chosen)
    write_csv(names, chosen, folder / "included.csv")
    write_csv(_names(numbers), numbers, folder / "table1_numbers.csv")
    sheets: dict[str, XlsxSheet] = {}
    for name, table in (("table1", result.table1), ("table2", result.table2)):
        write_csv(table.columns, table.rows(), folder / f"{name}.csv")
        write_bytes_whole(folder / f"{name}.tex", characteristics.latex(table).encode())
        write_bytes_whole(folder / f"{name}.html", html_table(table).encode())
        sheets[name] = XlsxSheet(table.columns, table.rows())
    sheets["included"] = XlsxSheet(names, chosen)
    sheets["excluded"] = XlsxSheet(EXCLUDED, result.selection.exclusions)
    write_xlsx(sheets, folder / "tables.xlsx")


def _included_row(patient: Patient, rules: RuleSet) -> Row:
    """A patient's clinical columns and scanner; no date."""
    made = [r for r in patient.baseline if not rules.image_column or r.get(rules.image_column) in rules.image_values]
    scanner = describe.scanners([made], rules.scanner)
    words = scanner[0].words if scanner else ()
    studies = dict.fromkeys(as_text(row.get("StudyInstanceUID")) for row in patient.baseline)
    study = {"StudyInstanceUID": " ".join(studies)} if "".join(studies) else {}
    return {
        "patient_id": patient.patient_id,
        **study,
        **dict(zip(rules.scanner, words, strict=False)),
        **(patient.clinical or {}),
    }


def _page(given: Inputs, result: CohortSelected, names: tuple[str, str, str]) -> str:
    rules = given.rules
    view = SelectionView(
        title=rules.title,
        rules=rules.name,
        clinical=names[0],
        index=names[1],
        listed=names[2],
        patients=len(given.patients),
        diagram=flow_diagram(result.selection.flow, rules.published, rules.title),
        published=bool(rules.published),
        table1=result.table1,
        table2=result.table2,
        exclusions=result.selection.exclusions,
        included=result.selection.included,
        features=result.features,
        notes=() if result.included else ("Nobody was chosen: look at the reasons below.",),
        version=metadata.version("uptake"),
    )
    return selection_page(view)


def _names(rows: Sequence[Row]) -> list[str]:
    """Columns in order of first appearance; a table without rows still names one."""
    return list(dict.fromkeys(name for row in rows for name in row)) or ["patient_id"]
