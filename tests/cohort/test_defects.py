"""Every defect that a phantom can have is found by the check for it, and a flawless phantom passes all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from uptake.cohort.artefacts import bright_outside, folded_in, signal_void
from uptake.cohort.checks import Finding
from uptake.cohort.ghosting import ghosts
from uptake.phantom import Phantom, make
from uptake.preprocess.breast import Breast, breast_mask
from uptake.preprocess.foreground import foreground

CHECKS = {
    "ghosting": "ghosting",
    "bright-artefact": "bright artefact outside the body",
    "wrap-around": "straight edge at the border",
    "metal-void": "signal void",
}


def findings(phantom: Phantom) -> Iterator[Finding]:
    pre, early, _ = phantom.study.volumes
    body = pre.with_array(foreground(pre.array, pre.grid.spacing_mm))
    breast = breast_mask(pre, phantom.study.acquisition.laterality, Breast(), slice_axis=2).breast
    yield from ghosts(phantom.study.volumes, body)
    yield from bright_outside(early, body)
    yield from folded_in(pre, body)
    yield from signal_void(phantom.study.volumes, breast, body)


def warnings(phantom: Phantom) -> set[str]:
    return {finding.check for finding in findings(phantom) if finding.status != "pass"}


@pytest.mark.parametrize("view", ["sagittal", "axial"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_flawless_phantom_passes(view: str, seed: int) -> None:
    assert warnings(make(seed=seed, size="small", view=view)) == set()


@pytest.mark.parametrize("defect", CHECKS)
def test_a_defect_is_found_by_its_check(defect: str) -> None:
    assert CHECKS[defect] in warnings(make(seed=3, size="small", defects=(defect,)))


def test_a_void_is_found_in_a_breast_whose_fat_is_dark() -> None:
    assert "signal void" in warnings(make(seed=9, size="small", defects=("metal-void",)))
