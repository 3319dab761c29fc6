"""The runner on a table of its own: what is kept, read back, recorded, refused, forgotten."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from uptake.io.store import Form, Record
from uptake.pipeline.plan import Step
from uptake.pipeline.runner import ABSENT, Input, Place, Run, file_key, run_steps
from uptake.pipeline.settings import Settings
from uptake.study import Code, Refusal


def text_form(name: str) -> Form:
    def write(folder: Path, value: str) -> tuple[str, ...]:
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(value)
        return (name,)

    def read(folder: Path) -> str:
        return (folder / name).read_text()

    return Form(write, read, read)


class Bench:
    """A folder with its records, and a table of two kept steps with one unkept step between them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.records, self.calls = folder, dict[str, Record](), list[str]()
        self.second: Callable[[str], str] = str.upper

    def run(self, source: str = "abc", reader: Input | None = None) -> Run:
        place = Place(self.folder, dict(self.records), self.keep)
        inputs = {"source": Input(f"key of {source}", lambda: source), "reader": reader or Input()}
        return run_steps(self.steps(), place, Settings(), inputs, self.calls.append)

    def keep(self, records: Any) -> None:
        self.records = dict(records)

    def steps(self) -> tuple[Step, ...]:
        return (
            Step("first", lambda text: text + "!", ("source",), (), text_form("first.txt")),
            Step("between", lambda text: text * 2, ("first",)),
            Step("reader", None, ("first",), awaits="a reader"),
            Step("second", lambda text, reader: self.second(text), ("between", "reader"), (), text_form("second.txt")),
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "folder")


def test_steps_run_once_and_their_values_are_kept(bench: Bench) -> None:
    run = bench.run()
    assert run.done == ("first", "second")
    assert (bench.folder / "second.txt").read_text() == "ABC!ABC!"
    assert run.awaits == ("a reader",)
    assert bench.run().done == ()
    assert bench.calls == ["first", "second"]


def test_a_value_made_before_is_read_back_for_the_steps_after_it(bench: Bench) -> None:
    bench.run()
    (bench.folder / "second.txt").unlink()
    assert bench.run().done == ("second",)
    assert (bench.folder / "second.txt").read_text() == "ABC!ABC!"


def test_a_persons_work_runs_what_depends_on_it(bench: Bench) -> None:
    bench.run()
    run = bench.run(reader=Input("drawn"))
    assert run.done == ("second",)
    assert run.awaits == ()


def test_a_refusal_is_recorded_and_stands_until_its_input_changes(bench: Bench) -> None:
    def refuse(_: str) -> str:
        raise Refusal(Code.VOI, found="nothing", allowed="something", remedy="draw")

    bench.second = refuse
    assert bench.run().refusal is not None
    again = bench.run()
    assert again.refusal is not None
    assert again.refusal.code == "voi-unusable"
    assert bench.calls == ["first", "second"]


def test_what_a_refused_step_made_before_is_removed(bench: Bench) -> None:
    bench.run()

    def refuse(_: str) -> str:
        raise Refusal(Code.VOI, found="nothing", allowed="something", remedy="draw")

    bench.second = refuse
    run = bench.run(source="other")
    assert run.refusal is not None
    assert not (bench.folder / "second.txt").exists()
    assert (bench.folder / "first.txt").read_text() == "other!"


def test_an_error_of_the_program_is_recorded_with_its_traceback_and_tried_again(bench: Bench) -> None:
    def fail(_: str) -> str:
        raise ZeroDivisionError("no")

    bench.second = fail
    run = bench.run()
    assert run.refusal is not None
    assert run.refusal.code == "internal-failure"
    assert run.refusal.found == "ZeroDivisionError in step second: no"
    assert "ZeroDivisionError" in bench.records["second"].traceback
    bench.second = str.upper
    assert bench.run().done == ("second",)


def test_a_record_says_what_was_made_of_what(bench: Bench) -> None:
    bench.run()
    record = bench.records["second"]
    assert set(record.inputs) == {"between", "reader"}
    assert record.files == {"second.txt": 8}
    assert {"python", "uptake", "numpy"} <= set(record.environment)


