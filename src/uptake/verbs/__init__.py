"""One plain function per verb: what `import uptake` exposes and the command line calls."""

from uptake.verbs.cohorts import CohortSelected, cohort
from uptake.verbs.machine import ConfigShown, config, doctor
from uptake.verbs.masks import Imported, import_masks
from uptake.verbs.one_image import Batch, compare_features, feature_rows, features, features_of_table
from uptake.verbs.phantoms import demo, phantom
from uptake.verbs.running import Event, Planned, RunResult, planned, report, run, status

__all__ = [
    "Batch", "CohortSelected", "ConfigShown", "Event", "Imported", "Planned", "RunResult", "cohort",
    "compare_features", "config", "demo", "doctor",
    "feature_rows", "features", "features_of_table", "import_masks", "phantom", "planned", "report", "run", "status",
]  # fmt: skip
