"""The pages people look at: one per case, one per cohort. Values in, HTML text and small pictures out."""

from uptake.report.learning import FoldCurve, ModelView, model_page
from uptake.report.pages import CaseReport, case_page, case_report, cohort_page, thumbnail
from uptake.report.view import CaseView, CohortCase, CohortView, RefusedRow

__all__ = [
    "CaseReport", "CaseView", "CohortCase", "CohortView", "FoldCurve", "ModelView", "RefusedRow", "case_page",
    "case_report", "cohort_page", "model_page", "thumbnail",
]  # fmt: skip
