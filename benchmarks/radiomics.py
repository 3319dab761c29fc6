"""Radiomic features of synthetic lesions: ours and, in turn with it, Pictologics, PyRadiomics, MIRP and Z-Rad.

    python benchmarks/radiomics.py [--pictologics PYTHON] [--pyradiomics PYTHON] [--mirp PYTHON] [--z-rad PYTHON]
                                   [--runs 15] [--voxels N ...] [--curve]

PYTHON is the interpreter of an environment that holds the peer:

    python3.12 -m venv pictologics && pictologics/bin/pip install pictologics==0.9.0
    python -m venv pyradiomics && pyradiomics/bin/pip install "numpy<2" setuptools wheel versioneer cython &&
        pyradiomics/bin/pip install --no-build-isolation pyradiomics==3.0.1
    python -m venv mirp && mirp/bin/pip install mirp==2.7.0
    python -m venv z-rad && z-rad/bin/pip install z-rad==26.9.0

Lesions of 1e3, 3e4 and 3e5 voxels in a volume of 256 x 256 x 160 int16 voxels of 1 mm, 64 grey levels, first-order,
shape and texture in 3D, the whole volume passed in, files and imports left out. Every engine keeps a process of its
own, warm; the engines take turns (A B C A B C ...). MIRP and Z-Rad, which take seconds, take three turns at most.
Printed are medians in ms of wall time and of processor time, and the median of the ratios of wall time turn by turn.
The first call of a process, whose image and mask are in memory, is given beside them, wall and processor time.

`all merged` and `texture merged` are for the comparison with Pictologics: its 140 (95) features, one value each, with
the matrices of all directions merged, and nothing that it does not have. `all` and `texture` have the mean over
directions as well, which is what PyRadiomics computes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SHAPE = (256, 256, 160)
VOXELS = (1_000, 30_000, 300_000)
CURVE = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000)
BINS = 64
TEXTURES = ("glcm", "glrlm", "glszm", "gldzm", "ngtdm", "ngldm")


def main() -> None:
    """Measure every engine on every lesion and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for peer in PEERS:
        parser.add_argument(f"--{peer}", metavar="PYTHON")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--voxels", type=int, nargs="+", default=VOXELS, help="of the lesions")
    parser.add_argument("--curve", action="store_true", help="our time from 1e3 to 3e6 voxels instead")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        work(*asked.worker)
        return
    engines = {f"uptake {what}": (sys.executable, f"uptake:{what}") for what in OURS}
    for peer in () if asked.curve else PEERS:
        python = getattr(asked, peer.replace("-", "_"))
        if python:
            engines |= {f"{peer} {what}": (python, f"{peer}:{what}") for what in ("all", "texture")}
    with tempfile.TemporaryDirectory() as folder:
        for voxels in CURVE if asked.curve else asked.voxels:
            inside = write_lesion(voxels, Path(folder))
            chosen = {
                name: e for name, e in engines.items() if not asked.curve or name in ("uptake all", "uptake texture")
            }
            show(inside, in_turn(chosen, Path(folder), asked.runs))


