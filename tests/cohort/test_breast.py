"""What is said of the breast mask and of the gland's enhancement."""

from __future__ import annotations

import pytest

from uptake.cohort.breast import background_enhancement, outlined


@pytest.mark.parametrize(("support", "status"), [(0.19, "warn"), (0.2, "pass"), (1.0, "pass")])
def test_a_chest_wall_that_hardly_shows_is_a_warning(support: float, status: str) -> None:
    finding = outlined(support, 0.2, ("a note of the mask",))
    assert finding.status == status
    assert finding.found == f"the chest wall shows in {100 * support:.0f} % of the columns; a note of the mask"
    assert bool(finding.remedy) == (status == "warn")


@pytest.mark.parametrize(("share", "status"), [(0.0, "pass"), (20.0, "pass"), (20.1, "warn"), (100.0, "warn")])
def test_more_than_a_fifth_of_the_gland_above_the_threshold_is_a_warning(share: float, status: str) -> None:
    finding = background_enhancement(share, 70.0)
    assert finding.status == status
    assert f"{share:.1f} %" in finding.found
    assert "PE of 70 %" in finding.allowed
    assert bool(finding.remedy) == (status == "warn")


def test_without_gland_there_is_nothing_to_warn_of() -> None:
    assert background_enhancement(None, 70.0).status == "pass"
    assert "no gland" in background_enhancement(None, 70.0).found
