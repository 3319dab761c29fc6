"""Settings that come with the package: every profile fits, and unknown names get a hint."""

from __future__ import annotations

import pytest

from uptake.pipeline.profiles import profile, profile_names
from uptake.pipeline.published import Published
from uptake.pipeline.settings import Settings, from_layers
from uptake.study import SettingsError


def test_default_and_the_release_are_there() -> None:
    assert profile_names() == ("default", "ispy1-release")


def test_default_changes_nothing() -> None:
    assert from_layers([profile("default")]) == Settings()


def test_the_release_is_corrected_phase_by_phase_stretched_and_named_as_published() -> None:
    settings = from_layers([profile("ispy1-release")])
    assert not settings.bias.shared
    assert settings.rescale.phases == "int16"
    assert settings.published.names == "ispy1"
    assert (settings.motion.correct, settings.ftv) == ("no", Settings().ftv)


def test_an_unknown_profile_is_refused_with_a_hint() -> None:
    with pytest.raises(SettingsError, match="did you mean 'ispy1-release'"):
        profile("ispy1-relase")
    with pytest.raises(SettingsError, match="there are default, ispy1-release"):
        profile("zzz")


def test_a_path_is_no_profile() -> None:
    with pytest.raises(SettingsError, match="no profile"):
        profile("../settings")


def test_senseless_names_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"published\.names"):
        Published(names="ispy2")  # type: ignore[arg-type]
