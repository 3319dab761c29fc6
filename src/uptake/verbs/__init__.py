"""One plain function per verb: what `import uptake` exposes and the command line calls."""

from uptake.verbs.cohorts import CohortSelected, cohort
from uptake.verbs.fetch import Fetched, fetch
from uptake.verbs.machine import ConfigShown, config, doctor
from uptake.verbs.masks import Imported, import_masks
from uptake.verbs.one_image import Batch, compare_features, feature_rows, features, features_of_table
from uptake.verbs.phantoms import demo, phantom
from uptake.verbs.predicting import PredictResult, predict
from uptake.verbs.release import Released, release
from uptake.verbs.running import Event, Planned, RunResult, planned, report, run, status
from uptake.verbs.training import TrainResult, train
from uptake.verbs.verifying import Verified, to_verify, verify

__all__ = [
    "Batch", "CohortSelected", "ConfigShown", "Event", "Fetched", "Imported", "Planned", "PredictResult", "Released",
    "RunResult", "TrainResult", "Verified", "cohort", "compare_features", "config", "demo", "doctor", "feature_rows",
    "features", "features_of_table", "fetch", "import_masks", "phantom", "planned", "predict", "release", "report",
    "run", "status", "to_verify", "train", "verify",
]  # fmt: skip
