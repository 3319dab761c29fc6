"""Settings from TOML and assignments: what fits is taken, everything else is refused with a hint."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from uptake.pipeline.settings import Settings, assigned, describe, from_layers, origins, read_toml, to_toml
from uptake.study import SettingsError


def test_the_written_file_reads_back_as_the_same_settings() -> None:
    settings = from_layers([{"ftv": {"pe_threshold_percent": 90}, "timing": {"phases": [0, 2, 5]}}])
    assert from_layers([tomllib.loads(to_toml(settings))]) == settings
    assert settings.ftv.pe_threshold_percent == 90.0
    assert settings.timing.phases == (0, 2, 5)


def test_later_layers_win() -> None:
    layers = [{"ftv": {"pe_threshold_percent": 90, "minimum_neighbours": 9}}, {"ftv": {"pe_threshold_percent": 100}}]
    settings = from_layers(layers)
    assert (settings.ftv.pe_threshold_percent, settings.ftv.minimum_neighbours) == (100.0, 9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fvt.pe_threshold_percent=90", "did you mean 'ftv'"),
        ("ftv.pe_treshold_percent=90", "did you mean 'pe_threshold_percent'"),
        ("ftv.pe_threshold_percent=high", "must be a number"),
        ("ftv.minimum_neighbours=4.5", "must be a whole number"),
        ("ftv.minimum_neighbours=true", "must be a whole number"),
        ("ftv.prefer_recorded=1", "must be true or false"),
        ("stv.keep=all", "one of near, largest"),
        ("timing.phases=[0, 'x', 2]", "must be a whole number"),
        ("ftv.pe_threshold_percent=-1", "must be in"),
        ("ftv=3", "section.name=value"),
    ],
)
def test_what_is_no_setting_is_refused_with_a_hint(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        from_layers([assigned([text])])


def test_a_bare_word_is_text() -> None:
    assert assigned(["stv.keep=largest", "bias.shared = false"]) == {
        "stv": {"keep": "largest"},
        "bias": {"shared": False},
    }


def test_a_file_that_is_missing_or_no_toml_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no settings file"):
        read_toml(tmp_path / "none.toml")
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[ftv\n")
    with pytest.raises(SettingsError, match=r"wrong\.toml is not a TOML file"):
        read_toml(wrong)


def test_a_value_where_a_section_belongs_is_refused() -> None:
    with pytest.raises(SettingsError, match="takes a table"):
        from_layers([{"ftv": 3}])  # type: ignore[dict-item]


def test_every_setting_has_help_and_a_default_that_fits() -> None:
    described = describe(Settings())
    assert all(item.help and item.value == item.default and item.origin == "default" for item in described)


def test_each_setting_says_which_layer_it_came_from() -> None:
    layers = [("file", {"ftv": {"pe_threshold_percent": 90.0}}), ("command line", {"stv": {"keep": "largest"}})]
    found = {f"{d.section}.{d.name}": d.origin for d in describe(from_layers([x for _, x in layers]), origins(layers))}
    assert found["ftv.pe_threshold_percent"] == "file"
    assert found["stv.keep"] == "command line"
    assert found["stv.closing_mm"] == "default"


CAPTK_FILE = """FeatureName,ParamName,Default
Histogram,Bins,32
GLCM,Bins,32
GLCM,Radius,1
GLCM,Offset,Combined
"""


def test_a_parameter_file_of_captk_fills_its_section_and_is_not_named_in_what_is_kept(tmp_path: Path) -> None:
    (tmp_path / "cohort").mkdir()
    (tmp_path / "cohort/captk.csv").write_text(CAPTK_FILE, "utf-8")
    (tmp_path / "cohort/uptake.toml").write_text('[captk]\nparameters = "captk.csv"\nglcm_bins = 64\n', "utf-8")
    settings = from_layers([read_toml(tmp_path / "cohort/uptake.toml")])
    assert (settings.captk.histogram_bins, settings.captk.glcm_bins) == (32, 64)  # what stands beside it goes over it
    assert settings.captk.families == ("Intensity", "Histogram", "GLCM")
    assert settings.captk.glcm_offset == "Combined"
    assert "captk.csv" not in to_toml(settings)
    assert from_layers([tomllib.loads(to_toml(settings))]) == settings
    given = from_layers([assigned([f"captk.parameters={tmp_path}/cohort/captk.csv"])])
    assert given.captk.glcm_bins == 32


def test_a_parameter_file_of_captk_that_is_none_is_refused_without_its_folder(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"captk.parameters: missing.csv is not") as refused:
        from_layers([assigned([f"captk.parameters={tmp_path}/missing.csv"])])
    assert str(tmp_path) not in str(refused.value)
    (tmp_path / "odd.csv").write_text("FeatureName,ParamName,Default\nHistogram,Binz,32\n", "utf-8")
    with pytest.raises(SettingsError, match="Histogram, Binz"):
        from_layers([assigned([f"captk.parameters={tmp_path}/odd.csv"])])
