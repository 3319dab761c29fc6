"""Prediction: equal with and without torch, cleaned, averaged, and honest about how sure it is."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from uptake.segment.checkpoint import CHECKPOINT
from uptake.segment.export import probability_network, write_onnx
from uptake.segment.inference import Predict, cleaned, opened, predicted, uncertainty
from uptake.segment.networks import build
from uptake.segment.recipes import Recipe
from uptake.segment.training import FoldTask, train_fold
from uptake.study import Code, Phase, Refusal, SettingsError, Study
from uptake.volume import Grid, Volume

SHAPE = (40, 34, 32)
GRID = Grid(SHAPE, np.eye(4))


def study(shape: tuple[int, int, int] = SHAPE, phases: int = 3) -> Study:
    rng = np.random.default_rng(1)
    volumes = (Volume(rng.normal(0, 1, shape).astype(np.float32), Grid(shape, np.eye(4))) for _ in range(phases))
    return Study("A", tuple(Phase(volume, float(n)) for n, volume in enumerate(volumes)))


def of(image: Any) -> Study:
    """A study of three phases that are all the same."""
    return Study("A", tuple(Phase(Volume(image, GRID), float(n)) for n in range(3)))


@pytest.fixture(scope="module")
def trained(torch: Any, tmp_path_factory: pytest.TempPathFactory, blobs: Any, small: Recipe) -> FoldTask:
    recipe = dataclasses.replace(small, epochs=1)
    task = FoldTask(tmp_path_factory.mktemp("model") / "0-0", 0, 0, recipe, blobs[:1], blobs[2:3], "cpu")
    assert train_fold(task).refusal is None
    return task


@pytest.mark.parametrize("shape", [SHAPE, (20, 34, 32)], ids=["larger", "smaller than the patch"])
def test_onnx_runtime_says_what_torch_says(trained: FoldTask, shape: tuple[int, int, int]) -> None:
    maps = []
    for backend in ("onnx", "torch"):
        run = opened(trained.folder, trained.recipe, backend, threads=1)  # type: ignore[arg-type]
        maps.append(predicted(study(shape), None, [run], trained.recipe, Predict()).probability.array)
    assert maps[0].shape == shape
    assert np.abs(maps[0] - maps[1]).max() <= 1e-4


@pytest.mark.parametrize("network", ["resunet", "unet", "segresnet", "dynunet"])
def test_every_network_says_the_same_in_onnx_and_in_torch(torch: Any, network: Any, tmp_path: Path) -> None:
    recipe = Recipe(network=network, filters=8, patch=32)
    torch.manual_seed(3)
    weights = build(recipe).state_dict()
    write_onnx(recipe, weights, tmp_path / "network.onnx")
    patches = np.random.default_rng(0).normal(0, 1, (2, recipe.inputs, 32, 32, 32)).astype(np.float32)
    with torch.inference_mode():
        expected = probability_network(recipe, weights)(torch.from_numpy(patches)).numpy()
    assert np.abs(opened(tmp_path, recipe, "onnx", threads=1)(patches) - expected).max() <= 1e-4


def test_torch_takes_no_checkpoint_but_the_model_s(trained: FoldTask, tmp_path: Path) -> None:
    path = trained.folder / CHECKPOINT
    own = hashlib.sha256(path.read_bytes()).hexdigest()
    assert opened(trained.folder, trained.recipe, "torch", checkpoint=own)
    with pytest.raises(Refusal, match="is not the model's"):
        opened(trained.folder, trained.recipe, "torch", checkpoint="0" * 64)
    with pytest.raises(Refusal, match="of another recipe"):
        opened(trained.folder, dataclasses.replace(trained.recipe, filters=4), "torch")


def test_a_network_runs_where_torch_cannot_be_imported(trained: FoldTask) -> None:
    code = f"""
import sys
for name in ("torch", "monai", "torchio", "onnx", "tensorboard"):
    sys.modules[name] = None
import numpy as np
from pathlib import Path
from uptake.segment.inference import opened
from uptake.segment.recipes import Recipe
from uptake.verbs import predict
run = opened(Path({str(trained.folder)!r}), Recipe(network="resunet", filters=2, patch=32), "onnx", 1)
print(run(np.zeros((1, 4, 32, 32, 32), np.float32)).shape)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "(1, 32, 32, 32)", done.stderr


