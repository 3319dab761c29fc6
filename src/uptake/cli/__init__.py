"""Arguments to calls, results to lines: the command line. Nothing is computed here.

Exit code 0: all well; 1: some case failed or was refused; 2: wrong usage. The modules that do the work are imported
by the verb that needs them, so that ``--help`` answers at once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from uptake import __version__
from uptake.cli import collection, releasing
from uptake.cli.show import show_plan, show_result, show_status
from uptake.cli.show_features import show_differences, show_features
from uptake.cli.show_network import show_predictions, show_training

app = typer.Typer(
    name="uptake",
    help="Breast DCE-MRI from DICOM to harmonised images, tumour volumes, radiomics and a report. Research use only.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

CohortPath = Annotated[Path, typer.Argument(metavar="COHORT", help="the cohort folder")]
Cases = Annotated[list[str] | None, typer.Option("--case", metavar="ID", help="only this case (repeatable)")]
Jobs = Annotated[int | None, typer.Option("--jobs", min=1, help="processes; default: what cores and memory allow")]
Scheduler = Annotated[str | None, typer.Option("--scheduler", metavar="ADDRESS", help="of a Dask scheduler, tcp://...")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="show what would run and why, and do nothing")]
Json = Annotated[bool, typer.Option("--json", help="the result as JSON, for machines")]
Profile = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="default, ispy1-release: settings by name")
]
SettingsFile = Annotated[Path | None, typer.Option("--settings", metavar="FILE", help="a TOML file of settings")]
Assignments = Annotated[list[str] | None, typer.Option("--set", metavar="SECTION.NAME=VALUE", help="one setting")]
VoiOption = Annotated[
    list[str] | None,
    typer.Option("--voi", metavar="[CASE=]VOI", help="volume of interest: c0,r0,s0:c1,r1,s1, a ROI XML or a mask"),
]


def main() -> None:
    """The command ``uptake``: errors that uptake explains become one line and an exit code."""
    try:
        app(prog_name="uptake")
    except Exception as error:  # noqa: BLE001 (raised again unless it is one of ours)
        _explain(error)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"uptake {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="the version, and nothing else")
    ] = False,
) -> None:
    """Say what holds for every verb."""


@app.command()
def run(  # noqa: PLR0917 (options)
    sources: Annotated[list[Path] | None, typer.Argument(metavar="SOURCE...", help="DICOM folders or zips")] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="COHORT", help="the cohort folder to make or bring up to date")
    ] = Path("cohort"),
    case: Cases = None,
    jobs: Jobs = None,
    scheduler: Scheduler = None,
    voi: VoiOption = None,
    profile: Profile = None,
    settings: SettingsFile = None,
    assign: Assignments = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """DICOM folders or zips (or phase NIfTIs) in, a cohort folder out. A second run does nothing."""
    from uptake import verbs

    given = _sections(assign)
    if dry_run:
        planned = verbs.planned(
            sources or [],
            out,
            cases=case or [],
            regions=_regions(voi or []),
            profile=profile,
            settings_file=settings,
            **given,
        )
        show_plan(planned, as_json)
    with _progress(quiet=as_json) as on_event:
        result = verbs.run(
            sources or [],
            out,
            cases=case or [],
            jobs=jobs,
            scheduler=scheduler,
            regions=_regions(voi or []),
            profile=profile,
            settings_file=settings,
            on_event=on_event,
            **given,
        )
    show_result(result, as_json)


@app.command()
def status(cohort: CohortPath, case: Cases = None, as_json: Json = False) -> None:
    """Cases x steps: what is made, what is missing, and why it would run."""
    from uptake import verbs

    show_status(verbs.status(cohort, cases=case or []), as_json)


@app.command(name="import")
def import_(  # noqa: PLR0917 (options)
    cohort: CohortPath,
    masks: Annotated[Path, typer.Argument(metavar="MASKS", help="a folder of <case>.nii.gz, or one mask with --case")],
    kind: Annotated[
        Literal["reader", "truth", "ftv"], typer.Option("--as", metavar="reader|truth|ftv", help="what the masks are")
    ],
    reader: Annotated[str, typer.Option("--reader", metavar="NAME", help="who made them")] = "",
    case: Cases = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Masks made elsewhere into a cohort, with a check of the grid: NIfTI or DICOM SEG."""
    from uptake import verbs

    result = verbs.import_masks(cohort, masks, as_=kind, reader=reader, cases=case or [], dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps({"imported": result.imported, "refused": [vars(r) for r in result.refused]}, indent=2))
    else:
        done = "would be imported" if dry_run else "imported"
        for name in result.imported:
            typer.echo(f"{name}: {done} as {kind}")
        for refused in result.refused:
            typer.echo(f"{refused.case_id}: refused: {refused.code}: {refused.found}; {refused.remedy}", err=True)
        why = f"; {len(result.refused)} refused, why: above" if result.refused else ""
        typer.echo(f"{len(result.imported)} of {len(result.imported) + len(result.refused)} masks {done}{why}")
    raise typer.Exit(1 if result.refused else 0)


