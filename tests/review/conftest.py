"""Cohorts of tiny cases on axial, sagittal and oblique grids, and a browser's side of the server."""

from __future__ import annotations

import gzip
import math
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import numpy.typing as npt
import pytest

from uptake.cohort.checks import Finding
from uptake.io import forms
from uptake.io.files import write_bytes_whole
from uptake.io.forms import StvFiles
from uptake.io.store import CaseRecord, Cohort
from uptake.pipeline.settings import Settings, to_toml
from uptake.preprocess.harmonise import harmonise
from uptake.preprocess.normalise import ZScore
from uptake.preprocess.resample import Resample, isotropic_grid, resample_mask
from uptake.review.app import Workbench
from uptake.review.guard import Sessions
from uptake.review.server import ADDRESS, listen, server_of
from uptake.review.worklist import Worklist
from uptake.study import Phase, Study
from uptake.tumour.stv import Stv, propose_stv
from uptake.volume import Grid, Volume

TURN = math.radians(6.4)
GRIDS = {
    "AXIAL": Grid((24, 20, 10), np.diag((1.5, 1.5, 3.0, 1.0))),
    "SAGITTAL": Grid((22, 20, 9), np.array([[0, 0, 2.5, -70], [-1.2, 0, 0, 40], [0, 1.2, 0, -30], [0, 0, 0, 1.0]])),
    "OBLIQUE": Grid(
        (22, 20, 9),
        np.array([
            [0, -1.2 * math.sin(TURN), 2.5 * math.cos(TURN), -70],
            [-1.2, 0, 0, 40],
            [0, 1.2 * math.cos(TURN), 2.5 * math.sin(TURN), -30],
            [0, 0, 0, 1.0],
        ]),
    ),
}  # fmt: skip


def ball(grid: Grid, centre_mm: npt.ArrayLike, radius_mm: float) -> npt.NDArray[np.bool_]:
    """The voxels whose centres lie within `radius_mm` of a point in RAS mm: worked out in world space alone."""
    index = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1)
    return np.linalg.norm(grid.to_world(index) - np.asarray(centre_mm), axis=-1) <= radius_mm


def middle_mm(grid: Grid) -> npt.NDArray[np.float64]:
    return grid.to_world((np.array(grid.shape) - 1) / 2)


def write_case(cohort: Path, case_id: str, grid: Grid) -> None:
    """A case as a run leaves it, as far as the review looks at it."""
    folder = cohort / "cases" / case_id
    rng = np.random.default_rng(0)
    lesion = Volume(ball(grid, middle_mm(grid), 6.0), grid)
    phases = [
        Volume((100 + rng.random(grid.shape) + rise * lesion.array).astype(np.float32), grid) for rise in (0, 90, 60)
    ]
    study = Study(case_id, tuple(Phase(v, 90.0 * n) for n, v in enumerate(phases)))
    forms.STUDY.write(folder, study)
    ones = Volume(np.ones(grid.shape, dtype=np.float32), grid)
    whole = Volume(np.ones(grid.shape, dtype=bool), grid)
    forms.HARMONISED.write(folder, harmonise(study, (ones,), Resample(), ZScore(), whole))
    made = propose_stv(lesion, lesion.cc, Stv())
    isotropic = resample_mask(made.mask, isotropic_grid(grid))
    forms.STV.write(folder, StvFiles(isotropic, made.mask, made.numbers))
    finding = Finding("spacing", "warn", "<b>odd</b>", "even", "")
    forms.CHECKED.write(folder, (finding, Finding("fine", "pass", "", "")))
    write_bytes_whole(folder / "thumbnail.png", b"\x89PNG\r\n\x1a\n")
    write_bytes_whole(folder / "report.html", b"<!doctype html><title>report</title>")
    Cohort(cohort).write_record(CaseRecord(case_id))


def write_cohort(folder: Path, cases: dict[str, Grid]) -> Path:
    write_bytes_whole(folder / "uptake.toml", to_toml(Settings()).encode())
    for case_id, grid in cases.items():
        write_case(folder, case_id, grid)
    return folder


