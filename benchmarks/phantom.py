"""How near the phantoms come to real studies: docs/phantom-realism.md and its drawings.

    python benchmarks/phantom.py --real FOLDER... [--histograms published_histograms.csv] [--cases 8] [--docs docs]
    python benchmarks/phantom.py --real FOLDER... --look FILE

Real studies (DICOM folders, not part of the project) and phantoms go through the same measurements: breast mask, N4,
FTV by the study's rule, gland and fat at least 10 mm from it. Compared are intensities, PE and SER in each, noise,
edge spectrum and the bands of SER. `--look` writes five phantoms and the real studies as one picture (pixels of real
studies: not for the project). A distance is the first Wasserstein distance between a phantom's distribution and
a real one, in units of the real one's interquartile range. Nothing else holds a pixel of a real study: percentiles and
histograms over whole tissues only.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup
from scipy import ndimage, stats

from uptake.io.dicom.read import read_study
from uptake.io.dicom.scan import scan
from uptake.phantom import Phantom, make
from uptake.phantom.anatomy import draw_surface
from uptake.phantom.fields import region_of
from uptake.phantom.foci import longest_diameter_mm, occupancy, spread
from uptake.phantom.frames import frame_of, view_grid
from uptake.phantom.lesion import draw_lesion
from uptake.phantom.model import STV_REACH_MM, stream
from uptake.phantom.outline import draw_breast
from uptake.preprocess.bias import corrected, estimate_fields
from uptake.preprocess.breast import Part, breast_mask
from uptake.report.svg import tag
from uptake.study import Study
from uptake.tumour.enhancement import enhancement
from uptake.tumour.ftv import Ftv, functional_tumour_volume, thresholds
from uptake.tumour.parenchyma import Breasts, Parenchyma, background_enhancement
from uptake.tumour.phases import Timing, choose_phases
from uptake.tumour.voi import Voi, choose_voi
from uptake.volume import Array, Volume

Size = tuple[float, int, float, float, float]
TISSUES = ("gland", "fat", "FTV")
MAPS = ("intensity", "PE %", "SER")
SNR_RANGE = (16.0, 30.0)
LOOK_SEEDS = (1, 2, 3, 4, 5)
COLOURS = ("#c0392b", "#2471a3")
LIMITS = {"intensity": (0.0, 2.0), "PE %": (-50.0, 200.0), "SER": (0.0, 2.0)}
INTRODUCTION = """# How near the phantoms come to real studies

<!-- Written by benchmarks/phantom.py. Change the phantom, not this page. -->

{cases} sagittal phantoms of full size, seeds from 1 on, SNR drawn between 16 and 30, and two real studies
(ISPY1_1001 of ACRIN 6657/I-SPY 1, UCSF-BR-06 of the Breast-MRI-NACT-Pilot; TCIA, CC BY 3.0) went through the same
measurements: breast mask, N4, FTV by the study's own rule, gland and fat at least 10 mm from it. Intensities are before
contrast, bias-corrected, gland's median is 1. Five numbers are the 5th, 25th, 50th, 75th and 95th percentile.
A distance is the first Wasserstein distance between two distributions in units of the real one's interquartile range:
0 is the same, and the last column says how far the two real studies are from each other.
The phantom is tuned on ranges over patients, not on these two; two studies of one make of scanner are few.

![Histograms of intensity, PE and SER in gland, fat and FTV](images/phantom-histograms.svg)

![Power by spatial frequency](images/phantom-spectrum.svg)

## Intensities and enhancement
"""
SCALARS = """## Noise, shading, edges, and the bands of SER

Differences of edge spectra are the mean over 16 bands of the absolute difference of log10 power."""
HISTOGRAMS = """## Grey levels inside the STV

First post-contrast phase, 128 bins over the range of the STV's own values, as in the published features. The real ones
are drawn by experts; their histograms are known from the published counts."""
SIZES = """## Lesions

{sizes} drawn lesions on the grids of their studies (sagittal, GE), cut off at skin and chest, as `stv` and `lesion` of
the phantoms of these seeds have them. Real: volumes and pieces of 160 expert STVs, diameters of the clinical records.

