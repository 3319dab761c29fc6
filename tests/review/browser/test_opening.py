"""The link opens in a browser that comes to it from a file, as `uptake review` has it opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.review.conftest import GRIDS, answering, write_cohort

from uptake.review.server import ADDRESS, Link, write_opener


def test_a_strict_cookie_is_sent_after_a_navigation_that_a_file_began(browser: Any, tmp_path: Path) -> None:
    cohort = write_cohort(tmp_path / "cohort", {"AXIAL": GRIDS["AXIAL"]})
    with answering(cohort) as bench:
        port = bench.sessions.port
        write_opener(tmp_path / "open.html", Link(f"http://{ADDRESS}:{port}/?token={bench.sessions.token}", port))
        page = browser.new_page()
        page.goto((tmp_path / "open.html").as_uri())
        page.wait_for_url(f"http://{ADDRESS}:{port}/?again=1", timeout=60_000)
        assert page.title() == "Worklist"
        assert bench.sessions.token not in page.url
        page.close()
