"""Each check on a case that passes and on one that does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from uptake.cohort.checks import CHECKS, check_case
from uptake.study import Case, Phase, Study
from uptake.volume import Array, Grid, Volume

GRID = Grid((12, 10, 8), np.diag([1.0, 1.0, 1.0, 1.0]))
RANDOM = np.random.default_rng(5)


def study(arrays: tuple[Array, ...], grid: Grid = GRID, times: tuple[float | None, ...] = (0.0, 300.0, 600.0)) -> Study:
    return Study("case", tuple(Phase(Volume(a, grid), t) for a, t in zip(arrays, times, strict=True)))


def raw(*means: float) -> tuple[Array, ...]:
    return tuple(RANDOM.normal(mean, 5, GRID.shape) for mean in means)


def standardised() -> tuple[Array, ...]:
    arrays = np.stack(raw(100, 200, 180))
    return tuple((arrays - arrays.mean()) / arrays.std())


def mask(inside: tuple[slice, slice, slice] = (slice(3, 6),) * 3) -> Volume:
    array = np.zeros(GRID.shape, bool)
    array[inside] = True
    return Volume(array, GRID)


def case() -> Case:
    return Case(study(raw(100, 200, 180)), study(standardised()), {"ftv_pe": mask(), "stv_proposal": mask()})


def states(checked: Case) -> dict[str, str]:
    return {finding.check: finding.status for finding in check_case(checked)}


def test_a_sound_case_passes_every_check() -> None:
    found = states(case())
    assert set(found.values()) == {"pass"}
    assert len(found) >= len(CHECKS)


def saturated() -> Study:
    arrays = raw(100, 200, 180)
    arrays[1][:3] = 300
    return study(arrays)


WRONG = {
    "clipped intensities": (replace(case(), study=saturated()), "saturation", "warn"),
    "phases in the wrong order": (replace(case(), study=study(raw(200, 100, 180))), "phases in order", "fail"),
    "no times": (replace(case(), study=study(raw(1, 2, 3), times=(None,) * 3)), "phase times", "warn"),
    "unequal spacing": (
        replace(case(), harmonised=study(standardised(), Grid(GRID.shape, np.diag([1, 1, 2, 1]))), masks={}),
        "isotropic spacing", "fail",
    ),
    "intensities off": (
        replace(case(), harmonised=study(tuple(2 * a for a in standardised()))), "pooled intensity", "warn"
    ),
    "no tumour": (replace(case(), masks={"ftv_pe": mask((slice(0, 0),) * 3)}), "FTV found", "warn"),
    "tumour at the edge": (
        replace(case(), masks={"ftv_pe": mask((slice(0, 3),) * 3)}), "FTV inside the images", "warn"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_found_by_its_check(name: str) -> None:
    wrong, check, status = WRONG[name]
    assert states(wrong)[check] == status


def test_a_case_without_harmonised_images_is_checked_as_far_as_it_goes() -> None:
    found = states(replace(case(), harmonised=None))
    assert "isotropic spacing" not in found
    assert found["FTV found"] == "pass"
