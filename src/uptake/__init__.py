"""Breast DCE-MRI from DICOM to harmonised images, tumour volumes, radiomics and a release that others can reuse.

``import uptake`` is light: every name is fetched when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uptake.study import Acquisition, Box, Case, Outcome, Phase, Refusal, SettingsError, Study, UptakeError
    from uptake.verbs import fetch, import_masks, predict, release, run, status, train, verify
    from uptake.volume import Grid, Volume

__version__ = "0.1.0"

__all__ = [
    "Acquisition", "Box", "Case", "Grid", "Outcome", "Phase", "Refusal", "SettingsError", "Study", "UptakeError",
    "Volume", "fetch", "import_masks", "predict", "release", "run", "status", "train", "verify",
]  # fmt: skip

_VERBS = dict.fromkeys(("fetch", "import_masks", "predict", "release", "run", "status", "train", "verify"), "verbs")
_HOMES = {"Grid": "volume", "Volume": "volume", **_VERBS}


def __getattr__(name: str) -> Any:  # noqa: ANN401 (the names are of many types)
    if name not in __all__:
        raise AttributeError(f"module 'uptake' has no attribute {name!r}")
    return getattr(import_module(f"uptake.{_HOMES.get(name, 'study')}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
