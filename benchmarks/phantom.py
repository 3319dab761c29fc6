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
from pathlib import Path

import numpy as np
from phantom_drawings import histograms_svg, lesions_svg, spectrum_svg
from phantom_lesions import POINTS, lesion_size, real_sizes, size_table
from phantom_measured import Measured, measured
from scipy import stats

from uptake.io.dicom.read import read_study
from uptake.io.dicom.scan import scan
from uptake.phantom import Phantom, make
from uptake.study import Study
from uptake.volume import Array

SNR_RANGE = (16.0, 30.0)
LOOK = """## What a reader can still tell apart

Five phantoms (seeds 1-5) are laid beside the two real studies at the same windows (`--look`; not shown here, for it
holds pixels of patients), lying a little less than still (0.3 mm). Gland is interleaved with fat: in one mass with
clefts where there is much, scattered and soft where there is little, in lobes that run to the nipple and up to the skin
there; a fine web of septa runs through the fat; lesions follow the gland; breasts fill the images as theirs do.

Nobody who reads breast MRI has judged them. A general image model, asked as a radiologist, was given seven rows in
random order, the two patients and five phantoms, and not told how many were which; three times, of former ones. Each
time it told all five from both patients, the last time with 78 to 88 % confidence at first sight. What it named, most
telling first: gland of one brightness with rounded holes; lesions with an outline as if cut out; vessels that are short
pieces in one slice, not trees that lead somewhere; fat that is emptier than the real one; the chest behind the breast;
one and the same fold. Gland, lesions' outlines, fat and breasts were drawn anew for that, and **have not been judged
since**; vessels, chest and fold are as they were. There are no biopsy cavities and no haze around the chest. N4 still
finds more shading than in the real studies in large fatty breasts, though the coils' own is less.

Structural over functional volume (by PE, noise-free, in the VOI), 30 small ones (seeds 1-30): median 1.56, quartiles
1.33 and 2.40, below 1 in 3. Experts against the released FTV: 1.53, 1.26 and 2.08, 9 %."""
LOOK_SEEDS = (1, 2, 3, 4, 5)
LOOK_MOTION_MM = 0.3
"""No patient lies perfectly still."""
INTRODUCTION = """# How near the phantoms come to real studies

<!-- Written by benchmarks/phantom.py. Change the phantom, not this page. -->

{cases} sagittal phantoms of full size, seeds from 1 on, SNR drawn between 16 and 30, and two real studies
(ISPY1_1001 of ACRIN 6657/I-SPY 1, UCSF-BR-06 of the Breast-MRI-NACT-Pilot; TCIA, CC BY 3.0) went through the same
measurements: breast mask, N4, FTV by the study's own rule, gland and fat at least 10 mm from it. Intensities are before
contrast, bias-corrected, gland's median is 1. Five numbers are the 5th, 25th, 50th, 75th and 95th percentile.
A distance is the first Wasserstein distance between two distributions in units of the real one's interquartile range:
0 is the same, and the last column says how far the two real studies are from each other.
The phantom is tuned on ranges over patients, not on these two; two studies of one make of scanner are few.
{without}

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
    page = [
        INTRODUCTION.format(cases=given.cases, without=_without(phantoms)),
        distances(real, phantoms),
        SCALARS,
        scalar_table(real, phantoms),
    ]
    if given.histograms:
        page += [HISTOGRAMS, histogram_table(given.histograms, shapes)]
    if given.sizes and given.histograms:
        published = real_sizes(given.histograms)
        page += [SIZES.format(sizes=given.sizes), size_table(lesions, published)]
    page.append(LOOK)
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
        make(seed=seed, snr=float(np.random.default_rng(seed).uniform(*SNR_RANGE)), motion_mm=LOOK_MOTION_MM).study
        for seed in LOOK_SEEDS
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
        ours = [study.samples[key] for study in phantoms if key in study.samples]
        medians = [float(np.median(values)) for values in ours]
        near = [min(distance(values, study.samples[key]) for study in real) for values in ours]
        between = distance(real[0].samples[key], real[-1].samples[key])
        middle = f"{np.median(medians):.3g} ({min(medians):.3g} to {max(medians):.3g})"
        rows.append(
            f"| {key[0]}, {key[1]} | " + " | ".join(numbers) + f" | {middle} | {np.median(near):.2f} | {between:.2f} |"
        )
    return "\n".join(rows)


def _without(phantoms: Sequence[Measured]) -> str:
    """Which phantoms have no gland to be measured."""
    names = [study.name for study in phantoms if ("PE %", "gland") not in study.samples]
    listed = ", ".join(names) or "none"
    return f"No gland far enough from the lesion, so not in gland's rows nor the intensities: {listed}."


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


def line(study: Measured) -> str:
    """One study in one line, for the eye."""
    parts = [
        f"{key[0][:3]} {key[1]} " + "-".join(f"{p:.3g}" for p in np.percentile(v, POINTS))
        for key, v in study.samples.items()
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


if __name__ == "__main__":
    main()
