from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from uptake.io.dicom.writing.layouts import layout_when_read, relaid
from uptake.phantom.frames import view_grid
from uptake.volume import DCM2NIIX, Volume


@pytest.mark.parametrize("view", ["sagittal", "axial"])
def test_what_siemens_writes_is_read_as_the_closest_ras(view: str) -> None:
    rng = np.random.default_rng(1)
    grid = view_grid(view, "small", 1, rng)  # type: ignore[arg-type]
    volume = Volume(rng.integers(0, 1000, grid.shape).astype(np.int16), grid)
    made = relaid(volume, DCM2NIIX, layout_when_read(grid, DCM2NIIX, "siemens"))
    expected = nib.as_closest_canonical(nib.Nifti1Image(volume.array, grid.affine))
    np.testing.assert_array_equal(made.array, np.asanyarray(expected.dataobj))
    np.testing.assert_allclose(made.grid.affine, expected.affine, atol=1e-9)


@pytest.mark.parametrize("vendor", ["ge", "philips"])
def test_what_lies_in_one_series_stays_as_it_is(vendor: str) -> None:
    grid = view_grid("sagittal", "small", 1, np.random.default_rng(2))
    volume = Volume(np.zeros(grid.shape, np.uint8), grid)
    assert layout_when_read(grid, DCM2NIIX, vendor) == DCM2NIIX  # type: ignore[arg-type]
    assert relaid(volume, DCM2NIIX, DCM2NIIX) is volume
