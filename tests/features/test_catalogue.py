from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydicom.sr.codedict import codes
from tests.features.conftest import TABLES

from uptake.features import FeatureTable
from uptake.features.catalogue import FAMILIES
from uptake.features.settings import FAMILY_NAMES

DEFINITIONS = [definition for family in FAMILIES for definition in family.definitions]
WITHOUT_REFERENCE = {
    "morph_vol_dens_ombb",
    "morph_area_dens_ombb",
    "morph_vol_dens_mvee",
    "morph_area_dens_mvee",
    "ivh_auc",
}
COUNTS = {  # the table of families in the IBSI manual, which counts V10 and V90, I10 and I90 as one each (5, not 7)
    "morphology": 29,
    "local_intensity": 2,
    "statistics": 18,
    "intensity_histogram": 23,
    "intensity_volume_histogram": 7,
    "glcm": 6 * 25,  # by aggregation
    "glrlm": 6 * 16,
    "glszm": 3 * 16,
    "gldzm": 3 * 16,
    "ngtdm": 3 * 5,
    "ngldm": 3 * 17,
}
PREFIXES = ("morph_", "loc_", "stat_", "ih_", "ivh_", "cm_", "rlm_", "szm_", "dzm_", "ngt_", "ngl_")
REFERENCES = {"ibsi-phantom": 482, "ibsi-config-a": 346, "ibsi-config-b": 346}
REFERENCES |= dict.fromkeys(("ibsi-config-c", "ibsi-config-d", "ibsi-config-e"), 210)
TAGS = [d.ibsi_tag for d in DEFINITIONS]


def test_the_catalogue_and_the_setting_name_the_same_families_in_the_same_order() -> None:
    assert tuple(family.name for family in FAMILIES) == FAMILY_NAMES


def test_tags_are_unique() -> None:
    assert len(set(TAGS)) == len(TAGS)


def test_a_family_has_as_many_features_as_in_the_ibsi_manual() -> None:
    assert {f.name: len(f.definitions) for f in FAMILIES} == COUNTS


def test_every_definition_names_its_family_and_has_a_four_character_code_and_a_unit() -> None:
    for family in FAMILIES:
        assert {definition.family for definition in family.definitions} == {family.name}
    assert all(len(d.ibsi) == 4 and d.ibsi.isalnum() and d.ibsi == d.ibsi.upper() for d in DEFINITIONS)
    assert all(d.unit for d in DEFINITIONS)


@pytest.mark.parametrize(
    ("family", "context_group"),
    [
        ("morphology", codes.cid7477),
        ("intensity_histogram", codes.cid7478),
        ("glcm", codes.cid7467),
        ("glrlm", codes.cid7475),
        ("glszm", codes.cid7476),
        ("gldzm", codes.cid7479),
        ("ngtdm", codes.cid7500),
        ("ngldm", codes.cid7501),
    ],
)
def test_the_codes_of_a_family_are_those_of_its_dicom_context_group(family: str, context_group: Any) -> None:
    expected = {code.value for code in context_group.concepts.values() if code.scheme_designator == "IBSI"}
    assert {d.ibsi for d in DEFINITIONS if d.family == family} == expected


def test_every_reference_tag_is_in_the_catalogue(references: Callable[[str], dict]) -> None:
    assert {tag for tag in references("dig_phantom") if tag.startswith(PREFIXES)} == set(TAGS)


@pytest.mark.parametrize("name", TABLES)
def test_every_reference_value_is_met_within_its_tolerance(
    name: str, conforming: Callable[[str], FeatureTable], references: Callable[[str], dict]
) -> None:
    given = {tag: value for tag, value in references(TABLES[name]).items() if value and _is_feature(tag)}
    found = conforming(name).wide()
    assert {tag: found[tag] for tag, value in given.items() if not value.meets(found[tag])} == {}
    assert len(given) == REFERENCES[name]


def test_features_without_a_reference_value_have_one_that_their_definition_allows(
    digital_phantom: FeatureTable, references: Callable[[str], dict]
) -> None:
    table = references("dig_phantom")
    assert {tag for tag in TAGS if table[tag] is None} == WITHOUT_REFERENCE
    found = digital_phantom.wide()
    smallest = found["morph_vol_dens_ombb"]
    assert found["morph_vol_dens_aabb"] <= smallest + 1e-12  # the smallest box is no larger than one along the axes
    assert max(smallest, found["morph_vol_dens_mvee"]) < found["morph_vol_dens_conv_hull"]  # and both hold the hull
    assert found["morph_area_dens_ombb"] < found["morph_area_dens_conv_hull"]


def test_the_digital_phantoms_area_under_the_ivh_curve_is_the_one_that_the_ibsi_manual_prints(
    digital_phantom: FeatureTable,
) -> None:
    # https://ibsi.readthedocs.io, table of the feature 9CMM (strong consensus); the tables have no value
    assert f"{digital_phantom['ivh_auc'].value:.3g}" == "0.32"


def _is_feature(tag: str) -> bool:
    """The tables also describe images and masks between the steps, which are no features."""
    return tag.startswith(PREFIXES) and not tag.startswith("morph_mask")
