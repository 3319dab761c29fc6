"""What would run and why, on a table of three steps made for the purpose."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from uptake.io.store import Form, Record, RefusalRecord
from uptake.pipeline.plan import Step, Todo, in_order, plan
from uptake.pipeline.settings import Settings
from uptake.pipeline.steps import SOURCES, STEPS
from uptake.tumour.ftv import Ftv


def write(folder: Path, value: Any) -> tuple[str, ...]:
    return ()


FORM = Form(write, lambda folder: None, lambda folder: None)
TABLE = (
    Step("report", lambda *_: None, ("ftv", "native"), (), FORM),
    Step("native", lambda *_: None, ("source",), ("dicom",), FORM),
    Step("ftv", lambda *_: None, ("native",), ("ftv",), FORM),
)


def planned(
    settings: Settings | None = None, records: Mapping[str, Record] | None = None, **changes: Any
) -> dict[str, Todo]:
    sources = {"source": changes.get("source", "files")}
    todos = plan(
        TABLE, settings or Settings(), sources, records or {}, changes.get("missing", {}), changes.get("code", "1")
    )
    return {todo.step.makes: todo for todo in todos}


def recorded(refusal: RefusalRecord | None = None) -> dict[str, Record]:
    return {
        name: Record(t.key, t.settings, t.inputs, "1/1", refusal=refusal if name == "ftv" else None)
        for name, t in planned().items()
    }


def reasons(todos: dict[str, Todo]) -> dict[str, str | None]:
    return {name: todo.reason for name, todo in todos.items()}


def test_steps_come_after_what_they_need() -> None:
    assert [step.makes for step in in_order(TABLE, ("source",))] == ["native", "ftv", "report"]


def test_a_name_that_no_step_makes_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'native'"):
        in_order((*TABLE, Step("map", None, ("nativ",))), ("source",))


def test_a_circle_of_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="circle"):
        in_order((Step("a", None, ("b",)), Step("b", None, ("a",))), ())


def test_everything_is_new_at_first_and_nothing_afterwards() -> None:
    assert reasons(planned()) == {"native": "new", "ftv": "new", "report": "new"}
    assert reasons(planned(records=recorded())) == {"native": None, "ftv": None, "report": None}


def test_a_changed_setting_redoes_exactly_what_depends_on_it() -> None:
    found = reasons(planned(Settings(ftv=Ftv(pe_threshold_percent=90.0)), recorded()))
    assert found["native"] is None
    assert found["ftv"] == "setting ftv.pe_threshold_percent was 70.0 and is now 90.0"
    assert found["report"] == "ftv changed"


def test_changed_files_redo_everything_after_them() -> None:
    found = reasons(planned(records=recorded(), source="other files"))
    assert found == {"native": "source changed", "ftv": "native changed", "report": "ftv changed; native changed"}


def test_another_version_of_the_code_redoes_everything() -> None:
    found = reasons(planned(records=recorded(), code="2"))
    assert found["native"] == "code 1/1 is now 2/1"


def test_a_missing_file_redoes_its_step_only() -> None:
    found = reasons(planned(records=recorded(), missing={"ftv": ("masks/ftv.nii.gz",)}))
    assert found == {"native": None, "ftv": "missing or changed: masks/ftv.nii.gz", "report": None}


@pytest.mark.parametrize(
    ("code", "again"), [("too-few-phases", False), ("worker-died", True), ("internal-failure", True)]
)
def test_a_refusal_of_the_input_stands_and_a_failure_of_the_run_is_tried_again(code: str, again: bool) -> None:
    found = reasons(planned(records=recorded(RefusalRecord(code, "", "", ""))))
    assert (found["ftv"] is not None) == again


def test_the_table_of_the_project_is_complete_and_without_circles() -> None:
    names = [step.makes for step in in_order(STEPS, tuple(SOURCES))]
    assert set(names) == {step.makes for step in STEPS}
    assert len(names) == len(STEPS)


def test_the_ftv_is_made_of_raw_intensities() -> None:
    """Nothing that the FTV depends on is harmonised."""
    made = {step.makes: step for step in STEPS}
    todo, seen = ["ftv"], set()
    while todo:
        name = todo.pop()
        seen.add(name)
        todo += [need for need in (made[name].needs if name in made else ()) if need not in seen]
    assert "harmonised" not in seen
    assert "bias" not in seen