def write_lesion(voxels: int, folder: Path) -> int:
    """A lobed ellipsoid with smooth and rough texture, as NIfTI; gives its voxels."""
    import nibabel as nib

    random = np.random.default_rng(0)
    waves = random.normal(size=[n // 4 for n in SHAPE])
    for axis, n in enumerate(SHAPE):
        waves = np.apply_along_axis(_stretched, axis, waves, n)
    radius = (3 * voxels / 4 / np.pi) ** (1 / 3)
    i, j, k = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    distance = np.sqrt(((i - 128) / 1.15) ** 2 + ((j - 128) / 0.95) ** 2 + ((k - 80) / 0.92) ** 2)
    mask = (distance + 1.5 * waves < radius).astype(np.uint8)
    image = (300 + 120 * waves + 30 * random.normal(size=SHAPE)).astype(np.int16)
    nib.save(nib.Nifti1Image(image, np.eye(4)), folder / "image.nii")
    nib.save(nib.Nifti1Image(mask, np.eye(4)), folder / "mask.nii")
    return int(mask.sum())


def in_turn(engines: dict[str, tuple[str, str]], folder: Path, runs: int) -> dict[str, list[dict[str, float]]]:
    """What each engine's process says of each of its turns; the first entry is of its first call.

    A process is started when the one before has imported its engine and loaded the input, so that no import and no
    first call is measured while another process works.
    """
    started: dict[str, subprocess.Popen[str]] = {}
    for name, (python, engine) in engines.items():
        started[name] = subprocess.Popen(
            [python, "-P", __file__, "--worker", engine, str(folder / "image.nii"), str(folder / "mask.nii")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        _answer(started[name])
    said: dict[str, list[dict[str, float]]] = {name: [] for name in engines}
    for turn in range(runs + 2):
        for name, process in started.items():
            if turn < 3 or not name.startswith(SLOW):
                said[name].append(_one_turn(process))
    for process in started.values():
        process.communicate()
    return said


def _one_turn(process: subprocess.Popen[str]) -> dict[str, float]:
    if not process.stdin:
        raise RuntimeError("a worker talks through pipes")
    process.stdin.write("go\n")
    process.stdin.flush()
    return _answer(process)


def _answer(process: subprocess.Popen[str]) -> dict[str, float]:
    if not process.stdout:
        raise RuntimeError("a worker talks through pipes")
    said: dict[str, float] = json.loads(process.stdout.readline())
    return said


def show(voxels: int, said: dict[str, list[dict[str, float]]]) -> None:
    """A table: engines, their times, and how long they take for each time of ours."""
    columns = ("engine", "features", "import s", "first ms", "processor", "median ms", "processor", "x uptake", "MB")
    print(f"\n{voxels} voxels\n\n{' | '.join(columns)}")
    for name, turns in said.items():
        warm = turns[2:]
        what = "texture" if "texture" in name else "all"
        ours = said.get(f"uptake {what}{' merged' if 'pictologics' in name else ''}", turns)[2:]
        ratio = statistics.median(b["wall"] / a["wall"] for a, b in zip(ours, warm, strict=False))
        wall, cpu = (1e3 * statistics.median(turn[key] for turn in warm) for key in ("wall", "cpu"))
        first = turns[0]
        print(
            f"{name} | {first['features']:.0f} | {first['import']:.2f} | {1e3 * first['wall']:.1f} | "
            f"{1e3 * first['cpu']:.1f} | {wall:.1f} | {cpu:.1f} | {ratio:.1f} | "
            f"{turns[-1]['peak_mb'] - first['loaded_mb']:.0f}"
        )


def work(engine: str, image: str, mask: str) -> None:
    """One engine, waiting for its turns."""
    name, _, what = engine.partition(":")
    call, import_s = {"uptake": uptake, **PEERS}[name](image, mask, what)
    loaded = _peak_mb(forget=True)
    print(json.dumps({"import": import_s}), flush=True)
    for _ in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        features = call()
        said = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "features": features}
        print(json.dumps(said | {"import": import_s, "loaded_mb": loaded, "peak_mb": _peak_mb()}), flush=True)


OURS: dict[str, dict[str, Any]] = {
    "all": {"families": ("morphology", "statistics", *TEXTURES), "autocorrelation": False},
    "texture": {"families": TEXTURES},
    "all merged": {
        "families": ("morphology", "statistics", *TEXTURES),
        "autocorrelation": False,
        "aggregations": ("3D merged",),
    },
    "texture merged": {"families": TEXTURES, "aggregations": ("3D merged",)},
    "six aggregations": {
        "families": ("statistics", "intensity_histogram", "intensity_volume_histogram", *TEXTURES),
        "aggregations": (
            "2D averaged",
            "2D slice-merged",
            "2.5D direction-merged",
            "2.5D merged",
            "3D averaged",
            "3D merged",
        ),
    },
    "morphology and spatial": {"families": ("morphology", "local_intensity")},
}
Engine = tuple[Callable[[], int], float]


def uptake(image: str, mask: str, what: str) -> Engine:
    begin = time.perf_counter()
    from uptake.features import Features, extract

    seconds = time.perf_counter() - begin
    from uptake.io.nifti import read_mask, read_volume

    settings = Features(bins=BINS, **OURS[what])
    volume, inside = read_volume(Path(image)), read_mask(Path(mask))
    return lambda: len(extract(volume, inside, settings)), seconds


def pictologics(image: str, mask: str, what: str) -> Engine:
    begin = time.perf_counter()
    import pictologics as engine

    seconds = time.perf_counter() - begin
    families = ["texture"] if what == "texture" else ["intensity", "morphology", "texture"]
    steps = [
        {"step": "discretise", "params": {"method": "FBN", "n_bins": BINS}},
        {"step": "extract_features", "params": {"families": families}},
    ]
    pipeline = engine.RadiomicsPipeline()
    pipeline.add_config("c", steps)
    volume, inside = engine.load_image(image), engine.load_image(mask)
    return lambda: len(pipeline.run(image=volume, mask=inside, config_names=["c"])["c"]), seconds


def pyradiomics(image: str, mask: str, what: str) -> Engine:
    begin = time.perf_counter()
    import logging

    import radiomics
    import SimpleITK
    from radiomics import featureextractor

    seconds = time.perf_counter() - begin
    radiomics.logger.setLevel(logging.ERROR)
    extractor = featureextractor.RadiomicsFeatureExtractor(binCount=BINS, additionalInfo=False)
    extractor.disableAllFeatures()
    for name in (() if what == "texture" else ("firstorder", "shape")) + ("glcm", "glrlm", "glszm", "gldm", "ngtdm"):
        extractor.enableFeatureClassByName(name)
    volume, inside = SimpleITK.ReadImage(image), SimpleITK.ReadImage(mask)
    return lambda: len(extractor.execute(volume, inside)), seconds


def mirp(image: str, mask: str, what: str) -> Engine:
    begin = time.perf_counter()
    import logging

    from mirp import extract_features

    seconds = time.perf_counter() - begin
    logging.disable(logging.CRITICAL)
    arrays = _arrays(image, mask)
    families = ["glcm", "glrlm", "glszm", "gldzm", "ngtdm", "ngldm"]

    def call() -> int:
        (table,) = extract_features(
            image=arrays[0],
            mask=arrays[1],
            image_modality="mr",
            export_features=True,
            write_features=False,
            base_discretisation_method="fixed_bin_number",
            base_discretisation_n_bins=BINS,
            base_feature_families=families if what == "texture" else ["statistics", "morphology", *families],
        )
        known = ("stat", "morph", "cm", "rlm", "szm", "dzm", "ngt", "ngl")
        return sum(name.split("_")[0] in known for name in table.columns)

    return call, seconds


def z_rad(image: str, mask: str, what: str) -> Engine:
    begin = time.perf_counter()
    import SimpleITK
    from zrad.image import Image
    from zrad.preprocessing import discretization, roi
    from zrad.radiomics import Radiomics

    seconds = time.perf_counter() - begin

    def read(path: str) -> Image:
        of = SimpleITK.ReadImage(path)
        array = SimpleITK.GetArrayFromImage(of).astype("float64")
        place = {"origin": of.GetOrigin(), "spacing": of.GetSpacing(), "direction": of.GetDirection()}
        return Image(array=array, shape=of.GetSize(), **place)

    volume, inside = read(image), read(mask)
    families = ["glcm", "glrlm", "glszm", "gldzm", "ngtdm", "ngldm"]
    chosen = families if what == "texture" else ["morphology", "intensity_statistics", *families]

    def call() -> int:
        region = roi.IntensityMaskBuilder().apply(roi.RoiData(image=volume, morphological_mask=inside))
        region = discretization.TextureDiscretizer(number_of_bins=BINS).apply(roi.RoiCropper().apply(region))
        return len(Radiomics(aggr_dim="3D", aggr_method="AVER").extract_features(region, families=chosen))

    return call, seconds


PEERS: dict[str, Callable[[str, str, str], Engine]] = {
    "pictologics": pictologics,
    "pyradiomics": pyradiomics,
    "mirp": mirp,
    "z-rad": z_rad,
}
SLOW = ("mirp", "z-rad")


def _arrays(image: str, mask: str) -> tuple[np.ndarray, np.ndarray]:
    """Intensities and mask with axes (k, j, i), by the reader that comes with MIRP."""
    import itk

    return itk.array_from_image(itk.imread(image)).astype(float), itk.array_from_image(itk.imread(mask)).astype(bool)


def _stretched(values: np.ndarray, size: int) -> np.ndarray:
    return np.interp(np.linspace(0, len(values) - 1, size), np.arange(len(values)), values)


def _peak_mb(*, forget: bool = False) -> float:
    """Peak resident memory; forget: of what comes from now on (where the kernel can, as on Linux)."""
    if forget:
        Path("/proc/self/clear_refs").write_text("5", "ascii")
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024


if __name__ == "__main__":
    main()
