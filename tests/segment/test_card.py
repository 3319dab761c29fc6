"""The model card does not flatter: missed lesions, and images of one phantom, are told beside the figures."""

from __future__ import annotations

import dataclasses

from uptake.cohort.judging import Judged, figures
from uptake.segment.card import card
from uptake.segment.model import read_model
from uptake.verbs.predicting import SHIPPED


def judged(case: str, hd95: float | None) -> Judged:
    found = hd95 is not None
    return Judged(case, "network", 0.8 * found, hd95, 0.9 * found, 1.0, 2.0, -1.0, -50.0, found)


def test_the_card_says_of_how_many_cases_hd95_is_and_how_many_patients_the_cases_are() -> None:
    rows = [judged("A_T1", 3.0), judged("A_T2", 5.0), judged("B", None)]
    found = figures(rows, {"B alone": ["B"]}, {"A_T1": "A", "A_T2": "A", "B": "B"})
    model = read_model(SHIPPED)
    phantoms, patients = (card(dataclasses.replace(model, labels=kind), found, (), {}) for kind in ("truth", "reader"))
    assert "| all | network | 3 (phantoms: 2) |" in phantoms
    assert "| all | network | 3 (patients: 2) |" in patients
    assert "| 4.0 (4.0 to 4.0) [2 of 3] |" in patients
    assert "| B alone | network | 1 | 0.000 (0.000 to 0.000) | – [0 of 1] | 0.000 (0.000 to 0.000) |" in patients
    assert "patients are drawn with all their cases" in patients


def test_the_shipped_card_counts_phantoms_and_not_images() -> None:
    text = (SHIPPED / "card.md").read_text()
    assert "| all | network | 20 (phantoms: 10) |" in text
    assert "`uptake.phantom` has changed since" in text
