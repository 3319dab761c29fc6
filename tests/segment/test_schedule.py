"""The schedules' values are those of GaNDLF's formulas, worked out by hand."""

from __future__ import annotations

import dataclasses

import pytest

from uptake.segment.recipes import PAPER, RECIPES
from uptake.segment.schedule import factor, triangle, triangle_modified, triangular


@pytest.mark.parametrize(
    ("step", "value"), [(0, 1.0), (1, 0.9001), (5, 0.5005), (10, 0.001), (15, 0.5005), (20, 1.0), (30, 0.001)]
)
def test_a_triangle_of_step_size_10_falls_to_a_thousandth_and_comes_back(step: int, value: float) -> None:
    assert triangle(step, 10) == pytest.approx(value, abs=1e-12)


def test_gandlf_s_default_step_size_is_flat() -> None:
    """The step size of 0.0.14 is rate / 5 = 0.002: the highest rate at every whole epoch."""
    assert [triangle(epoch, 0.002) for epoch in range(500)] == pytest.approx([1.0] * 500, abs=1e-9)


@pytest.mark.parametrize(("step", "value"), [(0, 1.0), (5, 0.5005), (10, 0.001), (20, 1.0)])
def test_the_modified_triangle_has_the_same_range_in_a_cycle_of_20(step: int, value: float) -> None:
    assert triangle_modified(step, 20) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(("step", "value"), [(0, 0.001), (5, 0.5005), (10, 1.0), (20, 0.001)])
def test_the_cyclic_triangle_starts_at_the_bottom(step: int, value: float) -> None:
    assert triangular(step, 10) == pytest.approx(value, abs=1e-12)


def test_the_cyclic_triangle_is_pytorch_s(torch: object) -> None:
    from torch import nn, optim

    optimiser = optim.SGD(nn.Linear(1, 1).parameters(), lr=0.01)
    theirs = optim.lr_scheduler.CyclicLR(optimiser, 1e-5, 0.01, step_size_up=7, cycle_momentum=False)
    for step in range(30):
        assert 0.01 * triangular(step, 7) == pytest.approx(theirs.get_last_lr()[0], rel=1e-9)
        optimiser.step()
        theirs.step()


def test_the_paper_s_rate_goes_from_0_01_to_a_thousandth_of_it() -> None:
    rates = [PAPER.rate * factor(PAPER, epoch) for epoch in range(PAPER.epochs)]
    assert max(rates) == pytest.approx(0.01)
    assert min(rates) == pytest.approx(1e-5)
    assert rates.index(min(rates)) == 25


def test_our_rate_falls_to_nothing_at_the_end() -> None:
    ours = RECIPES["ours"]
    assert factor(ours, 0) == 1
    assert factor(ours, ours.epochs // 2) == pytest.approx(0.5**0.9)
    assert factor(dataclasses.replace(ours, schedule="constant"), 99) == 1
    for name in ("triangle-modified", "triangular"):
        assert factor(dataclasses.replace(ours, schedule=name), 25) in (pytest.approx(0.001), pytest.approx(1.0))