@app.command()
def review(  # noqa: PLR0917 (options)
    cohort: CohortPath,
    port: Annotated[int | None, typer.Option("--port", metavar="P", min=1, max=65535, help="default: 8411")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="print the link and open nothing")] = False,
    reader: Annotated[str, typer.Option("--reader", metavar="NAME", help="who reads; default: the page asks")] = "",
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="loopback addresses only")] = "127.0.0.1",
    export: Annotated[
        str | None,
        typer.Option("--export", metavar="itk-snap|slicer", help="no server: write cases for a desktop program"),
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", metavar="DIR", help="where --export writes")] = None,
    audit: Annotated[Path | None, typer.Option("--audit", metavar="FILE", help="no server: write the log here")] = None,
    case: Cases = None,
    as_json: Json = False,
) -> None:
    """The readers' workbench in the browser: look at images, draw, compare, approve. On this machine only."""
    from uptake.cli.reviewing import export_cases, serve, write_audit

    if export:
        export_cases(cohort, export, case or [], to, reader)
    if audit:
        write_audit(cohort, audit)
    if not (export or audit):
        wish = {"port": port, "browser": not no_browser, "reader": reader, "cases": tuple(case or ())}
        serve(cohort, host, wish, as_json)


@app.command()
def train(  # noqa: PLR0917 (options)
    cohort: CohortPath,
    labels: Annotated[
        Literal["reader", "truth", "proposal"],
        typer.Option("--labels", metavar="reader|truth|proposal", help="whose masks to learn from"),
    ] = "reader",
    name: Annotated[str, typer.Option("--name", help="of the model; default: the recipe's")] = "",
    recipe: Annotated[
        Literal["ours", "paper"], typer.Option("--recipe", metavar="ours|paper", help="network and training")
    ] = "ours",
    assign: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="one setting of the recipe (repeatable)")
    ] = None,
    outer: Annotated[
        int | None, typer.Option("--outer", metavar="N", help="outer folds; default: 5, or what the patients allow")
    ] = None,
    inner: Annotated[int | None, typer.Option("--inner", metavar="N", help="inner folds; the same default")] = None,
    seed: Annotated[int, typer.Option("--seed", help="same seed, same folds and on the CPU the same networks")] = 0,
    folds: Annotated[
        Path | None, typer.Option("--folds", metavar="FILE", help="folds to use; default: the cohort's folds.json")
    ] = None,
    no_test: Annotated[
        bool, typer.Option("--no-test", help="one network from all cases, to be used: no figures on cases never seen")
    ] = False,
    plan_only: Annotated[
        bool, typer.Option("--plan-only", help="plan the folds, write folds.json, and stop: needs no masks, no torch")
    ] = False,
    device: Annotated[
        str, typer.Option("--device", metavar="auto|cpu|cuda|cuda:N", help="what to train on; auto: a GPU if any")
    ] = "auto",
    case: Cases = None,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="folds at once; default: one")] = None,
    scheduler: Scheduler = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Train the segmentation network by nested cross-validation; a killed training goes on where it stood."""
    from uptake import verbs

    with _progress(quiet=as_json) as on_event:
        result = verbs.train(
            cohort,
            labels=labels,
            name=name,
            recipe=recipe,
            outer=outer,
            inner=inner,
            seed=seed,
            folds=folds,
            test=not no_test,
            plan_only=plan_only,
            cases=case or [],
            jobs=jobs,
            scheduler=scheduler,
            device=device,
            dry_run=dry_run,
            on_event=on_event,
            **_settings_of_one(assign),
        )
    show_training(result, as_json)


@app.command()
def predict(  # noqa: PLR0917 (options)
    cohort: CohortPath,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME_OR_FOLDER", help="a trained model; default: the package's network"),
    ] = None,
    assign: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="threshold, keep (near, largest, all), max_gap_mm, mirror, overlap (repeatable)",
        ),
    ] = None,
    backend: Annotated[
        Literal["auto", "onnx", "torch"],
        typer.Option("--backend", metavar="auto|onnx|torch", help="auto: torch where it sees a GPU, else ONNX Runtime"),
    ] = "auto",
    case: Cases = None,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="cases at once; default: one, on all cores")] = None,
    scheduler: Scheduler = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """The network's structural tumour volume of every case; the next run computes what depends on it."""
    from uptake import verbs

    with _progress(quiet=as_json or dry_run) as on_event:
        result = verbs.predict(
            cohort,
            model=model,
            cases=case or [],
            jobs=jobs,
            scheduler=scheduler,
            backend=backend,
            dry_run=dry_run,
            on_event=on_event,
            **_settings_of_one(assign),
        )
    show_predictions(result, as_json)