![Volumes of the STV and longest diameters, cumulated: real ones red, phantoms grey](images/phantom-lesions.svg)"""
REAL_DIAMETERS_MM = {5: 25, 25: 47, 50: 65, 75: 85, 95: 114}
"""Percentiles of MRI LD Baseline, 219 patients of I-SPY 1's clinical workbook."""
POINTS = (5, 25, 50, 75, 95)
LEAST_LATE_PE = 15.0
"""SER outside the FTV is taken where the late phase has at least this PE: below, it is a ratio of noises."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of one study.

    samples: up to 20 000 values by (map, tissue). scalars: name -> number. spectrum: log10 of the mean power of the
    pre-contrast slices by spatial frequency (cycles per voxel 0-0.5) along columns and rows, relative to the lowest.
    """

    name: str
    samples: dict[tuple[str, str], Array]
    scalars: dict[str, float]
    spectrum: dict[str, Array]


def main() -> None:
    """Measure, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, nargs="+", required=True)
    parser.add_argument("--histograms", type=Path)
    parser.add_argument("--cases", type=int, default=8)
    parser.add_argument("--sizes", type=int, default=100, help="phantoms whose lesions are measured for the sizes")
    parser.add_argument("--docs", type=Path)
    parser.add_argument("--look", type=Path, help="a PNG of five phantoms and the real studies, to be judged by eye")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    if given.look:
        look(given.real, given.look)
        return
    with ProcessPoolExecutor(given.jobs) as pool:
        waiting = [pool.submit(real_study, folder) for folder in given.real]
        made = [pool.submit(phantom_study, seed) for seed in range(1, given.cases + 1)]
        sizes = [pool.submit(lesion_size, seed) for seed in range(given.sizes)]
        real = [future.result() for future in waiting]
        phantoms, shapes = zip(*(future.result() for future in made), strict=True)
        lesions = [future.result() for future in sizes]
    for study in (*phantoms, *real):
        print(line(study))
    page = [INTRODUCTION.format(cases=given.cases), distances(real, phantoms), SCALARS, scalar_table(real, phantoms)]
    if given.histograms:
        page += [HISTOGRAMS, histogram_table(given.histograms, shapes)]
    if given.sizes and given.histograms:
        published = real_sizes(given.histograms)
        page += [SIZES.format(sizes=given.sizes), size_table(lesions, published)]
    text = "\n\n".join(page) + "\n"
    print(text)
    if given.docs:
        (given.docs / "phantom-realism.md").write_text(text)
        (given.docs / "images" / "phantom-histograms.svg").write_text(histograms_svg(real, phantoms))
        (given.docs / "images" / "phantom-spectrum.svg").write_text(spectrum_svg(real, phantoms))
        if given.sizes and given.histograms:
            (given.docs / "images" / "phantom-lesions.svg").write_text(lesions_svg(lesions, published))


def real_study(folder: Path) -> Measured:
    """The one study in a DICOM folder."""
    (source,) = scan([folder]).studies
    return measured(read_study(source, source.patient_id), source.patient_id)


def phantom_study(seed: int) -> tuple[Measured, dict[str, float]]:
    """A phantom with a noise level drawn as the real ones have it, and the shape of its STV's histogram."""
    phantom = make(seed=seed, snr=float(np.random.default_rng(seed).uniform(*SNR_RANGE)))
    return measured(phantom.study, f"phantom {seed}"), shape_of(np.bincount(_bins(phantom), minlength=128))


def look(folders: Sequence[Path], target: Path) -> None:
    """A row per study: before contrast, early, their difference; through the VOI's middle, then 12 slices aside."""
    from PIL import Image

    studies = [read_study(source, source.patient_id) for folder in folders for source in scan([folder]).studies]
    studies += [
        make(seed=seed, snr=float(np.random.default_rng(seed).uniform(*SNR_RANGE))).study for seed in LOOK_SEEDS
    ]
    rows = []
    for study in studies:
        voi = study.acquisition.recorded.voi
        count = study.grid.shape[2]
        middle = (voi.start[2] + voi.end[2]) // 2 if voi else count // 2
        aside = middle + 12 if middle < count // 2 else middle - 12
        rows.append(np.hstack([tile for k in (middle, aside) for tile in _tiles(study, k)]))
    Image.fromarray(np.vstack(rows)).save(target)


def _tiles(study: Study, k: int) -> list[Array]:
    pre, early = (
        study.volumes[n].array.astype(np.float64) for n in (study.acquisition.recorded.phase_indices or (0, 1))[:2]
    )
    top = np.percentile(early, 99.5)
    pairs = ((pre, 0.8 * top), (early, top), (early - pre, 0.7 * top))
    return [(255 * np.clip(image[:, :, k] / level, 0, 1) ** 0.8).T[::-1].astype(np.uint8) for image, level in pairs]


