"""The page of a model: every fold's curve with its chosen epoch, the figures, what was left out."""

from __future__ import annotations

import dataclasses
import re

from uptake.cohort.judging import Judged, difference, figures
from uptake.report import FoldCurve, ModelView, model_page

CURVE = FoldCurve("0-0", (1.2, 0.8, 0.5), (1.1, 0.7, 0.9), (0.1, 0.6, 0.5), 1)


def judged(case: str, method: str, dice: float) -> Judged:
    return Judged(case, method, dice, None, 0.0, 1.0, 2.0, -1.0, -50.0, dice >= 0.1)


def test_every_fold_has_its_curves_and_says_which_epoch_was_chosen() -> None:
    page = model_page(ModelView("m", "ours", "truth", 4, (CURVE, CURVE)))
    assert page.count("epoch 2 of 3 chosen") == 2
    assert len(re.findall(r'class="curve (?:train|validation|dice)"', page)) == 6
    assert "no figure here says anything of patients" not in page, "there are no figures"


def test_figures_on_phantoms_say_that_they_are() -> None:
    rows = [judged("A", "model", 0.8), judged("A", "rule", 0.5), judged("B", "model", 0.7), judged("B", "rule", 0.6)]
    found = difference(rows, "model", "rule")
    assert found
    page = model_page(ModelView("m", "ours", "truth", 2, (CURVE,), figures(rows, {}), (found,)))
    assert "0.750" in page
    assert "Phantoms: no figure here says anything of patients" in page


def test_missed_lesions_and_patients_with_several_cases_are_told_beside_the_figures() -> None:
    rows = [dataclasses.replace(judged("A", "model", 0.8), hd95_mm=2.0), judged("B", "model", 0.0)]
    found = figures(rows, {}, {"A": "P", "B": "P"})
    page = model_page(ModelView("m", "ours", "reader", 2, (CURVE,), found))
    assert "[1 of 2]" in page
    assert "(patients: 1)" in page


def test_what_was_left_out_is_named_and_names_are_escaped() -> None:
    page = model_page(ModelView("<b>m</b>", "ours", "reader", 2, (CURVE,), left_out=(("A", "no label"),)))
    assert "A (no label)" in page
    assert "<b>m</b>" not in page


def test_one_epoch_is_a_dot() -> None:
    page = model_page(ModelView("m", "ours", "reader", 2, (FoldCurve("0-0", (1.0,), (1.0,), (0.0,), 0),)))
    assert 'class="curve train dot"' in page


def test_equal_views_give_equal_bytes_without_addresses() -> None:
    view = ModelView("m", "ours", "reader", 2, (CURVE,))
    assert model_page(view) == model_page(view)
    assert "http" not in model_page(view).replace("http-equiv", "")