@app.command()
def report(
    cohort: CohortPath, case: Cases = None, jobs: Jobs = None, dry_run: DryRun = False, as_json: Json = False
) -> None:
    """Bring the pages for people up to date, with whatever they show, and say where they are."""
    from uptake import verbs

    if dry_run:
        show_status(verbs.status(cohort, cases=case or []), as_json)
    with _progress(quiet=as_json) as on_event:
        result = verbs.report(cohort, cases=case or [], jobs=jobs, on_event=on_event)
    show_result(result, as_json)


@app.command()
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
        "filter": filter_, "label": label, "names": names, "csv": csv, "xlsx": xlsx, **_sections(assign),
    }  # fmt: skip
    files = tuple(path for path in (csv, xlsx) if path)
    if table:
        with _progress(quiet=as_json) as on_event:
            batch = verbs.features_of_table(table, jobs=jobs, on_event=on_event, **options)
        show_features(batch.rows, files, as_json, batch.refused)
    elif image and mask:
        show_features(verbs.feature_rows(image, mask, **options), files, as_json)


@app.command()
def phantom(  # noqa: PLR0917 (options)
    to: Annotated[
        Path, typer.Option("--to", metavar="DIR", help="the folder to write: new, empty, or one to go on with")
    ],
    cases: Annotated[int, typer.Option("--cases", min=1, help="how many")] = 1,
    seed: Annotated[int, typer.Option("--seed", help="same seed, same bytes")] = 0,
    vendor: Annotated[
        Literal["ge", "siemens", "philips", "mixed"],
        typer.Option("--vendor", metavar="ge|siemens|philips|mixed", help="whose DICOM habits; mixed: all in turn"),
    ] = "ge",
    view: Annotated[
        Literal["sagittal", "axial"],
        typer.Option("--view", metavar="sagittal|axial", help="one breast, or both in axial images"),
    ] = "sagittal",
    field: Annotated[float, typer.Option("--field", metavar="1.5|3", help="field strength in T")] = 1.5,
    snr: Annotated[float, typer.Option("--snr", help="in fibroglandular tissue before contrast")] = 40.0,
    motion: Annotated[float, typer.Option("--motion", metavar="MM", help="SD of the motion between phases")] = 0.0,
    defect: Annotated[
        list[str] | None,
        typer.Option(
            "--defect",
            metavar="NAME",
            help="ghosting, bright-artefact, wrap-around, metal-void, swapped-phases, missing-phase, pre-swapped, "
            "missing-slice (repeatable)",
        ),
    ] = None,
    habit: Annotated[
        list[str] | None,
        typer.Option(
            "--habit",
            metavar="NAME",
            help="of the files: temporal-position, trigger-time or no-times (GE), derived-between, varying-tags, "
            "enhanced, rle, jpeg, jpeg-ls, jpeg-2000, no-ucsf (repeatable)",
        ),
    ] = None,
    size: Annotated[
        Literal["full", "small"], typer.Option("--size", metavar="full|small", help="matrix size")
    ] = "full",
    jobs: Jobs = None,
    scheduler: Scheduler = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Labelled synthetic breast DCE-MRI as DICOM, with its truth. Killed, it goes on where it stopped."""
    from uptake import verbs

    with _progress(quiet=as_json or dry_run) as on_event:
        made = verbs.phantom(
            to,
            cases=cases,
            seed=seed,
            vendor=vendor,
            view=view,
            field=field,
            snr=snr,
            motion=motion,
            defects=defect or [],
            habits=habit or [],
            size=size,
            jobs=jobs,
            scheduler=scheduler,
            dry_run=dry_run,
            on_event=on_event,
        )
    if as_json:
        typer.echo(json.dumps(made))
    elif dry_run:
        for name in made:
            typer.echo(f"{name}: {'is there' if (to / name).exists() else 'would be new'}")
        typer.echo(f"{len(made)} phantoms would be written to {to}")
    else:
        typer.echo(f"{len(made)} phantoms in {to}; what is true of them in {to}/truth.csv")


@app.command()
def demo(
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="the folder to write")] = Path("demo"),
    cases: Annotated[int, typer.Option("--cases", min=1, help="how many phantoms")] = 3,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """A small phantom cohort through everything; prints where the report is."""
    from uptake import verbs

    with _progress(quiet=as_json) as on_event:
        result = verbs.demo(to, cases=cases, jobs=jobs, on_event=on_event)
    show_result(result, as_json)


@app.command()
def doctor(
    sources: Annotated[list[Path] | None, typer.Argument(metavar="SOURCE...", help="studies to estimate")] = None,
    out: Annotated[Path, typer.Option("--out", metavar="COHORT", help="where a cohort would be")] = Path(),
    as_json: Json = False,
) -> None:
    """What this machine can do, and the space a run needs."""
    from uptake import verbs

    findings = verbs.doctor(sources or [], out)
    if as_json:
        typer.echo(json.dumps([vars(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            typer.echo(f"{'ok  ' if finding.ok else 'NO  '} {finding.subject:<18} {finding.words}")
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


@app.command()
def config(
    cohort: Annotated[Path | None, typer.Argument(metavar="[COHORT]", help="show a cohort's settings")] = None,
    profile: Profile = None,
    settings: SettingsFile = None,
    assign: Assignments = None,
    origins: Annotated[bool, typer.Option("--origins", help="a table of values and where each came from")] = False,
    as_json: Json = False,
) -> None:
    """The settings as a commented TOML file, or each with its origin."""
    from uptake import verbs

    shown = verbs.config(cohort, profile=profile, settings_file=settings, **_sections(assign))
    if as_json:
        typer.echo(json.dumps([vars(item) for item in shown.items], indent=2))
    elif origins:
        for item in shown.items:
            typer.echo(f"{item.section + '.' + item.name:<32} {item.value!s:<24} {item.origin}")
    else:
        typer.echo(shown.toml, nl=False)


app.command(name="cohort")(collection.cohort)
app.command(name="verify")(collection.verify)
app.command(name="release")(releasing.release)
app.command(name="fetch")(releasing.fetch)


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


def _sections(assignments: Sequence[str] | None) -> dict[str, Any]:
    from uptake.pipeline.settings import assigned

    return assigned(assignments or ())


def _settings_of_one(assignments: Sequence[str] | None) -> dict[str, Any]:
    """Settings ``name=value`` of the one thing that a verb sets."""
    from uptake.pipeline.settings import assigned

    return assigned([f"it.{text}" for text in assignments or ()]).get("it", {})


def _regions(texts: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    return {(name if equals else "*"): (value if equals else name) for name, equals, value in pairs}


def _progress(*, quiet: bool) -> Any:  # noqa: ANN401 (a context manager of a callback)
    from uptake.cli.progress import bars, lines, silence

    if quiet:
        return silence()
    return bars() if sys.stderr.isatty() else lines()


def _explain(error: Exception) -> NoReturn:
    """Wrong usage ends with 2, a refusal (an output that cannot be written) with 1; anything else is a bug."""
    from uptake.study import Refusal, UptakeError

    if not isinstance(error, UptakeError):
        raise error
    typer.echo(f"uptake: {error}", err=True)
    sys.exit(1 if isinstance(error, Refusal) else 2)