def measured(study: Study, name: str) -> Measured:
    """One study through the steps of the pipeline, and what they give."""
    phases = choose_phases(study, Timing())
    three = tuple(study.volumes[n] for n in phases.indices)
    pre, early, late = three
    acquired = study.acquisition
    breast = breast_mask(pre, acquired.laterality, slice_axis=acquired.layout.axes.index(2))
    maps = enhancement(pre, early, late)
    _, region = choose_voi(pre, early, acquired.layout, acquired.recorded, None, Voi(), breast.breast)
    limits = thresholds(pre.array, region, acquired.recorded, Ftv())
    ftv = functional_tumour_volume((pre, early, late), maps, region, limits)[0]
    field = estimate_fields(study, mask=breast.breast)[0]
    flat = corrected(pre, field)
    masks = _tissues(breast.breast, flat, maps.pe, ftv)
    gland_level = float(np.median(flat.array[masks["gland"]]))
    late_pe = 100 * (late.array.astype(np.float64) - pre.array) / np.maximum(pre.array, 1)
    rng = np.random.default_rng(0)
    samples = {}
    for tissue, mask in masks.items():
        ser_mask = mask if tissue == "FTV" else mask & (late_pe >= LEAST_LATE_PE)
        samples["intensity", tissue] = _some(flat.array[mask] / gland_level, rng)
        samples["PE %", tissue] = _some(maps.pe.array[mask], rng)
        samples["SER", tissue] = _some(np.clip(maps.ser.array[ser_mask], -1, 3), rng)
    scalars = {
        **_bands(maps.ser.array[ftv]),
        **_noise(pre, breast.labels.array == Part.AIR, masks["gland"], (early, late), ftv),
        "bias 95 % / 5 %": _spread(field.array[breast.breast.array]),
    }
    return Measured(name, samples, scalars, {"columns": _spectrum(pre.array, 0), "rows": _spectrum(pre.array, 1)})


def distances(real: Sequence[Measured], phantoms: Sequence[Measured]) -> str:
    """A Markdown table: for each map and tissue percentiles of the real ones, of the phantoms, and the distances."""
    rows = [
        "| map, tissue | "
        + " | ".join(study.name for study in real)
        + " | phantoms, median (range) of medians | distance to the nearer one, median | between the real ones |"
    ]
    rows.append("|---|" + "---|" * (len(real) + 3))
    for key in real[0].samples:
        numbers = [" ".join(f"{p:.3g}" for p in np.percentile(study.samples[key], POINTS)) for study in real]
        medians = [float(np.median(study.samples[key])) for study in phantoms]
        near = [min(distance(one.samples[key], study.samples[key]) for study in real) for one in phantoms]
        between = distance(real[0].samples[key], real[-1].samples[key])
        middle = f"{np.median(medians):.3g} ({min(medians):.3g} to {max(medians):.3g})"
        rows.append(
            f"| {key[0]}, {key[1]} | " + " | ".join(numbers) + f" | {middle} | {np.median(near):.2f} | {between:.2f} |"
        )
    return "\n".join(rows)


def distance(one: Array, real: Array) -> float:
    """First Wasserstein distance between two samples in units of the real one's interquartile range."""
    low, high = np.percentile(real, (25, 75))
    return float(stats.wasserstein_distance(one, real) / max(high - low, 1e-6))


def scalar_table(real: Sequence[Measured], phantoms: Sequence[Measured]) -> str:
    """Noise, bias and the bands of SER: the real studies, the phantoms' median and range."""
    rows = ["| | " + " | ".join(study.name for study in real) + " | phantoms: median (range) |"]
    rows.append("|---|" + "---|" * (len(real) + 1))
    for name in real[0].scalars:
        values = [study.scalars[name] for study in phantoms if name in study.scalars]
        middle = f"{np.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"
        rows.append(f"| {name} | " + " | ".join(f"{study.scalars[name]:.3g}" for study in real) + f" | {middle} |")
    rows.append(f"| edge spectrum, columns: difference | {_apart(real[0], real[-1], 'columns')} (each other) | |"
                f" {_apart_all(real, phantoms, 'columns')} |")  # fmt: skip
    rows.append(f"| edge spectrum, rows: difference | {_apart(real[0], real[-1], 'rows')} (each other) | |"
                f" {_apart_all(real, phantoms, 'rows')} |")  # fmt: skip
    return "\n".join(rows)


