"""The verb `uptake features`: images and masks, no cohort needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from uptake.cli.options import Assignments, Json, sections, watching
from uptake.cli.show_features import show_differences, show_features


def features(  # noqa: PLR0917 (options)
    image: Annotated[
        Path | None, typer.Argument(metavar="[IMAGE]", help="NIfTI", exists=True, dir_okay=False, show_default=False)
    ] = None,
    mask: Annotated[
        Path | None, typer.Argument(metavar="[MASK]", help="NIfTI mask on the same grid", exists=True, dir_okay=False)
    ] = None,
    panel: Annotated[
        str, typer.Option("--panel", metavar="ibsi|captk|captk-corrected", help="which features")
    ] = "ibsi",
    parameters: Annotated[
        Path | None, typer.Option("--parameters", metavar="FILE", help="CaPTk's parameter CSV, for its panels")
    ] = None,
    settings: Annotated[
        str | None,
        typer.Option(
            "--settings",
            metavar="NAME_OR_FILE",
            help="a TOML file with a section [features], a parameter file of PyRadiomics (.yaml), or ibsi-phantom, "
            "ibsi-config-a ... ibsi-config-e",
        ),
    ] = None,
    assign: Assignments = None,
    bins: Annotated[int | None, typer.Option("--bins", metavar="N", help="a fixed number of grey levels")] = None,
    bin_width: Annotated[
        float | None, typer.Option("--bin-width", metavar="W", help="grey levels of a fixed width in intensity units")
    ] = None,
    filter_: Annotated[
        str | None,
        typer.Option(
            "--filter",
            metavar="WORDS",
            help="features of a filter's response map, as in 'laplacian-of-gaussian sigma_mm=3': mean, "
            "laplacian-of-gaussian, laws, gabor, separable-wavelet, nonseparable-wavelet",
        ),
    ] = None,
    label: Annotated[
        int | None, typer.Option("--label", metavar="N", min=1, help="of the mask; default: it holds 0 and 1 only")
    ] = None,
    names: Annotated[
        str, typer.Option("--names", metavar="pyradiomics", help="a column with the names of another package")
    ] = "",
    table: Annotated[
        Path | None,
        typer.Option("--table", metavar="FILE", help="many: a CSV table with image,mask and if wanted label,id"),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--compare", metavar="A B", help="compare two tables of features instead; 1 if they disagree"),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option("--tolerance", metavar="R", help="with --compare: largest relative difference; default: 1e-6"),
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="write the long table here")] = None,
    xlsx: Annotated[
        Path | None, typer.Option("--xlsx", metavar="FILE", help="the same as a workbook, of many the wide table too")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="with --table: processes; default: what cores and memory allow")
    ] = None,
    as_json: Json = False,
) -> None:
    """Radiomic features of one image inside one mask, or of a table of them; two tables compared. No cohort needed."""
    from uptake import verbs

    _check_one_way(image, mask, table, compare)
    _check_alone(tolerance=(tolerance, compare, "--compare"), jobs=(jobs, table, "--table"))
    if compare:
        show_differences(verbs.compare_features(*compare, relative=tolerance), as_json)
    options = {
        "panel": panel, "parameters": parameters, "settings_file": settings, "bins": bins, "bin_width": bin_width,
        "filter": filter_, "label": label, "names": names, "csv": csv, "xlsx": xlsx, **sections(assign),
    }  # fmt: skip
    files = tuple(path for path in (csv, xlsx) if path)
    if table:
        with watching(quiet=as_json) as on_event:
            batch = verbs.features_of_table(table, jobs=jobs, on_event=on_event, **options)
        show_features(batch.rows, files, as_json, batch.refused)
    elif image and mask:
        show_features(verbs.feature_rows(image, mask, **options), files, as_json)


def _check_one_way(image: Path | None, mask: Path | None, table: Path | None, compare: object) -> None:
    """One pair, a table of pairs or two tables to compare."""
    from uptake.study import SettingsError

    if table and compare:
        raise SettingsError("features takes --table or --compare, not both")
    if (table or compare) and image:
        raise SettingsError(f"features takes no IMAGE and MASK beside {'--table' if table else '--compare'}")
    if not (table or compare) and not (image and mask):
        missing = "a MASK after the IMAGE" if image else "an IMAGE and a MASK, or --table FILE, or --compare A B"
        raise SettingsError(f"features needs {missing}")


def _check_alone(**options: tuple[object, object, str]) -> None:
    """Options (value, what they belong to, its name) that would otherwise be without effect."""
    from uptake.study import SettingsError

    for name, (value, owner, needed) in options.items():
        if value is not None and not owner:
            raise SettingsError(f"--{name} is of {needed} only")
