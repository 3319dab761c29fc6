"""Readers compared: every pair of approved masks of a case, and what their consensus may start from."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from uptake.cohort import reading
from uptake.cohort.overlap import Agreement, Rule, agree, combined
from uptake.cohort.reading import CONSENSUS, Entry
from uptake.io import revisions
from uptake.io.tables import csv_text
from uptake.review.bodies import Bad
from uptake.review.volumes import nifti_bytes
from uptake.volume import Volume

PAIR = (
    *("a", "b", "dice", "jaccard", "mean_surface_distance_mm", "hausdorff95_mm", "hausdorff_mm"),
    *("volume_a_cc", "volume_b_cc", "difference_cc", "difference_percent"),
)
"""What is told of two masks: overlap, distances of their surfaces, volumes; null where a mask is empty."""


def compared(cohort: Path, case_id: str, entries: Sequence[Entry]) -> dict[str, Any]:
    """Every pair of chains whose last decision is an approval, the consensus too; and starts for a consensus."""
    masks = final(cohort, entries)
    pairs = [_pair(a, b, agree(masks[a], masks[b])) for a, b in itertools.combinations(masks, 2)]
    readers = [name for name in masks if name != CONSENSUS]
    starts = [
        {"name": rule, "url": f"/api/cases/{case_id}/combined/{rule}", "label": f"{rule} of {', '.join(readers)}"}
        for rule in get_args(Rule)
        if len(readers) > 1
    ]
    return {"readers": readers, "pairs": pairs, "starts": starts}


def final(cohort: Path, entries: Sequence[Entry]) -> dict[str, Volume]:
    """The approved primary lesion of each chain that has one."""
    found = {name: reading.approved(entries, name) for name in reading.chains(entries)}
    return {name: revisions.read_primary(cohort, entry)[0] for name, entry in found.items() if entry}


def combined_bytes(cohort: Path, entries: Sequence[Entry], rule: str) -> bytes:
    """A start for the consensus as ``.nii``. Raises `Bad` 404 where fewer than two readers are final."""
    masks = [mask for name, mask in final(cohort, entries).items() if name != CONSENSUS]
    if rule not in get_args(Rule) or len(masks) < 2:
        raise Bad(404, "there is no such start", "two readers must have approved their masks")
    return nifti_bytes(combined(masks, rule))  # type: ignore[arg-type]


def agreement_csv(cohort: Path, reader: str) -> str:
    """Every pair of every case, but of those that `reader` still has to read blind."""
    rows = [
        {"case_id": case_id, **pair}
        for case_id, entries in sorted(revisions.by_case(revisions.entries(cohort)).items())
        if not reading.is_blind(entries, reader)
        for pair in compared(cohort, case_id, entries)["pairs"]
    ]
    return csv_text(("case_id", *PAIR), rows)


def _pair(a: str, b: str, found: Agreement) -> dict[str, Any]:
    distances = found.mean_surface_mm, found.hd95_mm, found.hausdorff_mm
    volumes = found.cc_one, found.cc_other, found.cc_other - found.cc_one, found.difference_percent
    return dict(zip(PAIR, (a, b, found.dice, found.jaccard, *distances, *volumes), strict=True))
