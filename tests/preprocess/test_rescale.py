from __future__ import annotations

import numpy as np
import pytest

from uptake.preprocess.rescale import Rescale, to_int16
from uptake.study import SettingsError
from uptake.volume import Grid, Volume


def volume(*values: float) -> Volume:
    return Volume(np.array(values, np.float32).reshape(-1, 1, 1), Grid((len(values), 1, 1), np.eye(4)))


def test_minimum_becomes_0_and_maximum_32767_in_whole_numbers() -> None:
    made = to_int16(volume(-5.0, 0.0, 5.0)).array
    assert made.dtype == np.int16
    assert made.ravel().tolist() == [0, 16384, 32767]


def test_a_constant_image_becomes_0() -> None:
    assert to_int16(volume(7.0, 7.0)).array.ravel().tolist() == [0, 0]


def test_a_senseless_setting_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="uint8"):
        Rescale(phases="uint8")  # type: ignore[arg-type]
