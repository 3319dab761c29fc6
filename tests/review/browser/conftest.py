"""A real headless Chromium on the review's pages: whole stories with mouse and keyboard."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Error, sync_playwright
from tests.review.conftest import GRIDS, middle_mm, write_cohort

from uptake.review.app import Workbench
from uptake.review.server import viewer_installed

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FLAGS = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
]  # fmt: skip
RADIUS_MM = 9.0
PATIENCE_S = 60


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: install it to test what the pages do")
    if not viewer_installed():
        pytest.skip("NiiVue is not there: `make viewer` fetches it from npm")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cases whose images hold one ball with a soft edge: at RADIUS_MM of the world it is half as bright."""
    cohort = write_cohort(tmp_path_factory.mktemp("browser") / "cohort", GRIDS)
    for case_id, grid in GRIDS.items():
        for phase in range(3):
            path = cohort / f"cases/{case_id}/harmonised/{case_id}_{phase:04d}.nii.gz"
            image = nib.load(path)
            distance = np.linalg.norm(world(image) - middle_mm(grid), axis=-1)
            bright = (0.0, 3.0, 2.0)[phase] / (1 + np.exp((distance - RADIUS_MM) / 0.2))
            nib.save(nib.Nifti1Image(bright.astype(np.float32), image.affine), path)
    return cohort


def world(image: Any) -> npt.NDArray[np.float64]:
    """RAS mm of every voxel of an image, by nibabel."""
    index = np.stack(np.meshgrid(*map(np.arange, image.shape[:3]), indexing="ij"), axis=-1)
    return np.asarray(nib.affines.apply_affine(image.affine, index))


@dataclass
class Page:
    """One tab in which somebody reads."""

    tab: Any
    base: str
    wrong: list[str] = field(default_factory=list)

    def ask(self, script: str) -> Any:
        return self.tab.evaluate(script)

    def until(self, script: str, wanted: object = True) -> None:
        """Wait; the page's policy forbids Playwright's own way of waiting, which evaluates text inside the page."""
        deadline = time.monotonic() + PATIENCE_S
        while (got := self._now(script)) != wanted:
            assert time.monotonic() < deadline, f"{script} is {got!r}, not {wanted!r}; {self.wrong}"
            time.sleep(0.03)

    def _now(self, script: str) -> object:
        """The value, or None while the tab goes from one page to the next."""
        try:
            return self.ask(script)
        except Error as error:
            if "Execution context was destroyed" not in str(error) and "Cannot find context" not in str(error):
                raise
            return None

    def open(self, path: str) -> Page:
        self.tab.goto(self.base + path)
        self.until("document.body?.dataset.state", "ready")
        return self

    def case(self, case_id: str, query: str = "") -> Page:
        self.open(f"/case/{case_id}{query}")
        self.until("document.body?.dataset.loaded", "all")
        return self

    def press(self, *keys: str) -> None:
        for key in keys:
            self.tab.keyboard.press(key)

    def pixel(self, world_mm: npt.ArrayLike, plane: str) -> tuple[float, float]:
        """Where on the screen a place of the world is drawn, if the slice goes through it."""
        place = list(map(float, np.asarray(world_mm)))
        x, y = self.ask(
            f"""(async () => {{
              const {{ toVoxel }} = await import("/static/nifti.js");
              const [x, y] = uptake.stage.pixel(toVoxel(uptake.grid, {place}), "{plane}");
              const box = uptake.stage.over.getBoundingClientRect();
              return [x + box.left, y + box.top];
            }})()"""
        )
        return x, y

    def go(self, world_mm: npt.ArrayLike) -> None:
        place = list(map(float, np.asarray(world_mm)))
        self.ask(f'import("/static/nifti.js").then((m) => uptake.stage.go(m.toVoxel(uptake.grid, {place})))')
        self.settle()

    def settle(self) -> None:
        """Let two frames pass."""
        self.ask("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def show(self, view: str, key: str) -> None:
        self.press(key)
        self.until("document.body?.dataset.view", view)

    def stroke(self, *points: tuple[float, float], up: bool = True) -> None:
        self.tab.mouse.move(*points[0])
        self.tab.mouse.down()
        for point in points[1:]:
            self.tab.mouse.move(*point)
        if up:
            self.tab.mouse.up()

    @property
    def volumes(self) -> list[float]:
        return list(self.ask("uptake.editor.volumes"))

    def save(self) -> int:
        before = self.ask("uptake.chain.revision")
        self.press("s")
        self.until(f"uptake.chain.revision > {before}")
        return int(self.ask("uptake.chain.revision"))


@pytest.fixture
def tabs(browser: Any) -> Iterator[Callable[..., Page]]:
    """Opens the printed link in a browser of its own. At the end: no script failed, nothing was asked of others."""
    opened: list[Page] = []

    def entered(link: str, name: str, context: Any = None) -> Page:
        context = context or browser.new_context(viewport={"width": 1100, "height": 760})
        page = Page(context.new_page(), re.sub(r"/\?.*", "", link))
        opened.append(page)
        page.tab.on("pageerror", lambda error: page.wrong.append(f"{error}"))
        page.tab.on("console", lambda said: page.wrong.append(said.text) if "Content Security" in said.text else None)
        page.tab.on("request", lambda r: page.wrong.append(r.url) if _foreign(r.url, page.base) else None)
        page.tab.goto(link)
        headers = {"X-Uptake": "1", "Origin": page.base, "Content-Type": "application/json"}
        page.tab.request.put(f"{page.base}/api/session", data=json.dumps({"reader": name}), headers=headers)
        return page

    yield entered
    wrong = [text for page in opened for text in page.wrong]
    for page in opened:
        page.tab.context.close()
    assert wrong == []


def _foreign(url: str, base: str) -> bool:
    return not url.startswith((base, "data:", "blob:"))


@pytest.fixture
def link(bench: Workbench, base: str) -> str:
    return f"{base}/?token={bench.sessions.token}"


@pytest.fixture
def page(tabs: Callable[..., Page], link: str) -> Page:
    return tabs(link, "AB")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass
class Running:
    """`uptake review` as a process that can be killed."""

    cohort: Path
    port: int = field(default_factory=_free_port)
    process: subprocess.Popen[str] | None = None
    link: str = ""

    def start(self) -> str:
        command = [sys.executable, "-m", "uptake", "review", str(self.cohort), "--no-browser", "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.link = line.removeprefix("URL: ").strip()
        return self.link

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


@pytest.fixture
def running(cohort: Path) -> Iterator[Running]:
    server = Running(cohort)
    yield server
    server.kill()
