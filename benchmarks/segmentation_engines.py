"""One network trained and asked, by `uptake` or by a peer: what `segmentation.py` starts, one process for each.

    PYTHON benchmarks/segmentation_engines.py JOB.json

Runs in a peer's own environment too, so nothing but the standard library and NumPy is imported at the head. The job
says which method, which cases (NIfTI files below ``images`` and ``labels``, named as nnU-Net names them), how many
epochs, how many threads. Left in the job's folder: ``<case>.npy``, the probability of the lesion in every voxel of
every test case, and ``done.json``, a `Done`. Time is taken around the training alone, validation included, and for
every epoch; data are prepared before and predicted after.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

DATASET = "Dataset001_Phantoms"


@dataclass(frozen=True)
class Job:
    """One network to be trained. data: the folder with images and labels; epochs: how many of `patches` patches."""

    method: str
    data: str
    folder: str
    train: list[str]
    validation: list[str]
    test: list[str]
    epochs: int
    patches: int
    patch: int
    threads: int
    seed: int
    split: int
    device: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class Done:
    """What a training took. ends: of every epoch, in seconds (wall, processor) from the beginning of the training."""

    method: str
    epochs: int
    patches: int
    patch: list[int]
    parameters: int
    wall_s: float
    processor_s: float
    ends: list[tuple[float, float]]


class Clock:
    """Wall and processor time of this process since its making."""

    def __init__(self) -> None:
        self.began = time.perf_counter(), time.process_time()
        self.ends: list[tuple[float, float]] = []

    def now(self) -> tuple[float, float]:
        return time.perf_counter() - self.began[0], time.process_time() - self.began[1]

    def epoch(self, *_: object) -> None:
        self.ends.append(self.now())


def main() -> None:
    job = Job(**json.loads(Path(sys.argv[1]).read_text("utf-8")))
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(job.threads)
    Path(job.folder).mkdir(parents=True, exist_ok=True)
    _nnunet_places(job)
    if job.method == "nnunet" and not job.train:
        nnunet_prepared(job)
        return
    done = {"gandlf": gandlf, "nnunet": nnunet}.get(job.method, ours)(job)
    Path(job.folder, "done.json").write_text(json.dumps(asdict(done)), "utf-8")


def ours(job: Job) -> Done:
    """A recipe of ours, as `uptake train` trains a fold and `uptake predict` asks its network."""
    from uptake.segment.cases import harmonised_study, training_case, voi_of
    from uptake.segment.inference import Predict, opened, predicted
    from uptake.segment.networks import build, parameters
    from uptake.segment.training import FoldTask, train_fold

    cohort, recipe = _cohort_of(job), _recipe_of(job)
    cache = Path(job.folder, "cache")
    cases = {
        name: training_case(cohort, name, "truth", recipe, cache) for name in sorted({*job.train, *job.validation})
    }
    train, validation = (tuple(cases[name] for name in part) for part in (job.train, job.validation))
    fold = Path(job.folder, f"{job.split}-0")
    task = FoldTask(fold, job.split, 0, recipe, train, validation, job.device, job.threads)
    _load(recipe.network, recipe.augment_on)
    clock = Clock()
    result = train_fold(task, clock.epoch)
    if result.refusal:
        raise SystemExit(f"{job.method}: {result.refusal.code}: {result.refusal.found}")
    taken = clock.now()
    network = opened(fold, recipe, "auto", job.threads)
    for name in job.test:
        study = harmonised_study(cohort, name)
        made = predicted(study, voi_of(cohort, name, study.grid), [network], recipe, Predict())
        _keep(job, name, made.probability.array)
    shutil.rmtree(cache)
    patches, size = result.epochs * len(train) * recipe.patches_per_case, parameters(build(recipe))
    return Done(job.method, result.epochs, patches, [recipe.patch] * 3, size, *taken, clock.ends)


def _load(network: str, augment_on: str) -> None:
    """Import what training imports when it needs it, before the clock is started; the peers import at their heads."""
    needed = ["onnx", "torch.utils.tensorboard"]
    needed += ["monai.networks.nets"] if network != "resunet" else []
    for name in (*needed, "torchio") if augment_on == "volume" else needed:
        importlib.import_module(name)


def _cohort_of(job: Job) -> Any:  # noqa: ANN401 (a type of uptake, which peers do not have)
    from uptake.io.store import open_cohort

    return open_cohort(Path(job.data).parent / "cohort")


def _recipe_of(job: Job) -> Any:  # noqa: ANN401
    """The recipe at the size and length of the job."""
    from uptake.pipeline.settings import fitted
    from uptake.segment.recipes import Recipe, named_recipe

    own = {"patch": job.patch, "seed": job.seed, "epochs": job.epochs, "patience": job.epochs}
    own |= {"patches_per_case": job.patches, "step_size": _step(job)}
    return fitted("recipe", Recipe, {**own, **job.settings}, named_recipe(job.method))


def _step(job: Job) -> float:
    """Epochs from the highest to the lowest rate of a triangle: down, up, and down again to the last epoch."""
    return max(1.0, (job.epochs - 1) / 3)


def gandlf(job: Job) -> Done:
    """GaNDLF's `resunet` as the paper has it: Dice, SGD 0.01, triangle; k-space, blur and noise half of the times."""
    import torch
    from GANDLF.config_manager import ConfigManager
    from GANDLF.models.lightning_module import GandlfLightningModule
    from GANDLF.training_manager import TrainingManager_split
    from GANDLF.utils import parseTrainingCSV, populate_header_in_parameters

    torch.set_num_threads(job.threads)
    torch.manual_seed(job.seed)
    tables = [gandlf_table(job, part) for part in ("train", "validation")]
    (train, headers), (validation, _) = (parseTrainingCSV(str(path), train=True) for path in tables)
    model = Path(job.folder, "model")
    model.mkdir(exist_ok=True)
    parameters = populate_header_in_parameters(ConfigManager(_gandlf_settings(job)), headers)
    parameters |= {"output_dir": str(model), "num_workers_dataloader": 0, "prefetch_factor_dataloader": None}
    clock = Clock()
    _watch(GandlfLightningModule, "on_validation_epoch_end", clock)
    TrainingManager_split(train, validation, None, str(model), parameters, resume=False, reset=False)
    taken = clock.now()
    network = GandlfLightningModule(parameters, output_dir=str(model)).model.to(job.device).eval()
    best = torch.load(model / "resunet_best.pth.tar", map_location=job.device, weights_only=False)
    network.load_state_dict(best["model_state_dict"])
    for name in job.test:
        _keep(job, name, _gandlf_probability(job, network, name))
    patches = len(clock.ends) * len(job.train) * job.patches
    return Done(job.method, len(clock.ends), patches, gandlf_patch(job), _weights(network), *taken, clock.ends)


