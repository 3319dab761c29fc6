"""Writes the pages that are made from the code: the pipeline from the one table, the command line from its verbs.

A test keeps them current; `make pages` writes them.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import typer.main

from uptake.cli import app
from uptake.pipeline.plan import Step
from uptake.pipeline.steps import SOURCES, STEPS

HERE = Path(__file__).parent

PIPELINE = """\
# The pipeline

<!-- Written by `make pages` from src/uptake/pipeline/steps.py. Change the table, not this page. -->

The order of the work is one table, `uptake.pipeline.steps.STEPS`. Each row names what it makes, the plain function
that makes it, what it needs, the sections of [settings](settings.md) it uses and whether its result is kept. What
depends on nothing that changed is not done again.

"""

COMMAND_LINE = """\
# Command line

<!-- Written by `make pages` from src/uptake/cli.py. Change the command line, not this page. -->

Exit code 0: all is well. 1: some case failed or was refused; the others are made all the same, and the last line says
how many of how many and where to read why. 2: the command itself makes no sense.
"""


def pages() -> dict[str, str]:
    """Every generated page: its name in ``docs`` and its text."""
    return {"pipeline.md": pipeline_page(), "cli.md": command_line_page()}


def pipeline_page() -> str:
    """The steps in the order of the table, and what each function says of itself."""
    rows = ["| makes | needs | settings | kept | how |", "|---|---|---|---|---|"]
    outside = ["", "From outside come:", ""] + [f"* `{name}`: {words}" for name, words in SOURCES.items()]
    return PIPELINE + "\n".join(rows + [_step(step) for step in STEPS] + outside) + "\n"


def command_line_page() -> str:
    """The verbs in the order of ``uptake --help``: usage, purpose, arguments and options."""
    verbs: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return COMMAND_LINE + "".join(_verb(name, command) for name, command in verbs.items())


def _step(step: Step) -> str:
    cells = (
        f"`{step.makes}`",
        ", ".join(f"`{need}`" for need in step.needs) or "–",
        ", ".join(f"`[{name}]`" for name in step.settings) or "–",
        "yes" if step.form else "no",
        f"waits for {step.awaits}" if step.how is None else _first_words(step.how),
    )
    return f"| {' | '.join(cells)} |"


def _first_words(function: object) -> str:
    return _cell((inspect.getdoc(function) or "").partition("\n\n")[0])


def _verb(name: str, command: Any) -> str:  # noqa: ANN401 (Typer's classes have changed their home more than once)
    shown = [parameter for parameter in command.params if not parameter.hidden and parameter.name != "help"]
    usage = " ".join(["uptake", name, *(_bracketed(p) for p in shown if _is_argument(p) or p.required), "[OPTIONS]"])
    table = "\n".join(["| argument or option | default | what |", "|---|---|---|", *map(_parameter, shown)])
    return f"\n## `uptake {name}`\n\n```text\n{usage}\n```\n\n{inspect.cleandoc(command.help or '')}\n\n{table}\n"


def _parameter(parameter: Any) -> str:  # noqa: ANN401
    silent = parameter.required or parameter.default is False or parameter.default in (None, "", ())
    default = "" if silent else f"`{parameter.default}`"
    return f"| `{_cell(_written(parameter))}` | {default} | {_cell(parameter.help or '')} |"


def _bracketed(parameter: Any) -> str:  # noqa: ANN401
    written = _written(parameter)
    return written if parameter.required or written.startswith("[") else f"[{written}]"


def _written(parameter: Any) -> str:  # noqa: ANN401
    if _is_argument(parameter):
        return parameter.metavar or parameter.name.upper()
    flag = isinstance(parameter.default, bool) or bool(parameter.secondary_opts)
    names = [max(parameter.opts, key=len), *parameter.secondary_opts]
    return "/".join(names) + ("" if flag else f" {parameter.metavar or 'N'}")


def _is_argument(parameter: Any) -> bool:  # noqa: ANN401
    return bool(parameter.param_type_name == "argument")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    for file, text in pages().items():
        (HERE / file).write_text(text, encoding="utf-8")
