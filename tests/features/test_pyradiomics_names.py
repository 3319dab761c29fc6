from __future__ import annotations

from uptake.features.catalogue import FAMILIES as CATALOGUE
from uptake.features.pyradiomics_names import FAMILIES, TAGS, WITHOUT, pyradiomics_name, wide
from uptake.features.table import Feature


def test_every_alias_is_of_a_feature_that_exists_in_the_family_of_its_class() -> None:
    known = {family.name: {d.ibsi_tag for d in family.definitions} for family in CATALOGUE}
    for group, names in TAGS.items():
        tags = {tag for name in FAMILIES[group] for tag in known[name]}
        for tag in names.values():
            assert {tag, f"{tag}_3D_avg", f"{tag}_3D"} & tags, tag


def test_no_tag_has_two_names_and_no_name_is_both_given_and_left_out() -> None:
    tags = [tag for names in TAGS.values() for tag in names.values()]
    assert len(tags) == len(set(tags))
    for group, names in TAGS.items():
        assert not set(names) & set(WITHOUT[group])


def test_texture_has_a_name_in_the_aggregation_of_pyradiomics_only() -> None:
    assert pyradiomics_name("stat_mean") == "original_firstorder_Mean"
    assert pyradiomics_name("cm_contrast_3D_avg") == "original_glcm_Contrast"
    assert pyradiomics_name("ngt_contrast_3D") == "original_ngtdm_Contrast"
    assert pyradiomics_name("cm_contrast_3D_comb") == ""
    assert pyradiomics_name("cm_contrast_2_5D_avg") == ""
    assert pyradiomics_name("cm_contrast_2_5D_avg", force_2d=True) == "original_glcm_Contrast"
    assert pyradiomics_name("cm_contrast_3D_avg", force_2d=True) == ""


def test_what_is_defined_otherwise_has_no_name() -> None:
    for tag in ("stat_kurt", "morph_pca_maj_axis", "cm_contrast", "loc_peak_loc", ""):
        assert pyradiomics_name(tag) == ""


def test_a_wide_row_has_the_named_features_alone() -> None:
    rows = [Feature("a", 1.5, "1", "f", "", "stat_mean"), Feature("b", 2.5, "1", "f", "", "stat_kurt")]
    assert wide(rows) == {"original_firstorder_Mean": 1.5}
