from __future__ import annotations

import io

import numpy as np
import pydicom
import pytest
from pydicom.uid import MRImageStorage, generate_uid

from uptake.io.dicom.writing.encode import SYNTAXES, file_bytes, set_pixels


def image(frames: list[np.ndarray], compression: str) -> pydicom.Dataset:
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, generate_uid(entropy_srcs=["test"])
    if len(frames) > 1:
        dataset.NumberOfFrames = len(frames)
    set_pixels(dataset, frames, compression)  # type: ignore[arg-type]
    return pydicom.dcmread(io.BytesIO(file_bytes(dataset, compression)))  # type: ignore[arg-type]


@pytest.mark.parametrize("compression", SYNTAXES)
@pytest.mark.parametrize("dtype", [np.int16, np.uint16])
@pytest.mark.parametrize("frames", [1, 3])
def test_pixels_come_back_without_loss(compression: str, dtype: type, frames: int) -> None:
    rng = np.random.default_rng(1)
    sent = [rng.integers(0, 30000, (17, 23)).astype(dtype) for _ in range(frames)]
    got = image(sent, compression)
    assert got.file_meta.TransferSyntaxUID == SYNTAXES[compression]  # type: ignore[index]
    assert got.pixel_array.dtype == dtype
    np.testing.assert_array_equal(got.pixel_array.reshape(frames, 17, 23), np.stack(sent))


def test_compressed_pixels_are_smaller() -> None:
    smooth = [np.add.outer(np.arange(64), np.arange(64)).astype(np.int16)]
    plain = len(image(smooth, "none").PixelData)
    assert all(len(image(smooth, name).PixelData) < plain / 2 for name in ("jpeg", "jpeg-ls", "jpeg-2000"))
