"""What is drawn with the mouse is saved where the picture shows it; undo, redo and the whole-mask tools."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from tests.review.browser.conftest import RADIUS_MM, Page, world
from tests.review.conftest import GRIDS, middle_mm

from uptake.io import revisions


def saved(cohort: Path, case_id: str, revision: int) -> Any:
    entry = next(e for e in revisions.entries(cohort, case_id) if e.action == "saved" and e.revision == revision)
    return nib.load(cohort / "review/masks" / f"{entry.sha256}.nii.gz")


def dice(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> float:
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def bright_centre(page: Page, plane: str) -> tuple[float, float]:
    """The middle of what is bright in a pane, as the screen shows it: pixels of a screenshot and nothing else."""
    rect = page.ask(
        f"""(() => {{
          const box = uptake.stage.over.getBoundingClientRect();
          const {{ rect }} = uptake.stage.panes.find((p) => p.plane.name === "{plane}");
          return {{ x: rect.left + box.left, y: rect.top + box.top, width: rect.width, height: rect.height }};
        }})()"""
    )
    clip = {"x": math.ceil(rect["x"]), "y": math.ceil(rect["y"]), "width": 300, "height": 300}
    clip["width"], clip["height"] = math.floor(rect["width"]) - 1, math.floor(rect["height"]) - 1
    grey = np.asarray(Image.open(io.BytesIO(page.tab.screenshot(clip=clip))).convert("L")).astype(float)
    edge = 26  # letters, slice number and ruler stand at the edge
    grey[:edge] = grey[-edge:] = 0
    grey[:, :edge] = grey[:, -edge:] = 0
    y, x = np.argwhere(grey > 127).mean(axis=0)
    return clip["x"] + x + 0.5, clip["y"] + y + 0.5


def circle(centre: tuple[float, float], radius: float) -> list[tuple[float, float]]:
    turns = np.linspace(0, 2 * np.pi, 61)
    return [(centre[0] + radius * math.cos(t), centre[1] + radius * math.sin(t)) for t in turns]


@pytest.mark.parametrize("case_id", GRIDS)
def test_a_mask_drawn_on_the_picture_lies_there_in_the_world(page: Page, cohort: Path, case_id: str) -> None:
    centre = middle_mm(GRIDS[case_id])
    page.case(case_id)
    page.go(centre)
    page.press("Delete", "m", "k")
    page.show("early", "2")
    for plane in ("axial", "coronal", "sagittal"):
        seen, said = bright_centre(page, plane), page.pixel(centre, plane)
        scale = page.ask("uptake.stage.pane.scale")
        assert np.abs(np.subtract(seen, said)).max() / scale < 0.25, f"{plane}: the picture is not where the page says"

    page.press("c")
    page.stroke(*circle(bright_centre(page, "axial"), RADIUS_MM * page.ask("uptake.stage.pane.scale")))
    page.until("uptake.editor.history.edits.length", 2)
    contour = saved(cohort, case_id, page.save())
    place, drawn = world(contour), np.asanyarray(contour.dataobj) == 1
    slices = np.flatnonzero(drawn.any(axis=tuple(a for a in range(3) if a != up(contour))))
    assert len(slices) == 1, "a contour fills one slice"
    truth = (np.linalg.norm(place - centre, axis=-1) <= RADIUS_MM) & one_slice(contour, slices[0])
    assert dice(drawn, truth) >= 0.97
    assert np.abs(place[drawn].mean(axis=0) - place[truth].mean(axis=0)).max() < 0.1

    page.press("g")
    page.tab.mouse.click(*bright_centre(page, "sagittal"))
    page.until("uptake.editor.history.edits.length", 3)
    ball = saved(cohort, case_id, page.save())
    drawn, truth = np.asanyarray(ball.dataobj) == 1, np.linalg.norm(world(ball) - centre, axis=-1) <= RADIUS_MM
    assert dice(drawn, truth) >= 0.97
    assert np.abs(world(ball)[drawn].mean(axis=0) - centre).max() < 0.1
    assert page.volumes[0] == pytest.approx(np.count_nonzero(drawn) / 1000)


def up(image: Any) -> int:
    """The array's axis that runs most along head to foot."""
    return nib.aff2axcodes(image.affine).index(next(c for c in nib.aff2axcodes(image.affine) if c in "SI"))


def one_slice(image: Any, number: int) -> npt.NDArray[np.bool_]:
    index = np.arange(image.shape[up(image)]) == number
    shape = [1, 1, 1]
    shape[up(image)] = -1
    return np.broadcast_to(index.reshape(shape), image.shape)


