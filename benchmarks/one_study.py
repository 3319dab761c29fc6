"""One study from DICOM to report against a plain script of dcm2niix, SimpleITK N4 per phase and SimpleITK resampling.

    python benchmarks/one_study.py STUDY [STUDY ...] [--runs 5]

STUDY is a DICOM folder or zip. Whole processes, cold start, run in turn (A B A B ...); median seconds, the median of
the ratios run by run, the median processor time of both (which other work on the machine disturbs less), and the peak
memory of the largest process. The plain script stops at resampled images; uptake
goes on to FTV, STV proposal, features and report.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Measured:
    """Wall time and processor time in s, peak resident memory in MB of one process with its children."""

    seconds: float
    processor_s: float
    peak_mb: float


def main() -> None:
    """Measure every study and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="+", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    print("study | plain script s | uptake s | ratio uptake / script | processor s of both | uptake peak MB")
    for study in asked.studies:
        plain, ours = measured_in_turn(study, asked.runs)
        ratio = statistics.median(b.seconds / a.seconds for a, b in zip(plain, ours, strict=True))
        processor = " / ".join(f"{statistics.median(m.processor_s for m in side):.2f}" for side in (plain, ours))
        words = [study.stem, *(f"{statistics.median(m.seconds for m in side):.2f}" for side in (plain, ours))]
        print(" | ".join([*words, f"{ratio:.2f}", processor, f"{max(m.peak_mb for m in ours):.0f}"]))


def measured_in_turn(study: Path, runs: int) -> tuple[list[Measured], list[Measured]]:
    """The plain script and uptake in turn, each into a new folder, after one uncounted run of both."""
    plain, ours = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = unpacked(study, Path(name))
        for number in range(runs + 1):
            plain.append(process([sys.executable, __file__, "--plain", str(folder), f"{name}/plain{number}"]))
            uptake = Path(sys.executable).with_name("uptake")
            ours.append(process([str(uptake), "run", str(folder), "--out", f"{name}/ours{number}"]))
    return plain[1:], ours[1:]


def process(command: list[str]) -> Measured:
    """Run a command to its end."""
    started = time.perf_counter()
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, state, usage = os.wait4(running.pid, 0)
    if os.waitstatus_to_exitcode(state):
        raise SystemExit(f"failed: {' '.join(command)}")
    return Measured(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def unpacked(study: Path, folder: Path) -> Path:
    """The folder of a study: itself, or its zip unpacked."""
    if study.is_dir():
        return study
    with zipfile.ZipFile(study) as archive:
        archive.extractall(folder / "dicom")
    return folder / "dicom"


def plain_script(dicom: Path, out: Path) -> None:
    """What people run today: dcm2niix, N4 with shrink 4 on every phase, 1 mm linear, one z-score, gzip."""
    import dcm2niix
    import numpy as np
    import SimpleITK as sitk  # noqa: N813 (its usual name)

    out.mkdir()
    subprocess.run([dcm2niix.bin, "-z", "y", "-d", "9", "-o", str(out), str(dicom)], check=True, capture_output=True)
    series = max(out.glob("*.nii.gz"), key=lambda path: path.stat().st_size)
    image = sitk.ReadImage(str(series))
    resampled = []
    for phase in range(image.GetSize()[3]):
        corrected = n4(sitk.Cast(image[..., phase], sitk.sitkFloat32))
        size = [int(n * s + 0.5) for n, s in zip(corrected.GetSize(), corrected.GetSpacing(), strict=True)]
        args = (corrected.GetOrigin(), (1.0, 1.0, 1.0), corrected.GetDirection(), 0.0, sitk.sitkFloat32)
        resampled.append(sitk.Resample(corrected, size, sitk.Transform(), sitk.sitkLinear, *args))
    pooled = np.stack([sitk.GetArrayViewFromImage(one) for one in resampled])
    mean, sd = float(pooled.mean()), float(pooled.std())
    for phase, one in enumerate(resampled):
        sitk.WriteImage((one - mean) / sd, str(out / f"harmonised_{phase:04d}.nii.gz"))


def n4(image):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 (SimpleITK has no types)
    """SimpleITK's N4 on the image shrunk by 4, applied at full resolution."""
    import SimpleITK as sitk  # noqa: N813 (its usual name)

    mask = sitk.OtsuThreshold(image, 0, 1, 200)
    corrector = sitk.N4BiasFieldCorrectionImageFilter()
    corrector.SetMaximumNumberOfIterations([50] * 4)
    corrector.SetConvergenceThreshold(1e-3)
    corrector.Execute(sitk.Shrink(image, [4] * 3), sitk.Shrink(mask, [4] * 3))
    return image / sitk.Exp(corrector.GetLogBiasFieldAsImage(image))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--plain"]:
        plain_script(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
