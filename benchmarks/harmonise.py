"""Harmonisation beside SimpleITK: N4 and resampling on phantoms with a known field, a real study from DICOM.

    python benchmarks/harmonise.py [--shape 256 256 160] [--fields 10] [--kinds coil] [--runs 5] [STUDY ...]

N4: one line per shape of field with the median time of each engine (interleaved runs, same process) and the standard
deviation of the log field error inside the mask, mean over the random fields. Resampling: linear and cubic B-spline.
STUDY, a DICOM folder or zip: cold processes in turn from DICOM to harmonised images, ours against the plain script of
`one_study.py` (dcm2niix, N4 per phase, resampling, z-score, gzip). Motion: `motion.py`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from one_study import process, unpacked

from uptake.io.dicom.read import read_study
from uptake.io.dicom.scan import scan
from uptake.io.nifti import write_volume
from uptake.preprocess.bias import Bias, estimate_bias, estimate_fields
from uptake.preprocess.harmonise import harmonise
from uptake.preprocess.resample import Interpolation, Resample, isotropic_grid, resample
from uptake.volume import Grid, Volume

SPACING = (0.8, 0.8, 2.0)
KINDS = ("polynomial", "sine", "coil")
Array = Any


def log_field(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """A random smooth log field of about +-0.5."""
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n, dtype=np.float32) for n in shape], indexing="ij", sparse=True)
    a, b, c, d, e = rng.uniform(-0.4, 0.4, 5)
    if kind == "polynomial":
        return a * x * y + b * z - abs(c) * x**2 + d * y**2 * z + e * y
    if kind == "sine":
        return a * np.sin(2 * y + 3 * d) + b * np.cos(2.5 * x + 3 * e) + c * np.sin(1.5 * z)
    centre = rng.uniform(-1.2, 1.2, 3)
    distance = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2
    return -np.log(0.4 + abs(a) + distance) * 0.6


def phantom(kind: str, shape: tuple[int, ...], seed: int) -> tuple[Array, Array, Array]:
    """Image, mask and log field: two tissues with noise in a ball, air around it."""
    rng = np.random.default_rng(seed)
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n, dtype=np.float32) for n in shape], indexing="ij", sparse=True)
    ball = x**2 + y**2 + z**2 < 0.8
    tissue = np.where(ball, 300, 20).astype(np.float32)
    tissue[(x + 0.1) ** 2 + (y - 0.2) ** 2 + z**2 < 0.2] = 520
    noisy = (tissue + rng.standard_normal(shape, dtype=np.float32) * 12).clip(1)
    truth = log_field(kind, shape, rng).astype(np.float32)
    return noisy * np.exp(truth), ball, truth


def simpleitk_recipe(image: Array, mask: Array) -> Array:
    """N4 as it is usually scripted: shrink by 4, 4 levels of 50, the field at full resolution."""
    import SimpleITK as sitk  # noqa: N813 (here, for the processes of `--ours` do without it)

    whole = sitk.GetImageFromArray(np.ascontiguousarray(image.T))
    inside = sitk.GetImageFromArray(np.ascontiguousarray(mask.T).astype(np.uint8))
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations([50] * 4)
    n4.SetConvergenceThreshold(1e-3)
    n4.Execute(sitk.Shrink(whole, [4] * 3), sitk.Shrink(inside, [4] * 3))
    return np.exp(sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(whole)).T)


def simpleitk_resample(image: Array, interpolation: Interpolation) -> Array:
    """To 1 mm, first voxel centre kept."""
    import SimpleITK as sitk  # noqa: N813

    interpolator = sitk.sitkLinear if interpolation == "linear" else sitk.sitkBSpline
    whole = sitk.GetImageFromArray(np.ascontiguousarray(image.T))
    whole.SetSpacing(SPACING)
    size = [int(np.floor(n * s + 0.5)) for n, s in zip(image.shape, SPACING, strict=True)]
    identity, direction = sitk.Transform(), whole.GetDirection()
    new = sitk.Resample(
        whole, size, identity, interpolator, whole.GetOrigin(), (1.0,) * 3, direction, 0.0, sitk.sitkFloat32
    )
    return sitk.GetArrayFromImage(new).T


def our_resample(image: Array, interpolation: Interpolation) -> Array:
    """The same with ours."""
    volume = Volume(image, Grid(image.shape, np.diag([*SPACING, 1.0])))
    return resample(volume, isotropic_grid(volume.grid), Resample(interpolation=interpolation)).array


def timed(call: Callable[[], Array]) -> tuple[float, Array]:
    """Seconds and result."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def compare(shape: tuple[int, ...], kind: str, fields: int, runs: int) -> None:
    """Print one line for one shape of field."""
    seconds: dict[str, list[float]] = {"uptake": [], "SimpleITK": []}
    errors: dict[str, list[float]] = {"uptake": [], "SimpleITK": []}
    agreement = []
    for seed in range(fields):
        image, mask, truth = phantom(kind, shape, seed)
        calls = {
            "uptake": partial(estimate_bias, image, mask, SPACING, Bias(engine="uptake")),
            "SimpleITK": partial(simpleitk_recipe, image, mask),
        }
        found = {}
        for _ in range(runs if seed == 0 else 1):
            for name, call in calls.items():
                took, found[name] = timed(call)
                seconds[name].append(took)
        for name, field in found.items():
            errors[name].append(float((np.log(field) - truth)[mask].std()))
        ratio = (found["uptake"] / found["SimpleITK"])[mask]
        agreement.append(float(np.percentile(np.abs(ratio / np.median(ratio) - 1), 95)))
    ours, theirs = np.median(seconds["uptake"]), np.median(seconds["SimpleITK"])
    print(
        f"N4 {shape} {kind:10}: uptake {ours:.3f} s, SimpleITK {theirs:.2f} s, {theirs / ours:.0f} times; "
        f"residual sd {np.mean(errors['uptake']):.4f} / {np.mean(errors['SimpleITK']):.4f}, "
        f"no larger in {sum(a <= b for a, b in zip(errors['uptake'], errors['SimpleITK'], strict=True))} of {fields}; "
        f"95 % of voxels agree within {np.mean(agreement):.4f}",
        flush=True,
    )


