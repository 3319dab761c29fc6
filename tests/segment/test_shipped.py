"""The network that comes with the package: what it is, and that it finds lesions in phantoms and real studies."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import uptake
from uptake.cohort.judging import judge
from uptake.io.nifti import read_mask
from uptake.io.store import Cohort
from uptake.phantom import make, truth_on
from uptake.preprocess.bias import estimate_fields
from uptake.preprocess.harmonise import harmonise
from uptake.preprocess.resample import resample_mask
from uptake.segment.inference import Predict, opened, predicted
from uptake.segment.model import Model, read_model, unseen_members
from uptake.segment.windows import Run
from uptake.study import Refusal
from uptake.verbs import predict
from uptake.verbs.predicting import SHIPPED
from uptake.volume import Volume

LARGEST_BYTES = 10_000_000


@pytest.fixture(scope="module")
def model() -> Model:
    return read_model(SHIPPED)


@pytest.fixture(scope="module")
def network(model: Model) -> Run:
    pytest.importorskip("onnxruntime", reason="the extra 'infer' is not installed")
    return opened(SHIPPED / "0-0", model.recipe, "onnx", threads=1)


def test_all_of_it_has_ten_megabytes_at_most() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) <= LARGEST_BYTES


def test_its_card_says_what_it_was_made_of_how_good_it_is_and_what_it_is_not_for() -> None:
    card = (SHIPPED / "card.md").read_text()
    for words in (
        "# Model uptake-phantoms", "For research only", "phantoms", "it is no medical device", "Apache-2.0",
        "## Figures on tested cases", "HD95", "## Real studies", "ISPY1_1001", "`spacing_mm = 2.0`",
    ):  # fmt: skip
        assert words in card, words


def test_no_text_of_it_holds_a_path() -> None:
    for path in SHIPPED.rglob("*"):
        if path.suffix in {".json", ".csv", ".md"}:
            assert not re.search(r"(?<![\w.*])/[a-z]+/", path.read_text()), path.name


def test_a_phantom_that_it_was_trained_on_is_refused_and_one_held_out_and_a_stranger_are_not(model: Model) -> None:
    inner = model.folds.outer[0].inner[0]
    for seen in (inner.train[0], inner.validation[0]):
        with pytest.raises(Refusal, match=f"has seen patient {seen}"):
            unseen_members(model, seen)
    assert unseen_members(model, model.folds.outer[0].test[0]) == model.members
    assert unseen_members(model, "PHANTOM-0001") == model.members


@pytest.mark.parametrize("seed", [501, 502])
def test_it_finds_the_lesion_of_a_phantom_that_nobody_trained_on(network: Run, model: Model, seed: int) -> None:
    made = make(seed=seed, size="small", lesion="mass", background="minimal", snr=20.0)
    study = harmonise(made.study, estimate_fields(made.study)).study
    found = predicted(study, None, [network], model.recipe, Predict()).mask
    truth = Volume(np.asarray(truth_on(made, study.grid)["stv"].array, dtype=np.bool_), study.grid)
    assert judge(f"seed {seed}", "network", found, truth).dice > 0.5


@pytest.mark.parametrize("study", ["ISPY1_1001", "UCSF-BR-06"])
def test_half_of_a_real_study_s_ftv_lies_in_a_prediction_of_half_a_cc_to_200_cc(
    study: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime", reason="the extra 'infer' is not installed")
    source: Any = request.getfixturevalue({"ISPY1_1001": "ispy1_dicom", "UCSF-BR-06": "br06_dicom"}[study])
    uptake.run(source, tmp_path / "cohort", jobs=1)
    (case,) = predict(tmp_path / "cohort", backend="onnx").cases
    assert case.file
    assert 0.5 <= case.file.stv_predicted_cc <= 200
    folder = Cohort(tmp_path / "cohort").case(case.case_id)
    ftv, mask = (read_mask(folder / f"masks/{name}.nii.gz") for name in ("ftv", "stv_predicted"))
    assert resample_mask(mask, ftv.grid).array[ftv.array].mean() >= 0.5
