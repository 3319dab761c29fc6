"""The directive ``{settings-table}``: every setting, with its default and help, as the code has it."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from uptake.pipeline.settings import Described, Settings, describe

if TYPE_CHECKING:
    from sphinx.application import Sphinx


class SettingsTable(SphinxDirective):
    """One section with a table per step's settings."""

    def run(self) -> list[nodes.Node]:
        """The sections, as nodes."""
        return self.parse_text_to_nodes(settings_page(), allow_section_headings=True)


def settings_page() -> str:
    """All settings as Markdown: a heading and a table per section."""
    sections = groupby(describe(Settings()), lambda item: item.section)
    return "\n".join(line for name, items in sections for line in _section(name, list(items)))


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the directive known to Sphinx."""
    app.add_directive("settings-table", SettingsTable)
    return {"parallel_read_safe": True}


def _section(name: str, items: list[Described]) -> list[str]:
    head = [f"## `[{name}]`", "", "| setting | default | takes | what |", "|---|---|---|---|"]
    rows = [f"| `{item.name}` | `{_plain(item.default)}` | {_cell(item.type)} | {_cell(item.help)} |" for item in items]
    return [*head, *rows, ""]


def _plain(value: object) -> str:
    return (
        str(list(value)) if isinstance(value, tuple) else str(value).lower() if isinstance(value, bool) else str(value)
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")