def _watch(kind: type, method: str, clock: Clock) -> None:
    """Have the clock looked at whenever a method of a class has ended."""
    whole = getattr(kind, method)

    def watched(self: object) -> None:
        whole(self)
        clock.epoch()

    setattr(kind, method, watched)


def _gandlf_settings(job: Job) -> dict[str, Any]:
    """What `gandlf run` reads from its YAML file. The triangle's step is a third of the epochs; its default is flat."""
    return {
        "version": {"minimum": "0.1.5", "maximum": "0.1.5"},
        "problem_type": "segmentation",
        "modality": "rad",
        "accelerator": "cpu" if job.device == "cpu" else "gpu",
        "model": {
            "dimension": 3,
            "architecture": "resunet",
            "base_filters": job.settings.get("filters", 30),
            "final_layer": "softmax",
            "norm_type": job.settings.get("norm", "batch"),
            "class_list": [0, 1],
            "num_channels": 3,
            "print_summary": False,
        },
        "patch_size": gandlf_patch(job),
        "patch_sampler": "uniform",
        "q_samples_per_volume": job.patches,
        "q_max_length": 100,
        "q_num_workers": 0,
        "batch_size": job.settings.get("batch", 1),
        "loss_function": "dc",
        "metrics": ["dice"],
        "optimizer": {"type": "sgd", "momentum": 0.9, "weight_decay": 0, "nesterov": False},
        "learning_rate": 0.01,
        "scheduler": {"type": "triangle", "step_size": _step(job)},
        "num_epochs": job.epochs,
        "patience": job.epochs,
        "nested_training": {"testing": 1, "validation": -5},
        "data_augmentation": {
            "default_probability": 0.5,
            "kspace": {"probability": 0.5},
            "blur": {"probability": 0.5},
            "noise": {"probability": 0.5, "mean": 0.0, "std": [0.0, 1.0]},
        },
        "data_preprocessing": {},
    }


