"""What the page of one case is told: its grid, volumes, numbers, and how its reading stands for this reader."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from uptake.cohort import reading
from uptake.cohort.reading import CONSENSUS, Entry
from uptake.io import revisions
from uptake.io.forms import StudyFile
from uptake.io.values import read_value
from uptake.review.volumes import MASKS, SER_RANGE, Kept, grid_of, window
from uptake.review.worklist import PHASES, Facts, flag_of
from uptake.study import Box
from uptake.tumour.ftv import FtvNumbers
from uptake.volume import Grid, Layout, Shape

START_LABELS = {"stv_predicted": "the network's mask", "stv_proposal": "the proposal made from the FTV"}


def describe(cohort: Path, folder: Path, reader: str, facts: Facts, kept: Kept) -> dict[str, Any]:
    """Everything about a case but its voxels, as `reader` may see it."""
    case_id = folder.name
    entries = revisions.entries(cohort, case_id)
    grid, limits = grid_of(folder), window(folder, kept)
    blind = reading.is_blind(entries, reader)
    images, reason = reading.images_state(entries)
    numbers = read_value(FtvNumbers, folder / "ftv.json") if (folder / "ftv.json").is_file() else None
    return {
        "case_id": case_id,
        "grid": {"shape": grid.shape, "affine": grid.affine.tolist(), "spacing_mm": grid.spacing_mm},
        "phases": _phases(folder),
        "window": {"low": limits.low, "high": limits.high},
        "overlays": _overlays(folder),
        "starts": _starts(folder, entries, reader, blind),
        "voi": voi(folder, numbers) if numbers else None,
        "ftv": ftv(numbers) if numbers else None,
        "flags": [flag_of(item) for item in facts.flags],
        "report": f"/api/cases/{case_id}/report",
        "state": reading.case_state(entries, bool(revisions.drafts(cohort).get(case_id))),
        "reader": chain(entries, reader, blind),
        "consensus": None if blind else chain(entries, CONSENSUS, blind),
        "draft": draft(cohort, case_id, reader),
        "consensus_draft": None if blind else draft(cohort, case_id, CONSENSUS),
        "images": {"state": images, "reason": reason},
        "blind": blind,
    }


def chain(entries: Sequence[Entry], name: str, blind: bool = False) -> dict[str, Any]:
    """How one chain of revisions stands. The history is that of all chains, or of this one for a blind reader."""
    newest, last = reading.latest_revision(entries, name), reading.decision(entries, name)
    mine = [e for e in entries if name in (e.chain, e.reader)]
    quality, corrupted = reading.rating([e for e in entries if e.reader == name])
    number = newest.revision if newest else 0
    return {
        "revision": number,
        "etag": f'"{number}"',
        "state": reading.chain_state(entries, name),
        "comment": last.comment if last else "",
        "reason": last.reason if last else "",
        "quality": quality,
        "corrupted": corrupted,
        "history": [row(entry) for entry in (mine if blind else entries)],
    }


def row(entry: Entry) -> dict[str, Any]:
    """One line of the history; `url` gives the mask of a revision."""
    made = entry.action in reading.REVISIONS
    return {
        "number": entry.number,
        "action": entry.action,
        "revision": entry.revision,
        "chain": entry.chain,
        "reader": entry.reader,
        "when": entry.when,
        "state": "" if made else entry.action,
        "parent": entry.parent,
        "seconds_active": entry.seconds_active,
        "sha256": entry.sha256,
        "volume_before_cc": entry.volume_before_cc,
        "volume_cc": entry.volume_cc,
        "satellites_cc": entry.satellites_cc,
        "comment": entry.comment,
        "reason": entry.reason,
        "quality": entry.quality,
        "corrupted": entry.corrupted,
        "tool_version": entry.tool_version,
        "blind": entry.blind,
        "url": f"/api/cases/{entry.case_id}/revisions/{entry.number}" if made else None,
    }


def draft(cohort: Path, case_id: str, name: str) -> dict[str, Any] | None:
    """A chain's autosave without its voxels."""
    found = revisions.read_draft(cohort, case_id, name)
    if found is None:
        return None
    return {
        "etag": f'"{found.etag}"',
        "saved": found.saved,
        "base": found.base,
        "start": found.start,
        "seconds_active": found.seconds_active,
        "volume_cc": found.volume_cc,
        "url": f"/api/cases/{case_id}/draft?etag={found.etag}" + ("&chain=consensus" if name == CONSENSUS else ""),
    }