def test_a_network_without_its_checkpoint_runs_without_torch_even_beside_a_gpu(
    trained: FoldTask, tmp_path: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("uptake.segment.inference._gpu", lambda: True)
    (tmp_path / "network.onnx").write_bytes((trained.folder / "network.onnx").read_bytes())
    run = opened(tmp_path, trained.recipe, "auto", threads=1)
    assert run(np.zeros((1, 4, 32, 32, 32), np.float32)).shape == (1, 32, 32, 32)
    with pytest.raises(Refusal, match=r"has no checkpoint\.pt"):
        opened(tmp_path, trained.recipe, "torch")


def test_a_network_of_coarser_voxels_answers_on_the_grid_of_the_images() -> None:
    recipe = Recipe(patch=32, spacing_mm=2.0)
    seen = []

    def run(patches: Any) -> Any:
        seen.append(patches.shape)
        return (patches[:, 0] > 0.5).astype(np.float32)

    bright = np.zeros(SHAPE, np.float32)
    bright[10:20, 10:20, 8:18] = 1
    found = predicted(of(bright), None, [run], recipe, Predict())
    assert seen == [(1, 4, 32, 32, 32)]
    assert found.probability.grid.same_as(GRID)
    wanted = bright > 0
    wanted[np.ix_([10, 19], [10, 19], [8, 17])] = False  # a quarter of a block from the edge along each axis: 0.75^3
    assert np.array_equal(found.mask.array, wanted)


def test_a_prompt_keeps_a_coarse_prediction_inside_the_voi_voxel_by_voxel() -> None:
    recipe = Recipe(patch=32, spacing_mm=2.0, prompt=True)
    voi = np.zeros(SHAPE, bool)
    voi[5:16, 4:9, 3:8] = True
    found = predicted(of(np.ones(SHAPE, np.float32)), voi, [lambda p: np.ones_like(p[:, 0])], recipe, Predict())
    assert np.array_equal(found.mask.array, voi)


def test_a_damaged_network_is_refused(trained: FoldTask, tmp_path: Any) -> None:
    (tmp_path / "network.onnx").write_bytes((trained.folder / "network.onnx").read_bytes()[:1000])
    with pytest.raises(Refusal) as refused:
        opened(tmp_path, trained.recipe, "onnx")
    assert refused.value.code is Code.MODEL


def test_a_network_of_another_recipe_is_refused(trained: FoldTask) -> None:
    with pytest.raises(Refusal, match="not those of its recipe"):
        opened(trained.folder, dataclasses.replace(trained.recipe, channels="phases"), "onnx")


@pytest.mark.parametrize("phases", [2, 4])
def test_a_study_of_more_or_fewer_phases_is_refused(phases: int, small: Recipe) -> None:
    with pytest.raises(Refusal) as refused:
        predicted(study(phases=phases), None, [], small, Predict())
    assert refused.value.code is Code.FEW_PHASES


def constant(value: float) -> Callable[[Any], Any]:
    return lambda patches: np.full((len(patches), *patches.shape[2:]), value, np.float32)


def test_networks_are_averaged_and_each_one_s_volume_is_kept(small: Recipe) -> None:
    found = predicted(study(), None, [constant(0.9), constant(0.3)], small, Predict(keep="all"))
    assert found.probability.array == pytest.approx(0.6, abs=1e-6)
    assert found.mask.array.all()
    assert found.members_cc == pytest.approx((40 * 34 * 32 / 1000, 0.0))


def test_a_prompt_keeps_the_prediction_inside_the_voi_and_is_a_channel(small: Recipe) -> None:
    recipe = dataclasses.replace(small, prompt=True)
    voi = np.zeros(SHAPE, bool)
    voi[5:15, 5:15, 5:15] = True
    seen = []

    def run(patches: Any) -> Any:
        seen.append(patches.shape[1])
        return np.ones((len(patches), 32, 32, 32), np.float32)

    found = predicted(study(), voi, [run], recipe, Predict())
    assert np.array_equal(found.mask.array, voi)
    assert set(seen) == {5}
    assert predicted(study(), None, [run], recipe, Predict()).mask.array.all()


def test_mirroring_undoes_itself(small: Recipe) -> None:
    """A network that says what it sees, voxel by voxel, says the same of every mirror image."""

    def run(patches: Any) -> Any:
        return patches[:, 1]

    plain, mirrored = (predicted(study(), None, [run], small, Predict(mirror=m)) for m in (False, True))
    assert mirrored.probability.array == pytest.approx(plain.probability.array, abs=1e-5)


def test_uncertainty_by_hand() -> None:
    """Mask of two voxels with 0.9 and 0.6, a third with 0.2: 1 - 2 x 1.5 / (1.7 + 2)."""
    probability = np.array([0.9, 0.6, 0.2], np.float32)
    assert uncertainty(probability, probability >= 0.5) == pytest.approx(1 - 3 / 3.7)
    assert uncertainty(np.array([1.0, 0.0], np.float32), np.array([True, False])) == 0
    assert uncertainty(np.zeros(3, np.float32), np.zeros(3, bool)) == 1


def test_components_far_from_the_largest_are_dropped() -> None:
    mask = np.zeros((60, 3, 3), bool)
    mask[0:4], mask[20:22], mask[50:53] = True, True, True
    spacing = (1.0, 1.0, 1.0)
    kept = {keep: set(np.flatnonzero(cleaned(mask, spacing, Predict(keep=keep)).any(axis=(1, 2)))) for keep in
            ("near", "largest", "all")}  # type: ignore[arg-type]  # fmt: skip
    assert kept["near"] == {0, 1, 2, 3, 20, 21}
    assert kept["largest"] == {0, 1, 2, 3}
    assert len(kept["all"]) == 9


@pytest.mark.parametrize("wrong", [{"threshold": 0.0}, {"overlap": 1.0}, {"max_gap_mm": -1.0}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        Predict(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"patch": 40},
        {"patch": 16},
        {"epochs": 0},
        {"foreground": 1.5},
        {"rate": 0.0},
        {"ghosting": 0.5},
        {"augment_on": "volume", "flip": 0.5, "affine": 0.0, "intensity": 0.0},
        {"overlap": 1.0},
    ],
)
def test_recipes_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="recipe"):
        Recipe(**wrong)