def gandlf_patch(job: Job) -> list[int]:
    """The job's patch, cut where an image is smaller (GaNDLF refuses such images) to what halves four times."""
    import nibabel

    cases = [*job.train, *job.validation]
    shapes = [nibabel.load(Path(job.data, "labels", f"{name}.nii.gz")).shape for name in cases]
    return [min(job.patch, int(n) // 16 * 16) for n in np.min(shapes, axis=0)]


def gandlf_table(job: Job, part: str) -> Path:
    path = Path(job.folder, f"{part}.csv")
    images, labels = Path(job.data, "images"), Path(job.data, "labels")
    lines = ["SubjectID,Channel_0,Channel_1,Channel_2,Label"]
    for name in getattr(job, part):
        channels = ",".join(str(images / f"{name}_{n:04d}.nii.gz") for n in range(3))
        lines.append(f"{name},{channels},{labels / f'{name}.nii.gz'}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def _gandlf_probability(job: Job, network: Any, name: str) -> np.ndarray:  # noqa: ANN401 (torch's)
    """Patch by patch without overlap, put together as GaNDLF does it by default (TorchIO, ``crop``)."""
    import torch
    import torchio

    images = {n: torchio.ScalarImage(Path(job.data, "images", f"{name}_{n:04d}.nii.gz")) for n in range(3)}
    stack = torch.cat([image.data.float() for image in images.values()])
    size = gandlf_patch(job)
    missing = [max(0, edge - n) for edge, n in zip(size, stack.shape[1:], strict=True)]
    pad = [n for extra in reversed(missing) for n in (0, extra)]
    padded = torch.nn.functional.pad(stack[None], pad, mode="replicate")[0]
    subject = torchio.Subject(image=torchio.ScalarImage(tensor=padded))
    sampler = torchio.inference.GridSampler(subject, size, 0)
    aggregator = torchio.inference.GridAggregator(sampler, overlap_mode="crop")
    with torch.inference_mode():
        for patch in sampler:
            made = network(patch["image"].data[None].to(job.device))[:, 1:2].cpu()
            aggregator.add_batch(made, patch["location"][None])
    i, j, k = stack.shape[1:]
    found: np.ndarray = aggregator.get_output_tensor()[0, :i, :j, :k].numpy()
    return found


def nnunet(job: Job) -> Done:
    """nnU-Net's own trainer for its own plan (3d_fullres), with shorter epochs; `patches` are batches of an epoch."""
    import torch
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    torch.set_num_threads(job.threads)
    torch.manual_seed(job.seed)
    np.random.seed(job.seed)  # noqa: NPY002 (what nnU-Net draws from)
    ready = Path(os.environ["nnUNet_preprocessed"], DATASET)  # noqa: SIM112 (its name)
    plans, dataset = (json.loads((ready / file).read_text("utf-8")) for file in ("nnUNetPlans.json", "dataset.json"))
    device = torch.device(job.device)
    trainer = nnUNetTrainer({**plans, "continue_training": False}, "3d_fullres", job.split, dataset, device)
    trainer.num_epochs, trainer.num_iterations_per_epoch = job.epochs, job.patches
    trainer.num_val_iterations_per_epoch = max(1, job.patches // 5)
    trainer.initialize()
    clock = Clock()
    _watch(nnUNetTrainer, "on_epoch_end", clock)
    trainer.run_training()
    taken = clock.now()
    predictor = _nnunet_predictor(job, trainer, dataset)
    for name in job.test:
        _keep(job, name, _nnunet_probability(job, predictor, name))
    patch = [int(n) for n in trainer.configuration_manager.patch_size]
    patches = job.epochs * job.patches * trainer.batch_size
    return Done(job.method, job.epochs, patches, patch, _weights(trainer.network), *taken, clock.ends)


def _nnunet_predictor(job: Job, trainer: Any, dataset: dict[str, Any]) -> Any:  # noqa: ANN401 (nnU-Net's)
    """nnU-Net's predictor with the trainer's best weights; settings: step, mirror."""
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(
        tile_step_size=job.settings.get("step", 0.5),
        use_mirroring=bool(job.settings.get("mirror", True)),
        perform_everything_on_device=job.device != "cpu",
        device=torch.device(job.device),
        allow_tqdm=False,
    )
    best = torch.load(Path(trainer.output_folder, "checkpoint_best.pth"), map_location="cpu", weights_only=False)
    trainer.set_deep_supervision_enabled(False)
    plans, configuration = trainer.plans_manager, trainer.configuration_manager
    axes = trainer.inference_allowed_mirroring_axes
    predictor.manual_initialization(
        trainer.network, plans, configuration, [best["network_weights"]], dataset, type(trainer).__name__, axes
    )
    return predictor


def nnunet_prepared(job: Job) -> None:
    """nnU-Net's fingerprint, plan and preprocessing of all cases, for as much memory as the settings say (in GB)."""
    from nnunetv2.experiment_planning import plan_and_preprocess_api as nnunet_api

    images, labels = Path(job.data, "images"), Path(job.data, "labels")
    cases = {
        name: {
            "images": [str(images / f"{name}_{n:04d}.nii.gz") for n in range(3)],
            "label": str(labels / f"{name}.nii.gz"),
        }
        for name in job.test
    }
    told = {
        "channel_names": {str(n): "noNorm" for n in range(3)},  # z-scored already, as for all others
        "labels": {"background": 0, "lesion": 1},
        "numTraining": len(cases),
        "file_ending": ".nii.gz",
        "dataset": cases,
    }
    os.environ |= {"nnUNet_n_proc_DA": "1"}  # its planner makes as many threads of torch of it
    raw = Path(os.environ["nnUNet_raw"], DATASET)  # noqa: SIM112 (its name)
    raw.mkdir(parents=True, exist_ok=True)
    (raw / "dataset.json").write_text(json.dumps(told), "utf-8")
    nnunet_api.extract_fingerprints([1], num_processes=1)
    nnunet_api.plan_experiments([1], gpu_memory_target_in_gb=job.settings["memory"])
    nnunet_api.preprocess([1], configurations=("3d_fullres",), num_processes=(1,))


def _nnunet_places(job: Job) -> None:
    """Where nnU-Net finds and leaves its files, and that it takes no further processes."""
    for place in ("raw", "preprocessed"):
        os.environ[f"nnUNet_{place}"] = str(Path(job.data).parent / "nnunet" / place)
    os.environ |= {
        "nnUNet_results": str(Path(job.folder, "results")),
        "nnUNet_n_proc_DA": "0",
        "nnUNet_def_n_proc": "1",
    }


def _weights(network: Any) -> int:  # noqa: ANN401 (torch's)
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def _nnunet_probability(job: Job, predictor: Any, name: str) -> np.ndarray:  # noqa: ANN401 (nnU-Net's)
    """Read by nnU-Net's own reader, whose arrays are (k, j, i)."""
    from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO

    files = [str(Path(job.data, "images", f"{name}_{n:04d}.nii.gz")) for n in range(3)]
    image, properties = SimpleITKIO().read_images(files)
    _, probability = predictor.predict_single_npy_array(image, properties, None, None, True)
    return np.ascontiguousarray(np.transpose(probability[1], (2, 1, 0)))


def _keep(job: Job, name: str, probability: np.ndarray) -> None:
    np.save(Path(job.folder, f"{name}.npy"), np.asarray(probability, dtype=np.float32))


if __name__ == "__main__":
    main()
