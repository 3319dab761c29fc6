from __future__ import annotations

from collections.abc import Callable

import pytest
from pydicom.sr.codedict import codes

from uptake.features import FeatureTable
from uptake.features.catalogue import FAMILIES
from uptake.features.settings import FAMILY_NAMES

DEFINITIONS = [definition for family in FAMILIES for definition in family.definitions]
WITHOUT_REFERENCE = {
    "morph_vol_dens_ombb",
    "morph_area_dens_ombb",
    "morph_vol_dens_mvee",
    "morph_area_dens_mvee",
}
COUNTS = {"morphology": 29, "statistics": 18}  # from the table of families in the IBSI manual
TAGS = [d.ibsi_tag for d in DEFINITIONS]


def test_the_catalogue_and_the_setting_name_the_same_families_in_the_same_order() -> None:
    assert tuple(family.name for family in FAMILIES) == FAMILY_NAMES


def test_tags_are_unique() -> None:
    assert len(set(TAGS)) == len(TAGS)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: str(family.name))
def test_a_family_has_as_many_features_as_in_the_ibsi_manual(family: object) -> None:
    assert {f.name: len(f.definitions) for f in FAMILIES} == COUNTS


def test_every_definition_names_its_family_and_has_a_four_character_code_and_a_unit() -> None:
    for family in FAMILIES:
        assert {definition.family for definition in family.definitions} == {family.name}
    assert all(len(d.ibsi) == 4 and d.ibsi.isalnum() and d.ibsi == d.ibsi.upper() for d in DEFINITIONS)
    assert all(d.unit for d in DEFINITIONS)


def test_the_codes_of_morphology_are_those_of_dicom_context_group_7477() -> None:
    expected = {code.value for code in codes.cid7477.concepts.values()}
    assert {d.ibsi for d in DEFINITIONS if d.family == "morphology"} == expected


@pytest.mark.parametrize("table", ["dig_phantom", "chest_config_a", "chest_config_e"])
def test_every_reference_tag_of_a_family_is_in_the_catalogue(table: str, references: Callable[[str], object]) -> None:
    tags = {tag for tag in references(table) if tag.startswith(("morph_", "stat_")) and "mask" not in tag}
    assert tags == {tag for tag in TAGS if tag.startswith(("morph_", "stat_"))}


@pytest.mark.parametrize("tag", [tag for tag in TAGS if tag not in WITHOUT_REFERENCE])
def test_the_digital_phantom_has_the_reference_value(
    tag: str, digital_phantom: FeatureTable, references: Callable[[str], dict]
) -> None:
    reference = references("dig_phantom")[tag]
    assert reference.meets(digital_phantom[tag].value), f"{digital_phantom[tag].value} is not {reference}"


@pytest.mark.parametrize("tag", [tag for tag in TAGS if tag not in WITHOUT_REFERENCE])
def test_configuration_a_has_the_reference_value(
    tag: str, configuration_a: FeatureTable, references: Callable[[str], dict]
) -> None:
    reference = references("chest_config_a")[tag]
    assert reference.meets(configuration_a[tag].value), f"{configuration_a[tag].value} is not {reference}"


def test_features_without_a_reference_value_say_why_they_have_none(
    digital_phantom: FeatureTable, references: Callable[[str], dict]
) -> None:
    table = references("dig_phantom")
    assert {tag for tag in TAGS if table[tag] is None} == WITHOUT_REFERENCE
    assert all("reference value" in digital_phantom[tag].reason for tag in WITHOUT_REFERENCE)
