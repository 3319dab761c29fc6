"""The model card: what a model is, what it was trained on, how good it is, what it must not be used for.

After Mitchell et al., "Model Cards for Model Reporting", 2019.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from uptake.cohort.judging import Difference, Figures, Interval
from uptake.segment.model import Model

NOTE = (
    "Medians with 95 % bootstrap intervals, for which patients are drawn with all their cases; HD95 in mm, of the "
    "cases in which anything was found (in brackets how many, where not all); surface Dice at 2 mm, 0 where nothing "
    "was found; detected: Dice of at least 0.1. "
    "Case by case: `judged.csv`."
)
LIMITS = """\
* For research only: it is no medical device, and no figure here says that it is safe to treat anyone by it.
* Trained for the primary lesion in three-phase breast DCE-MRI, harmonised by `uptake`; other images give nonsense.
* Every prediction is a proposal: a reader's approved mask goes before it.
* Probabilities are not calibrated; the uncertainty of a case orders cases, it is no error rate.
"""


def card(
    model: Model,
    figures: Sequence[Figures],
    differences: Sequence[Difference],
    left_out: Mapping[str, str],
    about: Sequence[str] = (),
) -> str:
    """The card as Markdown. about: further paragraphs on the data, or sections of their own."""
    parts = [
        f"# Model {model.name}",
        f"For the structural tumour volume in DCE-MRI of the breast, by uptake {model.version}. {model.licence}",
        "## Data",
        f"{len(model.folds.case_ids)} cases of {len(set(model.patients.values()))} patients; labels: {model.labels}."
        + (" The labels are phantoms' truth: nothing here says how it does on patients." * (model.labels == "truth"))
        + (" The labels are proposals of a rule, not of readers: it learns the rule." * (model.labels == "proposal")),
        _left_out(left_out),
        *about,
        "## Folds",
        _folds(model),
        _members(model),
        "## Figures on tested cases",
        _figures(figures, "phantoms" if model.labels == "truth" else "patients")
        if figures
        else "None: no case was kept for a test.",
        *(_difference(item) for item in differences),
        NOTE,
        "## Recipe",
        f"`{model.recipe_name}`, with these settings:",
        "\n".join(f"* `{f.name} = {getattr(model.recipe, f.name)}`" for f in dataclasses.fields(model.recipe)),
        "## Limits",
        LIMITS,
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _left_out(left_out: Mapping[str, str]) -> str:
    if not left_out:
        return "No case was left out."
    return "Left out:\n\n" + "\n".join(f"* {case}: {why}" for case, why in sorted(left_out.items()))


def _folds(model: Model) -> str:
    tested = sum(len(outer.test) for outer in model.folds.outer)
    return (
        f"{len(model.folds.outer)} outer folds, {len(model.members)} networks; {tested} cases were tested by networks "
        "that never saw the patient (`folds.json`). A patient stands on one side of a fold only."
    )


def _members(model: Model) -> str:
    lines = ["| fold | epochs | best epoch | validation loss | validation Dice |", "|---|---|---|---|---|"]
    lines += [
        f"| {m.name} | {m.epochs} | {m.best_epoch + 1} | {m.validation_loss:.4f} | {m.validation_dice:.3f} |"
        for m in model.members
    ]
    return "\n".join(lines)


def _figures(figures: Sequence[Figures], whom: str) -> str:
    lines = [
        "| cases | method | n | Dice | HD95, mm | surface Dice | volume bias, cc | volume bias, % | detected |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in figures:
        cells = (
            row.stratum,
            row.method,
            str(row.cases) if row.patients == row.cases else f"{row.cases} ({whom}: {row.patients})",
            _interval(row.dice, 3),
            _interval(row.hd95_mm, 1) + (f" [{row.hd95_cases} of {row.cases}]" if row.hd95_cases < row.cases else ""),
            _interval(row.surface_dice_2mm, 3),
            _interval(row.volume_bias_cc, 2),
            _interval(row.volume_bias_percent, 1),
            f"{row.detected:.0%}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _difference(item: Difference) -> str:
    p = "no difference to rank" if item.p is None else f"Wilcoxon p = {item.p:.3g}, by patient"
    return f"Dice of {item.method} less {item.against}, paired over {item.cases} cases: {_interval(item.dice, 3)}; {p}."


def _interval(found: Interval | None, digits: int) -> str:
    if found is None:
        return "–"
    return f"{found.value:.{digits}f} ({found.low:.{digits}f} to {found.high:.{digits}f})"
