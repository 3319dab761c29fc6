"""Pixels into a data set, plain or losslessly compressed, and a data set into the bytes of a file."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Literal

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from uptake.volume import Array

Compression = Literal["none", "rle", "jpeg", "jpeg-ls", "jpeg-2000"]

SYNTAXES: dict[Compression, UID] = {
    "none": ExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg": JPEGLosslessSV1,
    "jpeg-ls": JPEGLSLossless,
    "jpeg-2000": JPEG2000Lossless,
}
"""Lossless transfer syntaxes that can be written; the compressed ones by GDCM."""

IMPLEMENTATION_UID = UID("2.25.160438651201530917482937741023847561920")


def set_pixels(dataset: Dataset, frames: Sequence[Array], compression: Compression) -> None:
    """Put 16-bit frames (rows, columns) of one shape and type, int16 or uint16, into `dataset`."""
    first = frames[0]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = first.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 1 if first.dtype == np.int16 else 0
    raw = [np.ascontiguousarray(frame, dtype=first.dtype.newbyteorder("<")).tobytes() for frame in frames]
    if compression == "none":
        dataset.PixelData = b"".join(raw)
    else:
        dataset.PixelData = encapsulate([_compressed(frame, dataset, compression) for frame in raw])
    dataset["PixelData"].VR = "OW" if compression == "none" else "OB"


def file_bytes(dataset: Dataset, compression: Compression) -> bytes:
    """A DICOM file: preamble, file meta information and the data set."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = SYNTAXES[compression]
    meta.ImplementationClassUID = IMPLEMENTATION_UID
    meta.ImplementationVersionName = "UPTAKE"
    dataset.file_meta = meta
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _compressed(raw: bytes, dataset: Dataset, compression: Compression) -> bytes:
    """One frame as a single fragment. GDCM needs the writer to own the image, and it alive until the bytes are out."""
    import gdcm

    writer = gdcm.ImageWriter()
    image = writer.GetImage()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((dataset.Columns, dataset.Rows, 1))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 16, 15, dataset.PixelRepresentation))
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.ExplicitVRLittleEndian))
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetByteStringValue(raw)
    image.SetDataElement(element)
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str(SYNTAXES[compression]))))
    change.SetInput(image)
    if not change.Change():
        raise ValueError(f"GDCM cannot compress these pixels as {compression}")
    fragments = change.GetOutput().GetDataElement().GetSequenceOfFragments()
    text: str = fragments.GetFragment(0).GetByteValue().GetBuffer()
    return text.encode("utf-8", "surrogateescape")
