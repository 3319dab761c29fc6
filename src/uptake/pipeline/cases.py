"""One case as a task that any process can do: in this one, in a pool, on a cluster."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from uptake.io.dicom.scan import StudySource
from uptake.io.given import MODEL_MASKS, TRUTH_MASKS, VOI_FILE, VOI_MASK, GivenVoi, load_stv, write_given
from uptake.io.store import CaseRecord, Cohort, RefusalRecord
from uptake.pipeline.plan import Todo
from uptake.pipeline.readers import masks_current, reader_input, readings, voi_input, write_masks
from uptake.pipeline.runner import ABSENT, Input, Place, file_key, run_steps, todo
from uptake.pipeline.settings import Settings
from uptake.pipeline.steps import STEPS, CaseSource
from uptake.study import Code, Refusal

_begun = itertools.count()


@dataclass(frozen=True)
class CaseTask:
    """One case to be made: small, and sent to whichever process makes it. threads: steps of it at once."""

    cohort: Path
    case_id: str
    settings: Settings
    source: StudySource | None = None
    threads: int = 1


@dataclass(frozen=True)
class CaseResult:
    """What became of one case in one run."""

    case_id: str
    done: tuple[str, ...] = ()
    awaits: tuple[str, ...] = ()
    refusal: RefusalRecord | None = None
    seconds: float = 0.0


def make_case(task: CaseTask, on_step: Callable[[str], None] = lambda _: None) -> CaseResult:
    """Make what is missing of a case. Never raises for what is wrong with the case itself."""
    import scipy.ndimage
    import scipy.sparse  # noqa: F401 (here, since two steps beside each other must not begin to import one library)

    if next(_begun):
        gc.collect()  # volumes of the case before hang in cycles: few objects, so that Python would wait, but large
    cohort = Cohort(task.cohort)
    record = _with_source(cohort.record(task.case_id), task.source)
    place = _place(cohort, record)
    try:
        inputs = case_inputs(cohort, record, task.settings, task.source)
        run = run_steps(STEPS, place, task.settings, inputs, on_step, threads=task.threads)
        if run.refusal is None:
            write_masks(readings(cohort, task.case_id), task.settings.resample)
    except Refusal as error:  # the record itself could not be written
        return CaseResult(
            task.case_id, refusal=RefusalRecord(error.code.value, error.found, error.allowed, error.remedy)
        )
    return CaseResult(task.case_id, run.done, run.awaits, run.refusal, run.seconds)


def finished_case(task: CaseTask) -> CaseResult | None:
    """The result of a case that has nothing to do, its standing refusal included; None where there is work."""
    cohort = Cohort(task.cohort)
    if not masks_current(readings(cohort, task.case_id)):
        return None
    todos = case_todo(cohort, task.case_id, task.settings, task.source)
    awaits = tuple(t.step.awaits for t in todos if t.awaited and t.key == ABSENT)
    for item in todos:
        if item.reason:
            return None
        if item.record and item.record.refusal:
            return CaseResult(task.case_id, awaits=awaits, refusal=item.record.refusal)
    return CaseResult(task.case_id, awaits=awaits)


def case_todo(
    cohort: Cohort,
    case_id: str,
    settings: Settings,
    source: StudySource | None = None,
    voi: GivenVoi | None = None,
) -> tuple[Todo, ...]:
    """What would be done of a case, and why; `voi`: as if this one had been given."""
    record = _with_source(cohort.record(case_id), source)
    inputs = case_inputs(cohort, record, settings, source)
    if voi is not None:
        inputs["roi"] = Input(_voi_key(voi))
    return todo(STEPS, _place(cohort, record), settings, inputs)


def case_inputs(cohort: Cohort, record: CaseRecord, settings: Settings, source: StudySource | None) -> dict[str, Input]:
    """What a case gets from outside: its files, a given VOI, a phantom's truth, a reader's approved mask."""
    folder, done = cohort.case(record.case_id), readings(cohort, record.case_id)
    return {
        "source": Input(record.source_key or ABSENT, lambda: _source(record, source)),
        "roi": voi_input(done),
        "truth": Input(file_key(folder / TRUTH_MASKS[0]), lambda: load_stv(folder, TRUTH_MASKS)),
        "model": Input(file_key(folder / MODEL_MASKS[0]), lambda: load_stv(folder, MODEL_MASKS)),
        "reader": reader_input(done, settings.resample),
    }


def _given_key(folder: Path) -> str:
    return file_key(folder / VOI_FILE, folder / VOI_MASK)


def _voi_key(voi: GivenVoi) -> str:
    """The key that a VOI will have once it is kept in its case."""
    with TemporaryDirectory() as folder:
        write_given(Path(folder), voi)
        return _given_key(Path(folder))


def _with_source(record: CaseRecord, source: StudySource | None) -> CaseRecord:
    if source is None:
        return record
    name = source.files[0].name.partition("/")[0] if source.files else None
    return replace(record, study_uid=source.study_uid, source_key=source.digest, source=name)


def _place(cohort: Cohort, record: CaseRecord) -> Place:
    return Place(
        cohort.case(record.case_id),
        record.results,
        lambda results: cohort.write_record(replace(record, results=dict(results))),
    )


def _source(record: CaseRecord, source: StudySource | None) -> CaseSource:
    if source is None:
        raise Refusal(
            Code.NO_STUDY,
            found="the study has to be read again, and its files were not given to this run",
            allowed="the folder or zip that the case was made from",
            remedy="run again with the SOURCE of this case",
        )
    return CaseSource(record.case_id, source)