@dataclass
class Reader:
    """A browser with a reader in it."""

    client: httpx.Client
    name: str

    def grid(self, case_id: str) -> Grid:
        found = self.client.get(f"/api/cases/{case_id}").json()["grid"]
        return Grid(tuple(found["shape"]), np.array(found["affine"]))

    def put_mask(
        self, case_id: str, labels: npt.NDArray[np.uint8], seen: int | str = 0, **query: object
    ) -> httpx.Response:
        return self.put(f"/api/cases/{case_id}/mask", packed(labels), seen, **query)

    def put(self, path: str, body: bytes, seen: int | str | None = None, **query: object) -> httpx.Response:
        headers = {} if seen is None else {"if-match": f'"{seen}"'}
        return self.client.put(path, content=body, headers=headers, params=query)  # type: ignore[arg-type]

    def decide(self, case_id: str, state: str, seen: int, chain: str = "", **values: object) -> httpx.Response:
        path = f"/api/cases/{case_id}/decision" + (f"?chain={chain}" if chain else "")
        return self.client.put(path, json={"state": state, **values}, headers={"if-match": f'"{seen}"'})

    def save_ball(self, case_id: str, radius_mm: float, seen: int = 0, **query: object) -> dict[str, object]:
        grid = self.grid(case_id)
        answer = self.put_mask(case_id, ball(grid, middle_mm(grid), radius_mm).astype(np.uint8), seen, **query)
        assert answer.status_code == 200, answer.text
        found: dict[str, object] = answer.json()
        return found

    def approve_ball(self, case_id: str, radius_mm: float) -> None:
        revision = self.save_ball(case_id, radius_mm)["revision"]
        assert self.decide(case_id, "approved", int(str(revision))).status_code == 200


def packed(labels: npt.NDArray[np.uint8]) -> bytes:
    return gzip.compress(labels.astype(np.uint8).tobytes("F"), mtime=0)


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("review") / "cohort", GRIDS)


@pytest.fixture
def cohort(written: Path, tmp_path: Path) -> Path:
    """A case on an axial, a sagittal and an oblique grid, with proposals and nothing read yet."""
    return Path(shutil.copytree(written, tmp_path / "cohort"))


@contextmanager
def answering(cohort: Path) -> Iterator[Workbench]:
    """A cohort's workbench, answering on a free port of the loopback address."""
    with listen(0) as listening:
        opened = Cohort(cohort)
        bench = Workbench(opened, Sessions(listening.getsockname()[1]), Worklist(opened))
        answers = threading.Event()
        server = server_of(bench, answers.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        assert answers.wait(30)
        try:
            yield bench
        finally:
            server.should_exit = True
            thread.join(30)


@contextmanager
def opened_by(bench: Workbench, name: str = "") -> Iterator[httpx.Client]:
    """A browser that came by the printed link, and who reads in it."""
    base = f"http://{ADDRESS}:{bench.sessions.port}"
    with httpx.Client(base_url=base, headers={"origin": base, "x-uptake": "1"}, timeout=60) as client:
        assert client.get("/", params={"token": bench.sessions.token}).status_code == 303
        if name:
            assert client.put("/api/session", json={"reader": name}).status_code == 200
        yield client


@pytest.fixture
def bench(cohort: Path) -> Iterator[Workbench]:
    with answering(cohort) as bench:
        yield bench


@pytest.fixture
def base(bench: Workbench) -> str:
    return f"http://{ADDRESS}:{bench.sessions.port}"


@pytest.fixture
def stranger(base: str) -> Iterator[httpx.Client]:
    """Someone on the same machine without the token, who otherwise asks as the page does."""
    with httpx.Client(base_url=base, headers={"origin": base, "x-uptake": "1"}, timeout=60) as client:
        yield client


@pytest.fixture
def enter(bench: Workbench) -> Iterator[Callable[[str], Reader]]:
    """Opens the printed link in a new browser and says who reads."""
    with ExitStack() as stack:
        yield lambda name: Reader(stack.enter_context(opened_by(bench, name)), name)


@pytest.fixture
def reader(enter: Callable[[str], Reader]) -> Reader:
    return enter("AB")