def ftv(numbers: FtvNumbers) -> dict[str, Any]:
    """The FTV's numbers for the page."""
    return {
        "ftv_pe_cc": numbers.ftv_pe_cc,
        "ftv_ser_cc": numbers.ftv_ser_cc,
        "ftv_pe_voxels": numbers.ftv_pe_voxels,
        "ftv_ser_voxels": numbers.ftv_ser_voxels,
        "longest_diameter_mm": numbers.longest_diameter_mm,
        "pe_threshold_percent": numbers.pe_threshold_percent.value,
        "background_threshold": numbers.background_threshold.value,
        "minimum_neighbours": numbers.minimum_neighbours.value,
        "ser_threshold": numbers.ser_threshold.value,
    }


def voi(folder: Path, numbers: FtvNumbers) -> dict[str, Any]:
    """The volume of interest in acquired voxels (array order, both ends inside) and its corners in RAS mm (8 x 3)."""
    study = read_value(StudyFile, folder / "study.json")
    grid = Grid(study.geometry.shape, np.array(study.geometry.affine))
    layout, choice = study.acquisition.layout, numbers.voi
    first, last = voxels(Box(choice.start, choice.end), grid.shape, layout)
    omitted = [voxels(box, grid.shape, layout) for box in choice.omit]
    return {
        "source": choice.source,
        "words": choice.words,
        "shape": choice.shape,
        "box": {"first": first, "last": last},
        "box_mm": corners_mm(first, last, grid),
        "omitted": [{"first": a, "last": b, "box_mm": corners_mm(a, b, grid)} for a, b in omitted],
        "acquired": {"shape": grid.shape, "affine": grid.affine.tolist(), "spacing_mm": grid.spacing_mm},
    }


def voxels(box: Box, shape: Shape, layout: Layout) -> tuple[Shape, Shape]:
    """First and last voxel (i, j, k) of a box that is given in column, row, slice."""
    column, row_, slice_ = box.end
    found = layout.slices(box.start, (column + 1, row_ + 1, slice_ + 1), shape)
    i, j, k = found
    return (i.start, j.start, k.start), (i.stop - 1, j.stop - 1, k.stop - 1)


def box_of(first: Shape, last: Shape, shape: Shape, layout: Layout) -> Box:
    """The box in column, row, slice of first and last voxel (i, j, k): the inverse of `voxels`."""
    start, end = [0, 0, 0], [0, 0, 0]
    for a, flip in enumerate(layout.flipped):
        low, high = (shape[a] - 1 - last[a], shape[a] - 1 - first[a]) if flip else (first[a], last[a])
        start[layout.axes[a]], end[layout.axes[a]] = low, high
    return Box((start[0], start[1], start[2]), (end[0], end[1], end[2]))


def corners_mm(first: Shape, last: Shape, grid: Grid) -> list[list[float]]:
    """The eight outer corners of a box of voxels in RAS mm, i fastest."""
    low, high = np.subtract(first, 0.5), np.add(last, 0.5)
    ends = [(low[a], high[a]) for a in range(3)]
    points = [(i, j, k) for k in ends[2] for j in ends[1] for i in ends[0]]
    corners: list[list[float]] = grid.to_world(points).tolist()
    return corners


def _phases(folder: Path) -> list[dict[str, Any]]:
    times = read_value(dict[str, Any], folder / "harmonised/statistics.json")["times_s"]
    return [
        {"name": name, "url": f"/api/cases/{folder.name}/volumes/{name}", "time_s": time}
        for name, time in zip(PHASES, times, strict=False)
    ]


def _overlays(folder: Path) -> list[dict[str, Any]]:
    url = f"/api/cases/{folder.name}/volumes/"
    low, high = SER_RANGE
    found: list[dict[str, Any]] = [{"name": "ser", "kind": "map", "url": url + "ser", "low": low, "high": high}]
    found += [{"name": name, "kind": "mask", "url": url + name} for name in ("ftv", "ftv_pe")]
    return found


def _starts(folder: Path, entries: Sequence[Entry], reader: str, blind: bool) -> list[dict[str, Any]]:
    """The masks that drawing may start from, the best first."""
    own = reading.latest_revision(entries, reader)
    force = None if blind else reading.in_force(entries)
    found: list[dict[str, Any]] = []
    for entry, words in ((own, "your revision"), (force, f"{force.chain}'s revision" if force else "")):
        if entry is not None and entry.sha256 not in {item.get("sha256") for item in found}:
            found.append({
                "name": "revision", "url": row(entry)["url"], "label": f"{words} {entry.revision}",
                "sha256": entry.sha256, "parent": f"{entry.chain}:{entry.revision}", "revision": entry.revision,
            })  # fmt: skip
    for name, file in MASKS.items():
        if (folder / file).is_file():
            found.append({
                "name": name, "url": f"/api/cases/{folder.name}/volumes/{name}", "label": START_LABELS[name],
                "parent": name,
            })  # fmt: skip
    return sorted(found, key=lambda item: _ORDER.index(str(item["name"])))


_ORDER = ("revision", "stv_predicted", "stv_proposal")
