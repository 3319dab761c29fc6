"""Whose volume of interest counts, and what makes one unusable."""

from __future__ import annotations

import numpy as np
import pytest

from uptake.phantom import make
from uptake.study import Box, Code, Recorded, Refusal
from uptake.tumour.voi import UserVoi, Voi, VoiChoice, VoiRegion, choose_voi, region_of
from uptake.volume import DCM2NIIX, Grid, Layout, Volume

GRID = Grid((40, 30, 20), np.diag([1.0, 1.0, 2.0, 1.0]))
RECORDED = Recorded(voi=Box((1, 2, 3), (10, 12, 13)), sources={"voi": "SER map"})


def images(lesion: bool = True) -> tuple[Volume, Volume]:
    pre = np.full(GRID.shape, 100, np.int16)
    early = np.full(GRID.shape, 110, np.int16)
    if lesion:
        early[14:22, 8:16, 6:12] = 260
    return Volume(pre, GRID), Volume(early, GRID)


def chosen(
    recorded: Recorded | None = None, user: UserVoi | None = None, settings: Voi | None = None, lesion: bool = True
) -> tuple[VoiChoice, VoiRegion]:
    pre, early = images(lesion)
    return choose_voi(pre, early, DCM2NIIX, recorded or Recorded(), user, settings or Voi())


def test_the_recorded_voi_is_used_with_both_ends_inside() -> None:
    choice, region = chosen(RECORDED)
    assert (choice.source, choice.start, choice.end) == ("study", (1, 2, 3), (10, 12, 13))
    assert region.inside.sum() == 10 * 11 * 11
    assert "SER map" in choice.words


def test_the_users_voi_wins_over_the_recorded_one() -> None:
    choice, _ = chosen(RECORDED, UserVoi("box", Box((0, 0, 0), (5, 5, 5))))
    assert (choice.source, choice.end) == ("user", (5, 5, 5))


def test_a_users_mask_is_the_region_and_the_sample() -> None:
    array = np.zeros(GRID.shape, bool)
    array[3:6, 20:25, 7:9] = True
    choice, region = chosen(user=UserVoi("mask", mask=Volume(array, GRID)))
    assert np.array_equal(region.inside, array)
    assert choice.shape == "mask"
    assert (choice.start, choice.end) == ((3, 30 - 25, 7), (5, 30 - 1 - 20, 8))


def test_an_automatic_voi_holds_the_enhancing_lesion_and_is_marked() -> None:
    choice, region = chosen()
    assert choice.automatic
    assert "automatic" in choice.words
    assert region.inside[14:22, 8:16, 6:12].all()
    assert not region.inside.all()


def test_an_automatic_voi_is_the_same_region_whatever_the_order_of_axes() -> None:
    pre, early = images()
    choice, _ = choose_voi(pre, early, DCM2NIIX, Recorded(), None, Voi())
    layout = Layout((2, 0, 1), (False, True, False))
    grid = Grid((20, 40, 30), np.diag([2.0, 1.0, 1.0, 1.0]))
    turned = [Volume(v.array.transpose(2, 0, 1)[:, ::-1, ::-1], grid) for v in (pre, early)]
    again, _ = choose_voi(turned[0], turned[1], layout, Recorded(), None, Voi())
    assert (again.start, again.end) == (choice.start, choice.end)


@pytest.mark.parametrize(
    ("recorded", "user", "settings", "lesion", "code"),
    [
        (Recorded(voi=Box((0, 0, 0), (40, 5, 5))), None, Voi(), True, Code.VOI),
        (Recorded(voi=Box((0, 0, 0), (5, 5, 5)), omit_unknown=("a polygon",)), None, Voi(), True, Code.OMIT_REGION),
        (Recorded(voi=Box((0, 0, 0), (5, 5, 5)), omit=(Box((0, 0, 0), (9, 9, 9)),)), None, Voi(), True, Code.VOI),
        (None, UserVoi("m", mask=Volume(np.zeros(GRID.shape, bool), GRID)), Voi(), True, Code.EMPTY_MASK),
        (
            None,
            UserVoi("m", mask=Volume(np.ones((2, 2, 2), bool), Grid((2, 2, 2), np.eye(4)))),
            Voi(),
            True,
            Code.MASK_GRID,
        ),
        (None, None, Voi(automatic=False), True, Code.VOI),
        (None, None, Voi(), False, Code.VOI),
    ],
    ids=["outside", "omit unknown", "all omitted", "empty mask", "other grid", "none allowed", "nothing enhances"],
)
def test_an_unusable_voi_is_refused(
    recorded: Recorded | None, user: UserVoi | None, settings: Voi, lesion: bool, code: Code
) -> None:
    with pytest.raises(Refusal) as refused:
        chosen(recorded, user, settings, lesion)
    assert refused.value.code is code


def test_an_automatic_voi_keeps_to_the_breast_where_one_is_given() -> None:
    phantom = make(seed=3, size="small")
    pre, early, _ = phantom.study.volumes
    heart = np.zeros(pre.array.shape, bool)
    heart[50:, 20:45, 5:20] = True
    before, after = pre.array.copy(), early.array.copy()
    before[heart], after[heart] = before.max(), 4 * before.max()
    volumes = pre.with_array(before), pre.with_array(after)
    layout = phantom.study.acquisition.layout
    alone, _ = choose_voi(*volumes, layout, Recorded(), None, Voi())
    breast = pre.with_array(~heart)
    choice, region = choose_voi(*volumes, layout, Recorded(), None, Voi(), breast)
    inside = region_of(Box(choice.start, choice.end), (), pre.array.shape, layout).inside
    astray = region_of(Box(alone.start, alone.end), (), pre.array.shape, layout).inside
    assert inside[phantom.lesion.array].mean() > 0.8
    assert astray[phantom.lesion.array].mean() < 0.5
    assert not (region.inside & heart).any()
    assert "in the breast" in choice.words


def test_a_breast_that_does_not_enhance_is_refused_and_named() -> None:
    phantom = make(seed=3, size="small")
    pre, early, _ = phantom.study.volumes
    nothing = pre.with_array(np.zeros(pre.array.shape, bool))
    with pytest.raises(Refusal, match="of the breast"):
        choose_voi(pre, early, DCM2NIIX, Recorded(), None, Voi(), nothing)


def test_a_recorded_voi_is_not_cut_to_the_breast() -> None:
    phantom = make(seed=3, size="small")
    pre, early, _ = phantom.study.volumes
    nothing = pre.with_array(np.zeros(pre.array.shape, bool))
    recorded = phantom.study.acquisition.recorded
    _, region = choose_voi(pre, early, DCM2NIIX, recorded, None, Voi(), nothing)
    assert np.array_equal(region.inside, choose_voi(pre, early, DCM2NIIX, recorded, None, Voi())[1].inside)
    assert region.inside.any()
