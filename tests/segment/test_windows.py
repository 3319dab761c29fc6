"""Windows cover every voxel, and what they say is averaged right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptake.segment.windows import padded_to, places_of, slide


@given(st.tuples(*[st.integers(16, 70)] * 3), st.sampled_from([16, 32]), st.floats(0, 0.75))
def test_windows_cover_every_voxel_and_stay_inside(shape: tuple[int, int, int], patch: int, overlap: float) -> None:
    shape = tuple(max(n, patch) for n in shape)  # type: ignore[assignment]
    seen = np.zeros(shape, bool)
    for i, j, k in places_of(shape, patch, overlap):
        assert min(i, j, k) >= 0
        assert i + patch <= shape[0]
        seen[i : i + patch, j : j + patch, k : k + patch] = True
    assert seen.all()


def test_neighbouring_windows_share_what_was_asked_for() -> None:
    firsts = sorted({place[0] for place in places_of((64, 16, 16), 16, 0.5)})
    assert max(np.diff(firsts)) <= 8
    assert (firsts[0], firsts[-1]) == (0, 48)


@pytest.mark.parametrize("weighting", ["gaussian", "constant"])
@pytest.mark.parametrize("shape", [(20, 17, 30), (9, 17, 16)])
def test_a_network_that_looks_at_single_voxels_gives_the_same_as_on_the_whole(
    shape: tuple[int, int, int], weighting: str
) -> None:
    image = np.random.default_rng(0).random((2, *shape), dtype=np.float32)
    found = slide(image, 16, 0.5, weighting, lambda patches: patches[:, 1], batch=3)  # type: ignore[arg-type]
    assert found.shape == shape
    assert found == pytest.approx(image[1], abs=1e-6)


def test_overlapping_windows_are_averaged() -> None:
    """Two windows of 16 along 24 voxels; the first says 0, the second 1: in common they say one half."""
    said = iter([0.0, 1.0])
    image = np.zeros((1, 24, 16, 16), np.float32)
    found = slide(image, 16, 0.5, "constant", lambda p: np.full((1, 16, 16, 16), next(said), np.float32))
    assert found[:, 0, 0].tolist() == [0] * 8 + [0.5] * 8 + [1] * 8


def test_windows_without_a_wanted_voxel_are_not_run() -> None:
    wanted = np.zeros((48, 16, 16), bool)
    wanted[40] = True
    runs = []

    def run(patches: np.ndarray) -> np.ndarray:
        runs.append(len(patches))
        return np.ones((len(patches), 16, 16, 16), np.float32)

    found = slide(np.zeros((1, 48, 16, 16), np.float32), 16, 0.0, "constant", run, wanted=wanted)
    assert sum(runs) == 1
    assert found[:32].max() == 0
    assert found[32:].min() == 1


def test_a_volume_smaller_than_the_patch_is_continued_by_its_edge() -> None:
    image = np.arange(3, dtype=np.float32).reshape(1, 3, 1, 1)
    assert padded_to(image, 4)[0, :, 0, 0].tolist() == [0, 1, 2, 2]
    assert padded_to(image, 4).shape == (1, 4, 4, 4)
