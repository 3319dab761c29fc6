"""The published table, reproduced from the counts of 160 real patients that were recovered from it.

Every column of it is standardised over patients, so a column is the same when it agrees up to a scale and an offset.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from uptake.features.captk import columns, glszm, histogram, morphologic, volumetric
from uptake.features.captk.roi import captk_offsets, itk_edges

Row = Mapping[str, str]
Table = dict[str, dict[str, str]]

NOT_FROM_COUNTS = {"Minimum", "Maximum", "Range", "MeanAbsoluteDeviation"}
"""Three constants, which are noise in the published table, and one that is rounding noise."""


@pytest.fixture(scope="session")
def counted(tables: Path) -> Table:
    return _rows(tables / "published_histograms.csv", "PatientID")


@pytest.fixture(scope="session")
def intensities(tables: Path) -> Table:
    return _rows(tables / "published_intensities_up_to_scale.csv", "ID")


@pytest.fixture(scope="session")
def zones_and_runs(tables: Path) -> Table:
    return _rows(tables / "published_zones_runs.csv", "PatientID")


def test_the_columns_are_those_of_the_published_table_in_its_order(published: Table) -> None:
    header = list(next(iter(published.values())))
    assert [column.name for column in columns()] == [name for name in header if name not in ("ID", "Target")]
    assert len(columns()) == 370


def test_every_histogram_column_that_depends_on_counts_alone_is_reproduced(published: Table, counted: Table) -> None:
    _assert_reproduced("Histogram", published, counted, _from_counts_alone, 277)


def test_both_volumetric_columns_are_reproduced(published: Table, counted: Table) -> None:
    _assert_reproduced(
        "Volumetric",
        published,
        counted,
        lambda row: volumetric.of_count(int(row["stv_voxels"]), float(row["voxel_mm3"])),
        2,
    )


def test_every_morphologic_column_that_depends_on_the_largest_component_is_reproduced(
    published: Table, counted: Table
) -> None:
    _assert_reproduced(
        "Morphologic",
        published,
        counted,
        lambda row: morphologic.of_count(int(row["largest_component_voxels"]), float(row["voxel_mm3"])),
        5,
    )


def test_the_proportions_of_the_ellipsoid_follow_from_its_diameters(published: Table, counted: Table) -> None:
    """The three diameters are known up to a scale and an offset each, and the volume is pi / 6 times their product.

    So the volume is linear in the products of their standardised columns, and the coefficients give the offsets. The
    scales cancel in Elongation and Flatness; Eccentricity needs one number more, the ratio of the scales.
    """
    patients = [row for patient, row in published.items() if patient in counted]
    a, b, c = (_standardised(patients, f"Morphologic_EllipseDiameter_Axis-{k}") for k in range(3))
    volume = np.array(
        [
            float(counted[p]["largest_component_voxels"]) * float(counted[p]["voxel_mm3"])
            for p in published
            if p in counted
        ]
    )
    products = np.column_stack([a * b * c, a * b, a * c, b * c, a, b, c, np.ones(len(a))])
    fitted = np.linalg.lstsq(products, volume)[0]
    assert _unexplained(products @ fitted, volume) < 1e-9
    a, b, c = a + fitted[3] / fitted[0], b + fitted[2] / fitted[0], c + fitted[1] / fitted[0]

    def unexplained(name: str, log_ratio: float) -> float:
        scale = np.exp(log_ratio / 2)
        ours = [morphologic.proportions(scale * x, scale * y, z)[name] for x, y, z in zip(a, b, c, strict=True)]
        return _unexplained(np.array(ours), _standardised(patients, f"Morphologic_{name}"))

    assert unexplained("Elongation", 0) < 1e-9
    assert unexplained("Flatness", 0) < 1e-9
    assert minimize_scalar(lambda x: unexplained("Eccentricity", x), bounds=(-6, 0), method="bounded").fun < 1e-9


def test_zone_percentage_and_mean_size_follow_from_the_number_of_zones(
    published: Table, counted: Table, zones_and_runs: Table
) -> None:
    joined = {patient: {**counted[patient], **zones_and_runs[patient]} for patient in counted}
    _assert_reproduced(
        "GLSZM", published, joined, lambda row: glszm.of_counts(int(row["n_zones"]), int(row["stv_voxels"])), 2
    )


def test_the_percentiles_in_units_of_intensity_are_reproduced_from_counts_and_range(
    published: Table, counted: Table, intensities: Table
) -> None:
    joined = {patient: {**counted[patient], **intensities[patient]} for patient in counted}
    _assert_reproduced("Histogram", published, joined, _percentiles, 2)


def test_runs_are_averaged_over_as_many_directions_as_offsets_are_taken_at_radius_3(zones_and_runs: Table) -> None:
    """TotalRuns is a mean of whole numbers over the offsets, so that times their number it is whole."""
    runs = np.array([float(row["total_runs"]) for row in zones_and_runs.values()])
    assert _off_whole(runs * len(captk_offsets(3))) < 0.01
    assert _off_whole(runs * len(captk_offsets(1))) > 0.4


def _standardised(rows: list[dict[str, str]], name: str) -> np.ndarray:
    return np.array([float(row[f"T1_E_{name}"]) for row in rows])


def _from_counts_alone(row: Row) -> dict[str, object]:
    return {name: value for name, value in histogram.of_counts(_bins(row)).items() if name not in NOT_FROM_COUNTS}


def _percentiles(row: Row) -> dict[str, float]:
    low, high = float(row["mn"]), float(row["mx"])
    found = histogram.Histogram(_bins(row), itk_edges(low, high + (high - low) / 12800, 128))
    return {
        "FifthPercentile": histogram.quantile(found, 0.05),
        "NinetyFifthPercentile": histogram.quantile(found, 0.95),
    }


def _assert_reproduced(
    family: str, published: Table, table: Table, compute: Callable[[Row], Mapping[str, object]], count: int
) -> None:
    ours = {patient: compute(row) for patient, row in table.items()}
    assert len(ours) == 160
    unexplained = {}
    for column in columns():
        if column.family == family and column.feature in next(iter(ours.values())):
            x = np.array([values[column.feature] for values in ours.values()], dtype=np.float64)
            y = np.array([float(published[patient][column.name]) for patient in ours])
            unexplained[column.feature] = _unexplained(x, y)
    assert len(unexplained) == count
    assert {name: share for name, share in unexplained.items() if not share <= 1e-9} == {}


def _unexplained(x: np.ndarray, y: np.ndarray) -> float:
    """1 - R2 of the straight line from x to y."""
    assert np.isfinite(x).all()
    x, y = x - x.mean(), y - y.mean()
    rest = y - x * (x @ y / (x @ x))
    return float(rest @ rest / (y @ y))


def _bins(row: Row) -> np.ndarray:
    return np.array([int(row[f"bin_{b}"]) for b in range(128)])


def _off_whole(x: np.ndarray) -> float:
    return float(np.abs(x - x.round()).max())


def _rows(path: Path, key: str) -> Table:
    with path.open(encoding="utf-8", newline="") as file:
        return {row[key]: row for row in csv.DictReader(file)}
