"""What the pages say agrees with the code: verbs and options, refusals, the step table, links, the build itself."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main

from uptake.cli import app
from uptake.features.catalogue import FAMILIES
from uptake.pipeline.settings import Settings, describe
from uptake.study import Code

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(page for page in (*ROOT.glob("*.md"), *DOCS.rglob("*.md")) if "_build" not in page.parts)


VERBS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
GENERATED = ("pipeline.md", "cli.md")


@pytest.mark.parametrize("page", GENERATED)
def test_a_page_that_is_made_from_the_code_says_what_the_code_says(page: str) -> None:
    made = _module(DOCS / "generate.py").pages()
    assert set(made) == set(GENERATED)
    assert (DOCS / page).read_text("utf-8") == made[page], "run `make pages`"


def test_the_page_of_conformance_says_what_the_features_are(shared_data: Path) -> None:
    conformance = _module(DOCS / "conformance.py")
    assert (DOCS / "conformance.md").read_text("utf-8") == conformance.page(shared_data / "ibsi"), (
        "run `python docs/conformance.py FOLDER`"
    )


def test_no_value_of_the_page_of_conformance_is_out_of_its_tolerance() -> None:
    text = (DOCS / "conformance.md").read_text("utf-8")
    assert "does not conform" not in text
    assert "| **all** | **482 of 482** | **346 of 346** | **346 of 346** |" in text


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_and_every_option_is_explained_on_the_page_of_the_command_line(verb: str) -> None:
    section = _section(verb)
    assert VERBS[verb].help in section
    for option in _options(verb):
        assert re.search(rf"^\| `(--[a-z-]+/)?{option}\b.*`[^|`]*\|[^|]*\| \S", section, re.M), (
            f"{verb} {option} has no help"
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_the_pages_exist(page: Path) -> None:
    for block in re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        for verb, rest in re.findall(r"^uptake ([a-z]+)([^\n#]*)", block, re.MULTILINE):
            assert verb in VERBS
            assert set(re.findall(r"--[a-z][a-z-]+", rest)) <= _options(verb)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_every_refusal_is_explained_once_and_no_other() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|.+\|.+\|$", (DOCS / "dicom.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(code.value for code in Code)


def test_every_setting_has_a_help_with_its_unit_or_meaning() -> None:
    assert [f"{item.section}.{item.name}" for item in describe(Settings()) if len(item.help) < 10] == []


def test_a_script_that_the_benchmarks_name_exists() -> None:
    named = re.findall(r"benchmarks/[\w.-]+\.(?:py|sh)", (DOCS / "benchmarks.md").read_text("utf-8"))
    assert [name for name in named if not (ROOT / name).is_file()] == []


@pytest.mark.slow
def test_the_pages_are_built_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", str(DOCS), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    settings, features = ((tmp_path / page).read_text("utf-8") for page in ("settings.html", "features.html"))
    assert [item.name for item in describe(Settings()) if item.name not in settings] == []
    assert [d.ibsi_tag for family in FAMILIES for d in family.definitions if d.ibsi_tag not in features] == []


def _options(verb: str) -> set[str]:
    names = (name for parameter in VERBS[verb].params for name in (*parameter.opts, *parameter.secondary_opts))
    return {name for name in names if name.startswith("--")} - {"--help"}


def _section(verb: str) -> str:
    found = re.search(rf"^## `uptake {verb}\b.*?(?=^## |\Z)", (DOCS / "cli.md").read_text("utf-8"), re.M | re.S)
    assert found, f"docs/cli.md has no section for {verb}"
    return found.group()


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