def shape_of(counts: Array) -> dict[str, float]:
    """Mean, SD (of the range of grey levels), skewness and kurtosis of a histogram of 128 bins."""
    level, share = np.arange(128) / 127, counts / counts.sum()
    mean = float(share @ level)
    sd = float(np.sqrt(share @ (level - mean) ** 2))
    third, fourth = (float(share @ (level - mean) ** power) / sd**power for power in (3, 4))
    return {"mean": mean, "SD": sd, "skewness": third, "kurtosis": fourth}


def histogram_table(path: Path, shapes: Sequence[dict[str, float]]) -> str:
    """The shape of the grey-level histogram inside the STV against the published ones."""
    with path.open(newline="") as file:
        counts = [[int(row[f"bin_{n}"]) for n in range(128)] for row in csv.DictReader(file)]
    known = [shape_of(np.array(one)) for one in counts]
    rows = [
        f"| | {len(known)} real STVs: 5-25-50-75-95 % | {len(shapes)} phantoms: 5-25-50-75-95 % | distance |",
        "|---|---|---|---|",
    ]
    for name in known[0]:
        theirs, ours = (np.array([shape[name] for shape in group]) for group in (known, shapes))
        texts = (" ".join(f"{p:.2f}" for p in np.percentile(values, POINTS)) for values in (theirs, ours))
        rows.append(f"| {name} | " + " | ".join(texts) + f" | {distance(ours, theirs):.2f} |")
    return "\n".join(rows)


def lesion_size(seed: int) -> Size:
    """STV in cc, its pieces, the share of the largest, mm3 beside it, longest diameter of all disease in mm.

    Those of `make(seed=seed)`, without rendering anything but the lesion.
    """
    rng = stream(seed, "plan")
    side = int(rng.choice((-1, 1)))
    frame = frame_of(view_grid("sagittal", "full", side, rng, "ge"))
    breast = draw_breast(side, rng)
    surface = draw_surface(region_of(frame, 12.0), (breast,), stream(seed, "anatomy"))
    found = occupancy(frame.grid, draw_lesion(breast, "any", stream(seed, "lesion")), surface, STV_REACH_MM)
    stv, whole = (spread(part, found.where, frame.grid.shape) >= 0.5 for part in (found.stv, found.lesion))
    labels, number = ndimage.label(stv)
    sizes = np.bincount(labels.ravel())[1:] * frame.grid.voxel_volume_mm3
    largest = float(sizes.max()) if number else 0.0
    total = float(sizes.sum())
    return (
        total / 1000,
        int(number),
        largest / max(total, 1e-9),
        total - largest,
        longest_diameter_mm(whole, frame.grid),
    )


