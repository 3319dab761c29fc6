"""Whose structural tumour volume counts: the reader's, else the truth, else the network's, else the proposal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from uptake.io.forms import StvFiles
from uptake.io.given import StvMask
from uptake.pipeline.steps import choose_stv
from uptake.preprocess.harmonise import Harmonised
from uptake.preprocess.normalise import Statistics
from uptake.study import Code, Phase, Refusal, Study
from uptake.tumour.stv import StvNumbers
from uptake.volume import Grid, Volume

GRID = Grid((4, 4, 4), np.eye(4))


def mask(voxels: int, grid: Grid = GRID) -> StvMask:
    array = np.zeros(grid.shape, bool)
    array.ravel()[:voxels] = True
    return StvMask(Volume(array, grid), Volume(array, grid))


IMAGES = Harmonised(
    Study("A", (Phase(Volume(np.zeros(GRID.shape, np.float32), GRID), 0.0),)), Statistics(0, 1, 1, "plain", 0, 1)
)
PROPOSAL = StvFiles(mask(4).isotropic, mask(4).acquired, StvNumbers(4, 0.004, 0.0, None, 1, ()))


@pytest.mark.parametrize(
    ("given", "source", "voxels"),
    [
        ({"reader": mask(1), "truth": mask(2), "model": mask(3)}, "reader", 1),
        ({"truth": mask(2), "model": mask(3)}, "truth", 2),
        ({"model": mask(3)}, "model", 3),
        ({"model": mask(0)}, "proposal", 4),
        ({"reader": mask(0), "model": mask(3)}, "reader", 0),
        ({}, "proposal", 4),
    ],
)
def test_the_best_mask_that_is_there_counts(given: dict[str, Any], source: str, voxels: int) -> None:
    chosen = choose_stv(PROPOSAL, IMAGES, given.get("reader"), given.get("truth"), given.get("model"))
    assert (chosen.source, int(chosen.isotropic.array.sum())) == (source, voxels)


def test_a_prediction_from_before_the_grid_changed_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        choose_stv(PROPOSAL, IMAGES, None, None, mask(1, Grid((5, 4, 4), np.eye(4))))
    assert refused.value.code is Code.MASK_GRID
    assert "predict it again" in refused.value.remedy
