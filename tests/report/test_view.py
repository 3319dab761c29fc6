from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from uptake.report import CaseView
from uptake.volume import Grid, Volume


def test_maps_on_another_grid_are_no_case_view(view: CaseView) -> None:
    other = Grid(view.study.grid.shape, np.eye(4))
    with pytest.raises(ValueError, match="acquired grid"):
        replace(view, ser=Volume(view.ser.array, other))


@pytest.mark.parametrize("name", ["ftv_pe", "stv"])
def test_a_mask_that_is_not_of_bool_is_no_case_view(view: CaseView, name: str) -> None:
    numbers = Volume(view.ftv_pe.array.astype(np.uint8), view.study.grid)
    with pytest.raises(ValueError, match="are masks"):
        replace(view, **{name: numbers})
