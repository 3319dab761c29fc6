"""Whether the phases are what they are taken for: contrast agent after the first one, counts as the study records them.

Phases that were mixed up in an archive look like phases. The first check needs no tumour and no volume of interest:
blood, heart and gland take up contrast agent in every patient. The second finds what the first cannot, early and late
phase in each other's place, where UCSF's own object says what it counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from uptake.cohort.blocks import block_means, block_steps, blocks
from uptake.cohort.checks import Finding, Status
from uptake.volume import Volume

MOST_CHANGED_PERCENT = 2.0
"""Of the body: where it changes most between the phases. Vessels, heart and tumour, if contrast agent was given."""

COUNTS_DIFFER = 0.02
"""Of the recorded count. Equal phases give equal counts, voxel for voxel; phases in another order do not come near."""


def contrast_after_first(volumes: Sequence[Volume], body: Volume) -> Iterator[Finding]:
    """Where the body changes most, it is darkest in the first phase; nothing to say of an image without a body."""
    steps = block_steps(volumes[0])
    inside = blocks(body.array, steps, np.logical_and)
    if not inside.any():
        return
    means = np.stack([block_means(volume.array, steps)[inside] for volume in volumes])
    change = means.max(axis=0) - means.min(axis=0)
    most = change >= np.percentile(change, 100 - MOST_CHANGED_PERCENT)
    levels = means[:, most].mean(axis=1)
    status: Status = "pass" if levels[0] < levels[1:].min() else "fail"
    found = f"mean per phase where the body changes most {', '.join(f'{level:.4g}' for level in levels)}"
    remedy = "the phases may be swapped, or no contrast agent arrived: check how they were told apart"
    yield Finding("contrast after the first phase", status, found, "lowest in the first phase", remedy)


def counted_as_recorded(recorded: tuple[int | None, int | None], counted: tuple[int, int]) -> Iterator[Finding]:
    """Both functional tumour volumes, in voxels, against those that the study's own object says were counted.

    For results by the study's own rule on its own phases only. Nothing to say where nothing is recorded.
    """
    for name, theirs, ours in zip(("FTV by PE", "FTV by PE and SER"), recorded, counted, strict=True):
        if theirs is None:
            continue
        status: Status = "pass" if abs(ours - theirs) <= COUNTS_DIFFER * max(theirs, 1) else "warn"
        found, allowed = f"{ours} voxels", f"{theirs} as the study records, within {100 * COUNTS_DIFFER:g} %"
        remedy = "another run of UCSF's software, or phases in another order than it had: look at the SER map"
        yield Finding(f"{name} as recorded", status, found, allowed, remedy)
