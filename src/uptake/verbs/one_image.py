"""Features of images and masks without a cohort: of one pair, of a table of pairs; two tables compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from uptake.features import FeatureTable
from uptake.features.compare import Comparison, Differences, compare_tables
from uptake.io.tables import Sheet, read_csv, write_csv, write_xlsx
from uptake.pipeline.executors import in_pool, in_process
from uptake.study import Refusal, SettingsError
from uptake.verbs.panels import COLUMNS, Extraction, Row, choose, settings_names
from uptake.verbs.running import Event, OnEvent, at_once, silent

__all__ = [
    "COLUMNS", "Batch", "RefusedPair", "compare_features", "feature_rows", "features", "features_of_table",
    "settings_names",
]  # fmt: skip
FEW = 8
"""Pairs for which new processes would take longer to start than they save."""
PROCESS_BYTES = 300_000_000
BYTES_PER_FILE_BYTE = 16
OPTIONS = ("panel", "parameters", "settings_file", "bins", "bin_width", "filter", "label", "names")
"""Options of `features` by keyword; other keywords are sections of settings."""


@dataclass(frozen=True)
class RefusedPair:
    """A row of a batch that gave no features, and why."""

    id: str
    refusal: Refusal


@dataclass(frozen=True)
class Batch:
    """Features of many pairs: long rows with their id in front under `columns`, and what was refused."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    refused: tuple[RefusedPair, ...]

    def wide(self) -> tuple[Row, ...]:
        """One row per id, one column per feature: by its IBSI tag, where it has none by its name."""
        found: dict[str, Row] = {}
        for row in self.rows:
            value = None if row["reason"] else row["value"]
            found.setdefault(row["id"], {"id": row["id"]})[row["ibsi_tag"] or row["name"]] = value
        return tuple(found.values())


def features(  # noqa: PLR0913 (one per option)
    image: str | Path,
    mask: str | Path,
    *,
    panel: str = "ibsi",
    parameters: str | Path | None = None,
    settings_file: str | Path | None = None,
    bins: int | None = None,
    bin_width: float | None = None,
    filter: str | None = None,  # noqa: A002 (the option's name)
    label: int | None = None,
    names: str = "",
    csv: str | Path | None = None,
    xlsx: str | Path | None = None,
    **settings: Mapping[str, Any],
) -> FeatureTable:
    """Features of a NIfTI image inside a NIfTI mask on the same grid; `csv`, `xlsx`: also write the long table there.

    panel: which features; ``ibsi`` is every feature of the IBSI in every aggregation, from the image as it is;
    ``captk`` the columns of CaPTk 1.8.1 as it computed them, ``captk-corrected`` as their names say.
    parameters: CaPTk's own parameter file (CSV) for these two; without one, the parameters of the published table.
    settings_file: a TOML file with a section ``[features]``, the name of one that comes with the package
    (`settings_names`), or a parameter file of PyRadiomics (``.yaml``). settings: sections as keywords over the TOML,
    ``features(..., features={"bins": 32})``. bins, bin_width: grey levels of a fixed number or size over these.
    filter: its name and settings, ``laplacian-of-gaussian sigma_mm=3``: features are of its response map.
    label: value of the mask's voxels that are inside; None: the mask holds one structure (or PyRadiomics' file says).
    names: ``pyradiomics`` adds a column with PyRadiomics' names to what is written.
    Raises Refusal for unreadable files, another grid, an empty mask, non-finite voxels inside the mask; SettingsError.
    """
    chosen = choose(
        panel=panel, parameters=parameters, settings_file=settings_file, bins=bins, bin_width=bin_width, filter=filter,
        label=label, names=names, settings=settings,
    )  # fmt: skip
    table = chosen(Path(image), Path(mask))
    _write(chosen.columns, chosen.rows(table), csv, xlsx)
    return table


def feature_rows(
    image: str | Path,
    mask: str | Path,
    *,
    csv: str | Path | None = None,
    xlsx: str | Path | None = None,
    **options: Any,  # noqa: ANN401 (those of `features`)
) -> list[Row]:
    """As `features`, with the same options, but the rows of the long table with every column that is asked for."""
    chosen = _chosen(options)
    rows = chosen.rows(chosen(Path(image), Path(mask)))
    _write(chosen.columns, rows, csv, xlsx)
    return rows


