"""The page of a selection: flow, tables 1 and 2, who left and why."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from uptake.cohort.selection import Exclusion, Patient
from uptake.report.characteristics import Printed
from uptake.report.pages import rendered


@dataclass(frozen=True)
class SelectionView:
    """What the page shows. clinical, index, listed: names of the files; features: how a feature table joined."""

    title: str
    rules: str
    clinical: str
    index: str
    listed: str
    patients: int
    diagram: Markup
    published: bool
    table1: Printed
    table2: Printed
    exclusions: tuple[Exclusion, ...]
    included: tuple[Patient, ...]
    features: str = ""
    notes: tuple[str, ...] = ()
    version: str = ""


def selection_page(view: SelectionView) -> str:
    """The page as HTML text; its tables are files beside it."""
    return rendered("selection.html.j2", view=view)


def html_table(table: Printed) -> str:
    """A table alone, as HTML to be pasted into another page."""
    return rendered("table.html.j2", table=table)