def compare_resampling(shape: tuple[int, ...], interpolation: Interpolation, runs: int) -> None:
    """Print one line."""
    image = np.asfortranarray(phantom("sine", shape, 0)[0])  # the memory order of what is read from files
    seconds: dict[str, list[float]] = {"uptake": [], "SimpleITK": []}
    for _ in range(runs):
        took, ours = timed(partial(our_resample, image, interpolation))
        seconds["uptake"].append(took)
        took, theirs = timed(partial(simpleitk_resample, image, interpolation))
        seconds["SimpleITK"].append(took)
    largest = np.abs(ours - theirs).max() / np.abs(theirs).max()
    print(
        f"{interpolation} {shape} -> {ours.shape}: uptake {np.median(seconds['uptake']):.3f} s, "
        f"SimpleITK {np.median(seconds['SimpleITK']):.3f} s; largest difference {largest:.1e} of the maximum",
        flush=True,
    )


def compare_study(study: Path, runs: int) -> None:
    """Print one line: cold processes from DICOM to harmonised images, in turn, after one uncounted run of both."""
    plain, ours = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = unpacked(study, Path(name))
        script = Path(__file__).with_name("one_study.py")
        for number in range(runs + 1):
            plain.append(process([sys.executable, str(script), "--plain", str(folder), f"{name}/plain{number}"]))
            ours.append(process([sys.executable, __file__, "--ours", str(folder), f"{name}/ours{number}"]))
    script_s, ours_s = (statistics.median(m.seconds for m in side[1:]) for side in (plain, ours))
    ratio = statistics.median(a.seconds / b.seconds for a, b in zip(plain[1:], ours[1:], strict=True))
    print(
        f"{study.stem}, DICOM to harmonised images: uptake {ours_s:.2f} s, "
        f"plain script {script_s:.2f} s: {ratio:.1f} times",
        flush=True,
    )


def ours_from_dicom(dicom: Path, out: Path) -> None:
    """What the plain script does, with uptake on two cores: native phases and harmonised ones as NIfTI."""
    with ThreadPoolExecutor(2) as pool:
        (source,) = scan([dicom]).studies
        study = read_study(source, "case")
        files = [out / "native" / f"case_{n:04d}.nii.gz" for n in range(len(study.phases))]
        written = [pool.submit(write_volume, *one) for one in zip(study.volumes, files, strict=True)]
        made = harmonise(study, estimate_fields(study)).study
        files = [out / "harmonised" / file.name for file in files]
        written += [pool.submit(write_volume, *one) for one in zip(made.volumes, files, strict=True)]
        for file in written:
            file.result()


def main() -> None:
    """Read the command line and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="*", type=Path)
    parser.add_argument("--shape", nargs=3, type=int, default=(256, 256, 160))
    parser.add_argument("--fields", type=int, default=10, help="0: no N4")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="shapes of field")
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    shape = tuple(given.shape)
    if given.fields:
        for kind in given.kinds:
            compare(shape, kind, given.fields, given.runs)
    compare_resampling(shape, "linear", given.runs)
    compare_resampling(shape, "bspline", given.runs)
    for study in given.studies:
        compare_study(study, given.runs)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--ours"]:
        ours_from_dicom(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