def features_of_table(
    table: str | Path,
    *,
    csv: str | Path | None = None,
    xlsx: str | Path | None = None,
    jobs: int | None = None,
    on_event: OnEvent = silent,
    **options: Any,  # noqa: ANN401 (those of `features`)
) -> Batch:
    """Features of every row of a CSV table with the columns image and mask, and if wanted label and id.

    Paths are relative to the table's folder. An id is by default the image's name, with the label behind it if one is
    given. options: as `features` takes them; a row's label is over the one given here. A pair that is refused does not
    stop the others. `csv`: the long table, an id in front of every row; `xlsx`: that and the wide one.
    jobs: processes; None: one for a few pairs, else as many as cores and memory allow. Results do not depend on it.
    Raises SettingsError for a table without these columns or rows, an empty cell, a label that is no whole number, two
    rows of one id; Refusal UNREADABLE for what is no table.
    """
    chosen = _chosen(options)
    pairs = _pairs(Path(table))
    found: dict[str, list[Row] | Refusal] = {}
    on_event(Event("start", total=len(pairs)))
    for pair, result in _ended(chosen, pairs, jobs):
        if isinstance(result, Exception) and not isinstance(result, Refusal):
            raise result
        found[pair.id] = result
        on_event(Event("case", done=len(found), total=len(pairs), case_id=pair.id))
    rows: list[Row] = []
    refused: list[RefusedPair] = []
    for pair in pairs:
        result = found[pair.id]
        if isinstance(result, Refusal):
            refused.append(RefusedPair(pair.id, result))
        else:
            rows += ({"id": pair.id, **row} for row in result)
    batch = Batch(("id", *chosen.columns), tuple(rows), tuple(refused))
    if csv is not None:
        write_csv(batch.columns, batch.rows, Path(csv))
    if xlsx is not None:
        wide = batch.wide()
        columns = tuple(dict.fromkeys(["id", *(name for row in wide for name in row)]))
        write_xlsx({"features": Sheet(columns, wide), "long": Sheet(batch.columns, batch.rows)}, Path(xlsx))
    return batch


def compare_features(first: str | Path, second: str | Path, *, relative: float | None = None) -> Differences:
    """Compare two CSV tables of features, each long or wide, feature by feature; see `Comparison` for what agrees.

    relative: largest relative difference of values that agree. Raises SettingsError for a missing file and as
    `compare_tables`, Refusal UNREADABLE for what is no table.
    """
    for file in (first, second):
        if not Path(file).is_file():
            raise SettingsError(f"there is no table {file}")
    settings = Comparison() if relative is None else Comparison(relative=relative)
    return compare_tables(read_csv(Path(first)), read_csv(Path(second)), settings)


def _ended(
    chosen: Extraction, pairs: Sequence[_Pair], jobs: int | None
) -> Iterator[tuple[_Pair, list[Row] | Exception]]:
    """The rows of every pair, or its refusal, as they are made."""
    compute = partial(_rows_of, chosen)
    largest = max(_bytes(pair) for pair in pairs)
    count = at_once(len(pairs), PROCESS_BYTES + largest, 1 if jobs is None and len(pairs) < FEW else jobs)
    return in_process(compute, pairs) if count == 1 else in_pool(compute, pairs, count)


def _rows_of(chosen: Extraction, pair: _Pair) -> list[Row] | Refusal:
    try:
        return chosen.rows(chosen(pair.image, pair.mask, pair.label))
    except Refusal as refusal:
        return refusal


def _bytes(pair: _Pair) -> int:
    """About what an image and a mask need in memory: files are compressed, and intensities become double precision."""
    return BYTES_PER_FILE_BYTE * (pair.image.stat().st_size + pair.mask.stat().st_size)


def _chosen(options: Mapping[str, Any]) -> Extraction:
    own = {name: value for name, value in options.items() if name in OPTIONS}
    return choose(**own, settings={name: value for name, value in options.items() if name not in OPTIONS})


def _write(columns: tuple[str, ...], rows: list[Row], csv: str | Path | None, xlsx: str | Path | None) -> None:
    if csv is not None:
        write_csv(columns, rows, Path(csv))
    if xlsx is not None:
        write_xlsx({"features": Sheet(columns, rows)}, Path(xlsx))


@dataclass(frozen=True)
class _Pair:
    id: str
    image: Path
    mask: Path
    label: int | None


def _pairs(table: Path) -> list[_Pair]:
    if not table.is_file():
        raise SettingsError(f"there is no table {table}")
    rows = read_csv(table)
    if not rows:
        raise SettingsError(f"{table.name} has no rows: needed are the columns image and mask, allowed label and id")
    pairs = list(_read_pairs(rows, table))
    seen: set[str] = set()
    for pair in pairs:
        if pair.id in seen:
            raise SettingsError(f"{table.name}: {pair.id!r} is there twice: give every row an id of its own")
        seen.add(pair.id)
    return pairs


def _read_pairs(rows: list[dict[str, str]], table: Path) -> Iterator[_Pair]:
    missing = [name for name in ("image", "mask") if name not in rows[0]]
    if missing:
        raise SettingsError(f"{table.name} has no column {' and '.join(missing)}: allowed are image, mask, label, id")
    for number, row in enumerate(rows, 1):
        image, mask = (row[name].strip() for name in ("image", "mask"))
        if not image or not mask:
            raise SettingsError(f"{table.name}, row {number}: needs an image and a mask")
        for name in (image, mask):
            if not (table.parent / name).is_file():
                raise SettingsError(f"{table.name}, row {number}: there is no file {name}")
        label = row.get("label", "").strip()
        if label and not (label.isdecimal() and int(label) > 0):
            raise SettingsError(f"{table.name}, row {number}: label {label!r}; allowed is a whole number of 1 or more")
        name = Path(image).name.removesuffix(".gz").removesuffix(".nii") + (f"-{label}" if label else "")
        yield _Pair(
            row.get("id", "").strip() or name, table.parent / image, table.parent / mask, int(label) if label else None
        )
