"""Writes the pages that are made from the code: ``pipeline.md`` from the one table. A test keeps them current."""

from __future__ import annotations

import inspect
from pathlib import Path

from uptake.pipeline.plan import Step
from uptake.pipeline.steps import SOURCES, STEPS

HERE = Path(__file__).parent

HEAD = """\
# The pipeline

<!-- Written by `make pages` from src/uptake/pipeline/steps.py. Change the table, not this page. -->

The order of the work is one table, `uptake.pipeline.steps.STEPS`. Each row names what it makes, the plain function
that makes it, what it needs, the sections of [settings](settings.md) it uses and whether its result is kept. What
depends on nothing that changed is not done again.

"""


def pipeline_page() -> str:
    """``docs/pipeline.md``: the steps, each after what it needs, and what each function says of itself."""
    rows = ["| makes | needs | settings | kept | how |", "|---|---|---|---|---|"]
    outside = ["", "From outside come:", ""] + [f"* `{name}`: {words}" for name, words in SOURCES.items()]
    return HEAD + "\n".join(rows + [_row(step) for step in STEPS] + outside) + "\n"


def _row(step: Step) -> str:
    cells = (
        f"`{step.makes}`",
        ", ".join(f"`{need}`" for need in step.needs) or "–",
        ", ".join(f"`[{name}]`" for name in step.settings) or "–",
        "yes" if step.form else "no: quick to make again",
        _how(step),
    )
    return f"| {' | '.join(cells)} |"


def _how(step: Step) -> str:
    if step.how is None:
        return f"waits for {step.awaits}"
    words = (inspect.getdoc(step.how) or "").partition("\n\n")[0]
    return " ".join(words.split()).replace("|", "\\|")


if __name__ == "__main__":
    (HERE / "pipeline.md").write_text(pipeline_page(), encoding="utf-8")