def real_sizes(path: Path) -> tuple[Array, Array, Array]:
    """STV in cc, share of its largest piece, mm3 beside it, of the published cohort."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    cc, voxels, largest, one = (
        np.array([float(row[name]) for row in rows])
        for name in ("stv_mm3", "stv_voxels", "largest_component_voxels", "voxel_mm3")
    )
    return cc / 1000, largest / voxels, (voxels - largest) * one


def size_table(lesions: Sequence[Size], real: tuple[Array, Array, Array]) -> str:
    """Volumes, pieces and diameters of lesions against the published cohort."""
    volumes, pieces, largest, beside, diameters = (np.array(column) for column in zip(*lesions, strict=True))
    real_cc, real_largest, real_beside = real
    lines = [
        ("STV, cc, 5-25-50-75-95 %", _five(real_cc), _five(volumes)),
        ("largest piece of the STV, share", _five(real_largest), _five(largest)),
        ("other pieces where there are any, cubic mm", _five(real_beside[real_beside > 0]), _five(beside[pieces > 1])),
        ("longest diameter of all disease, mm", " ".join(map(str, REAL_DIAMETERS_MM.values())), _five(diameters)),
    ]
    rows = ["| | real | phantoms |", "|---|---|---|"]
    rows.append(f"| more than one piece, % | {100 * np.mean(real_beside > 0):.0f} | {100 * np.mean(pieces > 1):.0f} |")
    return "\n".join(rows + [f"| {name} | {theirs} | {ours} |" for name, theirs, ours in lines])


def _five(values: Array) -> str:
    return " ".join(f"{p:.3g}" for p in np.percentile(values, POINTS))


def lesions_svg(lesions: Sequence[Size], real: tuple[Array, Array, Array]) -> str:
    """Volumes (log10 cc) and longest diameters, cumulated."""
    volumes, _, _, _, diameters = (np.array(column) for column in zip(*lesions, strict=True))
    known = np.array(list(REAL_DIAMETERS_MM.values()), dtype=float), np.array(list(REAL_DIAMETERS_MM)) / 100
    panels = [
        _panel(
            [_cumulated(np.log10(volumes), "#9a9a9a"), _cumulated(np.log10(real[0]), COLOURS[0])],
            (-0.5, 3.0),
            "STV, log10 cc",
            (0, 0),
            450,
        ),
        _panel(
            [_cumulated(diameters, "#9a9a9a"), (known[0], 4.5 * known[1], COLOURS[0], 2.2)],
            (0.0, 160.0),
            "longest diameter of all disease, mm",
            (450, 0),
            450,
        ),
    ]
    return _svg(900, 230, panels, [(COLOURS[0], "I-SPY 1"), ("#9a9a9a", "phantoms")])


def _cumulated(values: Array, colour: str) -> tuple[Array, Array, str, float]:
    return np.sort(values), 4.5 * (np.arange(values.size) + 0.5) / values.size, colour, 2.2


def histograms_svg(real: Sequence[Measured], phantoms: Sequence[Measured]) -> str:
    """Nine small histograms: intensity, PE and SER in gland, fat and FTV; phantoms grey, real studies in colour."""
    parts = []
    for row, name in enumerate(MAPS):
        for column, tissue in enumerate(TISSUES):
            key, limits = (name, tissue), LIMITS[name]
            lines = [(study.samples[key], "#9a9a9a", 1.0) for study in phantoms]
            lines += [(study.samples[key], colour, 2.2) for study, colour in zip(real, COLOURS, strict=False)]
            curves = [(*_density(values, limits), colour, width) for values, colour, width in lines]
            parts.append(_panel(curves, limits, f"{name}, {tissue}", (column * 300, row * 200)))
    return _svg(900, 630, parts, _keys(real))


def spectrum_svg(real: Sequence[Measured], phantoms: Sequence[Measured]) -> str:
    """Power by spatial frequency along columns and rows."""
    parts = []
    for column, axis in enumerate(("columns", "rows")):
        place = np.linspace(0, 0.5, 16)
        curves = [(place, study.spectrum[axis] + 4.5, "#9a9a9a", 1.0) for study in phantoms]
        curves += [(place, study.spectrum[axis] + 4.5, c, 2.2) for study, c in zip(real, COLOURS, strict=False)]
        parts.append(_panel(curves, (0.0, 0.5), f"log10 power, {axis} (cycles per voxel)", (column * 450, 0), 450))
    return _svg(900, 230, parts, _keys(real))


def line(study: Measured) -> str:
    """One study in one line, for the eye."""
    parts = [
        f"{key[0][:3]} {key[1]} " + "-".join(f"{p:.3g}" for p in np.percentile(v, POINTS))
        for key, v in study.samples.items()
        if v.size
    ]
    return study.name + ": " + "; ".join(parts) + "; " + ", ".join(f"{k} {v:.3g}" for k, v in study.scalars.items())


def _bins(phantom: Phantom) -> Array:
    """Grey levels of the first post-contrast phase inside the STV, in 128 bins over their own range."""
    values = phantom.study.volumes[1].array[phantom.stv.array].astype(np.float64)
    low, high = values.min(), values.max()
    return np.minimum((128 * (values - low) / max(high - low, 1)).astype(int), 127)


def _apart(one: Measured, two: Measured, axis: str) -> str:
    return f"{float(np.abs(one.spectrum[axis] - two.spectrum[axis]).mean()):.2f}"


def _apart_all(real: Sequence[Measured], phantoms: Sequence[Measured], axis: str) -> str:
    near = [min(float(np.abs(p.spectrum[axis] - r.spectrum[axis]).mean()) for r in real) for p in phantoms]
    return f"{np.median(near):.2f} ({min(near):.2f} to {max(near):.2f})"


def _density(values: Array, limits: tuple[float, float]) -> tuple[Array, Array]:
    counts, edges = np.histogram(np.clip(values, *limits), bins=50, range=limits)
    return (edges[1:] + edges[:-1]) / 2, counts / max(counts.max(), 1) * 4.5


def _panel(
    curves: Sequence[tuple[Array, Array, str, float]],
    limits: tuple[float, float],
    title: str,
    corner: tuple[float, float],
    width: float = 300,
) -> Markup:
    left, low = corner[0] + 12, corner[1] + 170
    drawn = [tag("text", title, x=left + 4, y=corner[1] + 22, font_size=13)]
    drawn.append(tag("line", x1=left, x2=left + width - 24, y1=low, y2=low, stroke="#444"))
    for value in np.linspace(*limits, 5):
        place = left + (value - limits[0]) / (limits[1] - limits[0]) * (width - 24)
        drawn.append(tag("text", f"{value:g}", x=place, y=low + 14, font_size=10, text_anchor="middle"))
    for x, y, colour, thick in curves:
        places = left + (x - limits[0]) / (limits[1] - limits[0]) * (width - 24)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(places, low - 30 * np.clip(y, 0, 4.8), strict=True))
        drawn.append(tag("polyline", points=points, fill="none", stroke=colour, stroke_width=thick))
    return Markup("").join(drawn)


def _keys(real: Sequence[Measured]) -> list[tuple[str, str]]:
    return [*zip(COLOURS, (study.name for study in real), strict=False), ("#9a9a9a", "phantoms")]


def _svg(width: int, height: int, parts: Sequence[Markup], keys: Sequence[tuple[str, str]]) -> str:
    legend = [
        tag("text", name, x=20 + 170 * n, y=height - 8, fill=colour, font_size=13)
        for n, (colour, name) in enumerate(keys)
    ]
    back = tag("rect", width=width, height=height, fill="#fff")
    view = f"0 0 {width} {height}"
    whole = tag(
        "svg", back, *parts, *legend, xmlns="http://www.w3.org/2000/svg", viewBox=view, font_family="sans-serif"
    )
    return str(whole) + "\n"


def _tissues(breast: Volume, flat: Volume, pe: Volume, ftv: Array) -> dict[str, Array]:
    spacing = breast.grid.spacing_mm
    lesion = breast.with_array(ftv)
    found = background_enhancement(flat, pe, Breasts({"L": breast.array}), lesion, 70.0, Parenchyma())
    far = ndimage.distance_transform_edt(~ftv, sampling=spacing) > 10.0 if ftv.any() else np.ones_like(ftv)
    deep = ndimage.distance_transform_edt(breast.array, sampling=spacing) > 8.0
    gland = found.fgt.array
    near_gland = ndimage.binary_dilation(gland, iterations=2)
    return {
        "gland": ndimage.binary_erosion(gland) if gland.sum() > 20000 else gland,
        "fat": breast.array & deep & far & ~near_gland,
        "FTV": ftv,
    }


def _some(values: Array, rng: np.random.Generator) -> Array:
    return rng.choice(values, 20_000, replace=False) if values.size > 20_000 else values


def _bands(ser: Array) -> dict[str, float]:
    if not ser.size:
        return {}
    low, high = float((ser < 0.9).mean()), float((ser > 1.1).mean())
    return {"SER < 0.9 %": 100 * low, "SER 0.9-1.1 %": 100 * (1 - low - high), "SER > 1.1 %": 100 * high}


def _noise(pre: Volume, air: Array, gland: Array, posts: tuple[Volume, Volume], ftv: Array) -> dict[str, float]:
    """SNR in gland from the difference of the post-contrast phases; air's mean over SD and correlations."""
    early, late = (post.array.astype(np.float64) for post in posts)
    difference = (late - early)[gland & ~ftv]
    sd = 1.4826 * float(np.median(np.abs(difference - np.median(difference)))) / np.sqrt(2)
    inside = ndimage.binary_erosion(air, iterations=8)
    values = pre.array.astype(np.float64)
    mean, spread = float(values[inside].mean()), float(values[inside].std())
    result = {"SNR in gland": float(np.median(pre.array[gland])) / max(sd, 1e-6), "air mean / SD": mean / spread}
    for axis, name in enumerate(("columns", "rows", "slices")):
        one, two = (inside.take(range(a, inside.shape[axis] - 1 + a), axis) for a in (0, 1))
        both = one & two
        a, b = (values.take(range(n, values.shape[axis] - 1 + n), axis)[both] for n in (0, 1))
        result[f"air correlation, {name}"] = float(np.corrcoef(a, b)[0, 1])
    return result


def _spread(field: Array) -> float:
    low, high = np.percentile(field, (5, 95))
    return float(high / low)


def _spectrum(array: Array, axis: int) -> Array:
    power = np.abs(np.fft.rfft(array.astype(np.float64), axis=axis)) ** 2
    mean = power.mean(axis=tuple(a for a in range(3) if a != axis))
    bins = np.array([part.mean() for part in np.array_split(mean[1:], 16)])
    return np.asarray(np.log10(bins / bins[0]))


if __name__ == "__main__":
    main()
