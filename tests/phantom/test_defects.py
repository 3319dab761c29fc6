from __future__ import annotations

import numpy as np
import pytest

from uptake.phantom import DEFECTS, Phantom, Tissue, make
from uptake.phantom.defects import misordered

IN_IMAGES = ("ghosting", "bright-artefact", "wrap-around", "metal-void")


@pytest.fixture(scope="module")
def flawless() -> Phantom:
    return make(seed=4, size="small")


def difference(made: Phantom, flawless: Phantom, phase: int = 0) -> np.ndarray:
    one, two = (p.study.volumes[phase].array.astype(np.float64) for p in (made, flawless))
    return np.asarray(one - two)


@pytest.mark.parametrize("name", IN_IMAGES)
def test_a_defect_changes_the_study_and_not_the_truth(name: str, flawless: Phantom) -> None:
    made = make(seed=4, size="small", defects=(name,))
    assert np.abs(difference(made, flawless)).max() > 4 * flawless.sigma
    np.testing.assert_array_equal(made.stv.array, flawless.stv.array)
    for one, two in zip(made.clean.volumes, flawless.clean.volumes, strict=True):
        np.testing.assert_array_equal(one.array, two.array)


def test_bright_artefacts_lie_outside_the_breast_and_outshine_it(flawless: Phantom) -> None:
    made = make(seed=4, size="small", defects=("bright-artefact",))
    bright = difference(made, flawless) > 2 * np.percentile(flawless.clean.volumes[0].array, 99.5)
    assert bright.any()
    assert (made.tissue.array[bright] == Tissue.AIR).mean() > 0.95


def test_metal_leaves_a_hole_near_the_lesion(flawless: Phantom) -> None:
    made = make(seed=4, size="small", defects=("metal-void",))
    body = flawless.tissue.array != Tissue.AIR
    lost = (
        body
        & (flawless.clean.volumes[0].array > 12 * flawless.sigma)
        & (made.study.volumes[0].array < 5 * flawless.sigma)
    )
    assert lost.any()


def test_what_wraps_around_lies_at_one_end_of_the_phase_encoding(flawless: Phantom) -> None:
    made = make(seed=4, size="small", defects=("wrap-around",))
    changed = np.abs(difference(made, flawless)).max(axis=(0, 2)) > 8 * flawless.sigma
    rows = np.flatnonzero(changed)
    assert rows.size
    assert rows.max() <= 0.25 * changed.size


def test_ghosts_differ_from_phase_to_phase(flawless: Phantom) -> None:
    made = make(seed=4, size="small", defects=("ghosting",))
    first, second = (difference(made, flawless, phase) for phase in (0, 1))
    assert abs(first.sum() - second.sum()) > 0.02 * abs(first.sum())


def test_exchanged_phases_keep_their_times(flawless: Phantom) -> None:
    made = make(seed=4, size="small", defects=("swapped-phases",))
    assert [phase.time_s for phase in made.study.phases] == [phase.time_s for phase in flawless.study.phases]
    for one, two in ((0, 0), (1, 2), (2, 1)):
        np.testing.assert_array_equal(made.study.volumes[one].array, flawless.study.volumes[two].array)


def test_a_missing_phase_is_the_last_one(flawless: Phantom) -> None:
    made = make(seed=4, size="small", defects=("missing-phase",))
    assert len(made.study.phases) == 2
    assert len(made.clean.phases) == 3


def test_several_defects_come_together() -> None:
    assert misordered("abc", ("swapped-phases", "missing-phase")) == ["a", "c"]
    assert misordered("abcd", ()) == list("abcd")
    assert set(IN_IMAGES) < set(DEFECTS)
