"""One plain function per verb: what `import uptake` exposes and the command line calls."""

from uptake.verbs.machine import ConfigShown, config, doctor
from uptake.verbs.masks import Imported, import_masks
from uptake.verbs.one_image import Batch, compare_features, feature_rows, features, features_of_table
from uptake.verbs.phantoms import demo, phantom
from uptake.verbs.predicting import PredictResult, predict
from uptake.verbs.running import Event, Planned, RunResult, planned, report, run, status
from uptake.verbs.training import TrainResult, train

__all__ = [
    "Batch", "ConfigShown", "Event", "Imported", "Planned", "PredictResult", "RunResult", "TrainResult",
    "compare_features", "config", "demo", "doctor", "feature_rows", "features", "features_of_table", "import_masks",
    "phantom", "planned", "predict", "report", "run", "status", "train",
]  # fmt: skip
