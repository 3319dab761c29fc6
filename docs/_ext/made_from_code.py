"""Directives for what the code says better than a page could: ``{settings-table}`` and ``{features-table}``."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from uptake.features.catalogue import FAMILIES
from uptake.features.definition import Family
from uptake.pipeline.settings import Described, Settings, describe

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def settings_page() -> str:
    """All settings as Markdown: a heading and a table per section."""
    sections = groupby(describe(Settings()), lambda item: item.section)
    return "\n".join(_settings(name, list(items)) for name, items in sections)


def features_page() -> str:
    """All features as Markdown: a heading and a table per family."""
    return "\n".join(map(_family, FAMILIES))


class SettingsTable(SphinxDirective):
    """Every setting with its default, what it takes and its help."""

    def run(self) -> list[nodes.Node]:
        """The sections, as nodes."""
        return self.parse_text_to_nodes(settings_page(), allow_section_headings=True)


class FeaturesTable(SphinxDirective):
    """Every feature with its IBSI code, tag and unit."""

    def run(self) -> list[nodes.Node]:
        """The families, as nodes."""
        return self.parse_text_to_nodes(features_page(), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the directives known to Sphinx."""
    app.add_directive("settings-table", SettingsTable)
    app.add_directive("features-table", FeaturesTable)
    return {"parallel_read_safe": True}


def _settings(section: str, items: list[Described]) -> str:
    rows = [(f"`{i.name}`", f"`{_plain(i.default)}`", _cell(i.type), _cell(i.help)) for i in items]
    return _table(f"`[{section}]`", ("setting", "default", "takes", "what"), rows)


def _family(family: Family) -> str:
    rows = [(_cell(d.name), f"`{d.ibsi}`", f"`{d.ibsi_tag}`", _cell(d.unit)) for d in family.definitions]
    title = f"{family.name.replace('_', ' ').capitalize()} (IBSI `{family.ibsi}`)"
    return _table(title, ("name", "IBSI code", "tag", "unit"), rows)


def _table(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (columns, ("---",) * len(columns), *rows)]
    return "\n".join([f"## {title}", "", *lines, ""])


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return str(list(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")
