"""Our N4 and resampling beside SimpleITK's, on a phantom with a known field: seconds and residuals.

    python benchmarks/harmonise_parts.py --shape 256 256 160 --fields 10 --runs 5

Prints one line per shape of field: the median time of each engine (interleaved runs, same process), the standard
deviation of the log field error inside the mask, mean over the random fields; then the resampling.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813

from uptake.preprocess.bias import Bias, estimate_bias
from uptake.preprocess.resample import isotropic_grid, resample
from uptake.volume import Grid, Volume

SPACING = (0.8, 0.8, 2.0)
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
    whole = sitk.GetImageFromArray(np.ascontiguousarray(image.T))
    inside = sitk.GetImageFromArray(np.ascontiguousarray(mask.T).astype(np.uint8))
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations([50] * 4)
    n4.SetConvergenceThreshold(1e-3)
    n4.Execute(sitk.Shrink(whole, [4] * 3), sitk.Shrink(inside, [4] * 3))
    return np.exp(sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(whole)).T)


def simpleitk_resample(image: Array) -> Array:
    """Linear, to 1 mm, first voxel centre kept."""
    whole = sitk.GetImageFromArray(np.ascontiguousarray(image.T))
    whole.SetSpacing(SPACING)
    size = [int(np.floor(n * s + 0.5)) for n, s in zip(image.shape, SPACING, strict=True)]
    identity, direction = sitk.Transform(), whole.GetDirection()
    new = sitk.Resample(
        whole, size, identity, sitk.sitkLinear, whole.GetOrigin(), (1.0,) * 3, direction, 0.0, sitk.sitkFloat32
    )
    return sitk.GetArrayFromImage(new).T


def our_resample(image: Array) -> Array:
    """The same with ours."""
    volume = Volume(image, Grid(image.shape, np.diag([*SPACING, 1.0])))
    return resample(volume, isotropic_grid(volume.grid)).array


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


def compare_resampling(shape: tuple[int, ...], runs: int) -> None:
    """Print one line."""
    image = phantom("sine", shape, 0)[0]
    seconds: dict[str, list[float]] = {"uptake": [], "SimpleITK": []}
    for _ in range(runs):
        took, ours = timed(lambda: our_resample(image))
        seconds["uptake"].append(took)
        took, theirs = timed(lambda: simpleitk_resample(image))
        seconds["SimpleITK"].append(took)
    largest = np.abs(ours - theirs).max() / np.abs(theirs).max()
    print(
        f"linear {shape} -> {ours.shape}: uptake {np.median(seconds['uptake']):.3f} s, "
        f"SimpleITK {np.median(seconds['SimpleITK']):.3f} s; largest difference {largest:.1e} of the maximum"
    )


def main() -> None:
    """Read the command line and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", nargs=3, type=int, default=(256, 256, 160))
    parser.add_argument("--fields", type=int, default=10)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    shape = tuple(given.shape)
    for kind in ("polynomial", "sine", "coil"):
        compare(shape, kind, given.fields, given.runs)
    compare_resampling(shape, given.runs)


if __name__ == "__main__":
    main()
