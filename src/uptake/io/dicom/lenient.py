"""What pydicom raises and warns of on files that break the standard, in one place."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from pydicom.errors import BytesLengthException, InvalidDicomError

MALFORMED = (
    BytesLengthException,
    InvalidDicomError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What pydicom has been seen to raise on bytes that are not, or no longer, DICOM."""


@contextmanager
def quiet() -> Iterator[None]:
    """Without pydicom's warnings about values that break a rule of the standard and are none of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
