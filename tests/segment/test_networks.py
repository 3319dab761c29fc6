"""The networks have the parameters of their description, and shapes that fit."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from uptake.segment.networks import build, parameters, resunet
from uptake.segment.recipes import RECIPES, Recipe


@pytest.mark.parametrize(("filters", "millions"), [(16, 8.35), (30, 29.33), (32, 33.37)])
def test_the_residual_unet_has_as_many_parameters_as_gandlf_s(torch: Any, filters: int, millions: float) -> None:
    with torch.device("meta"):
        network = resunet(3, filters)
    assert parameters(network) / 1e6 == pytest.approx(millions, abs=0.005)


def test_the_number_of_parameters_is_that_of_the_table_of_blocks(torch: Any) -> None:
    """Counted by hand for 2 filters, 3 channels, 2 classes, blocks as the notes give them."""
    b, c3, norm = 2, lambda n, m: 27 * n * m + m, lambda n: 2 * n
    level = [b * 2**k for k in range(5)]
    count = c3(3, b) + sum(2 * (norm(n) + c3(n, n)) for n in level)
    count += sum(c3(n, 2 * n) + norm(2 * n) for n in level[:4])
    for k, n in enumerate(level[:4]):
        m = 2 * b if k == 0 else n
        count += (2 * n * n + n) + norm(2 * n) + c3(2 * n, m) + 2 * (norm(m) + c3(m, m))
    count += norm(2 * b) + c3(2 * b, 2)
    assert parameters(resunet(3, 2)) == count


@pytest.mark.parametrize("network", ["resunet", "unet", "segresnet", "dynunet"])
def test_every_network_gives_two_logits_per_voxel(torch: Any, network: Any) -> None:
    recipe = Recipe(network=network, filters=4, patch=32, prompt=True)
    made = build(recipe).eval()
    with torch.no_grad():
        assert made(torch.zeros(2, recipe.inputs, 32, 32, 32)).shape == (2, 2, 32, 32, 32)


def test_batch_and_instance_normalisation_are_both_to_be_had(torch: Any) -> None:
    kinds = {norm: {type(m).__name__ for m in resunet(3, 2, norm).modules()} for norm in ("batch", "instance")}
    assert "BatchNorm3d" in kinds["batch"]
    assert "InstanceNorm3d" in kinds["instance"]


def test_dropout_is_in_the_encoder_only(torch: Any) -> None:
    drops = [name for name, module in resunet(3, 2).named_modules() if type(module).__name__ == "Dropout3d"]
    assert len(drops) == 5
    assert all(name.startswith("encoders.") for name in drops)


def test_the_networks_see_the_channels_of_their_recipe() -> None:
    assert RECIPES["paper"].inputs == 3
    assert RECIPES["ours"].inputs == 4
    assert dataclasses.replace(RECIPES["ours"], prompt=True).inputs == 5