def test_the_key_of_files_follows_their_contents(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert file_key(one, two) == ABSENT
    one.write_text("a")
    alone = file_key(one, two)
    two.write_text("b")
    assert len({alone, file_key(one, two), ABSENT}) == 3


def refuse(_: object) -> str:
    raise Refusal(Code.VOI, found="nothing", allowed="something", remedy="draw")


def go(folder: Path, steps: tuple[Step, ...], threads: int, records: dict[str, Record] | None = None) -> Run:
    place = Place(folder, records or {}, lambda _: None)
    return run_steps(steps, place, Settings(), {"source": Input("key", lambda: "abc")}, threads=threads)


def test_steps_that_do_not_need_each_other_run_at_once(tmp_path: Path) -> None:
    both = threading.Barrier(2, timeout=10)

    def meet(text: str) -> str:
        both.wait()
        return text

    left, right = (Step(name, meet, ("source",), (), text_form(f"{name}.txt")) for name in ("left", "right"))
    assert go(tmp_path, (left, right), threads=2).done == ("left", "right")


def test_a_step_waits_for_what_it_needs_through_values_that_are_not_kept(tmp_path: Path) -> None:
    def slowly(text: str) -> str:
        time.sleep(0.1)
        return text.upper()

    steps = (
        Step("first", slowly, ("source",), (), text_form("first.txt")),
        Step("between", lambda text: text * 2, ("first",)),
        Step("second", lambda text: text + "!", ("between",), (), text_form("second.txt")),
    )
    assert go(tmp_path, steps, threads=3).done == ("first", "second")
    assert (tmp_path / "second.txt").read_text() == "ABCABC!"


def test_what_needs_a_value_does_not_wait_for_its_file(tmp_path: Path) -> None:
    needed = threading.Event()

    def write(folder: Path, value: str) -> tuple[str, ...]:
        assert needed.wait(timeout=10)
        (folder / "slow.txt").write_text(value)
        return ("slow.txt",)

    def after(text: str) -> str:
        needed.set()
        return text + "!"

    slow = replace(text_form("slow.txt"), write=write)
    steps = (Step("slow", str.upper, ("source",), (), slow), Step("after", after, ("slow",), (), text_form("a.txt")))
    run = go(tmp_path, steps, threads=2)
    assert run.done == ("slow", "after")
    assert run.refusal is None
    assert run.records["slow"].files == {"slow.txt": 3}


def test_a_file_that_cannot_be_written_is_a_failure_of_its_step(tmp_path: Path) -> None:
    def write(folder: Path, value: str) -> tuple[str, ...]:
        raise OSError("no space left")

    steps = (Step("full", str.upper, ("source",), (), replace(text_form("full.txt"), write=write)),)
    run = go(tmp_path, steps, threads=2)
    assert run.done == ()
    assert run.refusal is not None
    assert "OSError in step full: no space left" in run.refusal.found


@pytest.mark.parametrize("threads", [1, 3])
def test_after_a_refusal_only_what_needs_the_refused_is_left_undone(tmp_path: Path, threads: int) -> None:
    steps = (
        Step("refused", refuse, ("source",), (), text_form("refused.txt")),
        Step("between", str.upper, ("refused",)),
        Step("after", str.upper, ("between",), (), text_form("after.txt")),
        Step("beside", str.upper, ("source",), (), text_form("beside.txt")),
    )
    run = go(tmp_path, steps, threads)
    assert run.done == ("beside",)
    assert set(run.records) == {"refused", "beside"}
    assert [path.name for path in tmp_path.iterdir()] == ["beside.txt"]


@pytest.mark.parametrize("slow", ["voi", "mask"])
def test_of_two_refusals_the_first_of_the_table_is_given_whichever_comes_first(tmp_path: Path, slow: str) -> None:
    def refusing(name: str) -> Callable[[str], str]:
        def refused(_: str) -> str:
            time.sleep(0.1 if name == slow else 0)
            raise Refusal(Code.VOI if name == "voi" else Code.MASK_GRID, found="this", allowed="that", remedy="draw")

        return refused

    steps = tuple(Step(name, refusing(name), ("source",), (), text_form(name)) for name in ("voi", "mask"))
    run = go(tmp_path, steps, threads=2)
    assert run.refusal is not None
    assert run.refusal.code == Code.VOI.value
    assert set(run.records) == {"voi", "mask"}


def test_a_standing_refusal_holds_back_what_needs_it_and_nothing_else(tmp_path: Path) -> None:
    refused = Step("refused", refuse, ("source",), (), text_form("refused.txt"))
    records = dict(go(tmp_path, (refused,), threads=1).records)
    steps = (
        refused,
        Step("after", str.upper, ("refused",), (), text_form("after.txt")),
        Step("beside", str.upper, ("source",), (), text_form("beside.txt")),
    )
    run = go(tmp_path, steps, 2, records)
    assert run.done == ("beside",)
    assert run.refusal is not None
