"""One plain function per verb: what `import uptake` exposes and the command line calls.

Every name is fetched when it is first asked for, so that a run does not wait for what releases and training need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uptake.verbs.cohorts import CohortSelected, cohort
    from uptake.verbs.fetching import Fetched, fetch
    from uptake.verbs.machine import ConfigShown, config, doctor
    from uptake.verbs.masks import Imported, import_masks
    from uptake.verbs.one_image import Batch, compare_features, feature_rows, features, features_of_table
    from uptake.verbs.phantoms import demo, phantom
    from uptake.verbs.predicting import PredictResult, predict
    from uptake.verbs.releasing import Released, release
    from uptake.verbs.running import Event, Planned, RunResult, planned, report, run, status
    from uptake.verbs.training import TrainResult, train
    from uptake.verbs.verifying import Verified, to_verify, verify

__all__ = [
    "Batch", "CohortSelected", "ConfigShown", "Event", "Fetched", "Imported", "Planned", "PredictResult", "Released",
    "RunResult", "TrainResult", "Verified", "cohort", "compare_features", "config", "demo", "doctor", "feature_rows",
    "features", "features_of_table", "fetch", "import_masks", "phantom", "planned", "predict", "release", "report",
    "run", "status", "to_verify", "train", "verify",
]  # fmt: skip

_VERBS = {
    "cohorts": ("CohortSelected", "cohort"),
    "fetching": ("Fetched", "fetch"),
    "machine": ("ConfigShown", "config", "doctor"),
    "masks": ("Imported", "import_masks"),
    "one_image": ("Batch", "compare_features", "feature_rows", "features", "features_of_table"),
    "phantoms": ("demo", "phantom"),
    "predicting": ("PredictResult", "predict"),
    "releasing": ("Released", "release"),
    "running": ("Event", "Planned", "RunResult", "planned", "report", "run", "status"),
    "training": ("TrainResult", "train"),
    "verifying": ("Verified", "to_verify", "verify"),
}
_HOMES = {name: home for home, names in _VERBS.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401 (the names are of many types)
    if name not in _HOMES:
        raise AttributeError(f"module 'uptake.verbs' has no attribute {name!r}")
    return getattr(import_module(f"uptake.verbs.{_HOMES[name]}"), name)
