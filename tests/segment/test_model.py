"""`train` and `predict` on a cohort: folds, models, who may predict whom, what is refused."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from uptake.cohort.folds import only
from uptake.io.nifti import read_mask, read_volume, write_volume
from uptake.io.store import Cohort
from uptake.io.tables import read_csv
from uptake.io.values import write_value
from uptake.segment.cases import training_case, voi_of
from uptake.segment.model import read_model, unseen_members, write_model
from uptake.segment.recipes import Recipe, named_recipe
from uptake.study import Code, CohortError, Refusal, SettingsError
from uptake.tumour.voi import VoiChoice
from uptake.verbs import predict, train
from uptake.volume import Grid, Volume

SMALL = {"network": "resunet", "filters": 2, "patch": 32, "patches_per_case": 2, "epochs": 2, "rate": 0.03}


@pytest.fixture(scope="module")
def trained(torch: Any, cohort_of_balls: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort with a model of two outer and two inner folds."""
    folder = tmp_path_factory.mktemp("trained") / "cohort"
    shutil.copytree(cohort_of_balls, folder)
    result = train(folder, labels="truth", name="small", outer=2, inner=2, **SMALL)
    assert result.ok
    return folder


@pytest.fixture
def cohort(trained: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return shutil.copytree(trained, tmp_path / "cohort")


@pytest.fixture
def untrained(cohort_of_balls: Path, tmp_path: Path) -> Path:
    return shutil.copytree(cohort_of_balls, tmp_path / "cohort")


def test_folds_are_planned_without_masks_and_without_torch(untrained: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    shutil.rmtree(untrained / "cases/B1/masks")
    train(untrained, plan_only=True)
    plain = json.loads((untrained / "folds.json").read_text())
    assert set(plain) == {"outer"}
    for outer in plain["outer"]:
        assert set(outer) == {"test", "inner"}
        for inner in outer["inner"]:
            everyone = outer["test"] + inner["train"] + inner["validation"]
            assert sorted(everyone) == ["B1", "B2_T1", "B2_T2", "B3", "B4"]
            assert ("B2_T1" in outer["test"]) == ("B2_T2" in outer["test"])


def test_a_refused_case_is_in_no_fold(untrained: Path) -> None:
    record = Cohort(untrained).record("B1")
    refused = dataclasses.replace(record.results["harmonised"], refusal=_refusal())
    Cohort(untrained).write_record(dataclasses.replace(record, results={"harmonised": refused}))
    assert "B1" not in train(untrained, plan_only=True).folds.case_ids


def test_training_without_torch_says_what_to_install(untrained: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match="make torch"):
        train(untrained, labels="truth")


def test_a_model_has_its_folds_logs_figures_and_card(trained: Path) -> None:
    folder = trained / "models/small"
    model = read_model(folder)
    assert [member.name for member in model.members] == ["0-0", "0-1", "1-0", "1-1"]
    for member in model.members:
        assert len(read_csv(folder / member.name / "log.csv")) == 2
    judged = read_csv(folder / "judged.csv")
    assert {row["method"] for row in judged} == {"model", "FTV (PE rule)", "STV proposal (FTV cleaned)"}
    assert sorted(row["case_id"] for row in judged if row["method"] == "model") == list(model.folds.case_ids)
    card = (folder / "card.md").read_text()
    for words in ("# Model small", "Wilcoxon", "GE Discovery", "never saw", "For research only", "phantoms' truth"):
        assert words in card
    losses = [float(row["validation_loss"]) for row in read_csv(folder / "0-0/log.csv")]
    assert f"| 0-0 | 2 | {1 + losses.index(min(losses))} | {min(losses):.4f} |" in card
    assert not (folder / "cache").exists()


def test_the_cohort_s_page_leads_to_the_model_s(trained: Path) -> None:
    page = (trained / "report/index.html").read_text()
    assert '<a href="../models/small/report.html">Network small</a>' in page
    assert (trained / "models/small/report.html").is_file()


def test_the_ftv_baseline_is_judged_right(trained: Path) -> None:
    """The FTV is the ball of radius 4 inside the ball of radius 6: its Dice follows from the counted voxels."""
    row = next(r for r in read_csv(trained / "models/small/judged.csv") if r["method"] == "FTV (PE rule)")
    case = trained / "cases" / row["case_id"]
    inner, ball = (read_mask(case / name).array.sum() for name in ("masks/ftv_pe.nii.gz", "masks/stv_truth.nii.gz"))
    assert float(row["dice"]) == pytest.approx(2 * inner / (inner + ball))


def test_no_text_of_a_model_holds_a_path_or_a_time(trained: Path) -> None:
    for path in (trained / "models").rglob("*"):
        if path.suffix in {".json", ".csv", ".md", ".html"}:
            assert str(trained.parent) not in path.read_text()


def test_a_second_training_does_nothing_and_gives_the_same(cohort: Path) -> None:
    def files() -> dict[str, bytes]:
        names = [path for path in (cohort / "models").rglob("*") if path.is_file() and "events" not in path.name]
        return {str(path): path.read_bytes() for path in names}

    before = files()
    events: list[str] = []
    train(cohort, labels="truth", name="small", outer=2, inner=2, on_event=lambda e: events.append(e.kind), **SMALL)
    assert "epoch" not in events
    assert files() == before


def test_another_recipe_under_the_same_name_is_refused(cohort: Path) -> None:
    result = train(cohort, labels="truth", name="small", outer=2, inner=2, **{**SMALL, "rate": 0.02})
    assert not result.ok
    assert {item.refusal.code for item in result.results if item.refusal} == {Code.MODEL}


def test_a_case_of_the_training_cohort_is_predicted_by_networks_that_never_saw_it(cohort: Path) -> None:
    model = read_model(cohort / "models/small")
    result = predict(cohort, model="small", backend="onnx")
    assert result.ok
    for case in result.cases:
        assert case.file
        for name in case.file.networks:
            outer = model.folds.outer[int(name.partition("-")[0])]
            assert case.case_id in outer.test
        assert len(case.file.networks) == 2


def test_a_prediction_has_masks_on_both_grids_a_probability_and_an_uncertainty(cohort: Path) -> None:
    predict(cohort, model="small", cases=["B1"], backend="onnx")
    case = cohort / "cases/B1"
    mask, acquired = (read_mask(case / f"masks/stv_predicted{end}.nii.gz") for end in ("", "_acquired"))
    probability = read_volume(case / "maps/stv_probability.nii.gz")
    plain = json.loads((case / "masks/stv_predicted.json").read_text())
    assert mask.grid.same_as(probability.grid)
    assert acquired.grid.same_as(read_volume(case / "native/B1_0000.nii.gz").grid)
    assert probability.array[mask.array].min(initial=1.0) >= 0.5
    assert 0 <= plain["uncertainty"] <= 1
    assert plain["stv_predicted_voxels"] == int(mask.array.sum())
    assert len(plain["members_cc"]) == 2


def test_what_was_predicted_is_not_predicted_again_until_something_changes(cohort: Path) -> None:
    def made(**settings: Any) -> bool:
        return predict(cohort, model="small", cases=["B3"], backend="onnx", **settings).cases[0].made

    assert [made(), made(), made(threshold=0.4), made(threshold=0.4)] == [True, False, True, False]
    (cohort / "cases/B3/maps/stv_probability.nii.gz").unlink()
    assert made(threshold=0.4)
    record = Cohort(cohort).record("B3")
    again = dataclasses.replace(record.results["harmonised"], key="other images")
    Cohort(cohort).write_record(dataclasses.replace(record, results={"harmonised": again}))
    assert made(threshold=0.4)


def test_a_dry_run_predicts_nothing(cohort: Path) -> None:
    result = predict(cohort, model="small", dry_run=True)
    assert all(case.made and case.file is None for case in result.cases)
    assert not list(cohort.rglob("stv_predicted*"))


def test_a_case_without_images_is_refused_and_the_others_are_predicted(cohort: Path) -> None:
    record = Cohort(cohort).record("B4")
    Cohort(cohort).write_record(dataclasses.replace(record, results={}))
    result = predict(cohort, model="small", cases=["B3", "B4"], backend="onnx")
    assert [case.refusal.code if case.refusal else None for case in result.cases] == [None, Code.NO_STUDY]


def test_a_patient_whom_every_network_saw_is_refused_and_a_stranger_gets_all(trained: Path) -> None:
    model = read_model(trained / "models/small")
    assert unseen_members(model, "stranger") == model.members
    blind = dataclasses.replace(
        model, folds=dataclasses.replace(model.folds, outer=(dataclasses.replace(model.folds.outer[0], test=()),))
    )
    with pytest.raises(Refusal, match="has seen patient B2"):
        unseen_members(blind, "B2")


def test_another_visit_of_a_trained_patient_counts_as_seen(trained: Path) -> None:
    model = read_model(trained / "models/small")
    outer = next(number for number, fold in enumerate(model.folds.outer) if "B2_T1" in fold.test)
    assert {member.outer for member in unseen_members(model, "B2")} == {outer}


def test_a_model_that_took_visits_for_patients_has_seen_all_visits_that_it_was_trained_on(trained: Path) -> None:
    model = read_model(trained / "models/small")
    told = dataclasses.replace(model, patients={case: case for case in model.patients})
    assert unseen_members(told, "B2", "B2_T3") == unseen_members(model, "B2")


def test_a_case_whose_owner_a_table_named_is_known_by_its_own_name(trained: Path) -> None:
    model = read_model(trained / "models/small")
    one, other = (outer.test[0] for outer in model.folds.outer)
    told = dataclasses.replace(model, patients={**model.patients, one: "Anna", other: "Anna"})
    with pytest.raises(Refusal, match="every network of small has seen"):
        unseen_members(told, "by its name", one)


@pytest.mark.parametrize("spoil", ["network", "json", "form", "gone"])
def test_a_damaged_model_is_refused(cohort: Path, spoil: str) -> None:
    folder = cohort / "models/small"
    if spoil == "network":
        (folder / "1-0/network.onnx").write_bytes(b"half")
    elif spoil == "json":
        (folder / "model.json").write_text('{"format": 1')
    elif spoil == "form":
        write_value({**json.loads((folder / "model.json").read_text()), "format": 99}, folder / "model.json")
    else:
        (folder / "model.json").unlink()
    with pytest.raises(Refusal) as refused:
        predict(cohort, model="small")
    assert refused.value.code is Code.MODEL


def test_a_model_survives_being_written_and_read(trained: Path, tmp_path: Path) -> None:
    model = read_model(trained / "models/small")
    shutil.copytree(trained / "models/small", tmp_path / "copy")
    write_model(tmp_path / "copy", model)
    assert read_model(tmp_path / "copy") == model


def test_no_model_and_unknown_models_make_no_sense(cohort: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("uptake.verbs.predicting.SHIPPED", tmp_path)
    with pytest.raises(SettingsError, match="--model"):
        predict(cohort)
    with pytest.raises(SettingsError, match="the cohort has small"):
        predict(cohort, model="large")
    with pytest.raises(CohortError):
        predict(tmp_path, model="small")


def test_cases_without_a_mask_or_with_an_empty_one_are_left_out_and_named(torch: Any, untrained: Path) -> None:
    (untrained / "cases/B1/masks/stv_truth.nii.gz").unlink()
    mask = read_mask(untrained / "cases/B3/masks/stv_truth.nii.gz")
    write_volume(mask.with_array(np.zeros_like(mask.array)), untrained / "cases/B3/masks/stv_truth.nii.gz")
    result = train(untrained, labels="truth", dry_run=True, test=False)
    assert result.left_out == {"B1": "no label", "B3": "an empty label"}
    assert result.folds.case_ids == ("B2_T1", "B2_T2", "B4")


def test_a_cohort_without_any_mask_is_refused(untrained: Path) -> None:
    with pytest.raises(Refusal) as refused:
        train(untrained, labels="reader")
    assert refused.value.code is Code.LABELS
    assert "uptake import" in refused.value.remedy


def test_planned_folds_are_used_and_a_side_that_lost_its_labels_is_refused(torch: Any, untrained: Path) -> None:
    plan = train(untrained, plan_only=True, outer=2, inner=2).folds
    assert train(untrained, labels="truth", dry_run=True).folds == plan
    for case in plan.outer[0].inner[0].validation:
        (untrained / "cases" / case / "masks/stv_truth.nii.gz").unlink()
    with pytest.raises(Refusal, match="no case with a lesion to validation"):
        train(untrained, labels="truth", dry_run=True)


def test_folds_of_the_user_s_own_that_leak_are_refused(untrained: Path, tmp_path: Path) -> None:
    leaky = {"outer": [{"test": ["B2_T1"], "inner": [{"train": ["B2_T2", "B1", "B3"], "validation": ["B4"]}]}]}
    write_value(leaky, tmp_path / "own.json")
    with pytest.raises(Refusal, match="patient B2 is in test and in train"):
        train(untrained, labels="truth", folds=tmp_path / "own.json", dry_run=True)
    with pytest.raises(SettingsError, match="no file of folds"):
        train(untrained, labels="truth", folds=tmp_path / "none.json", dry_run=True)


def test_a_table_says_whose_each_case_is_where_names_do_not(untrained: Path, tmp_path: Path) -> None:
    table = tmp_path / "patients.csv"
    table.write_text("case_id,patient,age\nB1,Anna,50\nB2_T1,B2,40\nB2_T2,B2,41\nB3,Anna,51\nB4,B4,60\nX,Y,1\n")
    for outer in train(untrained, plan_only=True, patients=table).folds.outer:
        assert ("B1" in outer.test) == ("B3" in outer.test)
        assert all(("B1" in inner.train) == ("B3" in inner.train) for inner in outer.inner)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("case_id,patient\nB1,A\n", "says nothing of B2_T1, B2_T2, B3"),
        ("case_id,patient\nB1,A\nB1,B\n", "gives B1 to two patients"),
        ("case_id,patient\nB1,\n", "needs the columns case_id and patient"),
        ("case,patient\nB1,A\n", "needs the columns case_id and patient"),
        (None, "no file of patients"),
    ],
)
def test_a_table_that_does_not_say_whose_every_case_is_makes_no_sense(
    untrained: Path, tmp_path: Path, text: str | None, words: str
) -> None:
    if text is not None:
        (tmp_path / "patients.csv").write_text(text)
    with pytest.raises(SettingsError, match=words):
        train(untrained, plan_only=True, patients=tmp_path / "patients.csv")


def test_a_case_of_too_few_phases_is_left_out_and_named(untrained: Path) -> None:
    (untrained / "cases/B3/harmonised/B3_0002.nii.gz").unlink()
    result = train(untrained, labels="truth", dry_run=True, test=False)
    assert result.left_out == {"B3": "2 harmonised phases, not 3"}
    assert "B3" not in result.folds.case_ids
    for path in untrained.glob("cases/*/harmonised/*_0002.nii.gz"):
        path.unlink()
    with pytest.raises(Refusal) as refused:
        train(untrained, labels="truth", dry_run=True)
    assert refused.value.code is Code.LABELS
    assert "2 harmonised phases, not 3: 5" in refused.value.found


def test_some_cases_of_planned_folds_can_be_trained_on_as_the_remedy_for_a_speck_says(untrained: Path) -> None:
    plan = train(untrained, plan_only=True, outer=2, inner=2).folds
    kept = [case for case in plan.case_ids if case != "B2_T1"]
    found = train(untrained, labels="truth", cases=kept, dry_run=True).folds
    assert found == only(plan, kept)
    assert train(untrained, labels="truth", dry_run=True).folds == plan


@pytest.mark.parametrize("prompt", [True, False])
def test_another_voi_makes_another_training_case_where_the_voi_is_a_channel(
    untrained: Path, tmp_path: Path, prompt: bool
) -> None:
    def key(*voi: tuple[int, int, int]) -> str:
        write_value(VoiChoice("study", "box", *voi), untrained / "cases/B1/voi.json")
        recipe = dataclasses.replace(named_recipe("ours"), patch=32, prompt=prompt)
        return training_case(Cohort(untrained), "B1", "truth", recipe, tmp_path).key

    first, again, other = key((2, 3, 4), (20, 20, 20)), key((2, 3, 4), (20, 20, 20)), key((2, 3, 4), (20, 20, 21))
    assert first == again
    assert (first != other) == prompt


@pytest.mark.parametrize("wrong", [{"labels": "guess"}, {"recipe": "theirs"}, {"name": "../up"}, {"cases": ["X"]}])
def test_requests_that_make_no_sense_are_refused(torch: Any, untrained: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        train(untrained, **{"labels": "truth", **wrong})


def test_unknown_settings_of_a_recipe_are_named(untrained: Path) -> None:
    with pytest.raises(SettingsError, match="did you mean 'epochs'"):
        train(untrained, labels="truth", epoch=3)
    with pytest.raises(SettingsError, match=r"recipe\.rate must be a number"):
        train(untrained, labels="truth", rate="fast")


def test_a_label_on_another_grid_is_refused(torch: Any, untrained: Path) -> None:
    other = Volume(np.ones((5, 5, 5), bool), Grid((5, 5, 5), np.eye(4)))
    write_volume(other, untrained / "cases/B1/masks/stv_truth.nii.gz")
    with pytest.raises(Refusal, match="B1 has no truth's mask"):
        train(untrained, labels="truth", **SMALL)


def test_a_label_that_is_gone_on_the_networks_coarser_voxels_is_refused(torch: Any, untrained: Path) -> None:
    path = untrained / "cases/B1/masks/stv_truth.nii.gz"
    mask = read_mask(path)
    speck = np.zeros_like(mask.array)
    speck[4, 4, 4] = True
    write_volume(mask.with_array(speck), path)
    with pytest.raises(Refusal, match=r"B1 \(0.001 cc\) fills no block of 4 mm by half"):
        train(untrained, labels="truth", **{**SMALL, "spacing_mm": 4.0})


def test_a_voi_that_a_person_chose_is_read_and_an_automatic_one_is_not(untrained: Path) -> None:
    """Columns 2-5, rows 3-6 from the top, slices 4-7 of 36 x 34 x 32: rows are counted from the bottom in arrays."""
    grid = Grid((36, 34, 32), np.eye(4))
    case = untrained / "cases/B1"
    write_value(VoiChoice("study", "box", (2, 3, 4), (5, 6, 7)), case / "voi.json")
    found = voi_of(Cohort(untrained), "B1", grid)
    assert found is not None
    wanted = np.zeros(grid.shape, bool)
    wanted[2:6, 34 - 7 : 34 - 3, 4:8] = True
    assert np.array_equal(found, wanted)
    write_value(VoiChoice("automatic", "box", (2, 3, 4), (5, 6, 7)), case / "voi.json")
    assert voi_of(Cohort(untrained), "B1", grid) is None


def test_a_training_with_a_prompt_knows_when_the_box_was_changed(untrained: Path, tmp_path: Path) -> None:
    recipes = [Recipe(patch=32, prompt=prompt) for prompt in (True, False)]
    keys = []
    for end in ((5, 6, 7), (6, 6, 7)):
        write_value(VoiChoice("study", "box", (2, 3, 4), end), untrained / "cases/B1/voi.json")
        keys.append([training_case(Cohort(untrained), "B1", "truth", r, tmp_path / "cache").key for r in recipes])
    assert keys[0][0] != keys[1][0]
    assert keys[0][1] == keys[1][1]


def _refusal() -> Any:
    from uptake.io.store import RefusalRecord

    return RefusalRecord("all-zero-voxels", "zeros", "signal", "scan again")