def test_a_pen_stroke_has_the_width_it_says_and_the_eraser_takes_it_back(page: Page) -> None:
    centre = middle_mm(GRIDS["AXIAL"])
    page.case("AXIAL")
    page.go(centre)
    page.press("Delete", "p")
    page.ask("uptake.hands.radius = 3")
    ends = [page.pixel(centre + np.array((dx, 0, 0)), "axial") for dx in (-5.0, 5.0)]
    page.stroke(*ends)
    expected = (2 * 3 * 10 + math.pi * 3**2) / 1000  # a stadium of 10 mm and radius 3 mm, one slice of 1 mm
    assert page.volumes[0] == pytest.approx(expected, rel=0.06)
    page.press("e")
    page.stroke(*ends)
    assert page.volumes == [0, 0]


def test_undo_and_redo_have_no_end_and_volumes_follow(page: Page) -> None:
    centre = middle_mm(GRIDS["SAGITTAL"])
    page.case("SAGITTAL")
    page.go(centre)
    page.press("Delete", "p")
    page.ask("uptake.hands.radius = 1")
    seen = [page.volumes[0]]
    for n in range(12):
        x, y = page.pixel(centre + np.array((0, -6.0 + n, 0)), "axial")
        page.stroke((x, y), (x + 2, y))
        seen.append(page.volumes[0])
    assert len(set(seen)) == 13
    back = []
    for _ in range(12):
        page.press("Control+z")
        back.append(page.volumes[0])
    assert back == seen[-2::-1]
    forth = []
    for _ in range(12):
        page.press("Control+y")
        forth.append(page.volumes[0])
    assert forth == seen[1:]
    page.press(*["Control+z"] * 20)
    assert page.volumes[0] > 0, "the very first edit, the clearing, is undone too"
    assert page.ask("uptake.editor.history.canUndo") is False
    page.press("Control+z", "p")
    page.stroke(page.pixel(centre, "axial"), page.pixel(centre + np.array((9.0, 0, 0)), "axial"))
    assert page.ask("uptake.editor.history.canRedo") is False, "a new edit ends what could be redone"


def test_a_satellite_has_its_own_label_and_is_removed_by_one_key(page: Page, cohort: Path) -> None:
    centre = middle_mm(GRIDS["AXIAL"])
    page.case("AXIAL")
    page.go(centre)
    page.press("Delete", "p")
    page.ask("uptake.hands.radius = 3")
    page.stroke(page.pixel(centre, "axial"), page.pixel(centre + np.array((2.0, 0, 0)), "axial"))
    primary = page.volumes[0]
    page.press("a")
    page.ask("uptake.hands.radius = 1.5")
    page.stroke(page.pixel(centre + np.array((10.0, 8.0, 0)), "axial"))
    assert page.volumes[0] == primary
    assert 0 < page.volumes[1] < primary
    mask = np.asanyarray(saved(cohort, "AXIAL", page.save()).dataobj)
    assert [np.count_nonzero(mask == v) / 1000 for v in (1, 2)] == pytest.approx(page.volumes)
    page.press("x")
    assert page.volumes == [primary, 0]


def test_another_start_takes_the_place_of_what_is_drawn_and_can_be_undone(page: Page) -> None:
    page.case("AXIAL")
    proposal = page.volumes[0]
    page.press("Delete")
    assert page.volumes[0] == 0
    page.press("r")
    page.until("document.querySelectorAll('dialog[open]').length", 1)
    assert page.ask("[...document.querySelectorAll('dialog option')].map((o) => o.textContent)") == [
        "the proposal made from the FTV", "an empty mask",
    ]  # fmt: skip
    page.tab.click("dialog [data-action=ok]")
    page.until("uptake.editor.history.edits.length", 2)
    assert page.volumes[0] == proposal > 0
    page.press("Control+z")
    assert page.volumes[0] == 0


def test_the_keys_one_to_six_show_the_pictures(page: Page) -> None:
    page.case("AXIAL")
    page.go(middle_mm(GRIDS["AXIAL"]))
    page.press("m", "k")
    bright = {}
    for view, key in (("pre", "1"), ("early", "2"), ("late", "3"), ("subtraction", "4"), ("mip", "5")):
        page.show(view, key)
        page.settle()
        shot = np.asarray(Image.open(io.BytesIO(page.tab.screenshot())).convert("L")).astype(float)
        x, y = page.pixel(middle_mm(GRIDS["AXIAL"]), "axial")
        bright[view] = shot[int(y) - 3 : int(y) + 3, int(x) - 3 : int(x) + 3].mean()
    assert bright["pre"] < 10, "one window for all phases: before contrast the ball is black"
    assert bright["early"] > 240
    assert 150 < bright["late"] < 190, "two thirds of the first"
    assert bright["subtraction"] > 240
    assert bright["mip"] > 240
    assert page.ask("document.querySelector('#views [data-view=ser]').disabled"), "this case has no SER map"
