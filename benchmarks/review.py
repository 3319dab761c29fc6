"""How quickly the review page answers in headless Chromium under software WebGL: the figures of docs/benchmarks.md.

    python benchmarks/review.py COHORT [--case ID] [--repeat 3]

Ready: from asking for the page of a case until its first post-contrast image and the mask to edit are painted. Switch:
from the key until another phase is painted. Stroke: one step of the pen, painted. Worklist: a cohort of 200 cases made
of links to the case, from asking for the page until its rows stand. Give a case whose 1 mm grid is 200 x 200 x 120
(ISPY1_1001) to compare with the documentation. Wall clock: run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

FLAGS = ["--no-sandbox", "--no-first-run", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
VIEWS = (("late", "3"), ("early", "2"), ("subtraction", "4"), ("pre", "1"), ("mip", "5"), ("ser", "6"))
CASES = 200


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--case", help="default: the first")
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    case = given.case or sorted(path.name for path in (given.cohort / "cases").iterdir())[0]
    chromium = next(p for name in ("chromium", "google-chrome") if (p := shutil.which(name)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for _ in range(given.repeat):
            with served(given.cohort) as link:
                print(one_case(browser, link, case), flush=True)
        with tempfile.TemporaryDirectory() as folder, served(many(given.cohort, case, Path(folder))) as link:
            print(worklist(browser, link), flush=True)


def one_case(browser: Browser, link: str, case: str) -> str:
    """Ready, switches and strokes of one case in a new browser."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    base = entered(page, link)
    started, spent = time.perf_counter(), processor_s()
    page.goto(f"{base}/case/{case}")
    until(page, "document.body?.dataset.state", "ready")
    ready, spent = time.perf_counter() - started, processor_s() - spent
    until(page, "document.body.dataset.loaded", "all")
    loaded = time.perf_counter() - started
    switches = {name: switched(page, name, key) for name, key in VIEWS}
    grid = " x ".join(map(str, page.evaluate("uptake.grid.shape")))
    text = f"{case} ({grid}): ready {ready:.2f} s ({spent:.2f} s of processor), all images {loaded:.2f} s; "
    text += f"stroke step {stroke_ms(page):.0f} ms; switch "
    page.context.close()
    return text + ", ".join(f"{name} {ms} ms" for name, ms in switches.items())


def processor_s() -> float:
    """Processor seconds that browser and server have used so far: what a busy machine does not change."""
    processes = psutil.Process().children(recursive=True)
    return sum(p.cpu_times().user + p.cpu_times().system for p in processes if p.is_running())


def switched(page: Page, name: str, key: str) -> int:
    """Milliseconds from the key to the painted picture, as the page measures them."""
    page.keyboard.press(key)
    until(page, "document.body.dataset.view", name)
    return int(page.evaluate("Number(document.body.dataset.switch)"))


def stroke_ms(page: Page) -> float:
    """The median time between painted steps of a pen stroke."""
    page.keyboard.press("p")
    return float(
        page.evaluate("""(async () => {
      const { stage, hands } = uptake, [x, y] = stage.pixel(stage.cursor), box = stage.over.getBoundingClientRect();
      const fire = (kind, n) => stage.over.dispatchEvent(new PointerEvent(kind,
        { clientX: box.left + x + n, clientY: box.top + y, pointerId: 1, button: 0, bubbles: true }));
      stage.over.setPointerCapture = () => {};
      const times = [];
      fire("pointerdown", 0);
      for (let n = 1; n <= 20; n++) {
        const began = performance.now();
        const drawn = new Promise((done) => stage.addEventListener("drawn", done, { once: true }));
        fire("pointermove", n);
        await drawn;
        times.push(performance.now() - began);
      }
      fire("pointerup", 20);
      return times.sort((a, b) => a - b)[10];
    })()""")
    )


def worklist(browser: Browser, link: str) -> str:
    """The worklist of many cases, three times."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    base = entered(page, link)
    times = []
    for _ in range(3):
        started = time.perf_counter()
        page.goto(f"{base}/")
        until(page, "document.querySelectorAll('#cases tbody tr').length", CASES)
        times.append(time.perf_counter() - started)
    return f"worklist of {CASES} cases: {times[0]:.2f} s the first time, {statistics.median(times[1:]):.2f} s then"


def entered(page: Page, link: str) -> str:
    """Open the printed link and say who reads; the server's address."""
    base = link.partition("/?")[0]
    page.goto(link)
    headers = {"X-Uptake": "1", "Origin": base, "Content-Type": "application/json"}
    page.request.put(f"{base}/api/session", data='{"reader": "benchmark"}', headers=headers)
    return base


def until(page: Page, script: str, wanted: object) -> None:
    """Wait for a value; the page's policy forbids Playwright's own way of waiting."""
    deadline = time.perf_counter() + 120
    while page.evaluate(script) != wanted:
        if time.perf_counter() > deadline:
            raise TimeoutError(script)
        time.sleep(0.01)


@contextmanager
def served(cohort: Path) -> Iterator[str]:
    """`uptake review` as a process; its link."""
    command = [sys.executable, "-m", "uptake", "review", str(cohort), "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield (process.stdout.readline() if process.stdout else "").removeprefix("URL: ").strip()
    finally:
        process.terminate()
        process.wait()


def many(cohort: Path, case: str, folder: Path) -> Path:
    """A cohort of CASES cases that are links to the files of one."""
    made = folder / "cohort"
    made.mkdir()
    shutil.copy(cohort / "uptake.toml", made)
    for number in range(CASES):
        name = f"CASE-{number:03d}"
        for path in sorted((cohort / "cases" / case).rglob("*")):
            target = made / "cases" / name / str(path.relative_to(cohort / "cases" / case)).replace(case, name)
            if path.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(path.resolve())
    return made


if __name__ == "__main__":
    main()
