from __future__ import annotations

from dataclasses import replace

import pytest

from uptake.features.captk import PAPER, CaptkParameters, read_parameters
from uptake.features.captk.parameters import differences, write_parameters
from uptake.study import SettingsError

HEADER = "FeatureName,ParamName,Type,Range,Default,Comments\n"
SHIPPED = {
    "Generic,Quantization_Extent": "ROI",
    "Generic,Quantization_Type": "FixedBinNumber",
    "Generic,Resampling (mm)": "1.0",
    "Generic,ResamplingInterpolator_Image": "Linear",
    "Generic,ResamplingInterpolator_Mask": "Nearest",
    "Generic,SliceComputation": "0",
    "Generic,NaN-Handling": "Keep",
    "Intensity,-": "",
    "Morphologic,Range": "0",
    "Morphologic,Feret": "0",
    "Volumetric,Dimension": "3D",
    "Histogram,Bins": "20",
    "Histogram,Bins_Min": "-666",
    "GLCM,Bins": "20",
    "GLCM,Radius": "1",
    "GLCM,Offset": "Combined",
    "GLRLM,Bins": "20",
    "GLRLM,Radius": "1",
    "GLRLM,Offset": "Combined",
    "GLSZM,Bins": "20",
    "GLSZM,Radius": "1",
    "GLSZM,Offset": "Combined",
    "NGTDM,Bins": "20",
    "NGTDM,Radius": "1",
    "NGTDM,Offset": "Average",
    "LBP,Radius": "1",
    "LBP,Neighborhood": "27",
    "LBP,Type": "2",
}
"""The file that CaPTk 1.8.1 ships for 3D images, without its rows of lattices and of Collage."""


def _file(rows: dict[str, str]) -> str:
    return HEADER + "".join(f"{name},Int,,{value},a comment\n" for name, value in rows.items())


def test_the_file_that_captk_ships_is_read() -> None:
    assert read_parameters(_file(SHIPPED)) == CaptkParameters(
        histogram_bins=20,
        glcm_bins=20,
        glcm_offset="Combined",
        glrlm_bins=20,
        glrlm_radius=1,
        glrlm_offset="Combined",
        glszm_bins=20,
        glszm_radius=1,
        ngtdm_bins=20,
        ngtdm_radius=0,  # Morphologic, Range is the only one there, and the last one wins
        lbp_radius=1,
        resampling_mm=1,
    )


def test_a_family_without_rows_is_switched_off_but_intensity() -> None:
    assert read_parameters(_file({"Volumetric,Dimension": "3D"})).families == ("Intensity", "Volumetric")


def test_the_radius_of_ngtdm_is_the_last_range() -> None:
    rows = {**SHIPPED, "GLRLM,Range": "1", "NGTDM,Range": "4"}
    assert read_parameters(_file(rows)).ngtdm_radius == 4
    without = {name: value for name, value in SHIPPED.items() if name != "Morphologic,Range"}
    assert read_parameters(_file(without)).ngtdm_radius == 1


@pytest.mark.parametrize(
    ("row", "value", "said"),
    [
        ("GLCM,Bin", "20", "GLCM, Bin: CaPTk has no such parameter"),
        ("Histogramm,Bins", "20", "no such parameter"),
        ("Lattice,Window", "6.3", "no such family"),
        ("Generic,Quantization_Type", "FixedBinSize", "FixedBinNumber"),
        ("GLCM,Bins", "10:10:100", "one whole number"),
        ("GLCM,Radius", "1.1", "one whole number"),
        ("GLCM,Offset", "Individual", "Average, Combined"),
        ("Generic,Resampling (mm)", "fine", "a number of mm"),
        ("Generic,Resampling (mm)", "11", "0 to 10"),
        ("Morphologic,Range", "2", "allows 0"),
        ("NGTDM,Range", "all", "one whole number"),
    ],
)
def test_a_row_that_cannot_be_followed_is_an_error(row: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_parameters(_file({**SHIPPED, row: value}))


def test_a_row_given_twice_is_an_error() -> None:
    with pytest.raises(SettingsError, match="two rows GLCM, Bins"):
        read_parameters(_file(SHIPPED) + "GLCM,Bins,Int,,30,\n")


def test_a_missing_row_is_an_error() -> None:
    rows = {name: value for name, value in SHIPPED.items() if name != "GLRLM,Radius"}
    with pytest.raises(SettingsError, match="no row GLRLM, Radius"):
        read_parameters(_file(rows))


def test_a_file_with_other_columns_is_an_error() -> None:
    with pytest.raises(SettingsError, match="no column Default"):
        read_parameters("FeatureName,ParamName,Value\nGLCM,Bins,20\n")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("families", ("Intensity", "NGLDM")),
        ("histogram_bins", 1),
        ("glcm_bins", 5000),
        ("glcm_radius", 0),
        ("ngtdm_radius", -1),
        ("lbp_radius", 10),
        ("glrlm_offset", "Individual"),
        ("resampling_mm", -1),
    ],
)
def test_a_parameter_out_of_range_is_an_error(field: str, value: object) -> None:
    with pytest.raises(SettingsError, match=field):
        replace(PAPER, **{field: value})  # type: ignore[arg-type]


def test_what_differs_from_the_paper_is_said() -> None:
    assert differences(replace(PAPER, ngtdm_radius=2)) == {"ngtdm_radius": (2, 1)}
    assert differences(PAPER) == {}


@pytest.mark.parametrize(
    "parameters",
    [
        PAPER,
        replace(PAPER, histogram_bins=16, glcm_offset="Combined", ngtdm_radius=2, resampling_mm=1.0),
        replace(PAPER, families=("Intensity", "Volumetric", "GLSZM")),
    ],
)
def test_what_is_written_is_read_as_the_same(parameters: CaptkParameters) -> None:
    assert read_parameters(write_parameters(parameters)) == parameters
