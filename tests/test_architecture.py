"""The layers hold, imports hide nothing, and the package is built whole."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "uptake"
MODULES = sorted(PACKAGE.rglob("*.py"))
COMMAND_LINE = PACKAGE / "cli"
EAGER = [module for module in MODULES if COMMAND_LINE not in module.parents and module != PACKAGE / "__init__.py"]
LOCKS = (ROOT / "requirements.lock", ROOT / "requirements-torch.lock")
HEAVY = {
    "SimpleITK",
    "gdcm",
    "matplotlib",
    "nibabel",
    "numpy",
    "openpyxl",
    "pandas",
    "onnxruntime",
    "pydicom",
    "scipy",
    "torch",
    "xlsxwriter",
}
SLOW = HEAVY | {"PIL", "jinja2", "psutil", "pydantic", "rich"}


def test_every_module_imports_only_from_the_layers_below_its_own() -> None:
    done = _run(Path(sys.executable).with_name("lint-imports"), "--no-cache", "--config", ROOT / ".importlinter")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("module", EAGER, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_our_own_modules_are_imported_at_the_top_where_everyone_sees_it(module: Path) -> None:
    assert _hidden_imports(module.read_text("utf-8")) == []


@pytest.mark.parametrize("module", EAGER, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_nobody_imports_through_the_front_door_from_inside(module: Path) -> None:
    """`uptake/__init__.py` reaches for every layer, so that a module that imports it is above all of them."""
    assert _front_door_imports(module.read_text("utf-8")) == []


def test_a_hidden_import_would_be_seen() -> None:
    code = "import numpy\ndef f():\n    import scipy\n    from uptake.io import nifti\n    import uptake.study\n"
    assert _hidden_imports(code) == [4, 5]
    assert _front_door_imports("import uptake\nfrom uptake import run\nfrom uptake import study\n") == [1, 2]


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert _loaded_after("import uptake") & HEAVY == set()


def test_asking_for_help_loads_no_library_that_reads_computes_or_draws() -> None:
    ask = "import sys; sys.argv = ['uptake', 'run', '--help']\nfrom uptake.cli import main\n"
    assert _loaded_after(f"{ask}try: main()\nexcept SystemExit: pass") & SLOW == set()


def test_features_are_extracted_without_plotting_files_or_frames() -> None:
    loaded = _loaded_after("import uptake.features")
    assert loaded & (HEAVY - {"numpy"}) == set()


def test_every_public_name_exists_and_is_listed_in_order() -> None:
    code = "import uptake, json; print(json.dumps([uptake.__all__, [hasattr(uptake, n) for n in uptake.__all__]]))"
    names, exist = json.loads(_run(sys.executable, "-c", code).stdout)
    assert all(exist)
    assert names == sorted(names)


def test_the_version_is_the_same_wherever_it_is_said() -> None:
    version = _said(PACKAGE / "__init__.py", r'^__version__ = "(.+)"$')
    assert _said(ROOT / "CITATION.cff", r"^version: (.+)$") == version
    assert _said(ROOT / "CHANGELOG.md", r"^## \[(\d.+?)\]") == version


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = project["dependencies"] + [d for extra in project["optional-dependencies"].values() for d in extra]
    locked = {_normal(line) for lock in LOCKS for line in lock.read_text("utf-8").splitlines()}
    assert {_normal(name) for name in wanted} - locked == {"uptake"}


def test_what_trains_networks_is_in_a_lock_of_its_own_and_what_runs_them_in_everyone_s() -> None:
    everyone, torch = ({_normal(line) for line in lock.read_text("utf-8").splitlines()} for lock in LOCKS)
    assert "onnxruntime" in everyone
    assert {"torch", "monai", "torchio", "onnx", "tensorboard"} <= torch
    assert not torch & everyone


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_the_lock_names_versions_and_no_address(lock: Path) -> None:
    lines = lock.read_text("utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+( ; .+)?", line)] == []


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    built = _run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path, ROOT)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("uptake/")}
    files = [file for file in PACKAGE.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    compiled = {name for name in names if re.fullmatch(r"uptake/features/_kernels\.(abi3\.so|pyd)", name)}
    assert len(compiled) == 1
    assert names - compiled == {f"uptake/{file.relative_to(PACKAGE).as_posix()}" for file in files}
    assert "-cp311-abi3-" in wheel.name, "one wheel serves every Python from 3.11 on"


def _hidden_imports(code: str) -> list[int]:
    """Lines of imports of our own modules inside functions."""
    functions = [n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = [node for function in functions for node in ast.walk(function)]
    return sorted({node.lineno for node in inside if any(_ours(name) for name in _imported(node))})


def _front_door_imports(code: str) -> list[int]:
    """Lines that import the package itself, or a name of it that is no module."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import) and any(alias.name == "uptake" for alias in node.names):
            found.append(node.lineno)
        if isinstance(node, ast.ImportFrom) and node.module == "uptake" and not all(map(_is_module, node.names)):
            found.append(node.lineno)
    return found


def _is_module(alias: ast.alias) -> bool:
    return (PACKAGE / alias.name).is_dir() or (PACKAGE / f"{alias.name}.py").is_file()


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return ["uptake" if node.level else node.module or ""]
    return []


def _ours(name: str) -> bool:
    return name.partition(".")[0] == "uptake"


def _loaded_after(code: str) -> set[str]:
    """Top-level names of the modules that a fresh Python holds after `code`."""
    script = (
        f"{code}\nimport sys, json; print('MODULES' + json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    )
    done = _run(sys.executable, "-c", script)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.split("MODULES")[1]))


def _said(file: Path, pattern: str) -> str:
    found = re.search(pattern, file.read_text("utf-8"), re.MULTILINE)
    assert found, f"{file.name} names no version"
    return found.group(1)


def _normal(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name
    return re.sub(r"[-_.]+", "-", name.group()).lower()


def _run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, cwd=ROOT)
